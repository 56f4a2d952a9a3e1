"""Numbers that often repeat another column's of the same row: a payment that settles a bill.

Mixed numbers would meet by chance alone. Where training rows hold one number in two columns again
and again, a synthetic row repeats it if its heaviest parent does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vicinal._types import Array, Bools, Floats, Indices
from vicinal.table.marginals import MixedColumn, NormalScores
from vicinal.table.numbers import Numbers, to_numbers

#: Share of the rows that repeat a number, at least, beyond what chance makes equal.
SHARE = 0.02
#: Such rows, at least, among ...
LEAST_ROWS = 50
#: ... those that are looked at: about so many numbers of all columns of a type.
MOST_CELLS = 400_000
#: Columns of one type that are compared, at most.
MOST_COLUMNS = 200
#: A number in a larger share of the rows is frequent: two columns hold it without repeating.
FREQUENT = 0.01
#: Equal rows to those with any one other difference, at least: columns that are only close to each
#: other are about as often one unit apart.
PEAK = 2
#: Columns that one column repeats, at most.
SOURCES = 4


class _Repeat(NamedTuple):
    at: int  # the column, among the mixed ones
    sources: list[int]
    which: npt.NDArray[np.int8]  # (n_rows,), place of the source that a row repeats; -1 for none
    ends: tuple[float, float]  # of the column's own numbers


class Repeats:
    """Which columns repeat which, and in which training rows."""

    def __init__(self, columns: Sequence[MixedColumn], table: pa.Table, scores: Array) -> None:
        self._repeats: list[_Repeat] = []
        alike: dict[tuple[pa.DataType, int | None], list[int]] = {}
        for at, column in enumerate(columns):
            if isinstance(column.scale, NormalScores):
                alike.setdefault((column.type, column.scale.marginal.decimals), []).append(at)
        for group in alike.values():
            if 1 < len(group) <= MOST_COLUMNS:
                names = [columns[at].name for at in group]
                step = max(1, table.num_rows * len(group) // MOST_CELLS)
                few = table.select(names).take(pa.array(np.arange(0, table.num_rows, step)))
                found = _found(few, names, scores[::step, group])
                for at, sources in found:
                    self._add(table, columns, group[at], [group[one] for one in sources])

    def _add(
        self, table: pa.Table, columns: Sequence[MixedColumn], at: int, sources: list[int]
    ) -> None:
        numbers, own = _own(table, columns[at].name)
        which = np.full(len(numbers), -1, np.int8)
        for place in reversed(range(len(sources))):
            name = columns[sources[place]].name
            other, missing = to_numbers(table[name], name)
            which[own & ~missing & (numbers == other)] = place
        marginal = columns[at].scale.marginal  # type: ignore[attr-defined]
        self._repeats.append(_Repeat(at, sources, which, (marginal.low[0], marginal.high[-1])))

    def __len__(self) -> int:
        return len(self._repeats)

    def write(self, numbers: Sequence[Numbers], main: Indices) -> None:
        """Repeat, in place, numbers of other columns where the rows ``main`` do."""
        for repeat in self._repeats:  # sources come before what repeats them
            which, own = repeat.which[main], numbers[repeat.at]
            for place, source in enumerate(repeat.sources):
                given = numbers[source]
                inside = (given >= repeat.ends[0]) & (given <= repeat.ends[1])
                rows = (which == place) & inside
                own[rows] = given[rows]


def _own(table: pa.Table, name: str) -> tuple[Numbers, Bools]:
    """Return the numbers of a column, and where it has one that is not frequent."""
    numbers, missing = to_numbers(table[name], name)
    _, inverse, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    return numbers, ~missing & (counts <= FREQUENT * len(numbers))[inverse]


def _found(few: pa.Table, names: Sequence[str], scores: Array) -> list[tuple[int, list[int]]]:
    """Return columns with those that they repeat, the most often repeated first."""
    owns = [_own(few, name) for name in names]
    matrix = np.column_stack([numbers for numbers, _ in owns])
    there = np.column_stack([~to_numbers(few[name], name)[1] for name in names])
    order = _by_association(scores)
    least = max(SHARE * len(few), LEAST_ROWS)
    found = []
    for place, at in enumerate(order):
        numbers, own = owns[at]
        before = order[:place]
        equal = ((matrix[:, before] == numbers[:, None]) & own[:, None] & there[:, before]).sum(0)
        by_chance = (
            (np.roll(matrix[:, before], 1, axis=0) == numbers[:, None]) & own[:, None]
        ).sum(0)
        ranked = np.argsort(by_chance - equal, kind="stable").tolist()
        sources = [
            before[one]
            for one in ranked
            if equal[one] - by_chance[one] >= least
            and equal[one] >= PEAK * _next(numbers[own] - matrix[own, before[one]])
        ]
        if sources:
            found.append((at, sources[:SOURCES]))
    return found


def _by_association(scores: Array) -> list[int]:
    """Return columns in the order of how much they go with the others, the most first."""
    spread = scores.std(axis=0)
    plain = (scores - scores.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    strength: Floats = np.abs(plain.T @ plain).sum(axis=0).round(3)
    return [int(at) for at in np.argsort(-strength, kind="stable")]


def _next(differences: Array) -> int:
    """Return how many rows hold the most frequent difference but none."""
    counts = np.unique(differences[differences != 0], return_counts=True)[1]
    return int(counts.max(initial=0))
