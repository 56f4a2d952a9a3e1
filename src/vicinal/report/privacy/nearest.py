"""Nearest rows of mixed tables, exact: numbers and categories, millions of rows, a few threads.

Rows are cut into leaves, each of which bounds the distance of its rows; a search stops where no
leaf can hold a nearer row. 16,000 rows of Adult against 16,000 others, one thread: 0.11 s here, 18
s with SciPy's ``cKDTree``, 62 s with scikit-learn's over one-hot columns.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from vicinal._checks import check_choice
from vicinal._threads import for_chunks
from vicinal._types import Array, Floats, Floats32, Indices, Ints
from vicinal.report.tables import Part, Tables

#: Distances that can be asked for.
METRICS = ("gower", "euclidean")
#: A Gower range runs between these quantiles: one outlier must not make all others look equal.
ROBUST = (0.005, 0.995)
#: Most rows of a leaf, unless they are all equal.
LEAF_ROWS = 128
#: Queries of one piece of threaded work, which share the leaves that they fetch.
CHUNK_QUERIES = 32
#: Scaled numbers are cut here; a missing one lies beyond.
_FAR, _MISSING = 1e30, 3e30


class Points(NamedTuple):
    """Rows as a search wants them."""

    numbers: Floats32  # (n_rows, n_numeric) scaled, nothing missing
    codes: Array  # (n_rows, n_categorical) categories; missing is one of them

    def take(self, rows: Indices) -> Points:
        """Return some of the rows."""
        return Points(self.numbers[rows], self.codes[rows])

    @classmethod
    def joined(cls, *parts: Points) -> Points:
        """Return the rows of all, one part after the other."""
        return cls(*(np.concatenate(each) for each in zip(*parts, strict=True)))


class Found(NamedTuple):
    """What a search found for each query, each (n_queries,)."""

    distance: Floats  # to the nearest reference row; infinite where there is none
    second: Floats  # to the second-nearest, equal in case of ties; NaN where not asked for
    rows: Ints  # the nearest row, any of those at that distance; -1 where there is none
    ties: Ints  # how many reference rows are at the least distance
    work: Ints  # rows and leaves looked at, times columns; the same on every machine


class Space:
    """A distance between rows, learned from training and hold-out rows together."""

    # as one sample in which it does not matter which row is in which part, so that neither is
    # favored

    def __init__(self, tables: Tables, metric: str = "gower") -> None:
        self.metric: str = check_choice("metric", metric, METRICS)
        parts = [part for part in (tables.real, tables.holdout) if part is not None]
        n_numeric = len(tables.numeric)
        self._middle, self._scale = np.zeros(n_numeric), np.ones(n_numeric)
        for at in range(n_numeric):
            values = np.concatenate([part.numbers[:, at] for part in parts])
            values = values[np.isfinite(values)]
            if len(values):
                self._middle[at], self._scale[at] = _scaled(values, metric)
        every = [*parts, tables.synthetic]
        gappy = [
            any(np.isnan(part.numbers[:, at]).any() for part in every) for at in range(n_numeric)
        ]
        self._gappy = np.flatnonzero(gappy) if metric == "euclidean" else np.zeros(0, np.intp)
        most = max([2, *(len(levels) + 1 for levels in tables.levels)])
        self._code = np.dtype(
            np.uint8 if most <= 1 << 8 else np.uint16 if most <= 1 << 16 else np.uint32
        )
        self.squared = metric == "euclidean"
        #: What two categories that differ add to the sum over columns.
        self.mismatch = 2.0 if self.squared else 1.0
        self.n_columns = n_numeric + len(tables.categorical)

    def points(self, part: Part) -> Points:
        """Return rows in this space."""
        numbers = np.empty(part.numbers.shape, np.float32)
        limit = 1e15 if self.squared else _FAR  # its square is finite in 32 bits
        for at, column in enumerate(part.numbers.T):
            with np.errstate(over="ignore"):
                values = (column - self._middle[at]) / self._scale[at]
            values = np.clip(values, -limit, limit)
            values[np.isnan(values)] = 0.0 if self.squared else _MISSING
            numbers[:, at] = values
        gone = np.isnan(part.numbers[:, self._gappy])
        codes = np.concatenate([part.codes + 1, gone], axis=1)  # missing is -1
        return Points(numbers, codes.astype(self._code, order="C"))

    def finished(self, totals: Floats32) -> Floats:
        """Return distances from sums over columns."""
        wide = totals.astype(np.float64)
        return np.sqrt(wide) if self.squared else wide / self.n_columns


def _scaled(values: Floats, metric: str) -> tuple[float, float]:
    """Return what to take off and what to divide by."""
    if metric == "euclidean":
        with np.errstate(over="ignore", invalid="ignore"):
            middle, scale = float(values.mean()), float(values.std())
        if not np.isfinite([middle, scale]).all():
            middle, scale = 0.0, float(np.abs(values).max())
        return middle, scale or 1.0
    low, high = np.quantile(values, ROBUST, method="inverted_cdf")
    if low == high:
        low, high = values.min(), values.max()
    with np.errstate(over="ignore"):
        scale = float(high - low)
    return float(low), min(scale, float(np.finfo(np.float64).max)) or 1.0


class Index:
    """Reference rows, ready to be searched."""

    def __init__(self, space: Space, points: Points) -> None:
        self.points = points  # the reference rows
        self._space, self._kernels = space, _kernels()
        mismatch = np.float32(space.mismatch)
        order, starts = self._kernels.build(*points, space.squared, mismatch, LEAF_ROWS)
        self._laid = (*self._kernels.lay_out(*points, order, starts), order, starts)

    def __len__(self) -> int:
        return len(self.points.numbers)

    def search(self, queries: Points, *, skip: Ints | None = None, second: bool = False) -> Found:
        """Find the nearest reference row of every query, but for rows to skip, (n_queries, m)."""
        n = len(queries.numbers)
        totals, seconds = np.empty((2, n), np.float32)
        rows, ties, work = np.empty((3, n), np.int64)
        gone = np.empty((n, 0)) if skip is None else np.atleast_2d(skip.T).T
        asked = (*queries, np.ascontiguousarray(gone, np.int64))
        rule = (self._space.squared, np.float32(self._space.mismatch), second)
        found = (totals, seconds, rows, ties, work)
        search = self._kernels.search

        def some(start: int, stop: int) -> None:
            search(asked, self._laid, rule, start, stop, found)

        for_chunks(some, n, CHUNK_QUERIES)
        finished = self._space.finished
        return Found(
            finished(totals), finished(seconds) if second else np.full(n, np.nan), *found[2:]
        )


@cache
def _kernels() -> Any:
    """Return the compiled parts; Numba is loaded when first needed."""
    from vicinal.report.privacy import _leaves

    return _leaves
