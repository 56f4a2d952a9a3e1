"""Columns whose value is settled by that of another: by each value, or by bins of a number."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from vicinal.table.rules.find.evidence import LEAST_LEVELS, MANY, Found, settles
from vicinal.table.rules.grammar import lookup
from vicinal.table.rules.kinds import Bins, Rule, quoted
from vicinal.table.rules.rounding import shortest

_CODE_NAME = re.compile(
    r"(^|[_\W])(zip|zipcode|postcode|plz|code|id|key|store|branch|sku|no|nr)([_\W]|$)", re.I
)


def find_lookups(found: Found) -> Iterator[Rule]:
    """Look for columns whose value is settled by that of another."""
    names = [name for name in found.coded if name not in found.settled][:MANY]
    codes = {name: found.few.codes(name)[0] for name in names}
    levels = {name: found.levels(name) for name in names}
    # the fewest levels that settle a column: zip -> city -> state, not zip -> state
    for target in sorted(names, key=lambda one: levels[one]):
        if not found.free(target):
            continue
        keys = [
            name
            for name in names
            if name != target
            and levels[name] >= levels[target]
            and settles(codes[name], codes[target])
        ]
        for source in sorted(keys, key=lambda one: (levels[one], names.index(one))):
            rule = _bins(found, source, target) or _lookup(found, source, target)
            if rule is not None and target not in found.settled:
                yield rule


def _lookup(found: Found, source: str, target: str) -> Rule | None:
    """Return the rule that each value of the source goes with one of the target's."""
    if _is_quantity(found, source):
        return None
    return lookup(source, target).learned(found.frame)


def _is_quantity(found: Found, name: str) -> bool:
    """Tell numbers that mean an amount from codes: only a code settles unordered things."""
    if name not in found.plain or _CODE_NAME.search(name):
        return False
    if found.levels(name) >= LEAST_LEVELS:
        return False
    values, gone = found.frame.floats(name)
    return len(np.unique(values[~gone])) < LEAST_LEVELS


def _bins(found: Found, source: str, target: str) -> Rule | None:
    """Return the rule that the target's values are intervals of a number, if they are."""
    if source not in found.plain or _CODE_NAME.search(source):
        return None  # the numbers of a code mean nothing
    values, gone = found.frame.floats(source)
    codes, levels = found.frame.codes(target)
    held = ~gone & (codes >= 0)
    order = np.argsort(values[held], kind="stable")
    numbers, ranked = values[held][order], codes[held][order]
    starts = np.flatnonzero(np.diff(ranked, prepend=-1))
    if len(starts) != len(np.unique(ranked)) or len(np.unique(numbers)) <= len(starts):
        return None
    edges = [float(numbers[0])]
    for at in starts[1:]:
        if numbers[at] == numbers[at - 1]:
            return None
        edge = float(numbers[at] + numbers[at - 1]) / 2
        edges.append(shortest(edge - 1e-9, edge + 1e-9))
    return Bins(
        f"{quoted(source)} -> {quoted(target)}",
        "bins",
        target,
        (source,),
        edges=tuple(edges),
        values=levels.take(pa.array(ranked[starts])),
    )
