"""Columns whose values are taken from a parent, and which of them are taken together."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._types import Bools, Floats32, Indices, Ints
from vicinal.table.categories import Codes, as_flag, bundles, codes_of, indicator_sets
from vicinal.table.marginals import held_by
from vicinal.table.presets import MixingSettings
from vicinal.table.rare import OTHER, blur_of, merged, rare_rows, replacements
from vicinal.table.schema import SAID, Column, is_string, value_type


@dataclass(frozen=True)
class InheritedColumn:
    """A column whose values are taken from a parent."""

    values: pa.Array
    missing: Bools | None
    codes: Codes
    closed: bool  # whether its type lists the levels there are

    def take(self, rows: Ints) -> InheritedColumn:
        """Return the values of other rows."""
        missing = None if self.missing is None else self.missing[rows]
        return InheritedColumn(
            self.values.take(pa.array(rows)), missing, self.codes[rows], self.closed
        )

    def without(self, rare: Bools) -> InheritedColumn:
        """Return the column with gaps where values are rare."""
        values = self.values.take(pa.array(np.arange(len(rare)), mask=rare))
        gaps = rare if self.missing is None else rare | self.missing
        return InheritedColumn(values, gaps, codes_of(values), self.closed)

    def merged(self, rare: Bools, least: int) -> InheritedColumn:
        """Return the column with its rare levels called "other", where that is a way out."""
        made = merged(self.values, rare, least)
        return self if made is None else InheritedColumn(made, self.missing, codes_of(made), False)

    def all_rare(self, least: int, owners: Indices | None = None) -> bool:
        """Tell whether every level is held by fewer rows than ``least``, or owners of rows."""
        there = np.ones(len(self.codes), bool) if self.missing is None else ~self.missing
        codes = self.codes[there]
        held = np.bincount(codes) if owners is None else held_by(codes, owners[there])
        return len(codes) > 0 and int(held.max()) < least

    def becomes_other(
        self, column: Column, settings: MixingSettings, n_owners: int, owners: Indices | None = None
    ) -> bool:
        """Tell whether "other" stands for every level: all are rare, and nobody asked for them."""
        least, text = settings.min_count, is_string(value_type(self.values.type))
        asked = column.kind != "category" or column.note == SAID or column.name in settings.within
        if asked or settings.rare == "keep" or not text:
            return False
        return n_owners >= least and self.all_rare(least, owners)


def inherit(values: pa.ChunkedArray) -> InheritedColumn:
    """Return a column whose values are taken from a parent."""
    gaps = values.is_null(nan_is_null=pa.types.is_floating(values.type)).to_numpy()
    of, kind = pa.types, values.type
    closed = bool(of.is_dictionary(kind))
    if not (closed or of.is_primitive(kind) or of.is_decimal(kind)):
        values = values if of.is_null(kind) else pc.dictionary_encode(values)
    array = values.combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    return InheritedColumn(array, gaps if gaps.any() else None, codes_of(array), closed)


def taken_together(
    columns: Mapping[str, InheritedColumn], within: Sequence[str] = ()
) -> list[list[str]]:
    """Return the columns by what is taken from one parent together."""
    flags = {
        name: flag
        for name, column in columns.items()
        if name not in within and column.missing is None
        if (flag := as_flag(column.values)) is not None
    }
    codes = {name: column.codes for name, column in columns.items()}
    return bundles(codes, within, indicator_sets(flags))


def without_rare(
    given: Mapping[str, InheritedColumn],
    kinds: Mapping[str, Column],
    settings: MixingSettings,
    n_owners: int,
    space: Callable[[], Floats32],
    rng: np.random.Generator,
    owners: Indices | None = None,
) -> dict[str, InheritedColumn]:
    """Return columns taken together with levels of near rows, "other" or gaps for rare ones."""
    least, columns = settings.min_count, dict(given)
    holders = "entities" if owners is not None else "training rows"
    own = [(kinds[name], column.values) for name, column in columns.items()]
    blur = blur_of(settings.blur, n_owners, own, settings.names_alone)

    def rare_in(one: InheritedColumn) -> Bools:
        return rare_rows(one.codes, one.missing, least, blur, rng, owners)

    others = []
    for name, one in given.items():
        if one.becomes_other(kinds[name], settings, n_owners, owners):
            there = np.ones(len(one.codes), bool) if one.missing is None else ~one.missing
            columns[name] = one.merged(there, least)
            others += [name] if columns[name] is not one else []
        elif settings.rare == "merge" and kinds[name].kind != "boolean" and not one.closed:
            columns[name] = one.merged(rare_in(one), least)
    if others:
        _warn_of_others(others, least, holders)
    rare_of = {name: rare_in(one) for name, one in columns.items()}
    missing = [one.missing for one in columns.values() if one.missing is not None]
    rare = np.logical_or.reduce(list(rare_of.values()))
    frequent = ~np.logical_or.reduce([rare, *missing])
    if rare.any() and not frequent.any():
        holed = [name for name, one in columns.items() if one.missing is not None]
        holed = [name for name in holed if n_owners >= least and rare_of[name].any()]
        if holed:  # rows with a gap may then stand for others
            _warn_of_gaps(holed, least, holders)
            columns |= {name: columns[name].without(rare_of.pop(name)) for name in holed}
            rare = np.logical_or.reduce([np.zeros_like(rare), *rare_of.values()])
            frequent = ~rare
        if not frequent.any():
            _warn_of_rare([name for name in rare_of if rare_of[name].any()], least, holders)
    if not (rare.any() and frequent.any()):
        return columns
    rows = replacements(rare, frequent, space())
    return {name: one.take(rows) for name, one in columns.items()}


def _warn_of_others(names: Sequence[str], min_count: int, owners: str) -> None:
    warnings.warn(
        f"Every category of {', '.join(map(repr, names))} is held by fewer than "
        f"min_count={min_count} {owners}: {OTHER!r} is written in their place. Give more rows, or "
        f"say kinds={{{names[0]!r}: 'category'}} to keep real values.",
        UserWarning,
        stacklevel=9,
    )


def _warn_of_gaps(names: Sequence[str], min_count: int, owners: str) -> None:
    warnings.warn(
        f"Values of {', '.join(map(repr, names))} that fewer than min_count={min_count} {owners} "
        "hold are left missing, as no frequent one can stand for them. Give more rows, or say "
        "rare='keep' to write them out.",
        UserWarning,
        stacklevel=9,
    )


def _warn_of_rare(names: Sequence[str], min_count: int, owners: str) -> None:
    warnings.warn(
        f"Every category of {', '.join(map(repr, names))} is held by fewer than "
        f"min_count={min_count} {owners}, so that none can stand for another: they are "
        "written out as they are. Give more rows, or drop the column.",
        UserWarning,
        stacklevel=9,
    )
