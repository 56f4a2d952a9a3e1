"""Partners from a reference sample: the same ones however the rows are cut."""

from __future__ import annotations

import itertools
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal import Farthest, Nearest, Random
from vicinal.geometry import pairwise_distance, rescale_to_ball

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from reference_pairs import Reference, pair_with_reference, reference_rows

RNG = np.random.default_rng(0)
X = RNG.normal(size=(1200, 6)) * RNG.uniform(0.2, 3, (1200, 1))
ROWS = reference_rows(len(X), 300, random_state=1)
REFERENCE = Reference(ROWS, X[ROWS])
PAIRINGS = [
    Farthest(0.1),
    Farthest(0.1, median_radius=0.7),
    Farthest(0.2, metric="cosine"),
    Farthest(0.3, metric="euclidean"),
    Farthest(1.0, metric="euclidean"),
    Nearest(k=3),
    Nearest(tau=0.05, metric="stereographic", curvature=0.5),
]


@pytest.mark.parametrize("pairing", PAIRINGS, ids=str)
@settings(max_examples=8)
@given(cuts=st.sets(st.integers(1, len(X) - 1), max_size=6), kind=st.sampled_from(["f4", "f8"]))
def test_equal_however_rows_are_cut(pairing, cuts, kind):
    rows = X.astype(kind)
    known = Reference(ROWS, rows[ROWS])
    whole = pair_with_reference(pairing, rows, 0, known, random_state=7)
    edges = [0, *sorted(cuts), len(rows)]
    parts = [
        pair_with_reference(pairing, rows[a:b], a, known, random_state=7)
        for a, b in itertools.pairwise(edges)
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert not np.array_equal(whole, pair_with_reference(pairing, rows, 0, known, random_state=8))


@pytest.mark.parametrize("pairing", PAIRINGS, ids=str)
def test_partners_are_among_the_wanted(pairing):
    drawn = pair_with_reference(pairing, X, 0, REFERENCE, random_state=3)
    assert set(drawn) <= set(ROWS.tolist())
    assert (drawn != np.arange(len(X))).all()
    points, known = X, X[ROWS]
    if pairing.metric == "hyperbolic":  # scaled by the reference
        radius = pairing.median_radius or 0.5
        scale = np.arctanh(radius) / np.median(np.linalg.norm(known, axis=1))
        norms = np.linalg.norm(X, axis=1, keepdims=True)
        points = np.tanh(scale * norms) * X / norms
        known = points[ROWS]
        np.testing.assert_allclose(known, rescale_to_ball(X[ROWS], radius))
    distance = pairwise_distance(points, known, metric=pairing.metric, curvature=pairing.curvature)
    own = ROWS[None, :] == np.arange(len(X))[:, None]
    distance[own] = np.inf if pairing.nearest else -np.inf
    order = np.sort(distance if pairing.nearest else -distance, axis=1)
    at = np.searchsorted(ROWS, drawn)
    found = distance[np.arange(len(X)), at] * (1 if pairing.nearest else -1)
    wanted = np.array([pairing.n_partners(len(ROWS) - int(one)) for one in own.any(axis=1)])
    limit = order[np.arange(len(X)), wanted - 1]
    # float32 may swap rows whose distances differ in the last digits
    assert (found <= limit + 1e-4 * np.abs(limit)).all()


def test_partners_are_drawn_evenly(z_limit):
    # 18 points alike and two far ones, which are drawn by halves
    known = np.concatenate([np.zeros((18, 1)), [[5.0], [-5.0]]])
    anchors = np.zeros((4000, 1))
    pairing = Farthest(0.1, metric="euclidean")
    reference = Reference(np.arange(10_000, 10_020), known)
    drawn = pair_with_reference(pairing, anchors, 0, reference, random_state=0)
    assert set(drawn.tolist()) == {10_018, 10_019}
    share = (drawn == 10_018).mean()
    assert abs(share - 0.5) < z_limit() * 0.5 / np.sqrt(len(anchors))


def test_ranks_among_all_rows_are_near_those_in_the_sample():
    tau = 0.1
    pairing = Farthest(tau, metric="euclidean")
    drawn = pair_with_reference(pairing, X, 0, REFERENCE, random_state=2)
    distance = pairwise_distance(X, X, metric="euclidean")
    mine = np.take_along_axis(distance, drawn[:, None], axis=1)
    beyond = (distance > mine).mean(axis=1)
    # Dvoretzky, Kiefer and Wolfowitz, for all rows at once
    bound = np.sqrt(np.log(2 * len(X) / 1e-6) / (2 * len(ROWS)))
    assert beyond.max() <= tau + bound


def test_the_sample_is_fixed_by_the_seed():
    np.testing.assert_array_equal(ROWS, reference_rows(len(X), 300, random_state=1))
    assert len(set(ROWS.tolist())) == 300
    assert reference_rows(5, random_state=0).tolist() == [0, 1, 2, 3, 4]


def test_bad_input():
    with pytest.raises(TypeError, match="Farthest or Nearest"):
        pair_with_reference(Random(), X, 0, REFERENCE)
    with pytest.raises(ValueError, match="balanced"):
        pair_with_reference(Farthest(0.1, balanced=True), X, 0, REFERENCE)
    with pytest.raises(ValueError, match="as wide as the reference"):
        pair_with_reference(Farthest(0.1), X[:, :3], 0, REFERENCE)
    with pytest.raises(ValueError, match="in order"):
        Reference(np.array([3, 1]), X[:2])
    with pytest.raises(ValueError, match="two rows or more"):
        Reference(np.array([3]), X[:1])
    inside = Reference(np.arange(50), X[:50] / 100)
    with pytest.raises(ValueError, match="row 70 lies outside of the ball"):
        pair_with_reference(Farthest(0.1), np.array([[0.0] * 6, [2.0] * 6]), 69, inside)
    with pytest.raises(ValueError, match="row 10 is zero"):
        pair_with_reference(Farthest(0.1, metric="cosine"), np.zeros((1, 6)), 10, REFERENCE)


def test_equal_norms_are_warned_of_but_not_at_the_edge_of_the_ball():
    ball = X / np.linalg.norm(X, axis=1, keepdims=True)
    for radius, warned in ((np.full(len(X), 0.7), 1), (1 - 10 ** -RNG.uniform(2, 6, len(X)), 0)):
        rows = ball * radius[:, None]
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            pair_with_reference(Farthest(0.1), rows, 0, Reference(ROWS, rows[ROWS]), random_state=0)
        assert len(said) == warned
