"""Grades of figures, by the bad end of an interval."""

from __future__ import annotations

import math
from collections.abc import Iterable

from vicinal._stats import Estimate

#: From best to worst. "unproven" is what chance does not exclude; "unknown" was not measured.
GRADES = ("unknown", "good", "fair", "unproven", "poor")


def graded(excess: Estimate, limits: tuple[float, float]) -> str:
    """Grade by how much a figure may lie beyond its ideal and still be good, and fair."""
    # good and fair need the bad end of the interval within the limit; poor, all of it beyond both;
    # in between there are too few rows to tell
    if math.isnan(excess.value):
        return "unknown"
    bad, kind = (excess.value if math.isnan(end) else end for end in (excess.high, excess.low))
    good, fair = limits
    if bad <= good:
        return "good"
    if bad <= fair:
        return "fair"
    return "poor" if kind > fair else "unproven"


def worst_of(grades: Iterable[str]) -> str:
    """Return the worst grade, "unknown" of none."""
    return max(grades, key=GRADES.index, default="unknown")
