"""Figures with intervals, against known values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from vicinal import Estimate
from vicinal._stats import auc_estimate, spearman


@pytest.mark.parametrize(("hits", "total"), [(0, 10), (3, 10), (10, 10), (55, 100), (4999, 10_000)])
def test_shares_have_wilson_s_interval(hits, total):
    found = Estimate.of_share(hits, total)
    low, high = stats.binomtest(hits, total).proportion_ci(0.95, method="wilson")
    assert found.value == hits / total
    assert found.low == pytest.approx(low, abs=1e-9)
    assert found.high == pytest.approx(high, abs=1e-9)


def test_repeats_have_student_s_interval():
    values = np.random.default_rng(0).normal(3, 1, 7)
    found = Estimate.of_repeats(values)
    low, high = stats.t.interval(0.95, 6, loc=values.mean(), scale=stats.sem(values))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_what_cannot_be_measured():
    assert math.isnan(Estimate.of_share(0, 0).value)
    assert math.isnan(Estimate.of_repeats([]).value)
    assert math.isnan(Estimate.of_repeats([2.0]).low)
    assert str(Estimate.of_repeats([])) == "not measured"
    assert str(Estimate(0.5)) == "0.500"


def test_bootstraps_have_the_interval_of_one_of_them_within_limits():
    values = [0.9, 0.95, 0.99, math.nan]
    found = Estimate.of_bootstraps(values, 0.0, 1.0)
    assert found.low == pytest.approx(
        np.mean(values[:3]) - stats.t.ppf(0.975, 2) * np.std(values[:3], ddof=1)
    )
    assert found.high == 1.0
    assert math.isnan(Estimate.of_bootstraps([0.5]).low)
    assert math.isnan(Estimate.of_bootstraps([math.nan]).value)


@pytest.mark.parametrize("rows", [2, 10, 1000])
def test_spearman_is_scipys(rows):
    rng = np.random.default_rng(rows)
    x = rng.normal(size=rows).round(1)
    y = (x + rng.normal(size=rows)).round(1)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-9)


def test_spearman_without_variation_or_rows():
    assert math.isnan(spearman([1, 1], [1, 2]))
    assert math.isnan(spearman([1], [1]))
    assert spearman([1, 2, 3], [1, np.nan, 3]) == 1.0


def test_one_score_alone_proves_nothing():
    scores = np.random.default_rng(0).random(1000)
    found = auc_estimate(scores, [0.4])
    assert (found.low, found.high) == (0.0, 1.0)
    assert 0.3 < found.value < 0.5
