"""Near rows: k-d tree leaves and k nearest neighbors, exact or among the nearest leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal._points import near_origin, safe_unit
from vicinal._threads import fork_safe, map_threads, one_thread
from vicinal._types import Indices

Matrix = npt.NDArray[np.floating[Any]]
Neighbors = npt.NDArray[np.integer[Any]]

#: Axes of which a random tree cuts along the widest.
AXES = 8
#: Up to this many rows (of a group) neighbors are exact.
EXACT_ROWS = 20_000
#: Above it: rows in a leaf, and rows of the nearest leaves among which its neighbors are sought,
#: at least, and for each neighbor wanted.
LEAF_ROWS = 32
SOUGHT_ROWS, SOUGHT_FOR_EACH = 2048, 20
#: Rows found beyond those wanted, so that no last digit of a matrix product decides.
SPARE = 8


def kd_leaves(
    X: Matrix, leaf_rows: int, rng: np.random.Generator | None = None
) -> npt.NDArray[np.int32]:
    """Cut rows into near-equal leaves by median splits; return the leaf of each row, shape (n,)."""
    # along the widest axis; with rng the widest of a few that are picked at random, so that
    # trees differ
    leaf = np.zeros(len(X), np.int32)
    n_leaves = 0
    stack = [np.arange(len(X), dtype=np.int64)]
    while stack:
        rows = stack.pop()
        if len(rows) <= leaf_rows:
            leaf[rows] = n_leaves
            n_leaves += 1
            continue
        axes = np.arange(X.shape[1]) if rng is None else rng.permutation(X.shape[1])[:AXES]
        sample = X[rows[:: max(1, len(rows) // 512)]][:, axes] / 2
        sample = sample - sample[0]  # a column far from zero is not wide for that
        values = X[rows, axes[(sample / safe_unit(sample)).var(axis=0).argmax()]]
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
) -> npt.NDArray[np.int32]:
    """Find the k nearest other rows (of the same group) of every row, nearest first (n_rows, k)."""
    # a group with fewer than k other rows repeats them in turn; a row alone is its own neighbor
    (X,) = near_origin(np, X)
    unit = safe_unit(X)
    X = X if unit == 1 else X / unit
    if X.dtype == np.float64 and len(X):  # float32 holds large numbers far from 0 less well
        X = X - (X.min(axis=0) / 2 + X.max(axis=0) / 2)
    points = np.ascontiguousarray(X, np.float32)
    found = np.empty((len(points), k), np.int32)
    codes = np.zeros(len(points), np.int32) if groups is None else groups
    order = np.argsort(codes, kind="stable")
    edges = np.flatnonzero(np.diff(codes[order])) + 1
    for rows in np.split(order, edges):
        reach = min(k, len(rows) - 1)
        if reach < 1:
            found[rows] = rows[:, None]
            continue
        search = _exact if len(rows) <= exact_rows else _by_leaves
        near = search(points[rows], reach)
        found[rows] = rows[near if reach == k else near[:, np.arange(k) % reach]]
    return found


def _exact(points: Matrix, k: int) -> Neighbors:
    from sklearn.neighbors import NearestNeighbors

    with fork_safe():
        index = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points)
        near: Neighbors = index.kneighbors(return_distance=False)
    return near


def _by_leaves(points: Matrix, k: int) -> Neighbors:
    """Find neighbors among the rows of the leaves whose middles are nearest to a leaf's own."""
    from vicinal.pairing._squares import squares

    leaf = kd_leaves(points, LEAF_ROWS)
    order = np.argsort(leaf, kind="stable")
    edges = np.flatnonzero(np.diff(leaf[order], prepend=-1, append=-1))
    ordered = points[order]
    sizes = np.diff(edges)
    middles = np.add.reduceat(ordered, edges[:-1], axis=0) / sizes[:, None].astype(np.float32)
    sought = max(SOUGHT_ROWS, SOUGHT_FOR_EACH * k)
    n_sought = min(len(sizes), -(-sought // int(sizes.min())))
    near_leaves = nearest_rows(middles, n_sought - 1)
    found = np.empty((len(points), k), np.int32)

    def search(at: int) -> None:
        leaves = np.append(at, near_leaves[at])
        before = np.cumsum(sizes[leaves]) - sizes[leaves]
        rows = np.repeat(edges[leaves] - before, sizes[leaves])
        rows += np.arange(len(rows))
        # seen from among the leaf, or squares of far points would take the digits away
        local = ordered.take(rows, axis=0)
        local -= np.partition(local[: sizes[at]], sizes[at] // 2, axis=0)[sizes[at] // 2]
        own = local[: sizes[at]]
        away = np.einsum("ij,ij->i", local, local) - (2 * own) @ local.T
        np.fill_diagonal(away, np.inf)  # the row itself
        most = min(k + SPARE, len(rows) - 1)
        near = np.argpartition(away, most - 1, axis=1)[:, :most]
        near = np.sort(near, axis=1)
        first = np.argsort(squares(local, near), axis=1, kind="stable")[:, :k]
        found[order[rows[: len(own)]]] = order[rows[np.take_along_axis(near, first, axis=1)]]

    with one_thread():
        map_threads(search, range(len(sizes)))
    return found
