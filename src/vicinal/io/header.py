"""Tell a first line that is a row from one of column names."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

#: Rows against which texts of a first line are held.
_HEAD = 200
#: Ascending names of columns, at least, that are the values of a pivoted table.
_WHOLE, _BROKEN = 3, 5
#: Dates, amounts and codes that are texts: digits with marks, or behind a zero.
_DIGITS = re.compile(r"(?=.*[0-9])(?=.*[^0-9]|0[0-9])[-+]?[0-9][0-9.,:/' -]*[%€$£]?")


def looks_like_row(names: Sequence[str], table: pa.Table, missing: Collection[str]) -> bool:
    """Tell whether a line of names goes with the rows below it as one of them.

    All names must be of the types of their columns, and one of them a date, a time, a number with
    decimals, or one within its column's range that is neither a year nor part of a count.
    """
    if not names[0].strip() or any(map(_is_word, names, table.columns)):
        return False
    numbers: list[float] = []
    within, broken, telling = [], False, False
    columns: list[pa.ChunkedArray] = []
    for name, column in zip(names, table.columns, strict=True):
        kind, name = column.type, name.strip()
        if name in missing or pa.types.is_null(kind):
            continue
        if pa.types.is_string(kind):
            telling = telling or _is_like(name, column)
            continue
        value = _read(name, column)
        if value is None:
            return False
        if pa.types.is_temporal(kind):
            telling = True
        elif not pa.types.is_boolean(kind):
            numbers.append(float(value))
            broken = broken or not name.lstrip("+-").isdigit()
            within.append(_is_within(value, column))
            columns.append(column)
    if telling or not numbers:
        return telling
    if 2 * sum(within) < len(within) + (not broken):  # of another quantity than the cells
        return False
    return not (_is_counted(numbers) or _is_pivoted(numbers, columns, broken))


def _is_word(name: str, column: pa.ChunkedArray) -> bool:
    """Tell whether a name is of letters alone, above texts that mostly hold digits."""
    if not pa.types.is_string(column.type) or not name.strip().isalpha():
        return False
    head = column.drop_null().slice(0, _HEAD)
    return 2 * (pc.sum(pc.match_substring_regex(head, "[0-9]")).as_py() or 0) > len(head)


def _is_like(name: str, column: pa.ChunkedArray) -> bool:
    """Tell whether digits with marks are like most cells of a column of texts."""
    if not _DIGITS.fullmatch(name):
        return False
    head = column.drop_null().slice(0, _HEAD)
    alike = pc.replace_substring_regex(head, "[0-9]+", "0")
    same: int = pc.sum(pc.equal(alike, re.sub("[0-9]+", "0", name))).as_py()
    return 2 * same > len(head)


def _read(name: str, column: pa.ChunkedArray) -> Any:
    """Return a name as a value of a column, None if it is none."""
    kind = column.type
    if pa.types.is_boolean(kind):
        return name if name.lower() in ("true", "false") else None
    text = pa.array([name])
    try:
        if pa.types.is_time(kind):
            return pa.array([f"1970-01-01 {name}"]).cast(pa.timestamp("ns"))[0]
        if pa.types.is_timestamp(kind):
            return text.cast(pa.timestamp("ns", kind.tz))[0]
        if pa.types.is_date(kind):
            return text.cast(kind)[0]
        value = text.cast(pa.float64())[0].as_py()
    except pa.ArrowInvalid:
        return None
    if not math.isfinite(value):
        return None
    return value if pa.types.is_floating(kind) or value == int(value) else None


def _is_within(value: float, column: pa.ChunkedArray) -> bool:
    """Tell whether a number is in a column's range, or nearly so: few rows have not all values."""
    ends = pc.min_max(column).as_py()
    if ends["min"] is None:
        return False
    low, high = float(ends["min"]), float(ends["max"])
    room = (high - low) / max(len(column) - 1, 1) * 3
    return low - room <= value <= high + room


def _is_counted(numbers: Sequence[float]) -> bool:
    """Tell years, and numbers at equal steps, from the cells of a row."""
    if all(number == int(number) and 1900 <= number <= 2100 for number in numbers):
        return True
    if len(numbers) < _WHOLE:
        return list(numbers) in ([0], [1], [0, 1], [1, 2])
    steps = [right - left for left, right in pairwise(numbers)]
    return steps[0] != 0 and max(steps) - min(steps) <= abs(steps[0]) * 1e-6


def _is_pivoted(numbers: Sequence[float], columns: list[pa.ChunkedArray], broken: bool) -> bool:
    """Tell ascending names above rows that are not."""
    if len(numbers) < (_BROKEN if broken else _WHOLE) or not _ascend(numbers):
        return False
    rows = list(zip(*(column.slice(0, _HEAD).to_pylist() for column in columns), strict=True))
    return 2 * sum(None not in row and _ascend(row) for row in rows) < len(rows)


def _ascend(numbers: Sequence[Any]) -> bool:
    return all(left < right for left, right in pairwise(numbers))
