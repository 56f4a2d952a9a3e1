"""What follows from dates: parts of one, names of its parts, spans between two, ages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import permutations

import numpy as np
import pyarrow as pa

from vicinal._types import Floats
from vicinal.table.numbers import decimals_of
from vicinal.table.rules.calendar import PARTS, SPANS, anniversaries, ticks
from vicinal.table.rules.find.evidence import LEAST_LEVELS, LEAST_ROWS, Found, settles
from vicinal.table.rules.grammar import formula, lookup
from vicinal.table.rules.kinds import Frame, Rule, evaluate
from vicinal.table.rules.rounding import half_a_unit

#: Dates between which spans are looked for, at most.
FEW_DATES = 8
#: Parts of dates that have names: days, months, shifts.
LABELED = ("weekday", "month", "quarter", "hour")


def find_dates(found: Found) -> Iterator[Rule]:
    """Look for what follows from dates."""
    for when in found.dated:
        for part in PARTS:
            yield from _parts(found, when, part)
    for start, end in permutations(found.dated[:FEW_DATES], 2):
        yield from _spans(found, start, end)
    for birth in found.dated:
        yield from _ages(found, birth)


def _parts(found: Found, when: str, part: str) -> Iterator[Rule]:
    """Look for columns that are a part of dates, or that a part of dates settles."""
    node = ast.Call(ast.Name(part), [ast.Name(when)], [])
    try:
        told, gone = evaluate(node, found.few)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return  # a date has no hour, a duration no year
    for name in _like_a_part(found, when, part):
        own, own_gone = found.few.floats(name)
        held = ~own_gone & ~gone
        if found.free(name) and held.sum() >= LEAST_ROWS and np.ptp(own[held]):
            expression = _shifted(node, part, own[held], told[held])
            if expression is not None:
                yield formula("date part", name, (when,), expression, 0)
    if part in LABELED:
        yield from _labels(found, when, part)


def _like_a_part(found: Found, when: str, part: str) -> list[str]:
    """Return the columns that may be a part of dates by their type."""
    if part not in ("date", "month_start"):
        return found.plain
    types = {name: found.frame.table[name].type for name in found.dated}
    if part == "date" and pa.types.is_date(types[when]):
        return []  # it is one already
    return [name for name in found.dated if name != when and pa.types.is_date(types[name])]


def _shifted(node: ast.Call, part: str, own: Floats, told: Floats) -> ast.expr | None:
    """Return a part of dates as a column counts it: from 0 or 1; years also down from one."""
    shift = float(own[0] - told[0])
    if abs(shift) <= 1 and np.array_equal(own, told + shift):
        return ast.BinOp(node, ast.Add(), ast.Constant(int(shift))) if shift else node
    if part == "year" and np.array_equal(own + told, np.full(len(own), own[0] + told[0])):
        return ast.BinOp(ast.Constant(int(own[0] + told[0])), ast.Sub(), node)
    return None


def _labels(found: Found, when: str, part: str) -> Iterator[Rule]:
    """Look for names of a part of dates: of weekdays, of seasons."""
    codes, _ = found.few.codes(when, part)
    if len(np.unique(codes)) < 3:
        return
    for name in (one for one in found.coded if one not in found.plain):
        if found.free(name) and settles(codes, found.few.codes(name)[0]):
            yield lookup(when, name, part).learned(found.frame)


def _spans(found: Found, start: str, end: str) -> Iterator[Rule]:
    """Look for numbers that say how long it is from one date to another."""
    for unit in SPANS:
        node = ast.Call(ast.Name(unit), [ast.Name(start), ast.Name(end)], [])
        told, gone = evaluate(node, found.few)
        for name in found.plain:
            own, own_gone = found.few.floats(name)
            held = ~own_gone & ~gone
            if not found.free(name) or held.sum() < LEAST_ROWS or found.levels(name) < LEAST_LEVELS:
                continue
            places = decimals_of(own[held])
            slack = 1e-9 * np.abs(own[held]).max() if places is None else half_a_unit(places)
            if np.ptp(told[held]) > 8 * slack and (np.abs(own - told)[held] <= slack).all():
                yield formula("date part", name, (start, end), node, places)


def _ages(found: Found, birth: str) -> Iterator[Rule]:
    """Look for numbers that are full years from dates to one day."""
    for name in found.plain:
        kind = found.frame.table[name].type
        if (
            not found.free(name)
            or not pa.types.is_integer(kind)
            or found.levels(name) < LEAST_LEVELS
        ):
            continue
        day = ""
        for frame in (found.few, found.frame):
            day = _day_of_ages(frame, birth, name)
            if not day:
                break
        if day:
            args: list[ast.expr] = [ast.Name(birth), ast.Constant(day)]
            node = ast.Call(ast.Name("age"), args, [])
            yield formula("date part", name, (birth,), node, 0)


def _day_of_ages(frame: Frame, birth: str, name: str) -> str:
    """Return the last day on which all ages would be right, if there is one."""
    numbers, gone = frame.numbers(birth)
    years, years_gone = frame.numbers(name)
    held = ~gone & ~years_gone
    years, days = years[held], numbers[held] // ticks(frame.table[birth].type)
    if len(years) < LEAST_ROWS or np.abs(years).max() > 200:
        return ""
    first = anniversaries(days, years).max()
    last = anniversaries(days, years + 1).min() - 1
    return str(np.int64(last).astype("datetime64[D]")) if first <= last else ""
