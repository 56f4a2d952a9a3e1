"""The measured ratio, and the choice among candidates."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vicinal.text.augment.ratio import measure_ratio
from vicinal.text.augment.selection import score_candidates

points = arrays(np.float64, (3, 4), elements=st.floats(-100, 100).map(lambda x: round(x, 3)))


def test_hand_computed():
    # on the line from (0, 0) to (4, 0): beyond the left parent, beyond the right one, beside it
    found = measure_ratio([[5, 7], [-2, 0], [1, -3]], [[4, 0]] * 3, [[0, 0]] * 3)
    assert found.tolist() == [1.25, -0.5, 0.25]


@given(points, points, arrays(np.float64, 3, elements=st.floats(-2, 2)))
def test_mixture_has_its_own_ratio(left, right, lam):
    left[:, 0] += 300  # never coincident
    mixed = lam[:, None] * left + (1 - lam[:, None]) * right
    np.testing.assert_allclose(measure_ratio(mixed, left, right), lam, atol=1e-9)


@given(points, points, points)
def test_swapped_parents_mirror_the_ratio(made, left, right):
    left[:, 0] += 300
    forth, back = measure_ratio(made, left, right), measure_ratio(made, right, left)
    np.testing.assert_allclose(forth, 1 - back, atol=1e-9)


def test_coincident_parents_are_told_and_spoil_no_other_row():
    with pytest.warns(UserWarning, match=r"1 pair\(s\) of parents are one point.*pair 1.*NaN"):
        found = measure_ratio(
            [[1.0, 0.0], [1.0, 0.0]], [[2.0, 0.0], [3.0, 1.0]], [[0.0, 0.0], [3.0, 1.0]]
        )
    assert found[0] == 0.5
    assert np.isnan(found[1])


def test_different_parents_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measure_ratio([[1.0]], [[2.0]], [[0.0]])


@pytest.mark.parametrize(
    ("made", "left", "error", "words"),
    [
        ([1.0], [[1.0]], ValueError, r"embeddings must have shape.*\[point\]"),
        ([[1.0, 2.0]], [[1.0]], ValueError, "of one shape"),
        ([[np.nan]], [[1.0]], ValueError, "embeddings holds NaN"),
        ([["a"]], [[1.0]], TypeError, "embeddings must hold numbers"),
    ],
    ids=["one point", "widths", "nan", "words"],
)
def test_bad_input(made, left, error, words):
    with pytest.raises(error, match=words):
        measure_ratio(made, left, [[0.0]])


CLOSE = np.array([[0.90, 0.80, 0.85]])
MEASURED = np.array([[0.10, 0.50, 0.48]])
LIKELY = np.array([[-1.0, -1.0, -1.0]])


@pytest.mark.parametrize(("rank", "best"), [("closeness", 0), ("ratio", 1), ("both", 2)])
def test_each_rank_has_its_favorite(rank, best):
    scores = score_candidates(CLOSE, MEASURED, np.array([0.5]), LIKELY, rank)
    assert scores.argmax() == best


def test_likelihood_decides_between_equals_and_missing_ratios_do_not_count():
    alike = np.full((1, 3), 0.8)
    likely = np.array([[-2.0, -1.0, -np.inf]])
    scores = score_candidates(alike, np.full((1, 3), np.nan), np.array([0.5]), likely, "both")
    assert scores.argmax() == 1
    assert np.isfinite(scores).all()


@given(arrays(np.float64, (4, 3), elements=st.floats(0, 1)))
def test_score_of_a_row_does_not_depend_on_its_neighbors(values):
    lam = np.array([0.1, 0.4, 0.6, 0.9])
    whole = score_candidates(values, values[:, ::-1], lam, -values, "both")
    alone = score_candidates(values[1:2], values[1:2, ::-1], lam[1:2], -values[1:2], "both")
    np.testing.assert_array_equal(whole[1:2], alone)
