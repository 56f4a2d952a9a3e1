"""Columns that are equal in every row."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import combinations

from vicinal.table.numbers import python_values
from vicinal.table.rules.find.evidence import LEAST_ROWS, LOG_CHANCE, Found, log_chance
from vicinal.table.rules.grammar import formula
from vicinal.table.rules.kinds import Lookup, Rule, quoted


def find_equal(found: Found) -> Iterator[Rule]:
    """Look for columns that are equal, and not by chance."""
    alike: dict[tuple[str, str], list[str]] = {}  # only columns that begin alike can be equal
    for name in found.frame.table.column_names:
        head = found.few.table[name].slice(0, 64)
        alike.setdefault((str(head.type), repr(python_values(head))), []).append(name)
    for names in alike.values():
        for first, second in combinations(names, 2):
            one, other = found.few.table[first], found.few.table[second]
            if not one.equals(other):
                continue
            codes, _ = found.few.codes(first) if first in found.coded else (None, None)
            if codes is None and first not in found.numeric:
                if len(one.unique()) < LEAST_ROWS:
                    continue
            elif codes is not None and log_chance(codes, codes) > LOG_CHANCE:
                continue
            target, source = (second, first) if found.free(second) else (first, second)
            if target in found.numeric:
                yield formula("equal", target, (source,), ast.Name(source))
            elif target in found.coded:
                yield Lookup(
                    f"{quoted(target)} = {quoted(source)}", "equal", target, (source,)
                ).learned(found.frame)
