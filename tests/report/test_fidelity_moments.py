"""Moments, their errors and what a plan predicts: by enumeration, theory and simulation."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from vicinal import (
    Beta,
    EpBeta,
    Farthest,
    MixPlan,
    Permutation,
    SphereWeights,
    Uniform,
    make_plan,
)
from vicinal.report.fidelity.moments import FLAG_ERRORS, measure_moments
from vicinal.report.fidelity.prediction import _expected
from vicinal.report.tables import align
from vicinal.table import TableSynthesizer


def moments(real, synthetic, plan=None):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Fewer than", UserWarning)
        tables = align(
            *(pa.table(dict(zip("abcdef", x.T, strict=False))) for x in (real, synthetic))
        )
    return measure_moments(tables, plan)


def figure(found, name):
    return next(one for one in found.figures if one.name == name)


def skewed(n, rng):
    """Return rows of a skewed, heavy and a normal column that hang together."""
    z = rng.normal(size=(n, 3)) @ np.array([[1, 0.6, 0.3], [0, 0.8, 0.4], [0, 0, 0.8]])
    return np.column_stack(
        [np.exp(0.4 * z[:, 0]), stats.logistic.ppf(stats.norm.cdf(z[:, 1])), z[:, 2]]
    )


def test_moments_are_numpy_s_and_scipy_s():
    rng = np.random.default_rng(0)
    x = skewed(500, rng) * [1, 100, 1e-4] + [0, 1e6, 5]
    found = moments(x, x)
    covariance = np.cov(x.T, ddof=0)
    for at, name in enumerate("abc"):
        assert figure(found, f"mean of {name}").real == pytest.approx(x[:, at].mean())
        assert figure(found, f"variance of {name}").real == pytest.approx(covariance[at, at])
        assert figure(found, f"skewness of {name}").real == pytest.approx(stats.skew(x[:, at]))
        assert figure(found, f"kurtosis of {name}").real == pytest.approx(stats.kurtosis(x[:, at]))
    assert figure(found, "covariance of a and c").real == pytest.approx(covariance[0, 2])
    assert not found.flagged
    assert found.law == ""
    assert not found.predicts
    assert [one.kind for one in found.figures].count("covariance") == 3


def test_errors_of_a_normal_law_are_the_known_ones():
    rng = np.random.default_rng(1)
    n = 200_000
    x = rng.normal(size=(n, 2)) * [3.0, 1.0]
    found = moments(x, x)
    both = math.sqrt(2 / n)  # two samples of n
    for name, expected in (
        ("mean of a", 3 * both),
        ("variance of a", 9 * math.sqrt(2) * both),
        ("skewness of a", math.sqrt(6) * both),
        ("kurtosis of a", math.sqrt(24) * both),
        ("covariance of a and b", 3 * both),
    ):
        assert figure(found, name).error == pytest.approx(expected, rel=0.05)


def test_errors_are_what_repeated_samples_show():
    rng = np.random.default_rng(2)
    repeats, n = 400, 1500
    drawn = [moments(x, x) for x in (skewed(n, rng) for _ in range(repeats))]
    for at, one in enumerate(drawn[0].figures):
        heavy = one.kind in {"skewness", "kurtosis"} and one.columns != ("c",)
        if heavy:
            continue  # no sample of this size knows its sixth and eighth moments
        values = np.array([each.figures[at].real for each in drawn])
        errors = np.array([each.figures[at].error for each in drawn]) / math.sqrt(2)
        # spread of 400 repeats is known to 1 / sqrt(800) = 3.5 %, five of them are 18 %
        assert np.nanmedian(errors) == pytest.approx(values.std(), rel=0.18), one.name


def test_an_error_that_one_row_decides_is_none():
    rng = np.random.default_rng(15)
    x, y = rng.normal(size=(2, 1000, 1))
    x[0] = 50.0
    found = moments(x, y)
    for kind in ("skewness", "kurtosis"):
        one = figure(found, f"{kind} of a")
        assert abs(one.real - one.synthetic) > 1
        assert math.isnan(one.error)
        assert not one.flagged


def test_false_alarms_are_as_rare_as_declared():
    rng = np.random.default_rng(3)
    looked = alarms = 0
    for _ in range(400):
        found = moments(rng.normal(size=(1000, 4)), rng.normal(size=(1500, 4)))
        looked += len(found.figures)
        alarms += len(found.flagged)
    assert looked == 400 * 22
    # 1 in 16,000 in the limit, at most 1 in 2,000 with 1,000 normal rows: 8,800 figures give at
    # most 4.4, and more than 17 of them less than once in 1,000,000
    assert alarms <= stats.poisson(looked / 2000).isf(1e-6)


def test_a_small_change_is_flagged():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(2, 20_000, 2))
    y[:, 1] = 1.1 * y[:, 1] + 0.1  # 10 and 10 standard errors
    names = {one.name for one in moments(x, y).flagged}
    assert names == {"mean of b", "variance of b"}


def enumerated(rows, weights, parents):
    """Return a plan that meets every choice of parents with every row of weights."""
    chosen = [(p, w) for p in parents for w in weights]
    return MixPlan.from_parents([p for p, _ in chosen], [w for _, w in chosen])


def check_enumerated(rows, plan):
    mixed = plan.apply(rows)
    single, covariance = _expected(np.asfortranarray(rows), plan)
    np.testing.assert_allclose(single[:, 0], mixed.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(covariance, np.cov(mixed.T, ddof=0), rtol=1e-9)
    np.testing.assert_allclose(single[:, 1], mixed.var(axis=0), rtol=1e-9)
    np.testing.assert_allclose(single[:, 2], stats.skew(mixed), rtol=1e-8)
    np.testing.assert_allclose(single[:, 3], stats.kurtosis(mixed), rtol=1e-8)


def test_two_parents_by_enumeration():
    # near partners and unequal weights: the prediction is exact where weights meet all parents
    rng = np.random.default_rng(5)
    rows = skewed(12, rng)
    weights = [[w, 1 - w] for w in (1.2, 0.9, 0.7, -0.1)]
    parents = [(i, (i + 1 + i % 2) % 12) for i in range(12)]
    check_enumerated(rows, enumerated(rows, weights, parents))


@pytest.mark.parametrize("k", [3, 4, 5])
def test_many_parents_by_enumeration(k):
    rng = np.random.default_rng(6)
    rows = skewed(9, rng)
    drawn = SphereWeights(k).sample(2, rng)
    weights = [list(p) for w in drawn for p in itertools.permutations(w)]
    parents = [tuple((i * step + step) % 9 for step in range(1, k + 1)) for i in range(9)]
    check_enumerated(rows, enumerated(rows, weights, parents))


LAWS = [Uniform(), Beta(0.3), EpBeta(0.1), SphereWeights(3), SphereWeights(8)]
MIXES = [(law, Permutation()) for law in LAWS] + [(law, Farthest(0.2)) for law in LAWS[:3]]


@pytest.mark.parametrize(("law", "pairing"), MIXES, ids=lambda one: type(one).__name__)
def test_mixes_agree_with_their_prediction(law, pairing):
    rng = np.random.default_rng(7)
    x = skewed(3000, rng)
    plan = make_plan(x, 6000, pairing=pairing, weights=law, random_state=0)
    found = moments(x, plan.apply(x), plan)
    assert found.predicts
    assert "3 of 3 numeric columns are plain mixes" in found.law
    assert all(not math.isnan(one.predicted) for one in found.figures)
    assert not found.flagged
    assert len(found.figures) == 15


def test_prediction_is_the_theory_s_for_independent_parents():
    rng = np.random.default_rng(8)
    n = 40_000
    x = np.column_stack([rng.exponential(size=n), rng.normal(size=n)])
    law = EpBeta(0.1)
    plan = make_plan(n, weights=law, pairing=Permutation(), random_state=1)
    found = moments(x, plan.apply(x), plan)
    v = plan.lam * (1 - plan.lam)
    rho = 1 - 2 * v.mean()
    g1, g2 = stats.skew(x[:, 0]), stats.kurtosis(x[:, 0])
    expected = {
        "mean of a": x[:, 0].mean(),
        "variance of a": rho * x[:, 0].var(),
        "skewness of a": (1 - 3 * v.mean()) * g1 / rho**1.5,
        "kurtosis of a": (
            (1 - 4 * v + 2 * v**2).mean() * g2 + 3 * ((1 - 2 * v) ** 2).mean()
        ) / rho**2 - 3,
    }  # fmt: skip
    for name, value in expected.items():
        # parents of a random permutation are independent up to their own sampling error
        one = figure(found, name)
        assert abs(one.predicted - value) < FLAG_ERRORS * one.error, name


def test_shrinkage_is_predicted_and_seen_without_a_plan():
    rng = np.random.default_rng(9)
    x = rng.normal(size=(20_000, 2))
    plan = make_plan(len(x), weights=Uniform(), random_state=0)
    mixed = plan.apply(x)
    known = figure(moments(x, mixed, plan), "variance of a")
    assert known.predicted == pytest.approx(2 / 3, rel=0.02)
    assert not known.flagged
    assert figure(moments(x, mixed), "variance of a").flagged


def test_a_lie_about_the_weights_is_flagged():
    # rows mixed with uniform weights, a plan that claims weights that keep the variance
    rng = np.random.default_rng(10)
    x = np.round(rng.normal(size=(20_000, 1)) * 3)
    plan = make_plan(len(x), weights=Uniform(), random_state=0)
    claimed = MixPlan(plan.left, plan.right, np.clip(plan.lam * 1.02, 0, 1))
    found = moments(x, plan.apply(x) * 1.03, claimed)
    assert found.predicts
    assert figure(found, "variance of a").flagged


def test_numbers_mixed_on_another_scale_are_held_against_the_real_ones():
    rng = np.random.default_rng(11)
    real = pa.table({"x": rng.exponential(size=1500), "y": rng.normal(size=1500)})
    for marginals, predicted in (("normal-score", False), ("raw", True)):
        model = TableSynthesizer(
            method="rows", marginals=marginals, weights=EpBeta(0.1), random_state=0
        ).fit(real)
        synthetic, plan = model.sample(return_plan=True)
        found = measure_moments(align(real, synthetic), plan)
        known = {
            name for one in found.figures if not math.isnan(one.predicted) for name in one.columns
        }
        if predicted:
            # clipping to the real range may show in a column with an end
            assert "y" in known
        else:
            assert not known
            assert "normal scores" in found.law
            assert not found.predicts
        assert not figure(found, "mean of y").flagged


def test_gaps_have_no_prediction():
    rng = np.random.default_rng(12)
    x = rng.normal(size=(500, 2))
    plan = make_plan(500, weights=EpBeta(0.1), random_state=0)
    mixed = plan.apply(x)
    x[3, 0] = np.nan
    found = moments(x, mixed, plan)
    assert "1 of 2 numeric columns" in found.law
    assert math.isnan(figure(found, "mean of a").predicted)
    assert math.isnan(figure(found, "covariance of a and b").predicted)
    assert not math.isnan(figure(found, "mean of b").predicted)


def test_plans_that_do_not_fit():
    rng = np.random.default_rng(13)
    x = rng.normal(size=(100, 2))
    plan = make_plan(100, weights=EpBeta(0.1), random_state=0)
    with pytest.raises(ValueError, match="plan has 100 rows but the synthetic table has 60"):
        moments(x, x[:60], plan)
    found = moments(x[:50], plan.apply(x), plan)
    assert "names rows that the real table has not" in found.law
    uneven = MixPlan.from_parents(np.zeros((100, 3), int), np.tile([0.8, 0.1, 0.1], (100, 1)))
    assert "by their place" in moments(x, x, uneven).law


def test_few_rows_have_no_error_and_no_flag():
    x = np.arange(20.0)[:, None]
    found = moments(x, x * 10)
    assert not found.flagged
    assert math.isnan(figure(found, "mean of a").error)


def test_only_the_covariances_furthest_off_are_listed(monkeypatch):
    monkeypatch.setattr("vicinal.report.fidelity.moments.SHOWN_COVARIANCES", 2)
    rng = np.random.default_rng(14)
    x, y = rng.normal(size=(2, 2000, 4))
    y[:, 3] = y[:, 2]
    found = moments(x, y)
    assert found.left_out == 4
    listed = [one.name for one in found.figures if one.kind == "covariance"]
    assert "covariance of c and d" in listed
    assert len(listed) == 2
