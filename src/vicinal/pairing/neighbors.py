"""Near rows: k-d tree leaves and k nearest neighbors, exact or by leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal._points import safe_unit
from vicinal._threads import fork_safe
from vicinal._types import Indices, Ints

Matrix = npt.NDArray[np.floating[Any]]

#: Up to this many rows (of a group) neighbors are exact.
EXACT_ROWS = 50_000
#: Above it: rows in a leaf within which neighbors are sought, and trees that are merged.
LEAF_ROWS = 1024
TREES = 3


def kd_leaves(X: Matrix, leaf_rows: int, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """Cut rows into near-equal leaves by median splits; return the leaf of each row, shape (n,)."""
    leaf = np.zeros(len(X), np.int32)
    n_leaves = 0
    stack = [np.arange(len(X), dtype=np.int64)]
    while stack:
        rows = stack.pop()
        if len(rows) <= leaf_rows:
            leaf[rows] = n_leaves
            n_leaves += 1
            continue
        # the widest of a few axes that are picked at random, so that trees differ
        axes = rng.permutation(X.shape[1])[: max(1, min(X.shape[1], 8))]
        sample = X[rows[:: max(1, len(rows) // 512)]][:, axes]
        values = X[rows, axes[sample.var(axis=0).argmax()]]
        half = len(rows) // 2
        middle = np.partition(values, half)[half]
        low = values < middle  # ties go by row number, so that every machine cuts alike
        low[np.flatnonzero(values == middle)[: half - np.count_nonzero(low)]] = True
        stack += [rows[low], rows[~low]]
    return leaf


def nearest_rows(
    X: Matrix,
    k: int,
    *,
    groups: Indices | None = None,
    exact_rows: int = EXACT_ROWS,
    rng: np.random.Generator | None = None,
) -> npt.NDArray[np.int32]:
    """Find the k nearest other rows (of the same group) of every row, shape (n_rows, k)."""
    # a group with fewer than k other rows repeats them in turn; a row alone is its own neighbor
    rng = rng or np.random.default_rng(0)
    unit = safe_unit(X)
    points = np.ascontiguousarray(X if unit == 1 else X / unit, np.float32)
    found = np.empty((len(points), k), np.int32)
    codes = np.zeros(len(points), np.int32) if groups is None else groups
    order = np.argsort(codes, kind="stable")
    edges = np.flatnonzero(np.diff(codes[order])) + 1
    for rows in np.split(order, edges):
        reach = min(k, len(rows) - 1)
        if reach < 1:
            found[rows] = rows[:, None]
            continue
        if len(rows) <= exact_rows:
            near = _exact(points[rows], reach)[1]
        else:
            near = _by_leaves(points[rows], reach, rng)
        found[rows] = rows[near[:, np.arange(k) % reach]]
    return found


def _exact(points: Matrix, k: int) -> tuple[Matrix, Ints]:
    from sklearn.neighbors import NearestNeighbors

    with fork_safe():
        distance, near = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points).kneighbors()
    return distance, near


def _by_leaves(points: Matrix, k: int, rng: np.random.Generator) -> Ints:
    """Merge the neighbors found within the leaves of a few random trees."""
    best_distance = np.full((len(points), k), np.inf, np.float32)
    best_row = np.full((len(points), k), -1)  # no row: at distance infinity
    for _ in range(TREES):
        # turned at random, or trees over few features would all be the same
        turn, _ = np.linalg.qr(rng.normal(size=(points.shape[1], points.shape[1])))
        leaf = kd_leaves(points @ turn.astype(np.float32), max(LEAF_ROWS, 4 * k), rng)
        order = np.argsort(leaf, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(leaf[order])) + 1):
            distance, near = _exact(points[rows], k)
            candidate = np.concatenate([best_row[rows], rows[near]], axis=1)
            spread = np.concatenate([best_distance[rows], distance], axis=1)
            _forget_repeats(candidate, spread)
            keep = np.argpartition(spread, k - 1, axis=1)[:, :k]
            best_row[rows] = np.take_along_axis(candidate, keep, axis=1)
            best_distance[rows] = np.take_along_axis(spread, keep, axis=1)
    order = np.argsort(best_distance, axis=1)
    return np.take_along_axis(best_row, order, axis=1)


def _forget_repeats(candidate: Ints, spread: Matrix) -> None:
    """Move the second mention of a candidate infinitely far away, in place."""
    order = np.argsort(candidate, axis=1, kind="stable")
    ordered = np.take_along_axis(candidate, order, axis=1)
    repeated = np.zeros(candidate.shape, bool)
    np.put_along_axis(repeated, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    spread[repeated] = np.inf
