"""Intrusion counted by hand, against base rates and intervals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal import Random
from vicinal.text.augment import augment, measure_intrusion
from vicinal.text.augment.intrusion import Rate

FOOD, SKY, SPORT = "soup bread cheese salt", "moon star comet sun", "goal match team ball"


@given(st.integers(0, 60), st.integers(1, 60))
def test_wilson_is_scipys(count, total):
    from scipy.stats import binomtest

    count = min(count, total)
    interval = binomtest(count, total).proportion_ci(0.95, method="wilson")
    assert Rate(count, total).interval == pytest.approx((interval.low, interval.high), abs=1e-9)


def test_rate_of_nothing():
    assert str(Rate(0, 0)) == "none"
    assert Rate(0, 0).interval == (0.0, 1.0)
    assert str(Rate(1, 4)) == "25.0 % [4.6, 69.9]"


@pytest.fixture
def crafted(fake, topics):
    """Six rows whose sentences are what we say, with parents food, sport, sky and food again."""
    made = augment(
        *topics(8), inverter=fake, n_samples=6, pairing=Random(), random_state=0, label_check="none"
    )
    return dataclasses.replace(
        made,
        source=[FOOD, SPORT, SKY, "soup apple dinner cook"],
        source_labels=np.array(["food", "sport", "sky", "food"]),
        left=np.array([0, 0, 0, 0, 0, 0]),
        right=np.array([1, 1, 1, 1, 3, 3]),
        lam=np.array([0.6, 0.6, 0.9, 0.1, 0.5, 0.5]),
        # neither; a parent's; against 0.9; agrees with 0.1; within: neither; within: agrees
        texts=[SKY, SPORT, SPORT, SPORT, SKY, FOOD],
        label_weights=np.array(
            [[0.6, 0, 0.4], [0.6, 0, 0.4], [0.9, 0, 0.1], [0.1, 0, 0.9], [1, 0, 0], [1, 0, 0]]
        ),
    )


def test_counts_by_hand(fake, topics, crafted):
    found = measure_intrusion(crafted, *topics(12, seed=9), inverter=fake, neighbors=5)
    assert found.intruded.tolist() == [True, False, True, False, True, False]
    assert found.judged.tolist() == ["sky", "sport", "sport", "sport", "sky", "food"]
    assert (found.rate.count, found.rate.total) == (3, 6)
    assert (found.neither_across.count, found.neither_across.total) == (1, 4)
    assert (found.neither_within.count, found.neither_within.total) == (1, 2)
    assert (found.contradicted.count, found.contradicted.total) == (1, 2)
    assert found.base.count == 0  # topics are far apart: parents are judged right
    assert found.excess[0] == 0.5
    # +1 three times, 0 three times: standard deviation sqrt(0.3)
    assert found.excess[1] == pytest.approx(1.959964 * np.sqrt(0.3) / np.sqrt(6))
    assert found.judge == "the 5 nearest real texts"


def test_mixed_embeddings_intrude_only_where_mixing_does(fake, topics, crafted):
    found = measure_intrusion(crafted, *topics(12, seed=9), inverter=fake, neighbors=5)
    # embeddings lie where the ratio says, whatever was written
    assert found.embeddings.count == 0


def test_bins_hold_all_rows(fake, topics):
    made = augment(
        *topics(), inverter=fake, n_samples=60, pairing=Random(), random_state=0, label_check="none"
    )
    found = measure_intrusion(made, *topics(12, seed=9), inverter=fake, quantiles=3)
    for bins in (found.by_weight, found.by_distance):
        assert sum(one.sentences.total for one in bins) == 60
        assert sum(one.sentences.count for one in bins) == found.rate.count
        assert sum(one.base.count for one in bins) == found.base.count
    assert len(found.by_distance) == 3
    assert [one.high for one in found.by_weight] == [0.6, 0.7, 0.8, 0.9, 1.0]


def test_wrong_judges_show_in_the_base_rate(fake, topics):
    made = augment(
        *topics(), inverter=fake, n_samples=60, pairing=Random(), random_state=0, label_check="none"
    )
    texts, labels = topics(12, seed=9)
    turned = {"food": "sky", "sky": "sport", "sport": "food"}
    right = measure_intrusion(made, texts, labels, inverter=fake)
    wrong = measure_intrusion(made, texts, [turned[one] for one in labels], inverter=fake)
    assert right.base.share < 0.05
    assert wrong.base.share > 0.5  # by no fault of the sentences
    assert wrong.rate.share > right.rate.share


def test_own_texts_judge_without_the_parents(fake):
    texts = [FOOD, "soup apple dinner cook", SKY, "moon planet galaxy dust"]
    labels = ["food", "food", "sky", "sky"]
    made = augment(
        texts,
        labels,
        inverter=fake,
        n_samples=8,
        pairing=Random(),
        random_state=1,
        label_check="none",
    )
    rows = np.flatnonzero(made.source_labels[made.left] == made.source_labels[made.right])
    assert len(rows)
    # with both texts of the class left out as parents, only the other class is there to vote
    found = measure_intrusion(made, inverter=fake, neighbors=1)
    assert found.intruded[rows].all()
    assert found.base.count >= len(rows)


def test_two_classes_can_only_contradict(fake, topics):
    texts, labels = topics()
    two = [at for at, one in enumerate(labels) if one != "sky"]
    texts, labels = [texts[at] for at in two], [labels[at] for at in two]
    made = augment(
        texts,
        labels,
        inverter=fake,
        n_samples=40,
        pairing=Random(),
        random_state=0,
        label_check="none",
    )
    found = measure_intrusion(made, inverter=fake)
    assert found.neither_across.count == 0
    assert found.neither_across.total > 0
    assert "can only contradict" in found.summary()


def test_judge_in_place_of_neighbors(fake, topics, says):
    made = augment(
        *topics(), inverter=fake, n_samples=30, pairing=Random(), random_state=0, label_check="none"
    )
    judge = says(["food", "sky", "sport"], lambda text: [1, 0, 0])
    found = measure_intrusion(made, inverter=fake, judge=judge)
    assert found.embeddings is None
    assert found.judge == "a classifier"
    assert set(found.judged) == {"food"}
    assert found.excess[0] == 0  # the judge says the same of everything
    assert str(found) == found.summary()


def test_judge_of_embeddings_judges_mixtures_too(fake, topics, says):
    made = augment(
        *topics(), inverter=fake, n_samples=30, pairing=Random(), random_state=0, label_check="none"
    )
    judge = says(["food", "sky", "sport"], lambda text: pytest.fail("embedded again"))
    judge.predict_proba_embeddings = lambda rows: np.eye(3)[np.zeros(len(rows), int)]
    found = measure_intrusion(made, inverter=fake, judge=judge)
    assert found.embeddings == found.base == found.rate


def test_relabelled_rows_are_held_against_their_new_label(fake, topics, crafted):
    codes = np.searchsorted(crafted.classes, ["sky", "sport", "sport", "sport", "sky", "food"])
    relabelled = dataclasses.replace(crafted, label_weights=np.eye(3)[codes])
    found = measure_intrusion(relabelled, *topics(12, seed=9), inverter=fake, neighbors=5)
    assert found.rate.count == 0
    assert found.base.count == 0  # parents are held against the mixed label


def test_refused(fake, topics):
    texts, labels = topics(6)
    made = augment(texts, labels, inverter=fake, n_samples=5, random_state=0, label_check="none")
    none = augment(texts, labels, inverter=fake, n_samples=0)
    with pytest.raises(ValueError, match="augmented has no rows"):
        measure_intrusion(none, inverter=fake)
    with pytest.raises(ValueError, match="Give texts and labels together"):
        measure_intrusion(made, texts, inverter=fake)
    with pytest.raises(ValueError, match="labels must be one for each text"):
        measure_intrusion(made, texts, labels[1:], inverter=fake)
    with pytest.raises(ValueError, match="no text of class 'food'"):
        measure_intrusion(made, [SKY, SPORT], ["sky", "sport"], inverter=fake)
    with pytest.raises(ValueError, match="nothing to judge by"):
        measure_intrusion(made, [""], ["food"], inverter=fake)
    with pytest.raises(ValueError, match="label_threshold"):
        measure_intrusion(made, inverter=fake, label_threshold=0.2)
