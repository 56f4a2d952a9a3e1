"""Whole numbers and times that stand a step apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa

from vicinal._types import Ints
from vicinal.table.numbers import decimals_of
from vicinal.table.rules.calendar import SECOND, month_starts
from vicinal.table.rules.find.evidence import LEAST_LEVELS, Found
from vicinal.table.rules.kinds import Grid, Lookup, Rule, quoted


def find_grids(found: Found) -> Iterator[Rule]:
    """Look for whole numbers and times that stand a step apart."""
    codes = {rule.sources[0] for rule in found.rules if isinstance(rule, Lookup) and not rule.part}
    for name in found.numeric:
        if name in found.settled or name in codes or found.levels(name) < LEAST_LEVELS:
            continue
        rule = _grid(found, name)
        if rule is not None:
            yield rule


def _grid(found: Found, name: str) -> Grid | None:
    kind = found.frame.table[name].type
    rule = Grid("", "grid", name, ())
    if pa.types.is_floating(kind):
        values, gone = found.few.floats(name)
        rule = replace(rule, places=decimals_of(values[~gone]))
        if rule.places is None:
            return None
        values, gone = found.frame.floats(name)
        if np.abs(values[~gone]).max(initial=0.0) >= 2.0**53 / 10.0**rule.places:
            return None
    few, gone = rule.numbers(found.few)
    few = few[~gone]
    if pa.types.is_date(kind) and (offset := _of_month(few)) is not None:
        text = f"{quoted(name)} is the {'last' if offset else 'first'} day of a month"
        return replace(rule, text=text, offset=offset, monthly=True)
    if few.dtype.kind != "i" or np.gcd.reduce(few - few[0]) <= 1:
        return None
    numbers, gone = rule.numbers(found.frame)
    held = numbers[~gone]
    step = int(np.gcd.reduce(held - held[0]))
    if step <= 1 or _is_below_a_second(kind, step):
        return None
    offset = int(held[0] % step)
    text = _grid_text(found, name, step, offset, rule.places)
    return replace(rule, text=text, step=step, offset=offset)


def _of_month(days: Ints) -> int | None:
    """Return 0 where all days are the first of a month, -1 where they are the last."""
    for offset in (0, -1):
        if (month_starts(days - offset) == days - offset).all():
            return offset
    return None


def _is_below_a_second(kind: pa.DataType, step: int) -> bool:
    """Tell a grid that is only the unit that a library counts in."""
    if not pa.types.is_temporal(kind) or pa.types.is_date(kind):
        return False
    return bool(step < SECOND[kind.unit])


def _grid_text(found: Found, name: str, step: int, offset: int, places: int | None) -> str:
    kind = found.frame.table[name].type
    if not pa.types.is_temporal(kind):
        places = kind.scale if pa.types.is_decimal(kind) else places or 0
        size, start = step / 10**places, offset / 10**places
        return f"{quoted(name)} is a multiple of {size:g}" + (f" plus {start:g}" if start else "")
    if pa.types.is_date(kind):
        return f"{quoted(name)} stands {step} days apart"
    seconds = step / SECOND[kind.unit]
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds % size == 0:
            count = int(seconds // size)
            return f"{quoted(name)} stands {count} {unit}{'s' * (count > 1)} apart"
    return f"{quoted(name)} stands {seconds:g} seconds apart"
