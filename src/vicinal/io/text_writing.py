"""Arrow to text files: CSV, TSV and JSON lines, a batch at a time and without a loop over rows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from contextlib import suppress
from gzip import GzipFile
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc

from vicinal._checks import first_line

__all__ = ["write_text"]

_BATCH = 1 << 16  # rows turned into text at once
_UNITS = ("s", "ms", "us", "ns")


def write_text(table: pa.Table, sink: IO[bytes] | GzipFile, kind: str) -> None:
    """Write "csv", "tsv" or "jsonl"."""
    names = table.column_names
    if kind == "jsonl":
        keys = [json.dumps(name, ensure_ascii=False) + ":" for name in names]
        before = [("{" if number == 0 else ",") + key for number, key in enumerate(keys)]
        end, gap = "}\n", "null"
    else:
        delimiter = "\t" if kind == "tsv" else ","
        header = io.StringIO()
        csv.writer(header, delimiter=delimiter, lineterminator="\n").writerow(names)
        sink.write(header.getvalue().encode())
        before = ["", *[delimiter] * (len(names) - 1)]
        # with one column, a missing value would be a blank line, which is no row at all
        end, gap = "\n", '""' if len(names) == 1 else ""
    quote = _json_quoted if kind == "jsonl" else _csv_quoted(delimiter, gap)
    columns = [
        _Tokens(table.column(number), table.field(number), quote, kind == "jsonl")
        for number in range(len(names))
    ]
    for start in range(0, table.num_rows, _BATCH):
        parts: list[Any] = []
        for lead, column in zip(before, columns, strict=True):
            parts += [lead, pc.fill_null(column.tokens(start), gap)]
        rows = pc.binary_join_element_wise(*map(_as_text, parts), _as_text(end), _as_text(""))
        sink.write(_joined(rows))


def _as_text(value: Any) -> Any:
    return pa.scalar(value, pa.large_string()) if isinstance(value, str) else value


def _joined(rows: pa.LargeStringArray) -> pa.Buffer:
    """Return all strings of an array, one after the other: that is how Arrow keeps them."""
    _, offsets, data = rows.buffers()
    ends = pa.Array.from_buffers(pa.int64(), len(rows) + 1, [None, offsets], offset=rows.offset)
    first, last = ends[0].as_py(), ends[len(rows)].as_py()
    return data.slice(first, last - first)


def _csv_quoted(delimiter: str, empty: str) -> Callable[[pa.Array], pa.Array]:
    def quoted(text: pa.Array) -> pa.Array:
        special = pc.match_substring_regex(text, f'["\r\n{delimiter}]')
        if pc.any(special).as_py():
            marks = pc.replace_substring(text, '"', '""')
            marks = pc.binary_join_element_wise(_as_text('"'), marks, _as_text('"'), _as_text(""))
            text = pc.if_else(special, marks, text)
        return pc.if_else(pc.equal(text, ""), _as_text(empty), text) if empty else text

    return quoted


def _json_quoted(text: pa.Array) -> pa.Array:
    text = pc.replace_substring(pc.replace_substring(text, "\\", "\\\\"), '"', '\\"')
    if pc.any(pc.match_substring_regex(text, "[\\x00-\\x1f]")).as_py():
        for code in range(32):
            text = pc.replace_substring(text, chr(code), json.dumps(chr(code))[1:-1])
    return pc.binary_join_element_wise(_as_text('"'), text, _as_text('"'), _as_text(""))


class _Tokens:
    """One column as the text of its fields, still null where a value is missing."""

    def __init__(
        self, column: pa.ChunkedArray, field: pa.Field, quote: Callable[..., Any], is_json: bool
    ) -> None:
        self._name, self._quote, self._is_json = field.name, quote, is_json
        note = {} if is_json else field.metadata or {}
        self._yes, self._no = (note.get(key, key).decode() for key in (b"true", b"false"))
        self._column = _simplest(column)
        # 1.0 is written as 1 unless told; a whole column of such would come back as integers
        self._point = pa.types.is_floating(self._column.type) and _all_whole(self._column)

    def tokens(self, start: int) -> pa.LargeStringArray:
        """Return the fields of the batch that starts in this row."""
        batch = self._column.slice(start, _BATCH)
        array = pa.concat_arrays(batch.chunks) if batch.num_chunks != 1 else batch.chunk(0)
        try:
            return self._text(array)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ValueError(
                f"Column {self._name!r} of type {array.type} cannot be written as text "
                f"({first_line(error)}). Write .parquet or .arrow instead."
            ) from error

    def _text(self, array: pa.Array) -> pa.LargeStringArray:
        of, kind = pa.types, array.type
        if of.is_dictionary(kind):
            return self._text(array.dictionary).take(array.indices)
        if of.is_boolean(kind):
            return pc.if_else(array, _as_text(self._yes), _as_text(self._no))
        text = array.cast(pa.large_string())
        if of.is_floating(kind):
            text = pc.if_else(pc.is_finite(array) if self._is_json else _not_nan(array), text, None)
            if self._point:
                bare = pc.invert(pc.match_substring_regex(text, "[.en]"))
                dotted = pc.binary_join_element_wise(text, _as_text(".0"), _as_text(""))
                text = pc.if_else(bare, dotted, text)
            return text
        if (
            of.is_integer(kind)
            or of.is_decimal(kind)
            or (of.is_temporal(kind) and not self._is_json)
        ):
            return text
        return self._quote(text)


def _all_whole(numbers: pa.ChunkedArray) -> bool:
    whole = pc.or_(pc.equal(pc.floor(numbers), numbers), pc.is_nan(numbers))
    return pc.all(whole).as_py() is not False


def _not_nan(array: pa.Array) -> pa.Array:
    return pc.invert(pc.is_nan(array))


def _simplest(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column in a type that is easy to write: no needless digits, no odd layouts."""
    of, kind = pa.types, column.type
    if isinstance(kind, pa.BaseExtensionType):
        chunks = [chunk.storage for chunk in column.chunks]
        return _simplest(pa.chunked_array(chunks, kind.storage_type))
    if of.is_run_end_encoded(kind):
        return pa.chunked_array([pc.run_end_decode(c) for c in column.chunks], kind.value_type)
    if of.is_dictionary(kind):
        return column.cast(kind.value_type) if column.num_chunks > 1 else column
    if of.is_float16(kind):
        return column.cast(pa.float32())
    if of.is_duration(kind):
        ticks = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        return pc.divide(column.cast(pa.int64()).cast(pa.float64(), safe=False), float(ticks))
    if of.is_timestamp(kind) or of.is_time64(kind) or of.is_time32(kind):
        return _shortest(column)
    return column


def _shortest(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return times in the coarsest unit that loses nothing, zoned ones in UTC."""
    of, kind = pa.types, column.type
    zone = "UTC" if of.is_timestamp(kind) and kind.tz else None
    for unit in _UNITS:
        if of.is_timestamp(kind):
            narrow = pa.timestamp(unit, zone)
        else:
            narrow = pa.time32(unit) if unit in {"s", "ms"} else pa.time64(unit)
        with suppress(pa.ArrowInvalid):
            return column.cast(narrow)
    return column
