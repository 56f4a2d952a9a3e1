"""What rules compute of dates and times: parts of one, spans between two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._types import Floats, Ints

_DAY = 86_400
#: Units of a time's type that make a second.
SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def _date(values: Any) -> Any:
    return pc.floor_temporal(values, unit="day").cast(pa.date32())


def _month_start(values: Any) -> Any:
    return pc.floor_temporal(values, unit="month").cast(pa.date32())


#: Parts of a date or time, as Arrow computes them.
PARTS: Mapping[str, Callable[[Any], Any]] = {
    "year": pc.year,
    "quarter": pc.quarter,
    "month": pc.month,
    "week": pc.iso_week,
    "day": pc.day,
    "weekday": pc.day_of_week,
    "yearday": pc.day_of_year,
    "hour": pc.hour,
    "minute": pc.minute,
    "date": _date,
    "month_start": _month_start,
}
#: Spans between two dates or times, and the seconds of their unit; an age is in full years.
SPANS = {"days": _DAY, "hours": 3_600, "minutes": 60, "seconds": 1, "age": 0}


def ticks(kind: pa.DataType) -> int:
    """Return how many units of a date's or time's type make a day."""
    return 1 if pa.types.is_date(kind) else _DAY * SECOND[kind.unit]


def seconds_of(numbers: Any, kind: pa.DataType) -> Floats:
    """Return seconds since 1970."""
    seconds: Floats = numbers * (_DAY / ticks(kind))
    return seconds


def span(name: str, start: Floats, end: Floats) -> Floats:
    """Return the span between seconds since 1970."""
    if name != "age":
        return (end - start) / SPANS[name]
    months, days = zip(
        *(_months((one // _DAY).astype(np.int64)) for one in (start, end)), strict=True
    )
    full = months[1] - months[0] - (days[1] < days[0])
    years: Floats = (full // 12).astype(np.float64)
    return years


def _months(days: Ints) -> tuple[Ints, Ints]:
    """Return months since 1970 and the day of the month."""
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    return months.astype(np.int64), days - months.astype("datetime64[D]").astype(np.int64)


def month_starts(days: Ints) -> Ints:
    """Return the first day of each day's month."""
    return days - _months(days)[1]


def anniversaries(days: Ints, years: Ints) -> Ints:
    """Return the days from which so many years are full."""
    months, day = _months(days)
    months = months + 12 * years
    first, following = (
        (months + more).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        for more in (0, 1)
    )
    made: Ints = np.minimum(first + day, following)  # of 29 February, where there is none, 1 March
    return made
