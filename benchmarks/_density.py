"""Neighborhoods that follow local density: a trial, in no privacy setting.

For as long as a block of :func:`following` lasts, tables are learned with neighborhoods of
unequal size, between 20 rows and twice ``neighbors``. "dense" gives each row the others within
one radius, so that more are near where rows are dense. "sparse" gives sizes in inverse proportion
to those. Radius and proportion are such that the mean size in each group of rows is the same as
without (where the bounds allow), so that only the way of sharing out is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal._compiled import compiled
from vicinal.pairing import balance
from vicinal.pairing.neighbors import nearest_rows
from vicinal.table import neighborhood, training_rows

#: Fewest neighbors, where the even size is not smaller itself.
LEAST = 20

Sizes = npt.NDArray[Any]


@contextmanager
def following(density: str | None) -> Iterator[None]:
    """Size neighborhoods by density, "dense" or "sparse", while a block runs; None for evenly."""
    plain = training_rows.neighbors_in_groups, training_rows.FairNeighbors
    counted: dict[int, Sizes] = {}

    def find(space: Sizes, groups: Sizes | None, most: int, share: float) -> npt.NDArray[np.int32]:
        near, counts = _neighbors(space, groups, (most, share), density == "dense")
        counted[id(near)] = counts
        return near

    def fair(near: npt.NDArray[np.int32], order: Sizes) -> balance.FairNeighbors:
        return _Uneven(near, counted[id(near)])

    if density is not None:
        training_rows.neighbors_in_groups, training_rows.FairNeighbors = find, fair  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        training_rows.neighbors_in_groups, training_rows.FairNeighbors = plain  # type: ignore[misc]


def _neighbors(
    space: npt.NDArray[Any],
    groups: Sizes | None,
    size: tuple[int, float],
    dense: bool,
) -> tuple[npt.NDArray[np.int32], Sizes]:
    """Return neighbors, nearest first, and how many of them count."""
    groups = np.zeros(len(space), np.uint8) if groups is None else groups
    sizes = np.bincount(groups)
    even = np.maximum(np.ceil(sizes * size[1]), neighborhood.NEAR_LEAST).astype(int)
    even = np.minimum(even, size[0])
    most = np.minimum(2 * even, np.maximum(sizes - 1, 1))
    near = np.zeros((len(space), int(most.max())), np.int32)
    counts = np.ones(len(space), np.int64)
    for group in np.unique(groups):
        rows, k, top = np.flatnonzero(groups == group), int(even[group]), int(most[group])
        found = nearest_rows(space[rows], top)
        near[rows, :top] = rows[found]
        near[rows, top:] = rows[:, None]
        counts[rows] = top
        if top > k:
            counts[rows] = _shared_out(space[rows], found, k, dense)
    return near, counts


def _shared_out(points: npt.NDArray[Any], near: npt.NDArray[Any], k: int, dense: bool) -> Sizes:
    """Return a size for each row, ``k`` on average."""
    away = np.empty(near.shape)
    for at in range(near.shape[1]):
        away[:, at] = np.sqrt(((points - points[near[:, at]]) ** 2).sum(axis=1))
    low, top = min(LEAST, k), near.shape[1]
    typical = np.median(away[:, k - 1])

    def within(factor: float) -> Sizes:
        return np.clip((away <= typical * factor).sum(axis=1), low, top)

    many = _with_mean(within, k)
    return many if dense else _with_mean(lambda f: np.clip(np.rint(f / many), low, top), k)


def _with_mean(sizes: Callable[[float], Sizes], mean: float) -> Sizes:
    """Return the sizes of the least factor that gives this mean; they rise with it."""
    low, high = 1e-6, 1e6
    for _ in range(60):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if sizes(middle).mean() < mean else (low, middle)
    return sizes(high)


class _Uneven(balance.FairNeighbors):
    """Chances of drawing the first few neighbors of each row, and none of the others."""

    def __init__(self, near: npt.NDArray[np.int32], counts: Sizes) -> None:
        self.near = near
        self._cumulative, self.error = _balance(
            near, counts, balance.SELF_WEIGHT, balance.ROUNDS, balance.TOLERANCE
        )


@compiled()
def _balance(near: Any, counts: Any, self_weight: float, rounds: int, tolerance: float) -> Any:
    """Return cumulative chances as the library does, of the places that count."""
    n, width = near.shape
    popularity = np.ones(n)
    drawn = np.empty(n)
    error = np.inf
    for _ in range(rounds):
        drawn[:] = 0.0
        for i in range(n):
            total = self_weight * popularity[i]
            for j in range(counts[i]):
                total += popularity[near[i, j]]
            for j in range(counts[i]):
                drawn[near[i, j]] += 1.0 / total
            drawn[i] += self_weight / total
        error = np.abs(drawn * popularity - 1.0).max()
        if error < tolerance:
            break
        popularity = 1.0 / drawn
    cumulative = np.empty((n, width), np.float32)
    for i in range(n):
        total = self_weight * popularity[i]
        for j in range(counts[i]):
            total += popularity[near[i, j]]
        running = 0.0
        for j in range(width):
            if j < counts[i]:
                running += popularity[near[i, j]]
            cumulative[i, j] = running / total
    return cumulative, error
