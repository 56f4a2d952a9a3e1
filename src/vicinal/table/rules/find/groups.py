"""Neighboring flags of which one is set, or at most one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from vicinal._types import Bools
from vicinal.table.rules.find.evidence import LEAST_ROWS, LOG_CHANCE, Found
from vicinal.table.rules.grammar import one_of
from vicinal.table.rules.kinds import Rule


def find_groups(found: Found) -> Iterator[Rule]:
    """Look for neighboring flags of which one is set, or at most one."""
    for names in runs_of_flags(found):
        if len(names) > 1 and all(found.free(name) for name in names):
            yield one_of(names, at_most=not _covers(found, names))


def _covers(found: Found, names: Sequence[str]) -> bool:
    total = np.sum([found.frame.floats(name)[0] for name in names], axis=0)
    gone = np.logical_or.reduce([found.frame.missing(name) for name in names])
    return bool((total[~gone] == 1).all())


def runs_of_flags(found: Found) -> list[list[str]]:
    """Return neighboring flags no two of which are ever set together, where chance is no reason."""
    runs: list[list[str]] = []
    taken = np.zeros(len(found.few), bool)
    for name in found.few.table.column_names:
        flag = _flag(found, name)
        if flag is None:
            taken = np.ones(len(found.few), bool)  # no neighbor any more
            continue
        if (flag & taken).any() or not runs:
            runs.append([])
            taken = np.zeros(len(found.few), bool)
        runs[-1].append(name)
        taken = taken | flag
    return [run for run in runs if _is_group(found, run)]


def _flag(found: Found, name: str) -> Bools | None:
    """Return a column of zeros and ones as such."""
    kind = found.few.table[name].type
    of = pa.types
    if not (of.is_boolean(kind) or of.is_integer(kind) or of.is_floating(kind)):
        return None
    if name in found.avoid:
        return None
    values, gone = found.few.floats(name)
    held = values[~gone]
    if len(held) < LEAST_ROWS or not np.isin(held, (0.0, 1.0)).all() or not np.ptp(held):
        return None
    flag: Bools = values == 1
    return flag


def _is_group(found: Found, names: Sequence[str]) -> bool:
    """Tell whether flags would meet in some rows by chance."""
    gaps = [found.few.missing(name) for name in names]
    if len(names) < 2 or any((gap != gaps[0]).any() for gap in gaps):
        return False
    shares = np.array([found.few.floats(name)[0].mean() for name in names])
    pairs = (shares.sum() ** 2 - (shares**2).sum()) / 2
    return bool(-len(found.few) * pairs < LOG_CHANCE)
