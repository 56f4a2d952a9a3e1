"""Where parts of an output go: a folder that all workers see, or an object store."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from pyarrow import parquet

from vicinal.io.atomic import replacing
from vicinal.io.remote import Store

__all__ = ["MANIFEST", "FolderPlace", "Place", "StorePlace", "part_name", "write_part"]

#: The file that says what the folder holds; readers of data sets pass over names that begin so.
MANIFEST = "_manifest.json"
#: Rows of a row group, which a reader takes in at once.
GROUP_ROWS = 1 << 18


def part_name(number: int) -> str:
    """Return the name of a chunk's file."""
    return f"part-{number:06d}.parquet"


def _write_parquet(table: pa.Table, sink: Any) -> None:
    # floats rarely repeat: a dictionary of them takes ten times as long and saves nothing
    repeated = [
        field.name
        for field in table.schema
        if not (pa.types.is_floating(field.type) or pa.types.is_temporal(field.type))
    ]
    try:
        parquet.write_table(
            table, sink, row_group_size=GROUP_ROWS, use_dictionary=repeated or False
        )
    except pa.ArrowNotImplementedError as error:
        raise ValueError(f"This table does not fit into Parquet ({error}).") from error


def write_part(table: pa.Table, path: Path) -> None:
    """Write one Parquet file, whole or not at all."""
    sink: IO[bytes]
    remedy = (
        f"what is done stays in {path.parent}. Free some, then go on with --resume (resume=True)."
    )
    with replacing(path, remedy) as sink:
        _write_parquet(table, sink)


class Place(ABC):
    """Where workers put what they make; it can be sent to them."""

    @abstractmethod
    def check_seen(self) -> None:
        """Raise OSError where this machine does not see it."""

    @abstractmethod
    def size(self, number: int) -> int | None:
        """Return the bytes of a part; None where it is not there."""

    @abstractmethod
    def write(self, number: int, table: pa.Table) -> None:
        """Write a part, whole or not at all."""

    @abstractmethod
    def open(self, number: int) -> parquet.ParquetFile:
        """Open a part that is there."""

    def put(self, number: int, make: Callable[[], pa.Table]) -> int:
        """Make and write a part where it is not there yet; return its rows."""
        # what is there under its own name is whole, by a worker that was lost afterwards
        if self.size(number) is not None:
            return self.rows(number)
        table = make()
        self.write(number, table)
        return int(table.num_rows)

    def rows(self, number: int) -> int:
        """Return the number of rows of a part that is there."""
        with self.open(number) as file:
            return int(file.metadata.num_rows)


class FolderPlace(Place):
    """A folder, by its absolute path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def check_seen(self) -> None:
        """Raise OSError where this machine does not see the folder."""
        if not (self._folder / MANIFEST).exists():
            raise OSError(
                f"Machine {socket.gethostname()} of the Ray cluster does not see the folder "
                f"{self._folder}. Name a folder on a disk that all machines share, or an address "
                "such as s3://bucket/synthetic."
            )

    def _path(self, number: int) -> Path:
        return self._folder / part_name(number)

    def size(self, number: int) -> int | None:
        """Return the bytes of a part; None where it is not there."""
        path = self._path(number)
        return path.stat().st_size if path.exists() else None

    def write(self, number: int, table: pa.Table) -> None:
        """Write a part, whole or not at all."""
        write_part(table, self._path(number))

    def open(self, number: int) -> parquet.ParquetFile:
        """Open a part that is there."""
        return parquet.ParquetFile(self._path(number))


class StorePlace(Place):
    """A folder in an object store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def check_seen(self) -> None:
        """Do nothing: an address is the same from everywhere."""

    def size(self, number: int) -> int | None:
        """Return the bytes of a part; None where it is not there."""
        return self._store.size(part_name(number))

    def write(self, number: int, table: pa.Table) -> None:
        """Write a part, whole or not at all."""
        sink = pa.BufferOutputStream()
        _write_parquet(table, sink)
        self._store.write(part_name(number), sink.getvalue())

    def open(self, number: int) -> parquet.ParquetFile:
        """Open a part that is there."""
        return parquet.ParquetFile(self._store.open(part_name(number)))
