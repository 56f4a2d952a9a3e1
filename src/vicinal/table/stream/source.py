"""Where a stream of rows comes from: one file, many, or a folder of them.

It is cut into parts that do not depend on who reads them: a file, or a run of row groups.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from vicinal._checks import did_you_mean, first_line
from vicinal.io import SUFFIXES, Dialect, output_format, read_table
from vicinal.io.tables import no_such_file
from vicinal.io.text_reading import check_unique
from vicinal.table.frames import to_arrow
from vicinal.table.infer import Told

PathLike = str | os.PathLike[str]
#: Rows that are read, and looked at, at once.
BATCH_ROWS = 1 << 16
#: Rows of a part in which formats of texts are looked for.
HEAD_ROWS = 20_000
#: Row groups are put together until a part has this many rows. It decides in which order sums are
#: added up, so it must not depend on threads or memory.
PART_ROWS = 1 << 20
#: Bytes of a block, and how many of a file tell whether it has changed.
BLOCK, BLOCKS = 1 << 16, 16
#: Bytes read from a Parquet column at once.
BUFFER_BYTES = 1 << 20


@dataclass(frozen=True)
class Part:
    """A piece of a source that is read by itself."""

    path: str  # absolute, or the address of a file (s3://...)
    file: int  # number of the file in the source
    first: int  # row of the file that it begins with
    groups: tuple[int, ...] | None  # row groups of a Parquet file; None for a whole other file


@dataclass(frozen=True)
class Source:
    """Files of one schema."""

    files: tuple[str, ...]
    sizes: tuple[int, ...]  # bytes; 0 of one at an address
    parts: tuple[Part, ...]
    schema: pa.Schema  # of every file, in the types that are worked with
    n_rows: int | None  # None where only reading tells
    row_bytes: float  # in memory, about
    asked: tuple[str, ...] = ()  # how it was named
    dialect: Dialect | None = None  # of text files
    told: Told = field(default_factory=Told)  # of columns, by the user or by first rows

    @property
    def is_parquet(self) -> bool:
        """Whether it is read piece by piece, whatever the size of a file."""
        return self.parts[0].groups is not None


def find_source(where: PathLike | Sequence[PathLike], dialect: Dialect | None = None) -> Source:
    """Find files, in the order of their names, and see that they have one schema."""
    # in a folder, names that begin with _ or . do not count; of other formats than Parquet only the
    # first file is opened yet
    many = [where] if isinstance(where, (str, os.PathLike)) else where
    asked = tuple(os.fspath(one) for one in many)
    files = [path for one in asked for path in expand(one)]
    formats = sorted({output_format(path) for path in files})
    if len(formats) > 1:
        raise ValueError(f"The files are of different formats: {', '.join(formats)}. Name one.")
    if formats == ["parquet"]:
        return replace(_find_parquet(files), asked=asked)
    first = to_arrow(read_table(files[0], dialect))
    sizes = tuple(map(os.path.getsize, files))
    parts = tuple(Part(_absolute(path), number, 0, None) for number, path in enumerate(files))
    n_rows = first.num_rows if len(files) == 1 else None
    row_bytes = first.nbytes / first.num_rows
    return Source(tuple(files), sizes, parts, first.schema, n_rows, row_bytes, asked, dialect)


def expand(pattern: str) -> list[str]:
    """Return the files that a path, a folder or a pattern stands for."""
    if "://" in pattern:
        return _expand_address(pattern)
    path, found = Path(pattern), [pattern]
    if path.is_dir():
        files = (file for file in path.rglob("*") if file.is_file())
        found = [str(file) for file in files if _is_table(file.relative_to(path).parts)]
        said = f"Folder {pattern} holds no table. Known suffixes: {', '.join(SUFFIXES)}."
    elif not path.exists() and glob.has_magic(pattern):
        found = [file for file in glob.glob(pattern, recursive=True) if os.path.isfile(file)]
        said = f"No file matches {pattern!r}.{_hint(pattern)}"
    elif not path.exists():
        raise no_such_file(path)
    if not found:
        raise FileNotFoundError(said)
    return sorted(found)


def _hint(pattern: str) -> str:
    folder = Path(glob.escape(pattern) if not glob.has_magic(pattern) else pattern).parent
    if glob.has_magic(str(folder)):
        return ""
    if not folder.is_dir():
        return f" Folder {folder} does not exist."
    names = sorted(name for name in os.listdir(folder) if _is_table((name,)))
    return f" Tables there: {', '.join(names[:5])}." if names else " The folder holds no table."


def _is_table(names: Sequence[str]) -> bool:
    """Tell whether a path below a folder counts: no hidden part, and a known suffix."""
    hidden = any(name.startswith(("_", ".")) for name in names)
    return not hidden and any(names[-1].lower().endswith(suffix) for suffix in SUFFIXES)


def _expand_address(address: str) -> list[str]:
    from pyarrow import fs

    try:
        system, path = fs.FileSystem.from_uri(address)
        info = system.get_file_info(path)
        below = fs.FileSelector(path, recursive=True, allow_not_found=True)
        infos = [] if info.is_file else system.get_file_info(below)
    except (pa.ArrowException, OSError) as error:
        raise OSError(f"{address} cannot be read ({first_line(error)}).") from error
    if info.is_file:
        return [address]
    scheme, base = address.partition("://")[0], len(path.rstrip("/"))
    files = (one.path for one in infos if one.is_file)
    found = [file for file in files if _is_table(file[base:].strip("/").split("/"))]
    if not found:
        raise FileNotFoundError(f"There is no table at {address}.")
    return [f"{scheme}://{file}" for file in sorted(found)]


def _absolute(path: str) -> str:
    """Return a path that does not depend on where a process was started."""
    return path if "://" in path else os.path.abspath(path)


def open_parquet(path: str) -> Any:
    """Open a Parquet file or address; the caller closes it."""
    from pyarrow import fs, parquet

    try:
        if "://" in path:
            system, inside = fs.FileSystem.from_uri(path)
            return parquet.ParquetFile(system.open_input_file(inside), pre_buffer=False)
        return parquet.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(
            f"{path} is cut short or is no Parquet file ({first_line(error)})."
        ) from error


def fingerprint(path: str) -> str:
    """Return SHA-256 of a file's blocks, of some if it is large, or of a footer at an address."""
    found = hashlib.sha256()
    if "://" in path:
        with open_parquet(path) as file:
            found.update(repr(file.metadata.to_dict()).encode())
        return found.hexdigest()
    with open(path, "rb") as file:
        last = max(os.path.getsize(path) - BLOCK, 0)
        for at in (*range(0, last, max(BLOCK, last // (BLOCKS - 1))), last):
            file.seek(at)
            found.update(file.read(BLOCK))
    return found.hexdigest()


def _find_parquet(files: list[str]) -> Source:
    schema: pa.Schema | None = None
    parts: list[Part] = []
    sizes, total, unpacked = [], 0, 0
    for number, path in enumerate(files):
        with open_parquet(path) as file:
            footer, own = file.metadata, file.schema_arrow
        sizes.append(os.path.getsize(path) if "://" not in path else 0)
        if schema is None:
            schema = own
            check_unique(own.names, f"Column names of {path}")
        else:
            check_schema(path, own, files[0], schema)
        rows = [footer.row_group(at).num_rows for at in range(footer.num_row_groups)]
        unpacked += sum(footer.row_group(at).total_byte_size for at in range(len(rows)))
        total += sum(rows)
        parts += _group(path, number, rows)
    assert schema is not None  # noqa: S101 - there is a file
    if not schema.names:
        raise ValueError(f"{files[0]} has no columns.")
    if not total:
        raise ValueError(f"{files[0]}{' and the others' * (len(files) > 1)}: no rows.")
    plain = to_arrow(schema.empty_table()).schema
    return Source(
        tuple(files), tuple(sizes), tuple(parts), plain, total, _row_bytes(plain, unpacked / total)
    )


def _row_bytes(schema: pa.Schema, packed: float) -> float:
    """Return bytes of a row in memory: those of its types, or what the footer says if more."""
    of = pa.types
    known = sum(
        kind.bit_width / 8 if of.is_primitive(kind) or of.is_decimal(kind) else 16
        for kind in schema.types
    )
    return max(known, packed)


def _group(path: str, number: int, rows: list[int]) -> Iterator[Part]:
    """Put row groups together to parts."""
    groups: list[int] = []
    first = start = 0
    for at, count in enumerate(rows):
        groups.append(at)
        start += count
        if start - first >= PART_ROWS or at == len(rows) - 1:
            if start > first:
                yield Part(_absolute(path), number, first, tuple(groups))
            groups, first = [], start


def check_schema(path: str, own: pa.Schema, first_path: str, first: pa.Schema) -> None:
    """Raise ValueError, naming file and column, where columns are not those of the first file."""
    check_unique(own.names, f"Column names of {path}")
    remedy = "All files must have the same columns."
    for name in first.names:
        if name not in own.names:
            hint = did_you_mean(name, own.names)
            raise ValueError(
                f"{path} has no column {name!r}, which {first_path} has.{hint} {remedy}"
            )
        ours, theirs = own.field(name).type, first.field(name).type
        if ours != theirs:
            raise ValueError(
                f"{path}: column {name!r} is {ours}, but {theirs} in {first_path}. Write all files "
                "with the same types."
            )
    for name in (name for name in own.names if name not in first.names):
        raise ValueError(f"{path} has a column {name!r}, which {first_path} has not. {remedy}")


def first_rows(source: Source) -> pa.Table:
    """Return rows from the beginning, the middle and the end of a source, to look at."""
    parts = source.parts
    chosen = [parts[at] for at in sorted({0, len(parts) // 2, len(parts) - 1})]
    heads = []
    for part in chosen:
        rows = read_part(part, source.schema, source.dialect)
        heads.append(next(rows).slice(0, HEAD_ROWS).replace_schema_metadata(None))
    return pa.concat_tables(heads)


def read_part(part: Part, schema: pa.Schema, dialect: Dialect | None = None) -> Iterator[pa.Table]:
    """Yield the rows of a part in order, in tables of at most BATCH_ROWS."""
    names, types = schema.names, schema.types
    if part.groups is None:
        table = to_arrow(read_table(part.path, dialect))
        check_schema(part.path, table.schema, "the first file", schema)
        table = table.select(names)
        for start in range(0, table.num_rows, BATCH_ROWS):
            yield table.slice(start, BATCH_ROWS)
        return
    with open_parquet(part.path) as file:
        missing = [name for name in names if name not in file.schema_arrow.names]
        if missing:
            raise ValueError(f"{part.path} has no column {missing[0]!r} any more.")
        batches = file.iter_batches(
            BATCH_ROWS, row_groups=list(part.groups), columns=names, use_threads=False
        )
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError, ValueError) as error:
                raise ValueError(f"{part.path} cannot be read ({first_line(error)}).") from error
            if batch is None:
                return
            table = pa.Table.from_batches([batch]).select(names)
            if table.schema.types != types:
                table = to_arrow(table)  # into types that every computation takes
            yield table
