"""Text files to Arrow: CSV, TSV and JSON lines.

Every CSV column is text first; then it gets the first type that holds all of its values as they
were written.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from vicinal._checks import first_line
from vicinal.io.dialect import to_utf8
from vicinal.io.header import looks_like_row
from vicinal.io.notation import notation, noted, truth_values

#: Spellings of a missing value, in columns that hold no text otherwise.
MISSING = (
    *("", "?", "-", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NULL", "null", "None", "none"),
    *("NaN", "nan", "NAN", "-NaN", "-nan", "NaT"),
)

_HEAD = 1000  # rows that rule out types before all rows are tried
_BLOCK = 1 << 20  # bytes that one thread parses at once
#: From coarse to fine.
UNITS = ("s", "ms", "us", "ns")
TIMES = (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"))
#: Numbers that are codes: leading zeros, telephone numbers, and more digits than stay exact.
_CODE = r"^([+-]?0[0-9]|\+[0-9]{7}|[+-]?[0-9]{39})"


def check_unique(names: Iterable[Any], what: str = "Column names") -> None:
    """Refuse names that repeat."""
    repeated = [f"{name!r} ({n} times)" for name, n in Counter(names).items() if n > 1]
    if repeated:
        said = ", ".join(repeated)
        raise ValueError(f"{what} must be unique, got {said}. Rename or drop one of each.")


def read_text(
    path: Path, encoding: str | None = None, held: bytes | None = None
) -> tuple[bytes, str]:
    """Return the unpacked bytes of a file as UTF-8 without a mark, and the encoding it has."""
    try:
        data = path.read_bytes() if held is None else held
        if path.name.lower().endswith(".gz"):
            data = gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(
            f"{path} is cut short or is no gzip file ({first_line(error)})."
        ) from error
    data, encoding = to_utf8(path, data, encoding)
    if not data.strip():
        raise ValueError(f"{path} is empty.")
    return data, encoding


def read_csv(path: Path, data: bytes, delimiter: str) -> pa.Table:
    """Parse CSV; the path is for error messages."""
    names = _csv_header(path, data, delimiter)
    if data.count(b'"') % 2 and (fault := _csv_fault(data, delimiter, quotes=True)):
        raise ValueError(f"{path}: {fault}")
    if any(
        n > 1 and re.fullmatch("[-+.]?[0-9][0-9.,]*", name) for name, n in Counter(names).items()
    ):
        raise ValueError(f"{path}: {_no_header(names, delimiter)}")
    check_unique(names, f"Column names of {path}")
    try:
        text = _in_blocks(lambda block: _parse_csv(data, names, delimiter, block), len(data))
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            raise ValueError(f"{path} has a header but no rows.") from None
        raise ValueError(f"{path}: {_csv_fault(data, delimiter) or first_line(error)}") from error
    with ThreadPoolExecutor(pa.cpu_count()) as pool:
        made = list(pool.map(lambda name: _column(name, text[name], _CONVERTERS), names))
    fields, columns = zip(*made, strict=True)
    table = pa.Table.from_arrays(list(columns), schema=pa.schema(list(fields)))
    if looks_like_row(names, table, MISSING):
        raise ValueError(f"{path}: {_no_header(names, delimiter)}")
    return table


def _no_header(names: list[str], delimiter: str) -> str:
    shown = delimiter.join(names)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    example = delimiter.join(["a", "b", "c"][: len(names)]) + ("..." if len(names) > 3 else "")
    return (
        f"the first line ({shown}) looks like a row, not like column names. Put a line of column "
        f"names above it, such as {example}; if these are the names, let the numbers, dates and "
        "times among them begin with a letter."
    )


def separator_of(path: Path, data: bytes) -> str:
    """Return the mark that cuts most of the first rows into as many fields as the header."""
    head = data[: data.rfind(b"\n", 0, _BLOCK) + 1 or len(data)]
    best, most = ",", 0.0
    for mark in ",;\t|":
        n_fields = len(_csv_header(path, data, mark))
        if n_fields < 2:
            continue
        with suppress(csv.Error):
            rows = [len(row) for _, row in islice(_csv_rows(head, mark), 1, _HEAD)]
            share = rows.count(n_fields) / max(len(rows), 1)
            if share > most or (not rows and best == ","):
                best, most = mark, share
    return best


def _csv_header(path: Path, data: bytes, delimiter: str) -> list[str]:
    try:
        return next((row for _, row in _csv_rows(data, delimiter)), [])
    except csv.Error as error:
        raise ValueError(
            f"{path}: the header cannot be parsed ({first_line(error)}). Is it a text file?"
        ) from error


def _parse_csv(data: bytes, names: list[str], delimiter: str, block: int) -> pa.Table:
    """Return every column as text; empty fields are missing."""
    from pyarrow import csv as reader

    return reader.read_csv(
        pa.BufferReader(data),
        # threads gain nothing within one block, and Arrow's may outlive a short program's end
        reader.ReadOptions(block_size=block, use_threads=len(data) > block),
        # finding line ends costs more where quotes may hide them
        reader.ParseOptions(delimiter=delimiter, newlines_in_values=b'"' in data),
        reader.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
        ),
    )


def _in_blocks(read: Callable[[int], pa.Table], size: int) -> pa.Table:
    """Read in parallel, or in one block where a single row is longer than a block."""
    try:
        return read(_BLOCK)
    except pa.ArrowInvalid as error:
        if "straddl" not in str(error) or size <= _BLOCK:
            raise
        return read(min(size + 1, 2**31 - 1))


def _csv_rows(data: bytes, delimiter: str, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Yield first line and fields of each row that is not blank; slow."""
    lines = io.TextIOWrapper(io.BytesIO(data), "utf-8", newline="")
    reader = csv.reader(lines, delimiter=delimiter, strict=strict)
    line = 1
    csv.field_size_limit(2**31 - 1)  # of the process: other threads may be reading
    for row in reader:
        if row:
            yield line, row
        line = reader.line_num + 1


def _csv_fault(data: bytes, delimiter: str, quotes: bool = False) -> str | None:
    """Find the first row with too few or too many fields, or else a quote that is never closed."""
    expected, line = None, 1
    try:
        for line, row in _csv_rows(data, delimiter, strict=quotes):
            expected = expected or len(row)
            if len(row) != expected and not quotes:
                return (
                    f"line {line} has {len(row)} field{'s' * (len(row) != 1)}, but the header has "
                    f"{expected}. Mend the line; text with {delimiter!r} in it needs quotes. Where "
                    "another mark separates fields, name it: separator=';' (--separator)."
                )
    except csv.Error as error:
        if quotes and "unexpected end" in str(error):  # one field of the rest of the file
            return (
                f"a quote is opened but not closed, after line {line}. Close it, or double it "
                "where it is part of the text."
            )
    return None


def read_json(path: Path, data: bytes) -> pa.Table:
    """Parse JSON lines; the path is for error messages."""
    from pyarrow import json as reader

    def parse(texts: list[str]) -> pa.Table:
        schema = pa.schema([(name, pa.string()) for name in texts])
        options = reader.ParseOptions(explicit_schema=schema)
        return _in_blocks(
            lambda block: reader.read_json(
                pa.BufferReader(data), reader.ReadOptions(block_size=block), options
            ),
            len(data),
        )

    try:
        table = parse([])
        stamps = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
        # the reader makes a time of every date: read those again, as they were written
        table = parse(stamps).select(table.column_names) if stamps else table
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: {_json_fault(data) or first_line(error)}") from error
    for number, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            made = _column(field.name, table.column(number), _TEMPORAL, missing=())
            table = table.set_column(number, *made)
    return table


def _json_fault(data: bytes) -> str | None:
    """Find the first line that is not an object, or not of the types of those before."""
    kinds: dict[str, str] = {}
    names = {str: "text", bool: "a truth value", dict: "an object", list: "a list"}
    for number, line in enumerate(io.BytesIO(data), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            return f"line {number} is not valid JSON ({first_line(error)}). One object to a line."
        if not isinstance(row, dict):
            return f"line {number} is {names.get(type(row), 'a bare value')}, not an object."
        for key, value in row.items():
            kind = names.get(type(value), "a number")
            if value is not None and kinds.setdefault(key, kind) != kind:
                return f"line {number} holds {kind} in {key!r}, but lines before {kinds[key]}."
    return None


# From text to types. Each converter returns None where a value does not fit.

Converter = Callable[[pa.ChunkedArray], "pa.ChunkedArray | None"]


def _column(
    name: str,
    text: pa.ChunkedArray,
    converters: tuple[Converter, ...],
    missing: tuple[str, ...] = MISSING,
) -> tuple[pa.Field, pa.ChunkedArray]:
    """Return a column in its type, and a field that remembers how the file writes it."""
    values = _typed(text, converters, missing)
    return noted(pa.field(name, values.type), notation(text, values)), values


def _typed(
    text: pa.ChunkedArray, converters: tuple[Converter, ...], missing: tuple[str, ...] = MISSING
) -> pa.ChunkedArray:
    """Return a column in the first type that holds every value as it was written."""
    head = _cleaned(text.slice(0, _HEAD), missing).drop_null()
    if not len(head):
        head = _cleaned(text, missing).drop_null().slice(0, _HEAD)
    if not len(head):
        # spellings of a missing value among nothing else are text like any other
        return text if text.null_count < len(text) else pa.chunked_array([pa.nulls(len(text))])
    for convert in converters:
        # one value first: a cast that fails spends time on every row that does not fit
        if convert(head.slice(0, 1)) is None or convert(head) is None:
            continue
        found = convert(text)
        if found is None:
            found = convert(_cleaned(text, missing))
        if found is not None:
            return found
    return text


def _cleaned(text: pa.ChunkedArray, missing: tuple[str, ...]) -> pa.ChunkedArray:
    """Trim spaces, and take spellings of missing values for what they mean."""
    if not missing:
        return text
    text = pc.ascii_trim_whitespace(text)
    gone = pc.is_in(text, pa.array(missing, text.type))
    return pc.if_else(gone, pa.scalar(None, text.type), text)


def first_cast(values: pa.ChunkedArray, kinds: Iterable[pa.DataType]) -> pa.ChunkedArray | None:
    """Return values in the first of some types that holds them all; None where none does."""
    for kind in kinds:
        with suppress(pa.ArrowInvalid):
            return values.cast(kind)
    return None


def _integers(text: pa.ChunkedArray) -> pa.ChunkedArray | None:
    numbers = first_cast(text, (pa.int64(), pa.uint64(), pa.decimal128(38, 0)))
    # 007, +1 and 0x1F are codes: they would not come back as they were
    if numbers is None or not pc.all(pc.equal(numbers.cast(text.type), text)).as_py():
        return None
    return numbers


def _floats(text: pa.ChunkedArray) -> pa.ChunkedArray | None:
    numbers = first_cast(text, [pa.float64()])
    if numbers is None or pc.any(pc.match_substring_regex(text, _CODE)).as_py():
        return None
    return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)


def _booleans(text: pa.ChunkedArray) -> pa.ChunkedArray | None:
    yes, no = truth_values(text)
    return pc.equal(text, yes) if set(text.unique().to_pylist()) <= {yes, no, None} else None


def _dates(text: pa.ChunkedArray) -> pa.ChunkedArray | None:
    return first_cast(text, [pa.date32()])


def _times(text: pa.ChunkedArray) -> pa.ChunkedArray | None:
    clock = pc.match_substring_regex(text, r"^[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?$")
    if not pc.all(clock).as_py():
        return None
    found = _stamps(pc.binary_join_element_wise("1970-01-01", text, " "))
    return None if found is None else found.cast(TIMES[UNITS.index(found.type.unit)])


def _stamps(text: pa.ChunkedArray) -> pa.ChunkedArray | None:
    zones = (None, "UTC")
    found = first_cast(text, (pa.timestamp(unit, zone) for zone in zones for unit in UNITS))
    if found is None:
        return None
    # a fraction of zeros is how seconds are written
    return first_cast(found, (pa.timestamp(unit, found.type.tz) for unit in UNITS))


_TEMPORAL: tuple[Converter, ...] = (_dates, _times, _stamps)
_CONVERTERS: tuple[Converter, ...] = (_integers, _floats, _booleans, *_TEMPORAL)
