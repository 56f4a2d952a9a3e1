"""Tables from files and to files: CSV, TSV, JSON lines, Parquet and Arrow.

Types of text columns are found by looking at *every* row, and only where values come back as they
were written: ``00123`` stays text.
"""

from __future__ import annotations

import os
from gzip import GzipFile
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from vicinal._checks import did_you_mean, first_line
from vicinal.io.atomic import check_file, replacing
from vicinal.io.dialect import Dialect, said_separator, with_dialect, without_dialect
from vicinal.io.text_reading import (
    check_unique,
    read_csv,
    read_json,
    read_text,
    separator_of,
)
from vicinal.io.text_writing import write_text

#: Suffixes of files that are known, and their format.
SUFFIXES = {
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "tsv",
    ".tsv.gz": "tsv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".ndjson": "jsonl",
    ".ndjson.gz": "jsonl",
}
PathLike = str | os.PathLike[str]
_SHEETS = {".xlsx", ".xls", ".xlsm", ".ods"}


def output_format(path: PathLike) -> str:
    """Return the format that a file's name asks for, in small letters or capitals."""
    name = Path(path).name.lower()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return SUFFIXES[suffix]
    suffix = "".join(Path(name).suffixes[-2:]) if name.endswith(".gz") else Path(name).suffix
    said = f"the suffix {suffix!r} is not known" if suffix else "the name has no suffix"
    excel = " In a spreadsheet program, save the sheet as CSV UTF-8." if suffix in _SHEETS else ""
    raise ValueError(
        f"{os.fspath(path)}: {said}.{did_you_mean(suffix, SUFFIXES)} Known: {', '.join(SUFFIXES)}."
        f"{excel}"
    )


def check_output(path: PathLike) -> None:
    """Raise where a table could not be written to a file, before any work is done for it."""
    output_format(path)
    check_file(path)


def read_table(
    path: PathLike, dialect: Dialect | None = None, *, held: bytes | None = None
) -> pa.Table:
    """Read a table of one row and one column at least; the suffix of the name tells the format.

    Encoding and separator of a text file are found by looking, unless ``dialect`` names them; the
    table remembers them (:func:`dialect_of`), and a guess is warned of. A CSV column has a type
    where every value fits it; then the usual spellings of a missing value (``NA``, ``null``, ``?``)
    count as missing. In a text column only an empty field does. Numbers with leading zeros stay
    text, integers are exact up to 38 digits, times with an offset become UTC. Integers of more than
    64 bits in JSON lines become floating point numbers. ``held`` is what the file holds, where it
    lies in memory and ``path`` is but its name.

    Raises OSError where the file may not be read; ValueError, naming the line, where it is empty,
    has no rows, repeats a column name, begins with a row instead of column names, is cut short, or
    has rows of unequal length.
    """
    kind = output_format(path)
    path = Path(path)
    if held is None:
        _check_readable(path)
    elif not held:
        raise ValueError(f"{path} is empty.")
    if kind in {"parquet", "arrow"}:
        try:
            source = os.fspath(path) if held is None else pa.BufferReader(held)
            table = _read_parquet(source) if kind == "parquet" else _read_arrow(source)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise ValueError(
                f"{path} is cut short or is no {kind.title()} file ({first_line(error)})."
            ) from error
    else:
        said = dialect or Dialect()
        data, encoding = read_text(path, said.encoding, held)
        own = None
        if kind == "jsonl":
            table, separator = read_json(path, data), ","
        else:
            data, own = said_separator(data)
            usual = "\t" if kind == "tsv" else None
            separator = said.separator or own or usual or separator_of(path, data)
            table = read_csv(path, data, separator)
        line_end = "\r\n" if data[: data.find(b"\n") + 1].endswith(b"\r\n") else "\n"
        lines = data.count(b"\n") + (not data.endswith(b"\n"))
        above = lines - table.num_rows
        first_row = above + 1 if above == (0 if kind == "jsonl" else 1 + bool(own)) else None
        found = (
            None if kind == "tsv" and not (said.separator or own) else separator
        )  # of its suffix
        table = with_dialect(table, Dialect(found, encoding, line_end, first_row, bool(own)))
    if not table.num_columns:
        raise ValueError(f"{path} has no columns.")
    check_unique(table.column_names, f"Column names of {path}")
    if not table.num_rows:
        raise ValueError(f"{path} has a header but no rows.")
    return table


def write_table(table: pa.Table, path: PathLike, dialect: Dialect | None = None) -> None:
    """Write a table; an existing file is replaced once the new one is whole.

    ``dialect`` says what separates the fields of a ``.csv`` file, if not commas, and encoding and
    line ends of a ``.csv`` or ``.tsv`` file, if not UTF-8 and plain.

    Columns that were read from a text file are written as that file writes them: decimals that are
    always shown, plus signs, times without seconds, offsets from UTC, marks of missing values.
    Others: numbers in the fewest digits that give the same number again, dates and times as in
    ISO 8601 (zoned ones in UTC), durations in seconds, missing values and NaN as an empty field
    or ``null``. JSON knows no infinity; it becomes ``null``.
    """
    kind = output_format(path)
    check_output(path)
    if kind in {"parquet", "arrow"}:
        table = without_dialect(table)
    with replacing(Path(path)) as sink:
        if kind == "parquet":
            write_parquet(table, sink)
        elif kind == "arrow":
            table = table.unify_dictionaries()
            with pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)
        elif Path(path).name.lower().endswith(".gz"):
            # no name and no time inside: the same table gives the same bytes
            with GzipFile("", "wb", 6, sink, mtime=0) as packed:
                write_text(table, packed, kind, dialect)
        else:
            write_text(table, sink, kind, dialect)


# Reading


def no_such_file(path: Path) -> FileNotFoundError:
    """Return an error that says which file of the folder may be meant."""
    folder = path.parent
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    where = "" if folder.is_dir() else f" Folder {folder} does not exist."
    hint = did_you_mean(path.name, names)
    return FileNotFoundError(f"There is no file {path}.{where}{hint}")


def _check_readable(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file in it.")
    if path.exists() and not path.is_file():
        raise OSError(
            f"{path} is a pipe or a device, and a table is read more than once. Write it to a "
            "file first, and name that."
        )
    try:
        with open(path, "rb") as file:
            empty = not file.read(1)
    except FileNotFoundError:
        raise no_such_file(path) from None
    except PermissionError:
        raise PermissionError(f"{path} may not be read; check its permissions.") from None
    if empty:
        raise ValueError(f"{path} is empty.")


def _read_parquet(source: str | pa.NativeFile) -> pa.Table:
    from pyarrow import parquet

    return parquet.ParquetFile(source).read()


def _read_arrow(given: str | pa.NativeFile) -> pa.Table:
    with pa.OSFile(given) if isinstance(given, str) else given as source:
        try:
            table = pa.ipc.open_file(source).read_all()
        except pa.ArrowInvalid:
            source.seek(0)
            table = pa.ipc.open_stream(source).read_all()
    table.validate(full=True)
    return table


# Writing


def write_parquet(table: pa.Table, sink: IO[bytes], **options: Any) -> None:
    """Write a table, with options of PyArrow's."""
    from pyarrow import parquet

    try:
        parquet.write_table(table, sink, **options)
    except pa.ArrowNotImplementedError as error:
        raise ValueError(f"This table does not fit into Parquet ({first_line(error)}).") from error
