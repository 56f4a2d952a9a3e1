"""Exact values: numbers, identifiers and texts of one person alone, written out again."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._contacts import contacts
from vicinal._stats import Estimate
from vicinal._types import Array, Bools, Floats, Ints
from vicinal.report.privacy.risk import Attack, residual_risk
from vicinal.report.tables import Part, Tables
from vicinal.table.formats.base import as_texts
from vicinal.table.formats.personal import CONTACT
from vicinal.table.schema import Column
from vicinal.table.written import blank, whole_numbers

EXACT_VALUES = "Exact values"
#: A column of so few distinct numbers names nobody.
FEW_DISTINCT = 20
#: Columns in which at least this share of the values is that of one row alone.
FINE = 0.1
#: As so many rows a number that is written over and over counts, at most.
REPEATS = 5
#: Real rows among which numbers of one row are as thin.
STRATUM = 25
#: Pairs of equal numbers that chance would make, from which having hardly any is by design.
SERIAL = 10.0
#: Identifiers with one number, and what stands around it.
_SERIAL = re.compile(r"(\D*?)(-?\d{1,40})(\D*)", re.ASCII)
#: Rows that are looked at for numbers of one row alone, at most.
MOST_ROWS = 200_000


class _Column(NamedTuple):
    """How often numbers of one row alone are met in a column."""

    name: str
    hits: tuple[float, float]  # of what may leak, and of its control
    totals: tuple[int, int]


class Written(NamedTuple):
    """The share of numbers of one row alone that are met, and its control."""

    found: Estimate
    control: Estimate
    column: str = ""  # in which one; empty where it is all columns together

    @property
    def low(self) -> float:
        """What it surely is beyond its control."""
        return residual_risk(self.found, self.control).low


def exact_values(tables: Tables) -> Attack:
    """Look for numbers of one real row alone among the synthetic ones, column by column."""
    columns = []
    for at, name in enumerate(tables.numeric):
        own, made, unseen = (
            part.numbers[:, at] for part in (tables.real, tables.synthetic, tables.unseen)
        )
        values, counts = np.unique(np.concatenate([own, unseen]), return_counts=True)
        if len(values) <= FEW_DISTINCT:
            continue
        alone = values[(counts == 1) & np.isfinite(values)]
        written = np.isin(alone, made)
        held = np.isin(alone, own)  # the others are those of unseen rows
        hits = int((held & written).sum()), int((~held & written).sum())
        columns.append(_Column(name, hits, (int(held.sum()), int((~held).sum()))))
    found = _surest(columns, [sum(one.totals[side] for one in columns) for side in (0, 1)])
    total = sum(one.totals[0] for one in columns if found.column in {"", one.name})
    where = ""
    if found.column:
        where = f" In {found.column}, where it is surest of {len(columns)} columns."
    says = (
        f"Of the numbers that one real row alone holds ({total:,} in training rows), the share "
        "that the synthetic table writes out again. Who meets such a number knows that its owner "
        f"was in the data.{where}"
    )
    return Attack(EXACT_VALUES, found.found, found.control, says)


def numbers_written_out(tables: Tables, real: Part) -> Written:
    """Return the share of numbers of one real row alone: of synthetic, of other real rows."""
    # columns count in which a tenth of the real values or more is one row's alone. A real row left
    # out meets a number of one other where two rows hold it: as a fresh one would, with no hold-out
    columns = []
    made = tables.synthetic.numbers[:MOST_ROWS]
    for at, name in enumerate(tables.numeric):
        own, drawn = (np.sort(one[np.isfinite(one)]) for one in (real.numbers[:, at], made[:, at]))
        values, counts = np.unique(own, return_counts=True)
        alone = values[counts == 1]
        if len(own) and len(alone) >= FINE * len(own):
            _, often = np.unique(drawn[np.isin(drawn, alone)], return_counts=True)
            hits = float(np.minimum(often, REPEATS * math.ceil(len(drawn) / len(own))).sum())
            serial = _number_rows(values, counts)
            met = _filled(own) if serial else np.repeat(counts == 2, counts)
            chance, worth = _met_by_chance(own, met, drawn)
            columns.append(_Column(name, (hits, chance * worth), (len(drawn), worth)))
    # together, the numbers of one row count for one
    return _surest(columns, (len(made), len(real) // 2))


def cells_written_out(
    columns: Iterable[Column], real: pa.Table, made: pa.Table, unseen: pa.Table | None = None
) -> Written:
    """Return the share of identifiers and texts that are a real one: of synthetic, of others."""
    # each counts once, texts, names and contacts only where one real row alone holds them. Others
    # are the cells of unseen rows or, without any, of real rows; numbers are met by counting, too
    found = []
    for column in columns:
        name, within = column.name, column.note.startswith(CONTACT)
        if column.kind not in {"identifier", "text"} or name not in made.column_names:
            continue
        hold = [] if unseen is None or name not in unseen.column_names else [unseen]
        own, drawn, *others = (_cells(one[name], within) for one in (real, made, *hold))
        repeat = within or column.kind == "text" or column.note.startswith("name")
        values, counts = np.unique(own, return_counts=True)
        alone = values[counts == 1] if repeat else values
        drawn, others = np.unique(drawn), [np.unique(one) for one in others if len(one)]
        if not len(alone) or not len(drawn):
            continue
        hits = [int(np.isin(one, alone).sum()) for one in (drawn, *others)]
        control = Estimate.of_share(int(counts[counts == 2].sum()), len(own))
        if others:
            control = Estimate.of_share(hits[1], len(others[0]))
        elif not repeat:
            control = Estimate(0.0)
        if not repeat:
            serial = Estimate(_serial_chance(values, drawn))
            control = max(control, serial, key=lambda one: one.value)
        found.append(Written(Estimate(hits[0] / len(drawn)), control, name))
    nothing = Written(Estimate(math.nan), Estimate(math.nan))
    return max(found, key=lambda one: one.found.value - one.control.value, default=nothing)


def _cells(values: pa.ChunkedArray, within: bool) -> Array:
    """Return cells without blanks around them, or contacts in them; no marks of missing ones."""
    cells = pc.utf8_trim_whitespace(pc.drop_null(as_texts(whole_numbers(values))))
    cells = cells.filter(pc.invert(blank(cells)))
    if within:
        held = (contacts(cell) for cell in cells.to_pylist())
        return np.array([one.group() for those in held for one in those], object)
    found: Array = cells.to_numpy(zero_copy_only=False)
    return found


def _serial_chance(own: Array, drawn: Array) -> float:
    """Return how many of those drawn may well be real by chance, as numbers of one range."""
    known = [_SERIAL.fullmatch(cell) for cell in own]
    around = {one.group(1, 3) if one else None for one in known}
    if len(around) > 1 or None in around:
        return 0.0
    met = [one for one in map(_SERIAL.fullmatch, drawn) if one and one.group(1, 3) in around]
    if not met:
        return 0.0
    real, made = ([int(one[2]) for one in those if one] for those in (known, met))
    low = min(real)  # serial numbers are longer than what floats hold
    spread = (np.sort(np.array([one - low for one in those], float)) for those in (real, made))
    places = next(spread)
    chance = _met_by_chance(places, _filled(places), next(spread))[0] * len(met) / len(drawn)
    return min(chance + 2 * math.sqrt(chance / len(drawn)), 1.0)


def _number_rows(values: Floats, counts: Ints) -> bool:
    """Tell whether whole numbers differ by design, as serial ones do: no two tell of chance."""
    if (values % 1).any():
        return False
    expected = float(counts.sum()) ** 2 / (2 * (values[-1] - values[0] + 1))
    pairs = float((counts * (counts - 1.0)).sum() / 2)
    return bool(expected >= SERIAL and pairs < expected / 10)


def _filled(own: Floats) -> Floats:
    """Return the share of whole numbers around each that are there: any of them may be drawn."""
    place = np.arange(len(own))
    first, last = (place - STRATUM // 2).clip(0), (place + STRATUM // 2).clip(max=len(own) - 1)
    share: Floats = np.minimum((last - first) / np.maximum(own[last] - own[first], 1), 1)
    return share


def _met_by_chance(own: Floats, met: Bools | Floats, drawn: Floats) -> tuple[float, int]:
    """Return how often fresh rows, spread as those drawn, meet numbers of one; and its worth."""
    # where numbers lie thinly, more of them are one row's: counted in strata of real rows
    edges = own[STRATUM::STRATUM][: len(own) // STRATUM - 1]
    size, pairs = (
        np.bincount(np.searchsorted(edges, own, "right"), weights, len(edges) + 1)
        for weights in (None, met)
    )
    made = np.bincount(np.searchsorted(edges, drawn, "right"), minlength=len(edges) + 1)
    there = size > 0
    spread = made[there] / max(int(made[there].sum()), 1)
    chance = float((spread * pairs[there] / size[there]).sum())
    worth = 1 / max(float((spread**2 / size[there]).sum()), 1 / len(own))
    return chance, int(worth) // 2  # two rows of a pair are one draw


def _surest(columns: Sequence[_Column], worth: Sequence[int]) -> Written:
    """Return all columns together, worth so many draws, or the one that is surer to leak."""

    # an interval of one column is Bonferroni's: it holds for all of them at once
    def together(side: int) -> Estimate:
        hits, total = (sum(one[side] for one in part) for part in zip(*pairs, strict=True))
        return Estimate.of_share(hits / max(total, 1) * worth[side], worth[side] if total else 0)

    def alone(one: _Column, side: int) -> Estimate:
        return Estimate.of_share(one.hits[side], one.totals[side], looks=len(columns))

    pairs = [(one.hits, one.totals) for one in columns] or [((0, 0), (0, 0))]
    best = Written(together(0), together(1))
    for one in columns:
        found = Written(alone(one, 0), alone(one, 1), one.name)
        if found.low > max(best.low, 0.0):
            best = found
    return best
