"""Arrow to text files: CSV, TSV and JSON lines, a batch at a time and without a loop over rows."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from gzip import GzipFile
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._checks import first_line
from vicinal.io.dialect import Dialect, Encoding
from vicinal.io.notation import joined, note_of, write_numbers, write_times
from vicinal.io.text_reading import TIMES, UNITS, first_cast

_BATCH = 1 << 16  # rows turned into text at once
#: What Arrow writes instead of a time that it cannot spell.
BEYOND = "<value"


def write_text(
    table: pa.Table, out: IO[bytes] | GzipFile, kind: str, dialect: Dialect | None = None
) -> None:
    """Write "csv", "tsv" or "jsonl"; JSON is UTF-8 whatever the dialect."""
    names, dialect, is_json = table.column_names, dialect or Dialect(), kind == "jsonl"
    encoding = dialect.encoding or "utf-8"
    sink = out if is_json or encoding == "utf-8" else Encoding(out, encoding)
    quote: Callable[[pa.Array], pa.Array] = _json_quoted
    if is_json:
        before = [
            ("," if number else "{") + json.dumps(name, ensure_ascii=False) + ":"
            for number, name in enumerate(names)
        ]
        end, gap = "}\n", "null"
    else:
        delimiter = "\t" if kind == "tsv" else dialect.separator or ","
        end = dialect.line_end or "\n"
        if dialect.said_first:
            sink.write(f"sep={delimiter}{end}".encode())
        sink.write(_header(names, delimiter, end))
        before = ["", *[delimiter] * (len(names) - 1)]
        # with one column, a missing value would be a blank line, which is no row at all
        gap = '""' if len(names) == 1 else ""
        quote = _csv_quoted(delimiter, gap)
    fields = zip(table.columns, table.schema, strict=True)
    columns = [_fields(column, field, quote, is_json) for column, field in fields]
    gaps = [gap if is_json else note_of(field).get("missing", gap) for field in table.schema]
    for batch in zip(*columns, strict=True):
        parts: list[Any] = []
        for lead, texts, missing in zip(before, batch, gaps, strict=True):
            parts += [lead, pc.fill_null(texts, missing)]
        rows = joined(*parts, end)
        # all strings of an array, one after the other: that is how Arrow keeps them
        _, offsets, data = rows.buffers()
        sink.write(data.slice(0, int(np.frombuffer(offsets, np.int64)[len(rows)])))


def _header(names: list[str], delimiter: str, end: str) -> bytes:
    line = io.StringIO()
    csv.writer(line, delimiter=delimiter, lineterminator=end).writerow(names)
    return line.getvalue().encode()


def _csv_quoted(delimiter: str, empty: str) -> Callable[[pa.Array], pa.Array]:
    def quoted(text: pa.Array) -> pa.Array:
        special = pc.match_substring_regex(text, f'["\r\n{re.escape(delimiter)}]')
        if pc.any(special).as_py():
            marks = pc.replace_substring(text, '"', '""')
            text = pc.if_else(special, joined('"', marks, '"'), text)
        return pc.if_else(pc.equal(text, ""), empty, text) if empty else text

    return quoted


def _json_quoted(text: pa.Array) -> pa.Array:
    text = pc.replace_substring(pc.replace_substring(text, "\\", "\\\\"), '"', '\\"')
    if pc.any(pc.match_substring_regex(text, "[\\x00-\\x1f]")).as_py():
        for code in range(32):
            text = pc.replace_substring(text, chr(code), json.dumps(chr(code))[1:-1])
    return joined('"', text, '"')


def _fields(
    column: pa.ChunkedArray, field: pa.Field, quote: Callable[[pa.Array], pa.Array], is_json: bool
) -> Iterator[pa.Array]:
    """Yield a column as the text of its fields, batch by batch, null where a value is missing."""
    note = note_of(field)
    column = _simplest(column)
    of, kind = pa.types, column.type
    words = [key if is_json else note.get(key, key) for key in ("true", "false")]
    clock = "parts" in note and (of.is_timestamp(kind) or of.is_time(kind))
    number = "decimals" in note and of.is_floating(kind) and not is_json
    # 1.0 is written as 1 unless told; a whole column of such would come back as integers
    whole = of.is_floating(kind) and _all_whole(column) and not (number and note.get("bare", True))
    plain = of.is_integer(kind) or of.is_decimal(kind) or (of.is_temporal(kind) and not is_json)

    def text_of(array: pa.Array) -> pa.Array:
        if of.is_boolean(kind):
            return pc.if_else(array, *words).cast(pa.large_string())
        text = write_times(array, note) if clock else array.cast(pa.large_string())
        if of.is_temporal(kind) and pc.any(pc.starts_with(text, BEYOND)).as_py():
            raise ValueError(
                f"Column {field.name!r} holds times that lie beyond what text can show (years "
                "-32767 to 32767). Write .parquet or .arrow instead."
            )
        if not of.is_floating(kind):
            return text if plain else quote(text)
        known = pc.is_finite(array) if is_json else pc.invert(pc.is_nan(array))
        text = pc.if_else(known, text, None)
        if number:
            text = write_numbers(text, array, note)
        if whole:
            bare = pc.invert(pc.match_substring_regex(text, "[.en]"))
            text = pc.if_else(bare, joined(text, ".0"), text)
        return text

    for start in range(0, len(column), _BATCH):
        array = column.slice(start, _BATCH).combine_chunks()
        try:
            yield text_of(array)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ValueError(
                f"Column {field.name!r} of type {kind} cannot be written as text "
                f"({first_line(error)}). Write .parquet or .arrow instead."
            ) from error


def _all_whole(numbers: pa.ChunkedArray) -> bool:
    whole = pc.or_(pc.equal(pc.floor(numbers), numbers), pc.is_nan(numbers))
    return pc.all(whole).as_py() is not False


def _simplest(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column in a type that is easy to write: no needless digits, no odd layouts."""
    of, kind = pa.types, column.type
    if isinstance(kind, pa.BaseExtensionType):
        chunks = [chunk.storage for chunk in column.chunks]
        return _simplest(pa.chunked_array(chunks, kind.storage_type))
    if of.is_run_end_encoded(kind):
        return pa.chunked_array([pc.run_end_decode(c) for c in column.chunks], kind.value_type)
    if of.is_dictionary(kind):
        return _simplest(column.cast(kind.value_type))
    if of.is_float16(kind):
        return column.cast(pa.float32())
    if of.is_duration(kind):
        ticks = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        return pc.divide(column.cast(pa.int64()).cast(pa.float64(), safe=False), float(ticks))
    if of.is_time(kind):
        return first_cast(column, TIMES)
    if of.is_timestamp(kind):  # zoned ones in UTC
        return first_cast(column, (pa.timestamp(unit, kind.tz and "UTC") for unit in UNITS))
    return column
