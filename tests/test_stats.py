"""Figures with intervals, against known values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from vicinal import Estimate


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
