"""Rows of a table by entity and step, and columns that only rise within an entity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from vicinal._checks import check_column
from vicinal._types import Ints
from vicinal.table.categories import codes_of
from vicinal.table.numbers import (
    MAX_DECIMALS,
    Numbers,
    decimals_of,
    from_numbers,
    number_limits,
    to_numbers,
)
from vicinal.table.schema import MIXED_KINDS, kind_of_type

#: Steps are those of a regular grid where it has at most this many times the rows of the longest.
SPARSE = 2
#: Periods that a single series must have.
PERIODS = 8
_SECONDS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY = 86_400
#: Longest usual step, in seconds, of a series that is cut into days, weeks and years.
_CUTS = ((_DAY // 2, "day"), (4 * _DAY, "week"), (100 * _DAY, "year"))


@dataclass(frozen=True)
class Layout:
    """Rows in the order of entities and of time within each."""

    # order are row numbers of the table; all else is about rows in this order

    order: Ints  # (n_rows,)
    first: Ints  # (n_entities + 1,), where each entity begins, and the number of rows
    steps: Ints  # (n_rows,), from 0 within each entity
    on_grid: bool  # whether steps are those of a regular grid, on which rows may be absent
    period: str | None = None  # what a single series was cut into

    @property
    def entity(self) -> Ints:
        """The number of the entity of each row."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))

    def __len__(self) -> int:
        return len(self.first) - 1

    def shuffled(self, rng: np.random.Generator) -> Layout:
        """Return the entities in random order; periods stay in theirs."""
        if self.period is not None:
            return self
        new = rng.permutation(len(self))
        counts = np.diff(self.first)[new]
        first = np.concatenate([[0], np.cumsum(counts)])
        rows = np.arange(len(self.order)) + np.repeat(self.first[new] - first[:-1], counts)
        return Layout(self.order[rows], first, self.steps[rows], self.on_grid)


@dataclass(frozen=True)
class Clock:
    """A column as a whole number of steps: ``base + unit * step``, or months."""

    type: pa.DataType
    base: int
    unit: int
    places: int | None = None  # decimal places of floats
    monthly: bool = False  # months, ``base`` units of time after they begin

    def decode(self, steps: Ints) -> pa.Array:
        """Return the column of these steps."""
        if self.monthly:
            scale = _units_of(self.type)
            days = steps.astype("M8[M]").astype("M8[D]").astype(np.int64)
            numbers: Numbers = days * (scale * _DAY if scale else 1) + self.base
        else:
            numbers = self.base + self.unit * steps
        if self.places is not None:
            numbers = np.round(numbers / 10.0**self.places, self.places)
        return from_numbers(
            np.clip(numbers, *number_limits(self.type, numbers[:0])), None, self.type
        )


def clock_of(
    values: pa.ChunkedArray, name: str, rounded: bool = False
) -> tuple[Clock, Ints] | None:
    """Return a column as steps; None where it has gaps or is no grid of whole numbers."""
    # floats of many decimal places are no grid, unless they may be rounded
    if kind_of_type(values.type) not in MIXED_KINDS:
        return None
    numbers, missing = to_numbers(values, name)
    if missing.any() or not len(numbers):
        return None
    kind, places = values.type, None
    if numbers.dtype.kind == "f":
        places = decimals_of(numbers)
        if places is None and rounded:
            places = MAX_DECIMALS
        if places is None or np.abs(numbers).max() > 1e9:
            return None
        numbers = np.rint(numbers * 10.0**places).astype(np.int64)
    monthly = _months(numbers, kind)
    if monthly is not None:
        return Clock(kind, monthly[1], 1, monthly=True), monthly[0]
    base = int(numbers.min())
    unit = int(np.gcd.reduce(numbers - base)) or 1
    return Clock(kind, base, unit, places), (numbers - base) // unit


def ticks_of_day(kind: pa.DataType) -> int:
    """Return the units of a day."""
    return _units_of(kind) * _DAY or 1


def bounds(numbers: Numbers, kind: pa.DataType, period: str) -> tuple[Ints, Ints]:
    """Return where the day, week or year of each time begins, and where the next one does."""
    day = ticks_of_day(kind)
    days = numbers // day
    if period == "year":
        years = days.astype("M8[D]").astype("M8[Y]")
        starts, ends = (one.astype("M8[D]").astype(np.int64) for one in (years, years + 1))
    else:  # weeks begin on Monday
        length, back = (7, 3) if period == "week" else (1, 0)
        starts = (days + back) // length * length - back
        ends = starts + length
    return starts * day, ends * day


def _units_of(kind: pa.DataType) -> int:
    """Return units in a second, 0 for days."""
    return _SECONDS[kind.unit] if pa.types.is_timestamp(kind) else 0


def _months(numbers: Ints, kind: pa.DataType) -> tuple[Ints, int] | None:
    """Return months and the offset in them, where it is always the same one."""
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        return None
    day = ticks_of_day(kind)
    months = (numbers // day).astype("M8[D]").astype("M8[M]")
    offset = numbers - months.astype("M8[D]").astype(np.int64) * day
    if len(offset) < 2 or np.ptp(offset) or offset[0] >= 28 * day or not np.ptp(months.view("i8")):
        return None
    return months.astype(np.int64), int(offset[0])


def lay_out(table: pa.Table, entity: str | None, time: str | None) -> Layout:
    """Sort rows by entity and time, or cut one series into periods."""
    for parameter, name in (("entity", entity), ("time", time)):
        if name is not None:
            check_column(parameter, name, table.column_names)
            gaps = table[name].is_null(nan_is_null=True).to_numpy()
            if gaps.any():
                raise ValueError(
                    f"{parameter}={name!r}: {gaps.sum():,} row(s) have no value there (first: row "
                    f"{int(gaps.argmax()) + 1}, not counting a header). Fill or drop them."
                )
    if entity is not None and entity == time:
        raise ValueError(f"entity and time are both {entity!r}. Name two columns.")
    numbers = _times(table, time)
    period, slots = None, None
    if entity is None:
        codes, slots, period = _periods(table, str(time), numbers)
    else:
        codes = codes_of(table[entity]).astype(np.int64)
    order = np.lexsort([numbers, codes])
    first = np.searchsorted(codes[order], np.arange(codes.max() + 2))
    held = np.diff(first)
    if held.max() < 2:
        raise ValueError(
            f"entity={entity!r}: each of the {len(held):,} entities has one row, so that no rows "
            "belong together. Leave entity and time out."
        )
    if len(held) < 2:
        raise ValueError(
            f"entity={entity!r}: all rows belong to one entity. Name another column, or leave "
            "entity out: time alone mixes the periods of one series."
        )
    _check_times(table, (entity, time), order, numbers[order], codes[order])
    if slots is not None:
        slots = slots[order]
        if not ((np.diff(slots) == 0) & (np.diff(codes[order]) == 0)).any():
            return Layout(order, first, slots, True, period)
    return Layout(order, first, *_steps(table, time, order, first), period)


def _times(table: pa.Table, time: str | None) -> Numbers:
    if time is None:
        return np.arange(table.num_rows)
    kind = table[time].type
    if kind_of_type(kind) not in MIXED_KINDS:
        raise ValueError(
            f"time={time!r} must hold numbers, dates or times, but it holds {kind}. If its texts "
            f"are dates, say so with kinds={{{time!r}: 'date'}}."
        )
    return to_numbers(table[time], time)[0]


def _check_times(
    table: pa.Table,
    names: tuple[str | None, str | None],
    order: Ints,
    numbers: Numbers,
    codes: Ints,
) -> None:
    """Refuse a time that an entity has twice."""
    same = (np.diff(numbers) == 0) & (np.diff(codes) == 0)
    if not same.any():
        return
    (entity, time), at = names, int(same.argmax())
    rows = np.sort(order[at : at + 2])
    when = table[time][int(rows[0])].as_py()
    whose = "" if entity is None else f" for {entity} {table[entity][int(rows[0])].as_py()!r}"
    remedy = (
        "If rows belong to several things, name their column with entity."
        if entity is None
        else "Keep one row for each, or name a finer time."
    )
    raise ValueError(
        f"time={time!r}: {when} stands twice{whose} (rows {rows[0] + 1:,} and {rows[1] + 1:,}, not "
        f"counting a header), and so in {same.sum():,} place(s). {remedy}"
    )


def _periods(table: pa.Table, time: str, numbers: Numbers) -> tuple[Ints, Ints, str]:
    """Return the number of the day, week or year of each row, its step in it, and which it is."""
    kind = table[time].type
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise ValueError(
            f"time={time!r} without entity cuts one series into days, weeks or years, but it holds "
            f"{kind}. Give dates, or name the column of the entities with entity."
        )
    day = ticks_of_day(kind)
    usual = max(float(np.median(np.diff(np.sort(numbers)))), 1.0)
    period = next((name for longest, name in _CUTS if usual / day * _DAY <= longest), "year")
    starts, _ = bounds(numbers, kind, period)
    _, codes = np.unique(starts, return_inverse=True)
    if codes.max() + 1 < PERIODS:
        raise ValueError(
            f"time={time!r}: the series is {codes.max() + 1} {period}(s) long, and at least "
            f"{PERIODS} are needed to mix them with each other."
        )
    return codes, np.rint((numbers - starts) / usual).astype(np.int64), period


def _steps(table: pa.Table, time: str | None, order: Ints, first: Ints) -> tuple[Ints, bool]:
    """Return the step of each row, on a regular grid where rows have one."""
    counts = np.diff(first)
    plain = np.arange(len(order)) - np.repeat(first[:-1], counts)
    told = None if time is None else clock_of(table[time].take(pa.array(order)), time, rounded=True)
    if told is None:
        return plain, False
    offsets = told[1] - np.repeat(told[1][first[:-1]], counts)
    offsets //= int(np.gcd.reduce(offsets)) or 1
    if offsets.max() + 1 > SPARSE * counts.max():
        return plain, False
    return offsets, True


def varies(values: pa.ChunkedArray, layout: Layout) -> bool:
    """Tell whether a column changes within an entity; values are in the order of the layout."""
    codes = codes_of(values)
    return bool((codes != codes[layout.first[:-1]][layout.entity]).any())


def rising(steps: Ints, first: Ints) -> Ints | None:
    """Return gaps between the steps of an entity, 0 for its first one; None where any falls."""
    gaps = np.diff(steps, prepend=steps[:1])
    gaps[first[:-1]] = 0
    return None if (gaps < 0).any() else gaps
