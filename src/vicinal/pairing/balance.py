"""Neighbors drawn fairly: every row is a partner as often as every other.

Some rows are near to many others and some to none, so the nearest are not distributed as the data.
Sinkhorn's scaling finds chances under which each row is drawn as often as it draws.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal._compiled import compiled
from vicinal._threads import for_chunks
from vicinal._types import Floats, Floats32, Indices

#: Rounds of Sinkhorn's scaling, at most, and the largest error of a row's total to stop at.
ROUNDS = 1000
TOLERANCE = 0.01
#: Rows are counted in parts, at least so large and at most so many, each by one thread.
PART_ROWS, PARTS = 1 << 16, 4
#: How far beyond Sinkhorn's step to go: about half the rounds (Thibault et al., Algorithms 2021).
RELAXATION = 1.7
#: Weight of a row as its own neighbor, next to 1 for the others. It must not be 0, or the
#: scaling may have no solution: a row that nobody is near to has only itself.
SELF_WEIGHT = 0.1


class FairNeighbors:
    """Chances of drawing each neighbor, given as ``near`` of shape (n_rows, k), and oneself."""

    def __init__(self, near: npt.NDArray[np.int32], order: Indices | None = None) -> None:
        # order: all rows, near ones together, so that they share the processor's cache
        self.near = near
        order = np.arange(len(near)) if order is None else order
        place = np.empty(len(near), np.int32)
        place[order] = np.arange(len(near))
        popularity, self.error = _balance(place[near[order]])
        self._cumulative = _cumulative(near, popularity[place], SELF_WEIGHT)

    def __len__(self) -> int:
        return len(self.near)

    def draw(self, left: Indices, n: int, rng: np.random.Generator) -> npt.NDArray[np.int32]:
        """Draw ``n`` partners of each row, shape (n_samples, n); now and then the row itself."""
        drawn: npt.NDArray[np.int32] = _draw(
            self.near, self._cumulative, left, rng.random((len(left), n), np.float32)
        )
        return drawn

    def alias(self) -> tuple[Floats32, npt.NDArray[np.int16]]:
        """Return two alias tables of shape (n_rows, k + 1)."""
        # Vose, IEEE Trans. Software Eng. 1991; the last place is the row itself
        chance, other = _alias(self._cumulative)
        return chance, other


@compiled()
def _alias(cumulative: Any) -> Any:
    n, k = cumulative.shape
    chance = np.ones((n, k + 1), np.float32)
    other = np.zeros((n, k + 1), np.int16)
    share = np.empty(k + 1)
    small, large = np.empty(k + 1, np.int64), np.empty(k + 1, np.int64)
    for i in range(n):
        below = 0.0
        n_small = n_large = 0
        for place in range(k + 1):
            upto = float(cumulative[i, place]) if place < k else 1.0
            share[place] = (upto - below) * (k + 1)
            below = upto
            other[i, place] = place
            if share[place] < 1.0:
                small[n_small] = place
                n_small += 1
            else:
                large[n_large] = place
                n_large += 1
        while n_small > 0 and n_large > 0:
            n_small -= 1
            few, many = small[n_small], large[n_large - 1]
            chance[i, few], other[i, few] = share[few], many
            share[many] -= 1.0 - share[few]
            if share[many] < 1.0:
                n_large -= 1
                small[n_small] = many
                n_small += 1
    return chance, other


def _balance(near: npt.NDArray[np.int32]) -> tuple[Floats, float]:
    """Return what to scale columns by, and the largest error of a row's total."""
    n = len(near)
    popularity = np.ones(n)  # column scaling, divided by how often a row is drawn
    size = max(PART_ROWS, -(-n // PARTS))
    parts = np.empty((-(-n // size), n))

    def tally(first: int, last: int) -> None:
        _tally(near, popularity, SELF_WEIGHT, first, last, parts[first // size])

    for _ in range(ROUNDS):
        for_chunks(tally, n, size)
        drawn = parts.sum(axis=0) * popularity
        error = float(np.abs(drawn - 1.0).max())
        if error < TOLERANCE:
            break
        popularity *= drawn**-RELAXATION  # in place: tally() reads it
    return popularity, error


@compiled()
def _tally(
    near: Any, popularity: Any, self_weight: float, first: int, last: int, drawn: Any
) -> None:
    """Add up how often some rows draw each row."""
    drawn[:] = 0.0
    for i in range(first, last):
        total = self_weight * popularity[i]
        for j in range(near.shape[1]):
            total += popularity[near[i, j]]
        share = 1.0 / total
        for j in range(near.shape[1]):
            drawn[near[i, j]] += share
        drawn[i] += self_weight * share


@compiled()
def _cumulative(near: Any, popularity: Any, self_weight: float) -> Any:
    """Return cumulative chances of each neighbor; the own place comes last."""
    n, k = near.shape
    cumulative = np.empty((n, k), np.float32)
    for i in range(n):
        total = self_weight * popularity[i]
        for j in range(k):
            total += popularity[near[i, j]]
        running = 0.0
        for j in range(k):
            running += popularity[near[i, j]]
            cumulative[i, j] = running / total
    return cumulative


@compiled()
def _draw(near: Any, cumulative: Any, left: Any, chance: Any) -> Any:
    n, count = chance.shape
    k = near.shape[1]
    drawn = np.empty((n, count), np.int32)
    for i in range(n):
        row = left[i]
        for p in range(count):
            place = np.searchsorted(cumulative[row], chance[i, p], side="right")
            drawn[i, p] = near[row, place] if place < k else row
    return drawn
