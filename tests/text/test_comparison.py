"""Comparing methods: the statistics, and the split they are taken on."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vicinal._calibration import Calibration
from vicinal._stats import Estimate
from vicinal.text import Comparison, compare_methods, split_texts
from vicinal.text.classifier.comparison import MethodScore, holm, paired_p

pytestmark = pytest.mark.usefixtures("few_buckets")


def test_holm_by_hand():
    # ranks 1, 3, 2: 0.01 * 3, then 0.03 * 2, and 0.04 * 1 may not fall below what came before
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=12))
def test_the_test_is_students(values):
    x = np.array(values)
    if x.std() > 1e-9:
        assert paired_p(x) == pytest.approx(stats.ttest_1samp(x, 0).pvalue, abs=1e-12)


def test_a_single_seed_has_no_test():
    assert math.isnan(paired_p([0.5]))


def test_one_difference_for_all_seeds_proves_nothing():
    assert math.isnan(paired_p([0.9 - 0.8, 0.8 - 0.7, 0.1]))  # apart by rounding
    assert paired_p([0.0, 0.0]) == 1.0
    assert holm([0.01, paired_p([0.1, 0.1])])[0] == 0.02


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2)), min_size=8, max_size=60),
    st.integers(0, 5),
)
def test_a_split_shares_out_whole_texts(rows, seed):
    texts, labels = [str(text) for text, _ in rows], [label for _, label in rows]
    try:
        train, test = split_texts(texts, labels, random_state=seed)
    except ValueError:
        assert len(set(texts)) <= 3  # no class has two texts
        return
    assert sorted(zip(*train, strict=True)) + sorted(zip(*test, strict=True)) != []
    assert sorted([*zip(*train, strict=True), *zip(*test, strict=True)]) == sorted(
        zip(texts, labels, strict=True)
    )
    assert not set(train[0]) & set(test[0])
    assert test[0]


def test_a_split_keeps_proportions_and_its_seed():
    texts, labels = [f"t{i}" for i in range(100)], ["a"] * 80 + ["b"] * 20
    train, test = split_texts(texts, labels, random_state=3)
    assert (test[1].count("a"), test[1].count("b")) == (16, 4)
    assert split_texts(texts, labels, random_state=3) == (train, test)
    assert split_texts(texts, labels, random_state=4) != (train, test)
    # whatever numbers its rows have
    order = np.random.default_rng(0).permutation(100)
    series = (pd.Series(texts, index=order), pd.Series(labels, index=order))
    assert split_texts(*series, random_state=3) == (train, test)


def test_too_few_texts_to_split():
    with pytest.raises(ValueError, match="too few to put some aside"):
        split_texts(["a", "b"], [0, 1])


def test_repeats_that_do_not_fit_are_learned_from():
    texts = [""] * 9 + [f"t{i}" for i in range(51)]
    labels = [i % 2 for i in range(60)]
    for seed in range(10):
        train, test = split_texts(texts, labels, random_state=seed)
        assert (len(train[0]), len(test[0])) == (48, 12)
        assert "" not in test[0]
    big, small = ["a"] * 30, ["b"] * 20
    _, test = split_texts([*big, *small, "c"], [0] * 50 + [1], random_state=0)
    assert test[0] == small


def test_texts_that_are_all_equal_are_not_split():
    with pytest.raises(ValueError, match="60 texts, of which 1 distinct, in 2 classes"):
        split_texts([""] * 60, [0, 1] * 30)


def _score(method, f1, gain, p):
    each, mean = tuple(f1), Estimate.of_repeats(f1)
    sure = tuple(
        Calibration(0.5, 0.2, Estimate(0.1, 0.05, 0.2), ((0.6, 0.5, 10), (0.9, 0.8, 10)))
        for _ in f1
    )
    gained = Estimate(gain, gain - 0.01, gain + 0.01)
    return MethodScore(
        method, each, each, each, mean, gained, p, sure, sure, each, gained, p
    )  # fmt: skip


def test_a_summary_claims_no_more_than_the_test():
    none = _score("none", [0.5, 0.6], math.nan, math.nan)
    made = Comparison(
        (none, _score("dmix", [0.7, 0.8], 0.2, 0.2)), 2, 10, 5, 2, True, {"model": "char"}
    )
    assert "No method differs from no mixing" in made.summary()
    assert "| none (no mixing) | 55.0 ± 63.5 |" in made.summary()
    assert "| dmix | 0.500 ± 0.000 | 0.200 ± 0.000 | 0.100 ± 0.000 |" in made.summary()
    worse = Comparison((none, _score("dmix", [0.3, 0.4], -0.2, 0.01)), 2, 10, 5, 2, True, {})
    assert "dmix loses" in worse.summary()
    same = Comparison((none, _score("dmix", [0.6, 0.7], 0.1, math.nan)), 2, 10, 5, 2, True, {})
    assert "No method differs from no mixing" in same.summary()
    single = Comparison((none,), 1, 10, 5, 2, False, {})
    assert "no telling a gain from chance" in single.summary()


def test_probabilities_are_measured_before_and_after_a_temperature(tmp_path):
    pytest.importorskip("torch")
    words = {0: "good fine glad", 1: "bad dull sad"}
    texts = [
        f"{word} film {i}" for i in range(20) for side in (0, 1) for word in words[side].split()
    ]
    labels = [side for _ in range(20) for side in (0, 1) for _ in words[side].split()]
    found = compare_methods(
        texts, labels, ["none", "hidden"], outside=["much rain", "some snow"], seeds=2,
        random_state=0, model="char", epochs=1,
    )  # fmt: skip
    columns = found._columns()
    assert columns["auroc"] == [pytest.approx(np.mean(one.auroc)) for one in found.scores]
    assert np.isnan(columns["auroc_unknown"]).all(), "nothing was learned of no class"
    for one in found.scores:
        assert len(one.probabilities) == len(one.scaled) == len(one.temperature) == 2
        assert all(0 <= each.ece.value <= 1 and each.log_loss > 0 for each in one.probabilities)
        assert all(0.01 <= each <= 100 for each in one.temperature)
    assert math.isnan(found.scores[0].loss_gain.value)
    gain = [b.log_loss - a.log_loss for a, b in zip(*(s.scaled for s in found.scores), strict=True)]
    assert found.scores[1].loss_gain.value == pytest.approx(np.mean(gain))
    pytest.importorskip("jinja2")
    found.to_html(tmp_path / "methods.html")
    page = (tmp_path / "methods.html").read_text("utf-8")
    assert page.count("reliability-") >= 2
    assert "What the probabilities are worth" in page


def test_test_texts_that_were_learned_are_told():
    pytest.importorskip("torch")
    texts = [f"{word} film {i}" for i in range(12) for word in ("good", "bad")]
    labels = [0, 1] * 12
    with pytest.raises(ValueError, match="all 6 are among them"):
        compare_methods(texts, labels, ["none"], test=(texts[:6], labels[:6]))
    with (
        pytest.warns(UserWarning, match="2 of 4 test texts are training texts"),
        pytest.warns(UserWarning, match="1 texts of outside are training texts"),
    ):
        compare_methods(
            texts, labels, ["none"], test=([*texts[:2], "good", "bad"], [0, 1, 0, 1]),
            outside=[texts[0], "rain"], random_state=0, model="char", epochs=1,
        )  # fmt: skip
