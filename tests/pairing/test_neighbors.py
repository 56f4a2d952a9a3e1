"""Near rows against scikit-learn."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from vicinal import Farthest, LocalPermutation, Nearest, make_plan
from vicinal.geometry import pairwise_distance
from vicinal.pairing.neighbors import EXACT_ROWS, kd_leaves, nearest_rows


def clusters(n_rows, n_features, seed):
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(40, n_features)) * 4
    spread = rng.gamma(2.0, 0.4, size=40)
    kind = rng.integers(0, 40, n_rows)
    return centers[kind] + rng.normal(size=(n_rows, n_features)) * spread[kind, None]


@pytest.mark.parametrize(("n_rows", "n_features", "k"), [(500, 1, 3), (3000, 5, 20), (800, 30, 7)])
def test_exact_neighbors_are_scikit_learns(n_rows, n_features, k):
    X = clusters(n_rows, n_features, 0).astype(np.float32)
    index = NearestNeighbors(n_neighbors=k, algorithm="kd_tree").fit(X.astype(float))
    distances, _ = index.kneighbors()
    near = nearest_rows(X, k)
    ours = np.linalg.norm(X[near].astype(float) - X[:, None].astype(float), axis=2)
    np.testing.assert_allclose(ours, distances, rtol=1e-4, atol=1e-4)
    assert (near != np.arange(n_rows)[:, None]).all()


def test_neighbors_stay_in_their_group():
    X = clusters(2000, 4, 1)
    groups = np.arange(2000) % 3
    near = nearest_rows(X, 6, groups=groups)
    assert (groups[near] == groups[:, None]).all()
    of_one = np.flatnonzero(groups == 1)
    alone = of_one[nearest_rows(X[of_one], 6)]
    assert (near[of_one] == alone).all()


def test_small_groups_repeat_and_single_rows_keep_themselves():
    near = nearest_rows(np.array([[0.0], [1.0], [5.0], [9.0]]), 4, groups=np.array([0, 0, 0, 1]))
    assert near.tolist() == [[1, 2, 1, 2], [0, 2, 0, 2], [1, 0, 1, 0], [3, 3, 3, 3]]


def recall(found, wanted):
    pairs = zip(found, wanted, strict=True)
    return np.mean([len(np.intersect1d(*pair)) / len(pair[1]) for pair in pairs])


@pytest.mark.parametrize(("n_features", "least"), [(4, 0.97), (8, 0.97), (20, 0.96), (50, 0.95)])
def test_search_among_the_nearest_leaves_finds_most_of_the_true_neighbors(n_features, least):
    # Recall of 10 neighbors measured on such clusters with three seeds each:
    # 0.989 or more (4 features), 0.982 (8), 0.982 (20), 0.972 (50).
    X = clusters(EXACT_ROWS + 10_000, n_features, 2).astype(np.float32)
    near = nearest_rows(X, 10)
    asked = np.random.default_rng(3).choice(len(X), 500, replace=False)
    true = NearestNeighbors(n_neighbors=11, algorithm="brute").fit(X)
    wanted = true.kneighbors(X[asked], return_distance=False)[:, 1:]
    assert recall(near[asked], wanted) > least
    assert (near != np.arange(len(X))[:, None]).all()
    ordered = np.sort(near, axis=1)
    assert (np.diff(ordered, axis=1) > 0).all(), "a neighbor was counted twice"


def test_leaf_search_treats_row_zero_like_any_other():
    X = clusters(6000, 3, 4).astype(np.float32)
    exact = nearest_rows(X, 5)
    found = nearest_rows(X, 5, exact_rows=500)
    of_zero = (exact == 0).any(axis=1)
    assert of_zero.any()
    assert np.mean((found == 0).any(axis=1) == of_zero) > 0.999


@pytest.mark.parametrize("away", [1e3, 1e5])
def test_leaf_search_far_from_the_origin(away):
    far = clusters(5000, 3, 5).astype(np.float32) + np.float32(away)
    found = nearest_rows(far, 5, exact_rows=200)
    assert recall(found, nearest_rows(far, 5)) > 0.95


def test_leaf_search_of_more_neighbors_than_a_leaf_has_rows():
    X = clusters(900, 2, 9)
    found = nearest_rows(X, 300, exact_rows=100)
    assert recall(found, nearest_rows(X, 300)) > 0.99


def test_leaf_search_does_not_depend_on_threads(monkeypatch):
    X = clusters(4000, 10, 10).astype(np.float32)
    found = []
    for threads in (1, 3):
        monkeypatch.setattr("vicinal._threads.n_threads", lambda n=threads: n)
        found.append(nearest_rows(X, 20, exact_rows=200))
    np.testing.assert_array_equal(*found)


def test_leaf_search_tells_the_nearest_first():
    X = clusters(3000, 6, 11).astype(np.float32)
    near = nearest_rows(X, 50, exact_rows=500)
    away = np.linalg.norm(X[near].astype(float) - X[:, None].astype(float), axis=2)
    assert (np.diff(away, axis=1) >= -1e-5 * away[:, 1:]).all()


def test_leaf_search_beside_outliers():
    X = np.random.default_rng(12).normal(size=(4000, 10)).astype(np.float32)
    plain = recall(nearest_rows(X, 10, exact_rows=500), nearest_rows(X, 10))
    far = X.copy()
    far[::500] *= 1e5
    rows = np.arange(4000) % 500 != 0
    found, exact = nearest_rows(far, 10, exact_rows=500), nearest_rows(far, 10)
    assert recall(found[rows], exact[rows]) > plain - 0.05


SIMD = """
import hashlib, numpy as np
from vicinal.pairing.neighbors import nearest_rows
X = np.random.default_rng(13).normal(size=(3000, 6)).astype(np.float32)
print(hashlib.sha256(nearest_rows(X, 20, exact_rows=100).tobytes()).hexdigest())
"""


def test_leaf_search_does_not_depend_on_the_processor():
    found = set()
    for less in ("", "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"):
        env = os.environ | {"NPY_DISABLE_CPU_FEATURES": less}
        run = [sys.executable, "-W", "ignore", "-c", SIMD]
        told = subprocess.run(run, env=env, capture_output=True, text=True, check=True)
        found.add(told.stdout)
    assert len(found) == 1


def test_leaf_search_of_equal_rows():
    found = nearest_rows(np.zeros((700, 2)), 3, exact_rows=50)
    assert (found != np.arange(700)[:, None]).all()
    assert (np.diff(np.sort(found, axis=1), axis=1) > 0).all()


@pytest.mark.parametrize("leaf_rows", [3, 8, 64, 5000])
def test_leaves_partition_the_rows(leaf_rows):
    X = clusters(3000, 4, 6)
    leaf = kd_leaves(X, leaf_rows, np.random.default_rng(0))
    sizes = np.bincount(leaf)
    assert sizes.sum() == 3000
    assert sizes.max() <= leaf_rows
    assert sizes.min() >= min(3000, (leaf_rows + 1) // 2)


def test_leaves_of_coincident_rows():
    leaf = kd_leaves(np.zeros((100, 2)), 10, np.random.default_rng(0))
    assert np.bincount(leaf).max() <= 10


def test_local_permutation_is_local():
    X = clusters(20_000, 2, 7)
    local = LocalPermutation(64).pair(X, random_state=0)
    moved = np.mean(np.sum((X - X[local]) ** 2, axis=1))
    everywhere = 2 * X.var(axis=0).sum()
    assert moved < 0.05 * everywhere


def test_neighborhood_draws_neighbors_or_the_row_itself_fairly():
    X = clusters(400, 3, 8)
    near = nearest_rows(X, 6)
    passes = 600
    plan = make_plan(X, 400 * passes, pairing=Nearest(6, balanced=True), random_state=0)
    known = (near[plan.left] == plan.right[:, None]).any(axis=1) | (plan.left == plan.right)
    assert known.all()
    drawn = np.bincount(plan.right, minlength=400) / passes
    # scaled to an error of 0.01; a row's count has variance at most 1 in each pass
    limit = 0.01 + 6.2 / np.sqrt(passes)  # normal limit for 400 rows at 1e-6 in all
    assert np.abs(drawn - 1).max() < limit


@pytest.mark.parametrize("far", [0.0, 1e8, 1.7e9])
def test_neighbors_of_numbers_far_from_zero(far):
    X = far + np.random.default_rng(0).permutation(200)[:, None].astype(float)
    found = nearest_rows(X, 2)
    assert np.abs(X[found] - X[:, None])[..., 0].max() <= 2


@pytest.mark.parametrize("unit", [1e300, 1e-300, np.float32(1e30)])
def test_leaves_do_not_depend_on_the_unit(unit):
    X = clusters(300, 3, 14).astype(np.asarray(unit).dtype)
    assert (kd_leaves(X * unit, 10) == kd_leaves(X, 10)).all()


@pytest.mark.parametrize("far", [1e8, 1e25, 1e300])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_column_far_from_zero_hides_no_other(far, kind):
    X = clusters(300, 3, 15).astype(kind)
    if far > float(np.finfo(kind).max):
        pytest.skip("beyond float32")
    beside = np.column_stack([np.full(300, far, kind), X])
    assert (kd_leaves(beside, 10) == kd_leaves(X, 10)).all()
    for exact_rows in (1000, 10):
        found = nearest_rows(beside, 3, exact_rows=exact_rows)
        assert recall(found, nearest_rows(X, 3, exact_rows=exact_rows)) > 0.99
    for pairing in (Nearest(1), Farthest(1e-6, metric="euclidean")):
        partners = pairing.pair(X, random_state=0)
        assert (pairing.pair(beside, random_state=0) == partners).mean() > 0.99
        told = pairing.distances(beside, partners)
        np.testing.assert_allclose(told, pairing.distances(X, partners), rtol=1e-5)
    np.testing.assert_allclose(pairwise_distance(beside), pairwise_distance(X), atol=1e-5)
