"""Quantile tables of stretched Beta laws: fast draws with exact first two moments."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from vicinal._types import Floats

#: Cells of the quantile table, a power of two. Its CDF is exact at every node before the moments
#: are mended, so that it is nowhere further than 1 / 16384 from the law's own.
TABLE_BITS = 14
TABLE_CELLS = 1 << TABLE_BITS
#: Documented bound on the largest distance between the table's CDF and the law's own.
TABLE_DISTANCE = 1e-4


class QuantileTable(NamedTuple):
    """Start and width of equal-probability cells; a draw is uniform within its cell."""

    start: Floats
    width: Floats

    def draw(self, size: int, rng: np.random.Generator) -> Floats:
        """Draw from 32 random bits each: the upper 14 choose the cell, the others the place."""
        words = rng.integers(0, 1 << 64, size + 1 >> 1, dtype=np.uint64)
        bits = words.astype("<u8", copy=False).view("<u4")[:size]
        rest = 32 - TABLE_BITS
        cell = (bits >> rest).astype(np.intp)
        place: Floats = (bits & ((1 << rest) - 1)) + np.float64(0.5)
        place *= 2.0**-rest
        place *= self.width.take(cell)
        place += self.start.take(cell)
        return place


@lru_cache(maxsize=64)
def _beta_nodes(a: float, b: float) -> Floats | None:
    """Return quantiles of Beta(a, b) at equal steps of probability, first two moments mended."""
    # Drawing uniformly within cells has slightly other moments than the law. The outer cells are
    # first shortened to their true mean, then all nodes but the ends are moved by
    # x (1 - x) (c + d x), so that E[B] and E[B^2] are exact to rounding: a law that preserves
    # covariance still does. None where a move within 0.6 cells does not do it (nearly all mass
    # in 0 and 1, or in one point).
    from scipy.special import betainc, betaincinv

    exact: Floats = betaincinv(a, b, np.linspace(0.0, 1.0, TABLE_CELLS + 1))
    mean = a / (a + b)
    spread = math.sqrt(mean * (1 - mean) / (a + b + 1))
    low, high = exact[1], exact[-2]
    first = mean * betainc(a + 1, b, low) * TABLE_CELLS
    last = 1 - (1 - mean) * betainc(b + 1, a, 1 - high) * TABLE_CELLS
    nodes = exact.copy()
    nodes[0] = min(max(2 * first - low, 0.0), low)
    nodes[-1] = max(min(2 * last - high, 1.0), high)
    bumps = np.array([exact * (1 - exact), exact * (1 - exact) * (exact - mean) / spread])
    wanted = np.array([0.0, spread])
    for _ in range(4):
        offset = nodes - mean
        miss = wanted - _moments(offset, offset, spread)
        slopes = np.array([_moments(offset, bump, spread, slope=True) for bump in bumps]).T
        if not np.isfinite(slopes).all() or np.linalg.matrix_rank(slopes) < 2:
            return None
        nodes = nodes + np.linalg.solve(slopes, miss) @ bumps
    nodes = np.maximum.accumulate(nodes)
    miss = wanted - _moments(nodes - mean, nodes - mean, spread)
    gaps = np.diff(exact)
    moved = np.abs(nodes - exact)[1:-1]
    if not (np.abs(miss).max() < 1e-13 and (moved <= 0.6 * np.minimum(gaps[1:], gaps[:-1])).all()):
        return None
    mended: Floats = np.clip(nodes, 0.0, 1.0)
    return mended


def _moments(x: Floats, y: Floats, spread: float, slope: bool = False) -> Floats:
    """Return ``E[Y]`` and ``E[X Y] / spread`` where (X, Y) is uniform between neighboring nodes."""
    # with slope the second is doubled: the change of E[X X] when x moves along y
    first = np.mean(y[:-1] + y[1:]) / 2
    cross = 2 * (x[:-1] * y[:-1] + x[1:] * y[1:]) + x[:-1] * y[1:] + x[1:] * y[:-1]
    return np.array([first, np.mean(cross) / (3 if slope else 6) / spread])


@lru_cache(maxsize=64)
def weight_table(a: float, b: float, eps0: float, eps1: float) -> QuantileTable | None:
    """Return the quantile table of ``s B - eps0``, or None where Beta(a, b) has none."""
    nodes = _beta_nodes(a, b)
    if nodes is None:
        return None
    nodes = nodes * (1.0 + eps0 + eps1) - eps0
    nodes[0], nodes[-1] = max(nodes[0], -eps0), min(nodes[-1], 1.0 + eps1)
    return QuantileTable(nodes[:-1].copy(), np.diff(nodes))
