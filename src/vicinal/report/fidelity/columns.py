"""Column by column: how similar two distributions are."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vicinal._threads import for_chunks
from vicinal._types import Array, Floats
from vicinal.page.times import moment_of, seconds_per_unit
from vicinal.report.tables import Tables
from vicinal.table.schema import Column

#: Mean and standard deviation where there is none.
NOTHING = (math.nan, math.nan)

#: Categories that a picture shows; the others are one bar.
SHOWN_LEVELS = 12
#: What fewer real rows hold is not shown: names of categories, and numbers as they are.
FEWEST = 5
#: Bars of a picture of numbers, and the quantiles of the real column between which they lie.
SHOWN_BINS = 30
SHOWN_RANGE = (0.005, 0.995)
#: From this share on, the commonest of many numbers is drawn apart: the others would be flat.
SPIKE = 0.2
#: Quantiles of numbers that are told; the ends would tell of single rows.
LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
#: Categories of a smaller share are rare.
RARE = 0.01
#: Kinds of whole numbers.
WHOLE = frozenset({"integer", "date"})
#: Whole numbers further apart than this are not exact as floats.
EXACT = 2.0**53
#: Numbers are compared to this many significant digits of the largest: the last bits of a sum
#: make no difference.
DIGITS = 14


@dataclass(frozen=True)
class Marginal:
    """The distribution of one column, as bars.

    Attributes
    ----------
    labels : tuple of str
        Categories, commonest first: at most 12 that five real rows or more hold, then "other", or
        "rare" where fewer hold each of the others; empty for numbers.
    edges : tuple of float
        Ends of the bins, one more than bars; the outer bins hold all beyond them, five real values
        or more. Empty for categories.
    real, synthetic : tuple of float
        Share of each bar among the values that are there.
    unit : str
        Arrow type that dates and times count in ("timestamp[us]", ...); empty otherwise.
    spike : tuple of float or None
        A number that 20 % of the real rows or more hold, and its shares, real and synthetic: in no
        bar. None where none is so common, and where there are few numbers.
    """

    labels: tuple[str, ...]
    edges: tuple[float, ...]
    real: tuple[float, ...]
    synthetic: tuple[float, ...]
    unit: str = ""
    spike: tuple[float, float, float] | None = None


class RareLevels(NamedTuple):
    """Categories that less than 1 % of the real rows hold."""

    n_rare: int
    n_kept: int  # those of them that turn up among the synthetic rows
    real: float  # share of all of them together
    synthetic: float


@dataclass(frozen=True)
class ColumnFidelity:
    """One column, real and synthetic.

    Attributes
    ----------
    name, kind : str
        The column.
    score : float
        1 minus the Kolmogorov-Smirnov distance (numbers, dates) or the total variation distance
        (categories) of the values that are there; 1 = identical. NaN where there is nothing
        to compare.
    missing : tuple of float
        Share of missing values, real and synthetic.
    mean, std : tuple of float
        Mean and standard deviation, real and synthetic; NaN for categories, and of fewer than five
        real values. Dates and times count in their own units.
    coverage : float
        Share of the real range (numbers, dates) or of the real categories that the synthetic
        column reaches. NaN for a number that is constant.
    missing_score : float
        1 minus the difference of the shares of missing values.
    marginal : Marginal or None
        Both distributions as bars; None where the real column has no value, or fewer than five
        numbers.
    quantiles : tuple of tuple of float
        Of numbers and dates: the level, from 0.01 to 0.99, and the quantiles, real and synthetic;
        the mean of five neighbors, none of them outermost, where fewer than five rows hold one.
    rare : RareLevels or None
        What became of rare categories; None for numbers, and where none is rare.
    """

    name: str
    kind: str
    score: float
    missing: tuple[float, float]
    mean: tuple[float, float]
    std: tuple[float, float]
    coverage: float = math.nan
    missing_score: float = math.nan
    marginal: Marginal | None = None
    quantiles: tuple[tuple[float, float, float], ...] = ()
    rare: RareLevels | None = None

    @property
    def unit(self) -> str:
        """The Arrow type that dates and times count in; empty for other columns."""
        return self.marginal.unit if self.marginal is not None else ""

    def said(self, value: float, *, distance: bool = False) -> str:
        """Return a value of the column, or a distance of two, as text: dates as dates."""
        if distance and self.unit:
            return moment_of(value * seconds_per_unit(self.unit), "duration[s]")
        return moment_of(value, self.unit)

    def moments(self, name: str) -> tuple[str, str]:
        """Return ``mean`` or ``std``, real and synthetic, with five digits; "" where unknown."""
        sides = self.mean if name == "mean" else self.std
        first, second = (
            ""
            if math.isnan(one)
            else self.said(one, distance=name == "std")
            if self.unit
            else f"{one:.5g}"
            for one in sides
        )
        return first, second


class RankedColumn(NamedTuple):
    """Ranks of a numeric column of one table."""

    codes: npt.NDArray[np.int32]  # (n_rows,) place among the distinct values; -1 where missing
    levels: int  # distinct values


Ranked = tuple[RankedColumn, RankedColumn]


def compare_columns(tables: Tables) -> tuple[tuple[ColumnFidelity, ...], dict[str, Ranked]]:
    """Compare each column of the real table with that of the synthetic one."""
    found: list[ColumnFidelity | None] = [None] * len(tables.columns)
    ranked: dict[str, Ranked] = {}

    def work(at: int, _: int) -> None:
        column = tables.columns[at]
        if column.name in tables.numeric:
            found[at], ranked[column.name] = _numbers(tables, column)
        elif column.name in tables.categorical:
            found[at] = _categories(tables, column)
        else:
            gone = (1.0, math.nan)
            found[at] = ColumnFidelity(column.name, column.kind, math.nan, gone, NOTHING, NOTHING)

    # threads that import Numba at once may meet it half loaded
    import vicinal.report.fidelity._kernels  # noqa: F401

    for_chunks(work, len(tables.columns), 1)
    return tuple(column for column in found if column is not None), ranked


def _numbers(tables: Tables, column: Column) -> tuple[ColumnFidelity, Ranked]:
    from vicinal.report.fidelity._kernels import largest_gap

    at = tables.numeric.index(column.name)
    numbers = [part.numbers[:, at] for part in tables.both]
    floats = {"numeric", "latitude", "longitude"}
    places = _decimal_places(numbers[0]) if column.kind in floats else None
    (before, first), (after, second) = (rank_column(one, places) for one in numbers)
    parts = (before, after)
    told = len(before) >= FEWEST  # of fewer, figures are those of single rows
    missing = _pair(
        1 - len(one) / max(len(part), 1) for one, part in zip(parts, numbers, strict=True)
    )
    return ColumnFidelity(
        column.name,
        column.kind,
        1.0 - float(largest_gap(before, after)) if len(before) and len(after) else math.nan,
        missing,
        mean=_pair(float(one.mean()) if told and len(one) else math.nan for one in parts),
        std=_pair(mean_and_std(one)[1] if told and len(one) else math.nan for one in parts),
        coverage=_range_coverage(before, after),
        missing_score=1 - abs(missing[0] - missing[1]),
        marginal=_bins(column, before, after) if told else None,
        quantiles=_quantiles(column, before, after) if told and len(after) else (),
    ), (first, second)


def _quantiles(
    column: Column, before: Floats, after: Floats
) -> tuple[tuple[float, float, float], ...]:
    sides = [
        [_held_by_some(column, one, round(at * (len(one) - 1))) for at in LEVELS]
        for one in (before, after)
    ]
    return tuple(zip(LEVELS, *sides, strict=True))


def _held_by_some(column: Column, ordered: Floats, at: int) -> float:
    """Return the number at a place; where few rows hold it, the mean of its neighbors."""
    # a place too near to an end is moved inwards, so that none of them is the outermost
    middle = (len(ordered) - 1) // 2
    at = min(max(at, min(FEWEST - 1, middle)), max(len(ordered) - FEWEST, middle))
    value = float(ordered[at])
    held = np.searchsorted(ordered, value, "right") - np.searchsorted(ordered, value)
    if held >= FEWEST:
        return value
    near = ordered[max(at - FEWEST // 2, 0) : at + FEWEST // 2 + 1]
    mean = float((near / len(near)).sum())  # the sum of huge numbers overflows
    return float(round(mean)) if column.kind in WHOLE else mean


def _pair(values: Iterable[float]) -> tuple[float, float]:
    first, second = values
    return first, second


def mean_and_std(values: Floats) -> tuple[float, float]:
    """Return mean and standard deviation; the latter is exactly 0 for a constant."""
    if np.isnan(values).any():
        values = values[~np.isnan(values)]
    if not len(values):
        return 0.0, 0.0
    low, high = float(values.min()), float(values.max())
    if low == high:
        return low, 0.0
    # squares of huge numbers overflow, those of tiny ones vanish
    unit = max(abs(low), abs(high))
    unit = unit if not 1e-100 < unit < 1e100 else 1.0
    scaled = values / unit if unit != 1.0 else values
    return float(scaled.mean()) * unit, float(scaled.std()) * unit


def _decimal_places(values: Floats) -> int:
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    return DIGITS - math.ceil(math.log10(largest)) if largest > 0 else DIGITS


def rank_column(values: Floats, places: int | None = None) -> tuple[Floats, RankedColumn]:
    """Return the values that are there, sorted, and the ranks of all."""
    from vicinal.report.fidelity._kernels import dense_ranks

    codes = np.full(len(values), -1, np.int32)
    rows = np.flatnonzero(~np.isnan(values))
    values = values[rows]
    if places is not None and places < 300:
        values = np.round(values, places)
    order = np.argsort(values)
    ordered = values[order]
    return ordered, RankedColumn(codes, int(dense_ranks(order, ordered, rows, codes)))


def _range_coverage(before: Floats, after: Floats) -> float:
    if not len(before) or not len(after) or before[0] == before[-1]:
        return math.nan
    width = before[-1] - before[0]
    lost = max(after[0] - before[0], 0.0) + max(before[-1] - after[-1], 0.0)
    return float(max(1.0 - lost / width, 0.0))


def _bins(column: Column, before: Floats, after: Floats) -> Marginal:
    """Return bars between robust ends of the real column; whole numbers get whole bins."""
    sizes, spike = (len(before), len(after)), _spike(before, after)
    if spike is not None:
        before, after = (one[one != spike[0]] for one in (before, after))
    low, high = (
        _held_by_some(column, before, int(share * (len(before) - 1))) for share in SHOWN_RANGE
    )
    whole = column.kind in WHOLE and high - low < EXACT
    if whole or (low == high and float(low).is_integer()):
        width = max(1, math.ceil((high - low + 1) / SHOWN_BINS))
        count = math.ceil((high - low + 1) / width)
        edges = low - 0.5 + width * np.arange(count + 1)
    elif low == high:
        edges = low + np.array([-0.5, 0.5]) * (abs(low) or 1.0)
    else:
        edges = 2 * np.linspace(low / 2, high / 2, SHOWN_BINS + 1)  # may be further than floats go
    shares = [
        np.diff(np.searchsorted(one, edges[1:-1]), prepend=0, append=len(one)) / max(size, 1)
        for one, size in zip((before, after), sizes, strict=True)
    ]
    temporal = column.kind in {"datetime", "date", "time", "duration"}
    bars, real, made = (tuple(one.tolist()) for one in (edges, *shares))
    return Marginal((), bars, real, made, column.type * temporal, spike)


def _spike(before: Floats, after: Floats) -> tuple[float, float, float] | None:
    """Return the number that much of the real column is, and its shares; None if none is."""
    begins = np.flatnonzero(np.diff(before, prepend=np.nan))
    counts = np.diff(begins, append=len(before))
    most = int(counts.argmax())
    if len(counts) <= SHOWN_BINS or counts[most] < SPIKE * len(before):
        return None
    value = before[begins[most]]
    made = np.searchsorted(after, value, side="right") - np.searchsorted(after, value)
    return float(value), float(counts[most] / len(before)), float(made / max(len(after), 1))


def _categories(tables: Tables, column: Column) -> ColumnFidelity:
    at = tables.categorical.index(column.name)
    levels = tables.levels[at]
    # one place more than levels, so that missing values (-1) count apart
    counts = [np.bincount(part.codes[:, at] + 1, minlength=len(levels) + 1) for part in tables.both]
    missing = _pair(float(one[0] / max(one.sum(), 1)) for one in counts)
    before, after = (one[1:] for one in counts)
    shares: list[Floats] = [one / max(int(one.sum()), 1) for one in (before, after)]
    distance = float(np.abs(shares[0] - shares[1]).sum()) / 2
    reached = int(((before > 0) & (after > 0)).sum()) / max(int((before > 0).sum()), 1)
    return ColumnFidelity(
        column.name,
        column.kind,
        max(1.0 - distance, 0.0) if before.any() and after.any() else math.nan,
        missing,
        NOTHING,
        NOTHING,
        coverage=float(reached) if before.any() else math.nan,
        missing_score=1 - abs(missing[0] - missing[1]),
        marginal=_bars(levels, before, shares) if before.any() else None,
        rare=_rare(before, after, shares),
    )


def _rare(before: Any, after: Any, shares: list[Floats]) -> RareLevels | None:
    few = (before > 0) & (shares[0] < RARE)
    if not few.any() or not after.any():
        return None
    real, made = (float(one[few].sum()) for one in shares)
    return RareLevels(int(few.sum()), int((few & (after > 0)).sum()), real, made)


def _bars(levels: tuple[Any, ...], counts: Array, shares: list[Floats]) -> Marginal:
    order = np.argsort(-counts, kind="stable")
    common = int((counts >= FEWEST).sum())
    shown = common if len(order) == common <= SHOWN_LEVELS + 1 else min(common, SHOWN_LEVELS)
    labels = [str(levels[level]) for level in order[:shown]]
    heights = [one[order[:shown]].tolist() for one in shares]
    rest = [float(one[order[shown:]].sum()) for one in shares]
    if any(rest):  # some levels are only those of a hold-out
        name = "other" if shown < common else "rare"
        labels.append(f"({name})" if name in labels else name)
        for height, part in zip(heights, rest, strict=True):
            height.append(part)
    return Marginal(tuple(labels), (), tuple(heights[0]), tuple(heights[1]))
