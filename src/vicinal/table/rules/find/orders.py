"""Numbers that are never above others, and dates never after others."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from vicinal._types import Bools, Floats
from vicinal.table.rules.calendar import ticks
from vicinal.table.rules.find.evidence import LEAST_ROWS, MANY, Found
from vicinal.table.rules.grammar import formula, order
from vicinal.table.rules.kinds import Rule

#: How often an order, by the columns alone, would be broken by chance, at least.
EXPECTED_BREAKS = 30.0


def find_orders(found: Found) -> Iterator[Rule]:
    """Look for numbers that are never above others, and dates never after others."""
    for group in (found.plain, *_alike(found)):
        names = [n for n in group if n not in found.settled and found.levels(n) > 2][:MANY]
        below = _below(found, names)
        kept: dict[tuple[int, int], bool] = {}
        for low, high in zip(*np.nonzero(below), strict=True):
            strict = _order_of(found, names[low], names[high])
            if strict is not None:
                kept[int(low), int(high)] = strict
        yield from _equal_where_held(found, [(names[low], names[high]) for low, high in kept])
        equal = {rule.target: rule.sources[0] for rule in found.rules if rule.kind == "equal"}
        above = {
            (low, high): strict and equal.keys().isdisjoint((names[low], names[high]))
            for (low, high), strict in kept.items()
            if (high, low) not in kept
        }
        missing = found.frame.missing
        # what is held only with the column that it equals keeps that column's orders
        whole = {one for one, other in equal.items() if not (missing(other) & ~missing(one)).any()}
        for (low, high), strict in above.items():
            if whole & {names[low], names[high]}:
                continue
            if any(_is_between(found, names, above, low, one, high) for one in range(len(names))):
                continue
            yield order(names[low], names[high], strict)


def _equal_where_held(found: Found, kept: Sequence[tuple[str, str]]) -> Iterator[Rule]:
    """Give the rules that columns are equal which are each never above the other."""
    both = {*kept}
    pairs = [(low, high) for low, high in kept if (high, low) in both]
    missing = {name: found.frame.missing(name) for pair in pairs for name in pair}
    # what is held less often follows from what is held more often
    for source, target in sorted(pairs, key=lambda pair: int(missing[pair[0]].sum())):
        if target not in found.settled and source not in found.settled:
            yield formula("equal", target, (source,), ast.Name(source))


def _is_between(
    found: Found,
    names: Sequence[str],
    above: Mapping[tuple[int, int], bool],
    low: int,
    one: int,
    high: int,
) -> bool:
    """Tell whether an order follows from those with one column, in every row that shows it."""
    if (low, one) not in above or (one, high) not in above:
        return False
    if above[low, high] and not (above[low, one] or above[one, high]):
        return False
    if _is_finer(found, names[low], names[one]) and _is_finer(found, names[high], names[one]):
        return False  # a day between two stamps
    gone, low_gone, high_gone = (found.frame.missing(names[at]) for at in (one, low, high))
    return not (gone & ~low_gone & ~high_gone).any()


def _alike(found: Found) -> list[list[str]]:
    """Return dates with stamps of one zone, times, durations: what compares."""
    kinds: dict[str, list[str]] = {}
    for name in found.temporal:
        kind = found.frame.table[name].type
        plain = pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and not kind.tz)
        kinds.setdefault("dates" if plain else str(kind), []).append(name)
    return [names for names in kinds.values() if len(names) > 1]


def _sizes(found: Found, name: str) -> tuple[Floats, Bools]:
    """Return numbers of the sample that compare with those of others: times in days."""
    values, gone = found.few.floats(name)
    return (
        values / ticks(found.frame.table[name].type) if name in found.temporal else values
    ), gone


def _below(found: Found, names: Sequence[str]) -> Bools:
    """Return which column is never above which other, in the sample."""
    n = len(names)
    if n < 2:
        return np.zeros((n, n), bool)
    both = [_sizes(found, name) for name in names]
    values = np.column_stack([np.where(gone, np.nan, value) for value, gone in both])
    never = ~np.eye(n, dtype=bool)
    days = [pa.types.is_date(found.frame.table[name].type) for name in names]
    for rows in np.array_split(values, max(len(values) * n * n // 20_000_000, 1)):
        above = rows[:, :, None] > rows[:, None, :]
        if any(days):  # of a stamp and a date the day counts
            above[:, :, days] = np.floor(rows)[:, :, None] > rows[:, None, days]
        never &= ~above.any(axis=0)
    return never


def _is_finer(found: Found, low: str, high: str) -> bool:
    """Tell whether a column counts smaller units of time than another."""
    units = [ticks(found.frame.table[one].type) for one in (low, high) if one in found.temporal]
    return units != sorted(units)


def _order_of(found: Found, low: str, high: str) -> bool | None:
    """Return whether an order is strict, None where chance may explain it, or nothing shows it."""
    (a, a_gone), (b, b_gone) = _sizes(found, low), _sizes(found, high)
    held = ~a_gone & ~b_gone
    if _is_finer(found, low, high):
        if not pa.types.is_date(found.frame.table[high].type) or (b <= a)[held].all():
            return None  # of the day of a stamp it is said that it is not after the stamp
        a = np.floor(a)
    if held.sum() < 2 * LEAST_ROWS:
        return None
    ranked = np.sort(b[held])
    share = float(np.searchsorted(ranked, a[held], "left").mean()) / len(ranked)
    if share * held.sum() < EXPECTED_BREAKS:
        return None
    equal = a[held] == b[held]
    numbers, gone = found.frame.numbers_as(low, found.frame.table[high].type)
    others, others_gone = found.frame.numbers(high)
    full = ~gone & ~others_gone
    if numbers.dtype != others.dtype:
        return (
            None
            if (found.frame.floats(low)[0] > found.frame.floats(high)[0])[full].any()
            else False
        )
    if (numbers > others)[full].any():
        return None
    return not equal.any() and not (numbers == others)[full].any()
