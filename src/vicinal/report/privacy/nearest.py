"""Nearest rows of mixed tables, exact: numbers and categories, millions of rows, a few threads.

Reference rows are cut into leaves of about a hundred similar rows. Each leaf knows the range of its
numbers and the set of its categories, so that the least distance a row could have to any of its
rows is known without looking at them. A search visits leaves in the order of that bound and stops
where no leaf can hold a nearer row. Nothing is approximate: the bound is added up in the same
order and precision as the distance, and rounding keeps order, so it never exceeds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_choice
from vicinal._stats import Estimate
from vicinal._threads import for_chunks
from vicinal.report.tables import Part, Tables

__all__ = [
    "Found",
    "Index",
    "Points",
    "Space",
    "closer_share",
    "effective_rows",
    "share_closer",
]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

#: Distances that can be asked for.
METRICS = ("gower", "euclidean")
#: A Gower range runs between these quantiles: one outlier must not make all others look alike.
ROBUST = (0.005, 0.995)
#: Most rows of a leaf, unless they are all equal.
LEAF_ROWS = 128
#: Queries of one piece of threaded work, which share the leaves that they fetch.
CHUNK_QUERIES = 32
#: Scaled numbers are cut here; a missing one lies beyond.
_FAR, _MISSING = 1e30, 3e30


@dataclass(frozen=True, eq=False)
class Points:
    """Rows as a search wants them.

    Attributes
    ----------
    numbers : ndarray of float32, shape (n_rows, n_numeric)
        Scaled, nothing missing.
    codes : ndarray of unsigned int, shape (n_rows, n_categorical)
        Categories; missing is one of them.
    """

    numbers: npt.NDArray[np.float32]
    codes: npt.NDArray[Any]

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
    """What a search found for each query.

    Attributes
    ----------
    distance : ndarray of float64, shape (n_queries,)
        Distance to the nearest reference row; infinite where there is none.
    second : ndarray of float64, shape (n_queries,)
        Distance to the second-nearest row (equal to the first where two are equally near), or NaN
        where it was not asked for.
    rows : ndarray of int64, shape (n_queries,)
        The nearest row, any of those at that distance; -1 where there is none.
    ties : ndarray of int64, shape (n_queries,)
        How many reference rows are at the least distance.
    work : ndarray of int64, shape (n_queries,)
        Rows and leaves looked at, times columns. It does not depend on the machine.
    """

    distance: Floats
    second: Floats
    rows: Integers
    ties: Integers
    work: Integers


class Space:
    """A distance between rows, learned from training and hold-out rows alike.

    Scales come from the pooled training and hold-out rows, as one sample in which it does not
    matter which row is in which part. So neither is favored.

    Parameters
    ----------
    tables : Tables
        Aligned tables; without a hold-out, scales come from the real rows.
    metric : {"gower", "euclidean"}, default "gower"
        Gower's is the mean over columns of a difference in [0, 1]. For categories it is 0 or 1;
        for numbers the absolute difference over the column's range, at most 1. The range runs from
        the 0.5 % to the 99.5 % quantile (of all values where these are equal), because a single
        outlier would otherwise make all other rows look alike. Missing is a value of its own: at 0
        from missing, at 1 from everything else. The Euclidean distance is over numbers divided by
        their standard deviation and one-hot categories, so that two that differ add 2 to its
        square. A missing number counts as the mean, and whether it is missing as a category.

    Raises
    ------
    ValueError
        If there is no such metric.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from vicinal.report.tables import align
    >>> real = pa.table({"x": [0.0, 10.0] * 30, "c": ["a", "b"] * 30})
    >>> other = pa.table({"x": [0.0, 5.0] * 30, "c": ["a", "a"] * 30})
    >>> tables = align(real, other)
    >>> space = Space(tables)
    >>> found = Index(space, space.points(tables.real)).search(space.points(tables.synthetic))
    >>> found.distance[:2].tolist()  # 0 and 5 of a range of 10, over two columns
    [0.0, 0.25]
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
        """Return rows in this space.

        Parameters
        ----------
        part : Part
            Rows of the tables that the space was learned from.

        Returns
        -------
        Points
            As many.
        """
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
    """Reference rows, ready to be searched.

    Parameters
    ----------
    space : Space
        The distance.
    points : Points
        All reference rows, in that space.
    """

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
        """Find the nearest reference row of every query.

        Parameters
        ----------
        queries : Points
            Rows in the same space.
        skip : ndarray of int64, shape (n_queries,) or (n_queries, n_skipped), optional
            Reference rows that do not count for a query (itself, say); -1 for none.
        second : bool, default False
            Find the second-nearest too.

        Returns
        -------
        Found
            The same whatever the number of threads.
        """
        n = len(queries)
        totals, seconds = np.empty(n, np.float32), np.empty(n, np.float32)
        rows, ties, work = (np.empty(n, np.int64) for _ in range(3))
        if skip is None:
            skip = np.full((n, 0), -1, np.int64)
        skip = np.asarray(skip, np.int64)
        skip = np.ascontiguousarray(skip[:, None] if skip.ndim == 1 else skip)
        search = _kernels()[2]
        mismatch = np.float32(self._space.mismatch)

        def some(start: int, stop: int) -> None:
            search(
                queries.numbers,
                queries.codes,
                skip,
                *self._laid,
                self._order,
                self._starts,
                self._space.squared,
                mismatch,
                second,
                start,
                stop,
                totals,
                seconds,
                rows,
                ties,
                work,
            )

        for_chunks(some, n, CHUNK_QUERIES)
        distances = self._space.finished(totals)
        seen = self._space.finished(seconds) if second else np.full(n, np.nan)
        return Found(distances, seen, rows, ties, work)


@cache
def _kernels() -> tuple[Any, Any, Any]:
    """Return the compiled build, layout and search; Numba is loaded when first needed."""
    from vicinal.report.privacy import _leaves

    return _leaves.build, _leaves.lay_out, _leaves.search


def effective_rows(rows: Integers, ties: Integers | None = None, total: int | None = None) -> float:
    """Return how many independent rows the neighbors of some queries are worth.

    Queries with the same nearest row share its luck of being a training row. With a share w_j of
    the queries at row j, the variance of a share over queries is that of 1 / sum w_j^2
    independent ones; where c rows are equally near, the share among them varies c times less.
    Among ``total`` rows of which a fixed number is training rows, 1 / total comes off the sum, and
    total - 1 takes the place of total: all rows together do not vary.

    Parameters
    ----------
    rows : ndarray of int64, shape (n_queries,)
        Nearest row of each query.
    ties : ndarray of int64, shape (n_queries,), optional
        Rows that are as near.
    total : int, optional
        Rows that could be nearest; taken for infinitely many where left out.

    Returns
    -------
    float
        From 1 to the number of queries; 0 without queries.
    """
    if not len(rows):
        return 0.0
    _, where, counts = np.unique(rows, return_inverse=True, return_counts=True)
    shared = np.ones(len(counts))
    if ties is not None:
        shared = np.full(len(counts), np.inf)
        np.minimum.at(shared, where, ties)
    variance = float(np.sum((counts / len(rows)) ** 2 / shared))
    if total is not None and total > 1:
        variance = (variance - 1 / total) * total / (total - 1)
    return float(max(1.0, 1 / max(variance, 1 / len(rows))))


def closer_share(train: Found, holdout: Found, n_train: int, n_holdout: int) -> Estimate:
    """Return the share of queries that are closer to training than to hold-out rows.

    Of the rows at the least distance each counts alike: with one training and three hold-out rows
    equally near, a query counts one quarter. A generator that drew fresh rows would reach
    ``p0 = n_train / (n_train + n_holdout)`` exactly, on average. The share is stretched so that
    ``p0`` becomes 0.5, and 0 and 1 stay.

    Parameters
    ----------
    train, holdout : Found
        Nearest training and hold-out rows of the same queries.
    n_train, n_holdout : int
        Rows that were searched.

    Returns
    -------
    Estimate
        0.5 is ideal. The interval is Wilson's for :func:`effective_rows` independent rows.
    """
    first, other = train.distance, holdout.distance
    best = np.minimum(first, other)
    near = np.where(first == best, train.ties, 0)
    both = near + np.where(other == best, holdout.ties, 0)
    if not len(both):
        return Estimate(np.nan)
    credit = float(np.mean(near / both))
    nearest = np.where(first <= other, train.rows, n_train + holdout.rows)
    worth = effective_rows(nearest, both, n_train + n_holdout)
    p0 = n_train / (n_train + n_holdout)
    raw = Estimate.of_share(credit * int(worth), int(worth))

    def stretched(p: float) -> float:
        return 0.5 * p / p0 if p < p0 else 0.5 + 0.5 * (p - p0) / (1 - p0)

    return Estimate(*(stretched(p) for p in (raw.value, raw.low, raw.high)))


def share_closer(
    tables: Tables,
    *,
    metrics: Sequence[Literal["gower", "euclidean"]] = METRICS,  # type: ignore[assignment]
    rows: int | None = None,
    rng: np.random.Generator | None = None,
) -> dict[str, Estimate]:
    """Return the share of synthetic rows closer to training than to hold-out rows.

    Parameters
    ----------
    tables : Tables
        With a hold-out.
    metrics : sequence of {"gower", "euclidean"}
        Distances to measure by (see :class:`Space`); both, so that neither can be pleased alone.
    rows : int, optional
        Synthetic rows to look at, drawn at random; all where left out. Training and hold-out rows
        are searched in full.
    rng : numpy.random.Generator, optional
        Draws them.

    Returns
    -------
    dict of str to Estimate
        By metric, see :func:`closer_share`; 0.5 is ideal.

    Raises
    ------
    ValueError
        If there is no hold-out.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as pa
    >>> from vicinal.report.tables import align
    >>> x = np.random.default_rng(0).normal(size=(400, 3))
    >>> real, holdout = (pa.table(dict(zip("abc", part.T))) for part in (x[:200], x[200:]))
    >>> copied = align(real, real, holdout)
    >>> share_closer(copied)["gower"].value
    1.0
    """
    if tables.holdout is None:
        raise ValueError(
            "tables have no hold-out. Align them with rows that the generator never saw."
        )
    asked = tables.synthetic
    if rows is not None:
        asked = asked.drawn(rows, rng or np.random.default_rng(0))
    found = {}
    for metric in metrics:
        space = Space(tables, metric)
        queries = space.points(asked)
        train, holdout = (
            Index(space, space.points(part)).search(queries)
            for part in (tables.real, tables.holdout)
        )
        found[str(metric)] = closer_share(train, holdout, len(tables.real), len(tables.holdout))
    return found
