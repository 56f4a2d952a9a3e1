"""What each column of a table is, found by looking, or said by the user."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._checks import check_choice, check_column
from vicinal._threads import map_threads
from vicinal.table.places import coordinates

#: Every kind of column, with what a synthetic table does with it.
KINDS = {
    "numeric": "mixed",
    "integer": "mixed, rounded",
    "datetime": "mixed",
    "date": "mixed",
    "time": "mixed",
    "duration": "mixed",
    "latitude": "one place with a longitude, moved among near places",
    "longitude": "one place with a latitude",
    "boolean": "taken from a parent",
    "category": "taken from a parent",
    "constant": "kept",
    "identifier": "replaced by fresh surrogates",
    "text": "left out, or replaced by surrogates",
    "missing": "kept missing",
}

#: Kinds whose values are numbers that can be averaged.
MIXED_KINDS = frozenset(
    {"numeric", "integer", "datetime", "date", "time", "duration", "latitude", "longitude"}
)
#: Kinds that are taken whole from one parent.
INHERITED_KINDS = frozenset({"boolean", "category", "constant", "missing"})

#: The note of a column whose kind the user said.
SAID = "as you said"
#: A string column counts as near-unique when more than this share of its values is distinct ...
UNIQUE_SHARE = 0.5
#: ... among at least this many values.
UNIQUE_ROWS = 50
#: ... or among at least this many where all are distinct.
UNIQUE_FEW = 10
#: Integers named like identifiers are such from so many different ones on.
UNIQUE_LEAST = 3
#: Near-unique strings of this many words or more, on average, are text and not identifiers.
TEXT_WORDS = 3.0

_ID_NAME = re.compile(r"(^|[_\W])(id|uuid|guid|key|idx|index|row|nr|no|number|rownum)$", re.I)


@dataclass(frozen=True)
class Column:
    """What a column is.

    Attributes
    ----------
    name : str
        Its name.
    kind : str
        One of :data:`KINDS`.
    type : str
        Its Arrow type.
    n_missing : int
        Rows without a value.
    n_distinct : int
        Distinct values.
    note : str
        Why this kind, where it is not obvious from the type.
    """

    name: str
    kind: str
    type: str
    n_missing: int
    n_distinct: int
    note: str = ""

    @property
    def mixed(self) -> bool:
        """Whether values are averaged."""
        return self.kind in MIXED_KINDS

    @property
    def inherited(self) -> bool:
        """Whether values are taken from one parent."""
        return self.kind in INHERITED_KINDS

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return asdict(self)


def detect_columns(table: pa.Table, kinds: Mapping[str, str] | None = None) -> list[Column]:
    """Say what each column of a table is.

    Parameters
    ----------
    table : pyarrow.Table
        At least one row.
    kinds : mapping of str to str, optional
        Column name to kind, where the user knows better.

    Returns
    -------
    list of Column
        In the order of the table.

    Raises
    ------
    ValueError
        If ``kinds`` names no column or no kind, or one that the values do not allow.
    """
    said = check_kinds(kinds, table.column_names)
    said = {n: k for n, k in coordinates(table).items() if n not in said} | said
    return map_threads(lambda name: _detect(name, table[name], said.get(name)), table.column_names)


def check_kinds(kinds: Mapping[str, str] | None, names: Sequence[str]) -> dict[str, str]:
    """Return the kinds that a user gave, or say which column or kind there is not."""
    said = dict(kinds or {})
    for name, kind in said.items():
        check_column("kinds", name, names)
        check_choice(f"kind of column {name!r}", kind, KINDS)
    return said


def _detect(name: str, values: pa.ChunkedArray, said: str | None) -> Column:
    plain = values
    if pa.types.is_dictionary(plain.type):
        plain = plain.cast(plain.type.value_type)
    if pa.types.is_floating(plain.type):
        plain = plain.filter(pc.invert(pc.is_nan(plain)))
    plain = pc.drop_null(plain)

    count, distinct = len(plain), _n_distinct(plain)
    span, words = 0, 0.0
    if pa.types.is_integer(values.type) and distinct == count > 0:  # else it does not matter
        ends = pc.min_max(plain).as_py()
        span = ends["max"] - ends["min"]
    elif is_string(plain.type) and near_unique(count, distinct):
        words = mean_words(plain)
    seen = Values(value_type(values.type), count, distinct, span, words)
    return column_of(name, str(values.type), len(values) - len(plain), seen, said)


def _n_distinct(plain: pa.ChunkedArray) -> int:
    """Return the number of different values, none of them missing."""
    if not (pa.types.is_floating(plain.type) or pa.types.is_integer(plain.type)) or not len(plain):
        return len(plain.unique())
    ordered = np.sort(plain.to_numpy())  # ten times as fast as a hash of each
    return 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


@dataclass(frozen=True)
class Values:
    """What tells of a column's kind."""

    type: pa.DataType  # as value_type tells it
    count: int  # values that are not missing
    distinct: int  # different ones among them
    span: int  # largest integer minus the least one, where all are different
    words: float  # mean number of words of a string, where nearly all are different


def column_of(name: str, type_: str, n_missing: int, seen: Values, said: str | None) -> Column:
    """Say what a column is."""
    found, note = _guess(name, seen)
    if said is not None:
        _check_possible(name, said, seen.type)
        found, note = said, SAID
    return Column(name, found, type_, n_missing, seen.distinct, note)


def mean_words(plain: pa.ChunkedArray) -> float:
    """Return the mean number of words of strings without missing ones."""
    return float(pc.mean(pc.add(pc.count_substring_regex(plain, r"\s+"), 1)).as_py() or 0.0)


def _guess(name: str, seen: Values) -> tuple[str, str]:
    """Return kind and note of a column without its missing values."""
    kind = kind_of_type(seen.type)
    if seen.distinct == 0:
        return "missing", "no value at all"
    if kind == "integer":
        if _looks_like_row_number(name, seen):
            return "identifier", "every value once"
    elif is_string(seen.type) and near_unique(seen.count, seen.distinct):
        note = f"{seen.distinct / seen.count:.0%} of the values are distinct"
        return ("text" if seen.words >= TEXT_WORDS else "identifier"), note
    elif _is_code(seen.type) and near_unique(seen.count, seen.distinct):
        note = f"{seen.distinct / seen.count:.0%} of the values are distinct"
        return ("identifier" if pa.types.is_dictionary(seen.type) else "text"), note
    return ("constant", "one value") if seen.distinct == 1 else (kind, "")


def _is_code(kind: pa.DataType) -> bool:
    """Tell whether a type holds bytes, or codes of integers."""
    of = pa.types
    if of.is_dictionary(kind):
        return bool(of.is_integer(kind.value_type))
    return bool(of.is_binary(kind) or of.is_large_binary(kind) or of.is_fixed_size_binary(kind))


def near_unique(count: int, distinct: int) -> bool:
    """Tell whether nearly every one of so many strings is different."""
    many = count >= UNIQUE_ROWS and distinct > UNIQUE_SHARE * count
    return many or (distinct == count and count >= UNIQUE_FEW)


def _looks_like_row_number(name: str, seen: Values) -> bool:
    """Tell identifiers from quantities: every value once, and consecutive or named like an id."""
    if seen.distinct < seen.count or seen.distinct < UNIQUE_LEAST:
        return False
    consecutive = seen.distinct >= UNIQUE_ROWS and seen.span == seen.distinct - 1
    return consecutive or bool(_ID_NAME.search(name))


def value_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that tells what a column is: texts are looked at, other codes are codes."""
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return plain if is_string(plain) else kind


def is_string(kind: pa.DataType) -> bool:
    """Tell whether a type holds strings."""
    return kind in (pa.string(), pa.large_string(), pa.string_view())


def kind_of_type(arrow: pa.DataType) -> str:
    """Return the kind that a type has by itself, before any look at the values."""
    of = pa.types
    if of.is_boolean(arrow):
        return "boolean"
    if of.is_integer(arrow):
        return "integer"
    if of.is_floating(arrow) or of.is_decimal(arrow):
        return "numeric"
    if of.is_timestamp(arrow):
        return "datetime"
    if of.is_date(arrow):
        return "date"
    if of.is_time(arrow):
        return "time"
    if of.is_duration(arrow):
        return "duration"
    return "category"


def _check_possible(name: str, kind: str, arrow: pa.DataType) -> None:
    """Refuse a kind whose values the column cannot hold."""
    own = kind_of_type(arrow)
    if kind in {"latitude", "longitude"} and pa.types.is_floating(arrow):
        return
    if kind in MIXED_KINDS and own != kind and {own, kind} != {"numeric", "integer"}:
        raise ValueError(
            f"kind of column {name!r}: {kind!r} needs values of that type, but the column holds "
            f"{arrow}. Convert it first, or call it 'category'."
        )
    if kind == "identifier" and not (own == "integer" or is_string(arrow)):
        raise ValueError(
            f"kind of column {name!r}: an identifier holds integers or strings, not {arrow}."
        )
    if kind == "text" and not is_string(arrow):
        raise ValueError(f"kind of column {name!r}: text holds strings, not {arrow}.")
    if kind in {"constant", "missing"}:
        raise ValueError(
            f"kind of column {name!r}: {kind!r} is found, not said. Use 'category' to take values "
            "from a parent."
        )
