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
from vicinal.table.presets import MixingSettings
from vicinal.table.rare import blur_of, merged, rare_rows, replacements
from vicinal.table.schema import Column


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

    def merged(self, rare: Bools, least: int) -> InheritedColumn:
        """Return the column with its rare levels called "other", where that is a way out."""
        made = merged(self.values, rare, least)
        return self if made is None else InheritedColumn(made, self.missing, codes_of(made), False)


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
    """Return columns taken together with levels of near rows, or "other", for rare ones."""
    least, columns = settings.min_count, dict(given)
    own = [(kinds[name], column.values) for name, column in columns.items()]
    blur = blur_of(settings.blur, n_owners, own, settings.names_alone)

    def rare_in(one: InheritedColumn) -> Bools:
        return rare_rows(one.codes, one.missing, least, blur, rng, owners)

    if settings.rare == "merge":
        columns = {
            name: one if one.closed else one.merged(rare_in(one), least)
            for name, one in columns.items()
        }
    rare = np.logical_or.reduce([rare_in(one) for one in columns.values()])
    if not rare.any():
        return columns
    missing = [one.missing for one in columns.values() if one.missing is not None]
    frequent = ~np.logical_or.reduce([rare, *missing])
    if not frequent.any():
        _warn_of_rare(list(columns), least, "entities" if owners is not None else "training rows")
        return columns
    rows = replacements(rare, frequent, space())
    return {name: one.take(rows) for name, one in columns.items()}


def _warn_of_rare(names: Sequence[str], min_count: int, owners: str) -> None:
    warnings.warn(
        f"Every category of {', '.join(map(repr, names))} is held by fewer than "
        f"min_count={min_count} {owners}, so that none can stand for another: they are "
        "written out as they are. Give more rows, or drop the column.",
        UserWarning,
        stacklevel=9,
    )
