"""Whether a model tells tables apart: the figure, its interval and its traps."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from vicinal._stats import Estimate, auc_estimate
from vicinal.report.fidelity.twosample import TwoSample, _folds, two_sample_test
from vicinal.report.tables import align

scores = st.lists(st.integers(0, 9), min_size=1, max_size=30)


@given(scores, scores)
def test_auc_is_scikit_learn_s(negative, positive):
    expected = roc_auc_score([0] * len(negative) + [1] * len(positive), negative + positive)
    found = auc_estimate(negative, positive)
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1


def test_delong_s_interval_covers(z_limit):
    # 400 draws of normal scores one unit apart: the true area is Phi(1 / sqrt 2) = 0.76025
    rng = np.random.default_rng(0)
    hits = sum(
        found.low <= 0.7602499 <= found.high
        for found in (
            auc_estimate(rng.normal(size=150), rng.normal(1, size=200)) for _ in range(400)
        )
    )
    # the interval is asymptotic: a coverage of 93 % still passes, 85 % does not
    error = (0.95 * 0.05 / 400) ** 0.5
    assert abs(hits / 400 - 0.95) < z_limit() * error
    assert hits / 400 > 0.9


def test_an_interval_remains_where_all_pairs_are_in_one_order():
    found = auc_estimate(np.zeros(50), np.ones(50))
    assert found.value == 1.0
    assert 0.9 < found.low < 1.0
    assert found.high == 1.0


def table(rng, n=1500, shift=0.0):
    x = rng.normal(size=n) + shift
    c = rng.choice(["a", "b", "c"], n)
    return pa.table({"x": x, "c": c, "y": np.where(rng.random(n) < 0.1, np.nan, x)})


def test_a_guess_on_rows_of_one_law():
    rng = np.random.default_rng(0)
    found = two_sample_test(align(table(rng), table(rng)), np.random.default_rng(0))
    assert found.rows == 1500
    # standard error of an AUC of two samples of 1,500: sqrt(1 / (6 * 1500)) = 0.0105
    assert abs(found.auc.value - 0.5) < 4.9 * 0.0105


def test_shifted_rows_are_told_apart():
    rng = np.random.default_rng(0)
    found = two_sample_test(align(table(rng), table(rng, shift=1.5)), np.random.default_rng(0))
    assert found.auc.low > 0.7


def test_copies_do_not_pull_the_figure_below_a_guess():
    rng = np.random.default_rng(0)
    real = table(rng)
    tables = align(real, real)
    found = two_sample_test(tables, np.random.default_rng(0))
    assert found.auc.value == pytest.approx(0.5, abs=1e-9)  # equal rows, equal scores


def test_rows_that_follow_the_real_ones_are_said_to():
    assert TwoSample(Estimate(0.4, 0.35, 0.45), 100).follows
    assert not TwoSample(Estimate(0.47, 0.44, 0.5), 100).follows
    assert not TwoSample(Estimate(float("nan")), 3).follows


def test_equal_rows_share_a_fold():
    features = np.array([[1.0, np.nan], [2.0, 0.0], [1.0, np.nan], [3.0, 1.0]])
    folds = _folds(features, np.random.default_rng(0))
    assert folds[0] == folds[2]
    assert len(set(folds.tolist())) == 3


def test_same_seed_same_figure():
    rng = np.random.default_rng(0)
    tables = align(table(rng, 300), table(rng, 300))
    first, second = (two_sample_test(tables, np.random.default_rng(5)) for _ in range(2))
    assert first == second


@pytest.mark.filterwarnings("ignore:Fewer than")
def test_few_rows_are_not_measured():
    rng = np.random.default_rng(0)
    found = two_sample_test(align(table(rng, 100), table(rng, 19)), rng)
    assert found.rows == 19
    assert str(found.auc) == "not measured"


def test_a_column_without_values_tells_nothing():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 200))
    tables = [pa.table({"x": one, "gone": pa.nulls(200, pa.float64())}) for one in x]
    found = two_sample_test(align(*tables), np.random.default_rng(0))
    assert 0.35 < found.auc.value < 0.65
