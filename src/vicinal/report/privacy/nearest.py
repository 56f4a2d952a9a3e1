"""Nearest rows of mixed tables, exact: numbers and categories, millions of rows, a few threads.

Reference rows are cut into leaves of about a hundred similar rows. Each leaf knows the range of its
numbers and the set of its categories, so that the least distance a row could have to any of its
rows is known without looking at them. A search visits leaves in the order of that bound and stops
where no leaf can hold a nearer row. Nothing is approximate: the bound is added up in the same
order and precision as the distance, and rounding keeps order, so it never exceeds it.

Why not a tree of a library: 16,000 rows of Adult against 16,000 others, 15 mixed columns by Gower's
distance, one thread, take 0.11 s here, 3.7 s where all pairs are compared in compiled code, 18 s
with SciPy's ``cKDTree`` and 62 s with scikit-learn's over one-hot columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_choice
from vicinal._threads import for_chunks
from vicinal.report.tables import Part, Tables

__all__ = [
    "Found",
    "Index",
    "Points",
    "Space",
]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

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


@dataclass(frozen=True, eq=False)
class Points:
    """Rows as a search wants them."""

    numbers: npt.NDArray[np.float32]  # (n_rows, n_numeric) scaled, nothing missing
    codes: npt.NDArray[Any]  # (n_rows, n_categorical) categories; missing is one of them

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> Points:
        """Return some of the rows."""
        return Points(self.numbers[rows], self.codes[rows])

    @classmethod
    def joined(cls, first: Points, second: Points) -> Points:
        """Return the rows of one, then those of the other."""
        return cls(
            np.concatenate([first.numbers, second.numbers]),
            np.concatenate([first.codes, second.codes]),
        )


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found for each query."""

    # (n_queries,) distance to the nearest reference row; infinite where there is none
    distance: Floats
    # (n_queries,) distance to the second-nearest row (equal to the first where two are equally
    # near), or NaN where it was not asked for
    second: Floats
    # (n_queries,) the nearest row, any of those at that distance; -1 where there is none
    rows: Integers
    ties: Integers  # (n_queries,) how many reference rows are at the least distance
    # (n_queries,) rows and leaves looked at, times columns. It does not depend on the machine
    work: Integers


class Space:
    """A distance between rows, learned from training and hold-out rows together.

    Scales come from the pooled training and hold-out rows, as one sample in which it does not
    matter which row is in which part. So neither is favored.
    """

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
        n_rows, n_numeric = part.numbers.shape
        numbers = np.empty((n_rows, n_numeric), np.float32)
        for at in range(n_numeric):
            with np.errstate(over="ignore"):
                values = (part.numbers[:, at] - self._middle[at]) / self._scale[at]
            limit = _FAR if not self.squared else 1e15  # its square is finite in 32 bits
            gone = np.isnan(values)
            values = np.clip(values, -limit, limit)
            values[gone] = 0.0 if self.squared else _MISSING
            numbers[:, at] = values
        n_codes = part.codes.shape[1]
        codes = np.empty((n_rows, n_codes + len(self._gappy)), self._code)
        codes[:, :n_codes] = part.codes + 1  # missing is -1
        codes[:, n_codes:] = np.isnan(part.numbers[:, self._gappy])
        return Points(numbers, codes)

    def finished(self, totals: npt.NDArray[np.float32]) -> Floats:
        """Return distances from sums over columns."""
        wide = totals.astype(np.float64)
        return np.sqrt(wide) if self.squared else wide / self.n_columns


def _scaled(values: Floats, metric: str) -> tuple[float, float]:
    """Return what to take off and what to divide by."""
    if metric == "euclidean":
        with np.errstate(over="ignore", invalid="ignore"):
            middle, scale = float(values.mean()), float(values.std())
        if not (np.isfinite(middle) and np.isfinite(scale)):
            middle, scale = 0.0, float(np.abs(values).max())
        return middle, scale if scale > 0 else 1.0
    low, high = np.quantile(values, ROBUST, method="inverted_cdf")
    if low == high:
        low, high = values.min(), values.max()
    with np.errstate(over="ignore"):
        scale = float(high - low)
    if not np.isfinite(scale):
        scale = float(np.finfo(np.float64).max)
    return float(low), scale if scale > 0 else 1.0


class Index:
    """Reference rows, ready to be searched."""

    def __init__(self, space: Space, points: Points) -> None:
        self._space = space
        self._points = points
        build, lay_out, _ = _kernels()
        order, starts = build(
            points.numbers, points.codes, space.squared, np.float32(space.mismatch), LEAF_ROWS
        )
        self._order, self._starts = order, starts
        self._laid = lay_out(points.numbers, points.codes, order, starts)

    def __len__(self) -> int:
        return len(self._points)

    @property
    def points(self) -> Points:
        """The reference rows."""
        return self._points

    def search(
        self, queries: Points, *, skip: Integers | None = None, second: bool = False
    ) -> Found:
        """Find the nearest reference row of every query."""
        n = len(queries)
        totals, seconds = np.empty(n, np.float32), np.empty(n, np.float32)
        rows, ties, work = (np.empty(n, np.int64) for _ in range(3))
        if skip is None:
            skip = np.full((n, 0), -1, np.int64)
        skip = np.asarray(skip, np.int64)
        skip = np.ascontiguousarray(skip[:, None] if skip.ndim == 1 else skip)
        search = _kernels()[2]
        mismatch = np.float32(self._space.mismatch)

        asked = (queries.numbers, queries.codes, skip)
        searched = (*self._laid, self._order, self._starts, self._space.squared, mismatch, second)
        found = (totals, seconds, rows, ties, work)

        def some(start: int, stop: int) -> None:
            search(*asked, *searched, start, stop, *found)

        for_chunks(some, n, CHUNK_QUERIES)
        distances = self._space.finished(totals)
        seen = self._space.finished(seconds) if second else np.full(n, np.nan)
        return Found(distances, seen, rows, ties, work)


@cache
def _kernels() -> tuple[Any, Any, Any]:
    """Return the compiled build, layout and search; Numba is loaded when first needed."""
    from vicinal.report.privacy import _leaves

    return _leaves.build, _leaves.lay_out, _leaves.search
