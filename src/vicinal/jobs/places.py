"""Where parts of an output go: a folder that all workers see, or an object store."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pyarrow as pa
from pyarrow import parquet

from vicinal.io.remote import Folder, Store
from vicinal.io.tables import write_parquet

#: The file that says what the folder holds; readers of data sets pass over names that begin so.
MANIFEST = "_manifest.json"
#: Rows of a row group, which a reader takes in at once.
GROUP_ROWS = 1 << 18


def part_name(number: int) -> str:
    """Return the name of a chunk's file."""
    return f"part-{number:06d}.parquet"


class Place:
    """Where workers put what they make; it can be sent to them."""

    def __init__(self, files: Folder | Store) -> None:
        self.files = files

    def check_seen(self) -> None:
        """Raise OSError where this machine does not see it; an address is seen from everywhere."""
        if isinstance(self.files, Folder) and self.files.size(MANIFEST) is None:
            raise OSError(
                f"Machine {socket.gethostname()} of the Ray cluster does not see the folder "
                f"{self.files.path}. Name a folder on a disk that all machines share, or an "
                "address such as s3://bucket/synthetic."
            )

    def size(self, number: int) -> int | None:
        """Return the bytes of a part; None where it is not there."""
        return self.files.size(part_name(number))

    def write(self, number: int, table: pa.Table) -> None:
        """Write a part, whole or not at all."""
        of = pa.types
        # floats rarely repeat: a dictionary of them takes ten times as long and saves nothing
        repeated = [
            field.name
            for field in table.schema
            if not (of.is_floating(field.type) or of.is_temporal(field.type))
        ]
        with self.files.writing(part_name(number)) as sink:
            write_parquet(table, sink, row_group_size=GROUP_ROWS, use_dictionary=repeated or False)

    def open(self, number: int) -> parquet.ParquetFile:
        """Open a part that is there."""
        return parquet.ParquetFile(self.files.open(part_name(number)))

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
