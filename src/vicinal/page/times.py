"""Dates, times of day and durations on an axis."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone

from vicinal.page.format import amount
from vicinal.page.svg import ticks

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_DAY = 86_400.0
_YEAR = 365.2425 * _DAY
# seconds of a clock's round steps, and months of a calendar's
_CLOCK = (1, 5, 15, 30, 60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 172_800, 432_000)
_CALENDAR = (1, 3, 6, 12, 24, 60, 120, 240, 600, 1200)

_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def seconds_per_unit(unit: str) -> float:
    """Return how many seconds one unit of an Arrow time type lasts; NaN where it is none."""
    if unit.startswith("date32"):
        return 86_400.0
    inner = re.match(r"(?:timestamp|duration|time32|time64|date64)\[(\w+)", unit)
    return 1 / _UNITS[inner[1]] if inner and inner[1] in _UNITS else math.nan


def moment_of(value: float, unit: str, span: float = 0.0) -> str:
    """Return a date, a time of day or a duration as text."""
    per_second = seconds_per_unit(unit)
    if not math.isfinite(value) or math.isnan(per_second):
        return amount(value)
    seconds, width = value * per_second, span * per_second
    if unit.startswith("duration"):
        return _duration(seconds)
    if unit.startswith("time") and not unit.startswith("timestamp"):
        whole = round(seconds)
        clock = f"{whole // 3600:02d}:{whole // 60 % 60:02d}"
        return clock if width >= 600 or not whole % 60 else f"{clock}:{whole % 60:02d}"
    try:
        when = _EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return amount(value)
    if width > 6 * 365.25 * 86_400:
        return f"{when.year:04d}"
    if width > 120 * 86_400:
        return f"{when.year:04d}-{when.month:02d}"
    day = f"{when.year:04d}-{when.month:02d}-{when.day:02d}"
    if width > 2 * 86_400 or unit.startswith("date") or not width:
        return day
    return f"{when.month:02d}-{when.day:02d} {when.hour:02d}:{when.minute:02d}"


def _duration(seconds: float) -> str:
    for name, size in (("d", _DAY), ("h", 3600.0), ("min", 60.0)):
        if abs(seconds) >= 2 * size:
            return f"{amount(round(seconds / size, 1))} {name}"
    return f"{amount(seconds)} s"


def time_ticks(low: float, high: float, unit: str, about: int = 3) -> list[float]:
    """Return round moments between two."""
    per_unit = seconds_per_unit(unit)
    if math.isnan(per_unit) or not high > low:
        return ticks(low, high, about)
    first, last = low * per_unit, high * per_unit
    step = (last - first) / about
    dated = unit.startswith(("timestamp", "date"))
    if not dated and step > _CLOCK[-1]:
        return [one * _DAY / per_unit for one in ticks(first / _DAY, last / _DAY, about)]
    if not dated or step < 10 * _DAY:
        size = min(_CLOCK, key=lambda one: abs(math.log(one / step)))
        return [
            at * size / per_unit
            for at in range(math.ceil(first / size), math.floor(last / size) + 1)
        ]
    months = min(_CALENDAR, key=lambda one: abs(math.log(one * _YEAR / 12 / step)))
    try:
        start = _EPOCH + timedelta(seconds=first)
        at = -(-(start.year * 12 + start.month - 1) // months) * months
        end = _EPOCH + timedelta(seconds=last)
        found = []
        while (when := datetime(at // 12, at % 12 + 1, 1, tzinfo=timezone.utc)) <= end:
            found.append((when - _EPOCH).total_seconds() / per_unit)
            at += months
    except (OverflowError, ValueError):
        return ticks(low, high, about)
    return [one for one in found if one >= low]
