"""What is learned of a whole column in one pass, batch by batch; statistics of other rows merge in.

Numbers: how many, ends, mean, variance, decimal places, and how often each value occurs while there
are few. Anything else: how often each value occurs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._types import Array, Floats
from vicinal.table.marginals import STEP_VALUES
from vicinal.table.numbers import MAX_DECIMALS, to_numbers
from vicinal.table.schema import MIXED_KINDS, kind_of_type
from vicinal.table.stream.value_counts import DistinctSketch, ValueCounts, hash_numbers

#: Values in which many different ones are looked for before all are counted.
FEW = 4096
#: Share of integers that a sketch must tell apart to call every one different: three standard
#: errors of the sketch, and no repetition was found within a batch.
UNIQUE = 0.94


class ColumnStats:
    """All that was seen of a column."""

    def __init__(self, counts: ValueCounts) -> None:
        self.n_rows = self.n_missing = 0  # missing: null or NaN
        self.counts = counts

    @property
    def n_values(self) -> int:
        """Number of rows with a value."""
        return self.n_rows - self.n_missing

    @property
    def n_distinct(self) -> int:
        """Different values, as far as they were counted."""
        return min(self.counts.n_distinct, self.n_values)

    def merge(self, other: Any) -> None:
        """Take in what was seen of the rows that follow."""
        self.n_rows += other.n_rows
        self.n_missing += other.n_missing
        self.counts.merge(other.counts)


def stats_of(kind: pa.DataType, name: str) -> ValueStats | NumberStats:
    """Return statistics of a column of a type that has not been seen yet."""
    return NumberStats(kind) if kind_of_type(kind) in MIXED_KINDS else ValueStats(name)


class ValueStats(ColumnStats):
    """Statistics of a column of names and the like; its own name makes placeholders."""

    def __init__(self, name: str) -> None:
        super().__init__(ValueCounts())
        self._name = name
        #: Beginnings of placeholders that no value has.
        self.free = [f"{name}-", f"{name}-new-", f"synthetic-{name}-", f"vicinal-{name}-"]

    @property
    def prefix(self) -> str:
        """The first of these, or a ValueError."""
        if not self.free:
            raise ValueError(
                f"Column {self._name!r}: every placeholder for its identifiers might be a real "
                "one. Leave them out (identifiers='drop'), or keep real values with "
                f"kinds={{{self._name!r}: 'category'}}."
            )
        return self.free[0]

    def add(self, values: pa.ChunkedArray, name: str, where: str) -> None:
        """Look at more rows."""
        self.n_rows += len(values)
        self.n_missing += values.null_count
        found = pc.value_counts(values)
        items, counts = found.field("values"), found.field("counts").to_numpy()
        if pa.types.is_dictionary(items.type):
            items = items.cast(items.type.value_type)
        if pa.types.is_string(items.type) or pa.types.is_large_string(items.type):
            begins = (bool(pc.any(pc.starts_with(items, start)).as_py()) for start in self.free)
            self.free = [start for start, taken in zip(self.free, begins, strict=True) if not taken]
        plain = items.is_valid().to_numpy(zero_copy_only=False)
        self.counts.add(items.drop_null(), counts[plain])

    def merge(self, other: Any) -> None:
        """Take in what was seen of the rows that follow."""
        super().merge(other)
        self.free = [start for start in self.free if start in other.free]


class NumberStats(ColumnStats):
    """Statistics of a column of numbers, dates or times."""

    def __init__(self, kind: pa.DataType) -> None:
        super().__init__(ValueCounts(STEP_VALUES, sketched=False))
        self.kind = kind
        #: The least and the largest number, in terms of ``to_numbers``; None without a value.
        self.low: Any = None
        self.high: Any = None
        #: Decimal places that are enough for every value; None where there are too many.
        self.decimals: int | None = 0
        # of integers that may be identifiers; None once two rows surely have one value
        self._distinct = DistinctSketch() if pa.types.is_integer(kind) else None
        self._pivot: Any = None
        self._offset = self._squares = 0.0

    @property
    def n_distinct(self) -> int:
        """Different values: exact up to 1024; above, a sketch of integers, else a lower bound."""
        if self.counts.exact is not None:
            return self.counts.n_distinct
        if self.all_distinct:
            return self.n_values
        known = 0 if self._distinct is None else self._distinct.estimate()
        return min(max(known, self.counts.n_distinct), self.n_values)

    @property
    def all_distinct(self) -> bool:
        """Whether every value occurs once, as far as a sketch can tell; for integers only."""
        if self._distinct is None:
            return False
        if self.counts.exact is not None:
            return self.counts.n_distinct == self.n_values
        return self._distinct.estimate() >= UNIQUE * self.n_values

    def check_distinct(self, sample: pa.ChunkedArray) -> None:
        """Look in a sample for what a sketch cannot tell: that a few values occur twice."""
        plain = pc.drop_null(sample)
        if pc.count_distinct(plain).as_py() < len(plain):
            self._distinct = None

    def moments(self) -> tuple[Any, float, float]:
        """Return a number, how far the mean lies above it, and the variance."""
        return self._pivot, self._offset, self._squares / max(self.n_values, 1)

    def add(self, values: pa.ChunkedArray, name: str, where: str) -> None:
        """Look at more rows; ``where`` is their file."""
        if pa.types.is_floating(self.kind):
            numbers = values.to_numpy()
            missing = np.isnan(numbers)
        else:
            numbers, missing = to_numbers(values, name)
        numbers = numbers[~missing] if missing.any() else numbers
        seen, n = self.n_values, len(numbers)
        self.n_rows += len(values)
        self.n_missing += len(values) - n
        if not n:
            return
        low, high = numbers.min().item(), numbers.max().item()
        if isinstance(low, float) and (np.isinf(low) or np.isinf(high)):
            raise ValueError(
                f"{where}: column {name!r} holds infinity, which cannot be mixed. Replace it by a "
                "missing value or a large number, or drop the row."
            )
        self._widen(low, high)
        if self._pivot is None:
            self._pivot = numbers[0].item()
        # the sums are about the pivot: exact for timestamps, and no square of a large mean
        with np.errstate(over="ignore", invalid="ignore"):
            steps = _steps(numbers, self._pivot)
            total, squares = float(steps.sum()), float(np.square(steps).sum())
        self._combine(seen, n, total / n, squares - total * total / n)
        self._count(numbers)
        self._tell_apart(numbers)
        if numbers.dtype.kind == "f":
            self._look_at_places(numbers)

    def _widen(self, low: Any, high: Any) -> None:
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)

    def _combine(self, seen: int, n: int, offset: float, squares: float) -> None:
        """Add mean and squared deviations of other rows (Chan, Golub and LeVeque, 1979)."""
        both = seen + n
        step = offset - self._offset
        self._offset += step * n / both
        self._squares += max(squares, 0.0) + step * step * seen * n / both

    def _count(self, numbers: Array) -> None:
        if self.counts.stopped:
            return
        # most columns of many values show it at once
        values, counts = np.unique(numbers[:FEW], return_counts=True)
        if len(numbers) > FEW and len(values) <= STEP_VALUES:
            values, counts = np.unique(numbers, return_counts=True)
        if len(values) > STEP_VALUES:
            self.counts.stop()
        else:
            self.counts.add(values.tolist(), counts)

    def _tell_apart(self, numbers: Array) -> None:
        if self._distinct is None:
            return
        rising = bool((numbers[1:] > numbers[:-1]).all())
        repeated = not rising and len(np.unique(numbers)) < len(numbers)
        if repeated or self.high - self.low + 1 < self.n_values:
            self._distinct = None
        else:
            self._distinct.add(hash_numbers(numbers))

    def _look_at_places(self, numbers: Array) -> None:
        for part in (numbers[:FEW], numbers):  # the first few mostly tell
            while self.decimals is not None and not _has_places(part, self.decimals):
                self.decimals = self.decimals + 1 if self.decimals < MAX_DECIMALS else None
            if self.decimals is None:
                return

    def merge(self, other: Any) -> None:
        """Take in what was seen of the rows that follow."""
        seen, n = self.n_values, other.n_values
        super().merge(other)
        if not n:
            return
        self._widen(other.low, other.high)
        places = (self.decimals, other.decimals)
        self.decimals = None if None in places else max(place or 0 for place in places)
        if self._pivot is None:
            self._pivot = other._pivot
        shift = float(other._pivot - self._pivot)
        self._combine(seen, n, other._offset + shift, other._squares)
        if self._distinct is not None:
            if other._distinct is None or self.high - self.low + 1 < self.n_values:
                self._distinct = None
            else:
                self._distinct.merge(other._distinct)


def _steps(numbers: Array, pivot: Any) -> Floats:
    """Return how far numbers lie above a pivot: exact where that fits into a float."""
    steps = numbers.astype(np.float64) - float(pivot)
    if numbers.dtype.kind == "f":
        return steps
    return np.where(np.abs(steps) < 2.0**52, (numbers - pivot).astype(np.float64), steps)


def _has_places(values: Array, places: int) -> bool:
    """Tell whether rounding to decimal places changes nothing (in the values' own type)."""
    with np.errstate(over="ignore"):
        wide = values.astype(np.float64, copy=False)
        return bool(np.array_equal(np.round(wide, places).astype(values.dtype), values))
