"""Texts that stand for dates and numbers, or for persons: read before mixing, written after.

Integers such as 20231224 are dates, too.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._checks import check_column, printable
from vicinal._threads import map_threads
from vicinal.io.text_reading import MISSING
from vicinal.table.conditions import Condition
from vicinal.table.formats.base import Format, as_texts, marks_of
from vicinal.table.formats.dates import DateFormat
from vicinal.table.formats.find import integer_dates, parse_format, search_format
from vicinal.table.formats.numerals import NumberFormat
from vicinal.table.formats.personal import CONTACT, Personal, find_contacts, find_personal
from vicinal.table.formats.surrogates import ContactMaker, SurrogateMaker
from vicinal.table.schema import UNIQUE_LEAST, Column, near_unique

#: Kinds of formats that are read; codes, yes and no stay texts.
TYPED = ("date", "datetime", "time", "numeric", "integer")
#: Floats below hold every whole number.
WHOLE = 2.0**53


def find_formats(
    table: pa.Table,
    kinds: Mapping[str, str] | None = None,
    known: Mapping[str, Format] | None = None,
) -> tuple[dict[str, Format], dict[str, pa.Array]]:
    """Find how columns of texts are written that stand for dates and numbers, and read them."""
    said, formats = dict(kinds or {}), dict(known or {})
    for name in said:
        check_column("kinds", name, table.column_names)

    def find(name: str) -> tuple[Format, pa.Array] | None:
        values, kind = whole_numbers(table[name]), said.get(name)
        head, colon, _ = str(kind or "").partition(":")
        text, whole = _is_text(values.type), pa.types.is_integer(values.type)
        if name in formats:
            return (formats[name], formats[name].parse(values)) if _is_read(values.type) else None
        text = text or (whole and head in DateFormat.kinds)
        if colon and head in TYPED and not text:
            raise ValueError(
                f"kind of column {name!r}: {kind!r} is a format of texts, but the column holds "
                f"{values.type}. Say {head!r} alone, or nothing."
            )
        if whole and (kind is None or kind in DateFormat.kinds):
            dates = integer_dates(values)
            if kind is None or (dates is not None and dates[0].kind == kind):
                return dates
        if not text or (kind is not None and head not in TYPED):
            return None
        if kind is None:
            return _found(values, name)
        form = parse_format(str(kind), values, name)
        return form, form.parse(values)

    found = dict(zip(table.column_names, map_threads(find, table.column_names), strict=True))
    read = {name: one for name, one in found.items() if one is not None}
    return (
        {name: form for name, (form, _) in read.items()},
        {name: cells for name, (_, cells) in read.items()},
    )


def _is_text(kind: pa.DataType) -> bool:
    kind = _plain(kind)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_read(kind: pa.DataType) -> bool:
    """Tell whether cells of a type are read where a column has a format."""
    return _is_text(kind) or pa.types.is_integer(kind)


def whole_numbers(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return floats that are whole numbers as integers: libraries hold those with gaps so."""
    if not pa.types.is_floating(values.type):
        return values
    for some in (values.slice(0, 100), values):  # most others end here
        numbers = some.to_numpy(zero_copy_only=False) if len(some) else np.zeros(0)
        known = numbers[~np.isnan(numbers)]
        if not (np.abs(known) < WHOLE).all() or (known % 1).any():
            return values
    return pa.array(np.nan_to_num(numbers).astype(np.int64), mask=np.isnan(numbers))


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _found(values: pa.ChunkedArray, name: str) -> tuple[Format, pa.Array] | None:
    """Return a format that is a date, a time, or a number with marks, and the cells as read."""
    found = search_format(values, name, TYPED)
    if found is None:
        return None
    form, read = found
    if not isinstance(form, NumberFormat):
        return found
    if _has_marks(form):
        return None if form.kind == "integer" and find_personal(values, name) else found
    if form.kind == "integer":  # plain ones were typed before, but for marks and typing errors
        return found if (form.marks or form.n_odd) and not find_personal(values, name) else None
    # versions and codes with a point, such as 250.10, are no numbers
    exact = int(pc.sum(form.fits(values)).as_py() or 0)
    return found if exact >= 0.99 * (len(read) - read.null_count) else None


def _has_marks(form: NumberFormat) -> bool:
    around = form.prefix or form.suffix or form.thousands or form.plus
    return bool(around) or form.negative != "-#" or form.decimal != "."


def without_formats(
    kinds: Mapping[str, str] | None, formats: Mapping[str, Format]
) -> dict[str, str]:
    """Return the kinds that a user said, in place of formats what they are formats of."""
    said = dict(kinds or {})
    return said | {name: formats[name].kind for name in said if name in formats}


class OddCells(UserWarning):
    """Cells that do not fit, with what may be said of them where real cells may not be shown."""

    def __init__(self, said: str, without_cells: str) -> None:
        super().__init__(said)
        self.without_cells = without_cells

    def __reduce__(self) -> tuple[Any, ...]:
        return OddCells, (str(self), self.without_cells)


class Odd(NamedTuple):
    """Cells of a column that do not fit: how many, and row, text and file of the first three."""

    n_cells: int
    first: tuple[tuple[int, str, str], ...]


def odd_cells(
    table: pa.Table, read: Mapping[str, pa.Array], formats: Mapping[str, Format]
) -> dict[str, Odd]:
    """Return cells that do not fit, or are rare marks of missing values, by column."""
    found = {}
    for name, values in read.items():
        rows = np.flatnonzero(pc.and_(values.is_null(), table[name].is_valid()))
        cells = as_texts(table[name].take(pa.array(rows)))
        plain = pc.is_in(pc.utf8_trim_whitespace(cells), pa.array(MISSING))
        marked = pc.is_in(cells, pa.array(formats[name].marks, pa.string()))
        if (pc.sum(marked).as_py() or 0) > max(1, len(table) // 100):  # usual in this column
            plain = pc.or_(plain, marked)
        odd = np.flatnonzero(pc.invert(plain))
        if len(odd):
            first = tuple((int(rows[at]), cells[at].as_py(), "") for at in odd[:3].tolist())
            found[name] = Odd(len(odd), first)
    return found


def report_odd(
    odd: Mapping[str, Odd],
    formats: Mapping[str, Format],
    strict: bool,
    stacklevel: int,
    first_row: int | None = None,
) -> None:
    """Say which cells do not fit; refuse them if strict. ``first_row`` is its line in a file."""
    place, shift = ("row", 1) if first_row is None else ("line", first_row)
    told, counted = [], []
    for name, (count, cells) in odd.items():
        first = ", ".join(
            f"{row + shift}{f' of {file}' if file else ''} ({cell!r:.40})"
            for row, cell, file in cells
        )
        more = ", ..." if count > len(cells) else ""
        counted.append(f"{count:,} cell(s) of {name!r}, which is {printable(formats[name].text)}")
        told.append(f"{counted[-1]}: {place} {first}{more}")
    if told and strict:
        raise ValueError(
            f"Cells that do not fit: {'; '.join(told)}. Mend them, say kinds={{'name': "
            "'category'} to keep a column's cells as they are, or leave strict out."
        )
    if told:
        texts = (
            f"Taken as missing: {'; '.join(those)}. kinds={{'name': 'category'}} keeps a column's "
            "cells as they are, strict=True (--strict) refuses such cells."
            for those in (told, counted)
        )
        warnings.warn(OddCells(*texts), stacklevel=stacklevel + 1)


def parse_cells(table: pa.Table, formats: Mapping[str, Format]) -> dict[str, pa.Array]:
    """Return columns of texts as their formats read them."""
    names = [name for name in table.column_names if name in formats]
    cells = {name: whole_numbers(table[name]) for name in names}
    return {name: formats[name].parse(one) for name, one in cells.items() if _is_read(one.type)}


def with_cells(table: pa.Table, read: Mapping[str, pa.Array]) -> pa.Table:
    """Return a table with columns in place of the texts that they were read from."""
    for name, values in read.items():
        at = table.column_names.index(name)
        table = table.set_column(at, pa.field(name, values.type), values)
    return table


def read_cells(table: pa.Table, formats: Mapping[str, Format]) -> pa.Table:
    """Return a table with columns of texts read by their formats."""
    return with_cells(table, parse_cells(table, formats))


def read_conditions(
    conditions: Sequence[Condition], formats: Mapping[str, Format]
) -> list[Condition]:
    """Return conditions with the values that are written as their columns write them read."""
    made = []
    for one in conditions:
        form = formats.get(one.column)
        dated = isinstance(form, DateFormat) and isinstance(one.value, int)  # 20231224
        if form is not None and (dated or isinstance(one.value, str)):
            read = form.parse(pa.array([str(one.value)]))
            one = one if read.null_count else replace(one, value=read[0].as_py())
        made.append(one)
    return made


def write_cells(
    table: pa.Table,
    formats: Mapping[str, Format],
    people: Mapping[str, SurrogateMaker | ContactMaker],
    schema: pa.Schema,
) -> pa.Table:
    """Return rows as their table writes them: formats of ``schema``, surrogates for persons."""
    for at, name in enumerate(table.column_names):
        if name in formats:
            made = formats[name].render(table[name])
        elif name in people:
            cells = as_texts(whole_numbers(table[name]))
            gaps = blank(cells)
            made = people[name].replace(pc.if_else(gaps, pa.scalar(None, pa.string()), cells))
            made = pc.if_else(gaps, cells, made.cast(pa.string()))
        else:
            continue
        field = schema.field(name)
        made, kind = _as_given(made, field.type)
        field = field.remove_metadata() if pa.types.is_dictionary(kind) else field
        table = table.set_column(at, field.with_type(kind), made)
    return table


def blank(cells: pa.Array) -> pa.Array:
    """Tell which cells stand for missing values."""
    marks = marks_of(pc.unique(pc.drop_null(cells)))
    return pc.is_in(cells, pa.array(marks, pa.string()))


def _as_given(made: pa.Array, kind: pa.DataType) -> tuple[pa.Array, pa.DataType]:
    """Return texts in the type of their column, with wider codes where it has no room."""
    if not pa.types.is_dictionary(kind):
        return made.cast(kind), kind
    encoded = made.cast(kind.value_type).dictionary_encode()
    room = 1 << (kind.index_type.bit_width - pa.types.is_signed_integer(kind.index_type))
    if len(encoded.dictionary) > room:
        kind = pa.dictionary(pa.int32(), kind.value_type, kind.ordered)
    return encoded.cast(kind), kind


def find_people(
    table: pa.Table, formats: Mapping[str, Format], kinds: Mapping[str, str] | None
) -> dict[str, Personal]:
    """Find personal data in columns of which the user has not said what they are."""
    people, said = {}, dict(kinds or {})
    for name in table.column_names:
        if name in formats or said.get(name, "identifier") != "identifier":
            continue
        values = whole_numbers(table[name])
        found = find_personal(values, name)
        if found is None and name not in said:
            found = find_contacts(values)
        if found is not None:
            people[name] = found
    return people


def as_identifiers(columns: Sequence[Column], people: Mapping[str, Personal]) -> list[Column]:
    """Return columns with those of personal data as identifiers, which is what they are."""
    said = []
    for column in columns:
        person = people.get(column.name)
        # free text and identifiers are replaced, whatever is in them
        within = person is not None and person.kind == CONTACT
        if within and column.kind not in {"category", "constant"}:
            person = None
        if person is not None and column.kind != "missing":
            repeats = (
                "" if column.kind in {"identifier", "text"} else ", the same for the same value"
            )
            column = replace(column, kind="identifier", note=f"{person.kind}{repeats}")
        said.append(column)
    return said


def as_mixed(
    columns: Sequence[Column], people: Mapping[str, Personal], n_rows: int, dropped: bool
) -> list[Column]:
    """Return what columns are mixed as: personal data that repeat are categories until the end."""

    def repeats(column: Column) -> bool:
        count, distinct = n_rows - column.n_missing, column.n_distinct
        return not (near_unique(count, distinct) or distinct == count >= UNIQUE_LEAST)

    return [
        replace(column, kind="category")
        if column.name in people and column.kind == "identifier" and not dropped and repeats(column)
        else column
        for column in columns
    ]


def replacers(
    rows: pa.Table,
    columns: Sequence[Column],
    people: Mapping[str, Personal],
    entropy: object,
    spans: Mapping[str, tuple[int, int]],
) -> dict[str, SurrogateMaker | ContactMaker]:
    """Return what makes surrogates of personal data that repeat; ``spans`` are of more rows."""
    # their key comes of the seed and of all real values, so that nobody can tell the surrogate of a
    # value that he guesses without having them all
    makers: dict[str, SurrogateMaker | ContactMaker] = {}
    for column in columns:
        name = column.name
        if name not in people or column.kind in {"identifier", "missing", "text"}:
            continue
        values = whole_numbers(rows[name])
        cells = pc.unique(pc.drop_null(as_texts(values)))
        cells = cells.filter(pc.invert(blank(cells)))
        digest = hashlib.blake2b(repr(entropy).encode(), digest_size=32)
        digest.update("\0".join(sorted(cells.to_pylist())).encode())
        key = digest.digest()
        if people[name].kind == CONTACT:
            makers[name] = ContactMaker(cells, name, key=key)
            continue
        if _is_text(values.type):
            makers[name] = SurrogateMaker(cells, name, personal=people[name], key=key)
            continue
        kind = _plain(values.type)  # integers count on beyond the real ones
        ends = pa.array(list(map(int, spans.get(name, ()))), kind)
        whole = pc.unique(pa.concat_arrays([cells.cast(kind), ends]))
        makers[name] = maker = SurrogateMaker(whole, name, key=key)
        maker.replace(whole)  # is there room?
    return makers
