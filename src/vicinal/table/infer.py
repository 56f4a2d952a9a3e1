"""The one door through which tables are read: what columns are, how cells are written, rules."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa

from vicinal._checks import check_choice, did_you_mean
from vicinal.io import check_file, dialect_of, replacing
from vicinal.table.formats.base import Format
from vicinal.table.formats.personal import Personal
from vicinal.table.frames import to_arrow
from vicinal.table.rules import Rule, find_rules
from vicinal.table.rules.kinds import Lookup
from vicinal.table.schema import KINDS, Column, detect_columns
from vicinal.table.written import (
    TYPED,
    as_identifiers,
    find_formats,
    find_people,
    odd_cells,
    read_cells,
    report_odd,
    with_cells,
    without_formats,
)

#: Kinds that are found, never said.
_FOUND = frozenset({"constant", "missing"})
_VERSION = 1
#: Shown as a format writes them: a real cell may be one person's.
_EXAMPLES = {
    "date": date(2023, 12, 24),
    "datetime": datetime(2023, 12, 24, 18, 30),
    "time": time(18, 30),
}


@dataclass(frozen=True)
class Told:
    """What is known of columns before all rows are looked at."""

    kinds: Mapping[str, str] = field(default_factory=dict)
    formats: Mapping[str, Format] = field(default_factory=dict)
    people: Mapping[str, Personal] = field(default_factory=dict)


@dataclass(frozen=True)
class Schema:
    """What the columns of a table are, how their cells are written, and the rules between them.

    Attributes
    ----------
    columns : tuple of Column
        Every column of the table, in its order.
    formats : mapping of str to Format
        How texts are written that stand for dates and numbers, by column.
    people : mapping of str to Personal
        What personal data columns hold, by column.
    rules : mapping of str to str, optional
        Text of each rule, and what shows it. None where none were looked for: then they are found
        when a table is learned.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"a": range(60), "b": [2 * at + 1 for at in range(60)]})
    >>> schema = infer_schema(table, {"a": "integer", "b": "integer"})
    >>> list(schema.rules), Schema.from_dict(schema.to_dict()) == schema
    (['b = 2 * a + 1'], True)
    """

    columns: tuple[Column, ...]
    formats: Mapping[str, Format] = field(default_factory=dict)
    people: Mapping[str, Personal] = field(default_factory=dict)
    rules: Mapping[str, str] | None = None

    def read(self, table: Any) -> pa.Table:
        """Return a table of any library as Arrow, with texts read that stand for values.

        Parameters
        ----------
        table : pandas, Polars or PyArrow table
            Of these columns, or some of them.

        Returns
        -------
        pyarrow.Table
            Cells that do not fit their column's format are missing.
        """
        return read_cells(to_arrow(table), self.formats)

    def to_dict(self) -> dict[str, Any]:
        """Return the schema as plain JSON values."""
        columns = {}
        for column in self.columns:
            facts = {key: value for key, value in column.as_dict().items() if key != "name"}
            if column.name in self.formats:
                form = replace(self.formats[column.name], odd_rows=(), n_odd=0).to_dict()
                facts["format"] = {key: form[key] for key in form if key != "kind"}
            if column.name in self.people:
                facts["personal"] = self.people[column.name].to_dict()
            columns[column.name] = facts
        rules = None if self.rules is None else dict(self.rules)
        return {"vicinal_schema": _VERSION, "columns": columns, "rules": rules}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Schema:
        """Return the schema that :meth:`to_dict` wrote, as it was edited since.

        Parameters
        ----------
        facts : mapping
            A column needs no more than its kind, and ``"date:%d.%m.%Y"`` is one.

        Returns
        -------
        Schema
            What the facts say.

        Raises
        ------
        ValueError
            If the facts are not those of a schema.
        """
        known = isinstance(facts, Mapping) and facts.get("vicinal_schema")
        if known != _VERSION or not isinstance(facts.get("columns"), Mapping):
            raise ValueError(
                f"This is no schema of version {_VERSION}. `vicinal columns FILE --json "
                "schema.json` writes one."
            )
        columns, formats, people = [], {}, {}
        for name, said in facts["columns"].items():
            said = {"kind": said} if isinstance(said, str) else dict(said)
            form, person = said.pop("format", None), said.pop("personal", None)
            kind, colon, pattern = str(said.pop("kind", "")).partition(":")
            check_choice(f"kind of column {name!r}", kind, KINDS)
            try:
                counted = {"type": "", "n_missing": 0, "n_distinct": 0, **said}
                columns.append(Column(name=name, kind=kind + colon + pattern, **counted))
                if isinstance(form, str):
                    columns[-1] = replace(columns[-1], kind=f"{kind}:{form}")
                elif form is not None and kind in TYPED and not colon:
                    formats[name] = Format.from_dict({**form, "kind": kind})
                if person is not None and kind == "identifier":
                    people[name] = Personal(**person)
            except (TypeError, ValueError) as error:
                raise ValueError(f"Column {name!r} of the schema: {error}") from None
        rules = facts.get("rules")
        if rules is not None and not isinstance(rules, Mapping):
            rules = dict.fromkeys(map(str, rules), "")
        return cls(tuple(columns), formats, people, rules)

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the schema as JSON that a person can edit, and write it to a file.

        Parameters
        ----------
        path : str or path, optional
            Where; replaced whole or not at all.

        Returns
        -------
        str
            The text.
        """
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"
        if path is not None:
            check_file(path)
            with replacing(Path(path)) as sink:
                sink.write(text.encode())
        return text

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> Schema:
        """Read a schema from a file.

        Parameters
        ----------
        path : str or path
            What :meth:`to_json` wrote.

        Returns
        -------
        Schema
            As :meth:`from_dict` gives it.

        Raises
        ------
        ValueError
            If the file is no JSON, or no schema.
        OSError
            If it cannot be read.
        """
        try:
            return cls.from_dict(json.loads(Path(path).read_text("utf-8-sig")))
        except json.JSONDecodeError as error:
            what = f"is no JSON, by line {error.lineno}"
        except UnicodeDecodeError:
            what = "is no text in UTF-8"
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        raise ValueError(
            f"{path} is no schema: it {what}. `vicinal columns FILE --json schema.json` writes one."
        )

    def check(self, names: Sequence[str]) -> None:
        """Refuse a table of other columns."""
        own = [column.name for column in self.columns]
        if lacking := [name for name in own if name not in names]:
            hint = did_you_mean(lacking[0], [name for name in names if name not in own])
            raise ValueError(
                f"The schema is for another table: it has {_named(lacking)}, which the table has "
                f"not.{hint} `vicinal columns FILE --json schema.json` writes one for it."
            )
        if stray := [name for name in names if name not in own]:
            raise ValueError(
                f"The schema is for another table: this one has {_named(stray)}, which the schema "
                'does not name. Add it, as in "name": "category", or write a new schema.'
            )

    def kinds(self) -> dict[str, str]:
        """Return what the schema says of columns, as a user says it."""
        return {
            column.name: column.kind
            for column in self.columns
            if column.kind not in _FOUND and column.name not in self.people
        }


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"column{'s' * (len(names) > 1)} {', '.join(map(repr, names[:3]))}{more}"


def infer_schema(
    table: Any,
    kinds: Mapping[str, str] | None = None,
    *,
    schema: Schema | None = None,
    strict: bool = False,
) -> Schema:
    """Find what the columns of a table are, how their cells are written, and rules between them.

    Parameters
    ----------
    table : pandas, Polars or PyArrow table
        At least one row.
    kinds : mapping of str to str, optional
        Column name to kind (:data:`vicinal.table.KINDS`) or format, where you know better.
    schema : Schema, optional
        What is known already, of this table or of one like it.
    strict : bool, default False
        Refuse cells that do not fit their column's format, which count as missing otherwise.

    Returns
    -------
    Schema
        What :class:`TableSynthesizer` takes as ``schema``; ``to_json`` writes it for editing.

    Raises
    ------
    ValueError
        If ``kinds`` or ``schema`` do not go with the table, or cells are odd and ``strict``.

    Warns
    -----
    UserWarning
        Where cells do not fit.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"when": ["24.12.2023", "01.02.2024", "13.02.2024"], "n": [1, 2, 2]})
    >>> [column.kind for column in infer_schema(table).columns]
    ['date', 'integer']
    """
    read, found = infer(to_arrow(table), kinds, schema, strict)
    replaced = {"identifier", "text", *_FOUND}
    among = [column.name for column in found.columns if column.kind not in replaced]
    rules: Sequence[Rule] = find_rules(read.select(among))
    if found.rules is not None:
        rules = [rule for rule in rules if rule.text in found.rules]
    columns = with_codes(found.columns, rules)
    texts = dict(found.rules or {}) | rules_of(rules)
    return replace(found, columns=columns, rules=texts)


def with_codes(columns: Sequence[Column], rules: Sequence[Rule]) -> tuple[Column, ...]:
    """Return columns with numbers that settle others, but not by their size, as categories."""
    codes = {
        rule.sources[0]: rule.text
        for rule in rules[::-1]
        if isinstance(rule, Lookup) and not rule.part
    }
    return tuple(
        replace(one, kind="category", note=f"a code: {codes[one.name]}")
        if one.name in codes and one.mixed
        else one
        for one in columns
    )


def rules_of(rules: Sequence[Rule]) -> dict[str, str]:
    """Return texts of rules, and what shows each."""
    return {rule.text: f"{rule.kind}, seen in {rule.rows:,} rows" for rule in rules}


def infer(
    arrow: pa.Table,
    kinds: Mapping[str, str] | None = None,
    schema: Schema | None = None,
    strict: bool = False,
    *,
    stacklevel: int = 2,
) -> tuple[pa.Table, Schema]:
    """Return a table as it is read, and what it is, but for rules that are not known yet."""
    if schema is not None:
        schema.check(arrow.column_names)
    told, cells = tell(arrow, kinds, schema)
    formats, read = told.formats, with_cells(arrow, cells)
    odd = odd_cells(arrow, cells, formats)
    report_odd(odd, formats, strict, stacklevel + 1, dialect_of(arrow).first_row)
    columns = detect_columns(read, told.kinds)
    columns = as_identifiers(columns, told.people)
    columns = [_noted(column, formats, schema) for column in columns]
    rules = None if schema is None else schema.rules
    return read, Schema(tuple(columns), formats, told.people, rules)


def tell(
    arrow: pa.Table, kinds: Mapping[str, str] | None, schema: Schema | None
) -> tuple[Told, dict[str, pa.Array]]:
    """Return what is said of columns, what rows show of their texts, and those that were read."""
    said, people = dict(kinds or {}), None
    formats: dict[str, Format] = {}
    if schema is not None:
        formats = {name: form for name, form in schema.formats.items() if name not in said}
        people = {name: one for name, one in schema.people.items() if name not in said}
        said = schema.kinds() | said
    formats, cells = find_formats(arrow, said, formats)
    if people is None:
        people = find_people(arrow, formats, said)
    return Told(without_formats(said, formats), formats, people), cells


def _noted(column: Column, formats: Mapping[str, Format], schema: Schema | None) -> Column:
    """Return a column with what its format is, or with what its schema says of it."""
    if column.name in formats:
        form = formats[column.name]
        if form.kind not in _EXAMPLES:  # the text of a number's format is an example
            return replace(column, note=form.text)
        example = form.render(pa.array([_EXAMPLES[form.kind]]).cast(form.type))[0]
        return replace(column, note=f"{example} = {form.text}")
    before = {one.name: one for one in schema.columns} if schema is not None else {}
    known = before.get(column.name)
    if known is not None and known.kind == column.kind:
        return replace(column, note=known.note)
    return column
