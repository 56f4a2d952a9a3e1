"""The numbers behind a column, exact to the last digit, and the column behind numbers.

Whole numbers, dates, times and decimals become int64 and stay exact; floats, and what does not fit,
float64. uint64 is moved down by 2**63; missing places hold 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._types import Array, Bools, Floats

Numbers = Array  # int64 or float64

#: Decimal places that are recognized and kept.
MAX_DECIMALS = 6
#: Values that are looked at first: most often they tell.
FIRST = 1_000

_INT64 = np.iinfo(np.int64)
_SECONDS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY = 24 * 60 * 60
#: Days from 1970 to 0001-01-01 and 9999-12-31, the calendar of Python.
_CALENDAR = (-719_162, 2_932_896)
#: Days that stand for none, or for no end, where all other dates are far from them.
_FILLERS = np.array(
    [
        *("0001-01-01", "1753-01-01", "1899-12-30", "1899-12-31", "1900-01-01"),
        *("2099-12-31", "2199-12-31", "2999-12-31", "9999-12-31"),
    ],
    "datetime64[D]",
).astype(np.int64)


def to_numbers(values: pa.ChunkedArray, name: str) -> tuple[Numbers, Bools]:
    """Return the numbers behind a column, and where it has none."""
    check_finite(values, name)
    kind = values.type
    missing = values.is_null(nan_is_null=True).to_numpy()
    if pa.types.is_decimal(kind):
        numbers = _from_decimals(values)
    elif pa.types.is_floating(kind):
        numbers = _from_floats(values)
    elif kind == pa.uint64():
        numbers = (pc.fill_null(values, 0).to_numpy() ^ np.uint64(1 << 63)).view(np.int64)
    else:
        if pa.types.is_date64(kind):
            values = values.cast(pa.date32())
        if pa.types.is_temporal(kind):
            values = values.cast(pa.int32() if values.type.bit_width == 32 else pa.int64())
        numbers = pc.fill_null(values.cast(pa.int64()), 0).to_numpy()
    if missing.any():
        numbers = np.where(missing, numbers.dtype.type(0), numbers)
    return numbers, missing


def decimals_of(values: Floats) -> int | None:
    """Return the decimal places that all values have at most, None for more than six."""
    for places in range(MAX_DECIMALS + 1):
        scaled = values * 10.0**places
        if np.all(
            np.abs(scaled - np.rint(scaled)) <= 1e-6 * np.maximum(1.0, np.abs(scaled) * 1e-6)
        ):
            return places
    return None


def check_finite(values: pa.ChunkedArray, name: str) -> None:
    """Refuse a column that holds infinity."""
    if not pa.types.is_floating(values.type):
        return
    row = pc.index(pc.is_inf(values), True).as_py()
    if row >= 0:
        raise ValueError(
            f"Column {name!r} holds infinity (row {row}), which is no number to mix or compare. "
            "Replace it by a missing value or a large number, or drop the row."
        )


def _from_floats(values: pa.ChunkedArray) -> Floats:
    """Return floats as float64, narrow ones as the short decimal number that they stand for."""
    wide = _as_floats(values)
    narrow = values.type.to_pandas_dtype()
    if narrow == np.float64:
        return wide
    for places in range(MAX_DECIMALS + 1):
        for some in (wide[:FIRST], wide):
            rounded = np.round(some, places)
            if not np.array_equal(rounded.astype(narrow), some.astype(narrow), equal_nan=True):
                break
        else:
            return rounded
    return wide


def _from_decimals(values: pa.ChunkedArray) -> Numbers:
    """Return units of the last place, or floats where those do not fit into int64."""
    try:
        array = values.cast(pa.decimal128(38, values.type.scale)).combine_chunks()
    except pa.ArrowInvalid:  # more than 38 digits
        return _as_floats(values)
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    if array.null_count:  # what lies under a null may be anything
        array = pc.fill_null(array, pa.scalar(0).cast(array.type))
    words = np.frombuffer(array.buffers()[1], np.int64).reshape(-1, 2)
    low, high = words[array.offset : array.offset + len(array)].T
    if (high == low >> 63).all():
        return np.ascontiguousarray(low)
    return _as_floats(values)


def _as_floats(values: pa.ChunkedArray) -> Floats:
    floats: Floats
    floats = pc.fill_null(values.cast(pa.float64(), safe=False), 0.0).to_numpy()
    return floats


def to_floats(values: pa.ChunkedArray, name: str) -> tuple[Floats, Bools]:
    """Return what :func:`to_numbers` does, as floats: decimals and uint64 in their own size."""
    numbers, missing = to_numbers(values, name)
    floats = in_own_size(numbers, values.type).astype(np.float64)
    if pa.types.is_decimal(values.type) and numbers.dtype.kind == "i":
        floats /= 10.0**values.type.scale
    return floats, missing


def in_own_size(numbers: Numbers, kind: pa.DataType) -> Numbers:
    """Return numbers of a uint64 column as its values, and all others as they are."""
    return numbers.view(np.uint64) ^ np.uint64(1 << 63) if kind == pa.uint64() else numbers


def from_numbers(
    numbers: Numbers, missing: Bools | None, kind: pa.DataType, nan: Bools | None = None
) -> pa.Array:
    """Return numbers as an Arrow array of the column's own type."""
    if pa.types.is_floating(kind):
        floats = numbers.astype(kind.to_pandas_dtype(), copy=False)
        if nan is not None and nan.any():
            floats = np.where(nan, floats.dtype.type(np.nan), floats)
        return pa.array(floats, kind, mask=missing)
    if pa.types.is_decimal(kind):
        return _to_decimals(numbers, missing, kind)
    if kind == pa.uint64():
        return pa.array(in_own_size(numbers, kind), mask=missing)
    array = pa.array(numbers, pa.int64(), mask=missing)
    if pa.types.is_date(kind):
        return array.cast(pa.int32()).cast(pa.date32()).cast(kind)
    if pa.types.is_temporal(kind) and kind.bit_width == 32:
        array = array.cast(pa.int32())
    return array.cast(kind)


def _to_decimals(numbers: Numbers, missing: Bools | None, kind: pa.DataType) -> pa.Array:
    if numbers.dtype.kind == "f":
        rounded = np.round(numbers, kind.scale)
        return pa.array(rounded, mask=missing).cast(kind, safe=False)
    words = np.stack([numbers, numbers >> 63], axis=1)
    wide = pa.decimal128(38, kind.scale)
    array = pa.Array.from_buffers(wide, len(numbers), [None, pa.py_buffer(words)])
    if missing is not None and missing.any():
        array = pc.if_else(pa.array(missing), pa.scalar(None, wide), array)
    return array.cast(kind)


def python_values(values: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Return values as Python's own; all as texts where one is beyond its calendar."""
    try:
        return list(values.to_pylist())
    except (OverflowError, ValueError):
        return list(values.cast(pa.string()).to_pylist())


def are_fillers(values: Numbers, kind: pa.DataType) -> Bools:
    """Tell which of some dates are such as 9999-12-31, further from all others than these span."""
    none = np.zeros(len(values), bool)
    if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        return none
    days = values if pa.types.is_date(kind) else values // (_DAY * _SECONDS[kind.unit])
    known = np.isin(days, _FILLERS)
    if not known.any() or len(others := days[~known]) < 2:
        return none
    low, high = others.min(), others.max()
    away: Bools = known & ((low - days > high - low) | (days - high > high - low))
    return away


def number_limits(kind: pa.DataType, numbers: Numbers) -> tuple[Any, Any]:
    """Return the least and the largest number that a type can show."""
    # dates and times keep to the years 1 to 9999, and times to one day, unless the data do not
    if numbers.dtype.kind == "f":
        return value_range(kind)
    low, high = _whole_limits(kind)
    if len(numbers):
        low, high = min(low, int(numbers.min())), max(high, int(numbers.max()))
    return max(low, int(_INT64.min)), min(high, int(_INT64.max))


def value_range(kind: pa.DataType) -> tuple[float, float]:
    """Return the least and the largest float that a type can hold; infinities where it has none."""
    if pa.types.is_integer(kind):
        whole = np.iinfo(kind.to_pandas_dtype())
        low, high = float(whole.min), float(whole.max)
        return low, high if int(high) <= whole.max else float(np.nextafter(high, 0))
    if pa.types.is_decimal(kind):
        high = float(np.nextafter(10.0 ** (kind.precision - kind.scale), 0))
        return -high, high
    if pa.types.is_floating(kind):
        high = float(np.finfo(kind.to_pandas_dtype()).max)
        return -high, high
    return -np.inf, np.inf


def _whole_limits(kind: pa.DataType) -> tuple[int, int]:
    of = pa.types
    if of.is_decimal(kind):
        return 1 - 10**kind.precision, 10**kind.precision - 1
    if of.is_date(kind):
        return _CALENDAR
    if of.is_time(kind):
        return 0, _DAY * _SECONDS[kind.unit] - 1
    if of.is_timestamp(kind):
        day = _DAY * _SECONDS[kind.unit]
        # the least int64 stands for a missing time in NumPy
        return max(_CALENDAR[0] * day, 1 - 2**63), (_CALENDAR[1] + 1) * day - 1
    if of.is_duration(kind):
        return 1 - 2**63, 2**63 - 1
    if of.is_unsigned_integer(kind) and kind.bit_width < 64:
        return 0, 2**kind.bit_width - 1
    return -(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1
