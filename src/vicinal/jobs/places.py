"""Where parts of an output go: a folder that all workers see, or an object store."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from vicinal._checks import sha256_of
from vicinal.io.atomic import Summed
from vicinal.io.remote import Folder, Store
from vicinal.io.tables import write_parquet

#: The file that says what the folder holds; readers of data sets pass over names that begin so.
MANIFEST = "_manifest.json"
#: Rows of a row group, which a reader takes in at once.
GROUP_ROWS = 1 << 18


def part_name(number: int) -> str:
    """Return the name of a chunk's file."""
    return f"part-{number:06d}.parquet"


def _sum_name(number: int) -> str:
    return f"_{part_name(number)}.sha256"


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
        with self.files.writing(part_name(number)) as file:
            sink: Any = Summed(file)
            write_parquet(table, sink, row_group_size=GROUP_ROWS, use_dictionary=repeated or False)
        if isinstance(self.files, Folder):  # an address cannot be gone on with
            with self.files.writing(_sum_name(number)) as file:
                file.write(sink.digest().hex().encode())

    def checksum(self, number: int) -> str | None:
        """Return SHA-256 of a part as it was written; None where that is not known."""
        if not isinstance(self.files, Folder) or self.files.size(_sum_name(number)) is None:
            return None
        return (self.files.path / _sum_name(number)).read_text("ascii")

    def is_sound(self, number: int, checksum: str | None) -> bool:
        """Tell whether a part is there, and as it was written."""
        if self.size(number) is None or checksum is None:
            return False
        return sha256_of(self.files.open(part_name(number))) == checksum

    def drop(self, number: int) -> None:
        """Remove a part that is damaged, or was never seen to be whole."""
        if isinstance(self.files, Folder):
            for name in (part_name(number), _sum_name(number)):
                (self.files.path / name).unlink(missing_ok=True)

    def forget_sums(self, numbers: Iterable[int]) -> None:
        """Remove the checksums, which a manifest now holds."""
        if isinstance(self.files, Folder):
            for number in numbers:
                (self.files.path / _sum_name(number)).unlink(missing_ok=True)

    def open(self, number: int) -> parquet.ParquetFile:
        """Open a part that is there."""
        return parquet.ParquetFile(self.files.open(part_name(number)))

    def put(self, number: int, make: Callable[[], pa.Table]) -> int:
        """Make and write a part where it is not there yet; return its rows."""
        # what is there under its own name is whole, by a worker that was lost afterwards
        summed = not isinstance(self.files, Folder) or self.checksum(number) is not None
        if summed and self.size(number) is not None:
            return self.rows(number)
        table = make()
        self.write(number, table)
        return int(table.num_rows)

    def rows(self, number: int) -> int:
        """Return the number of rows of a part that is there."""
        with self.open(number) as file:
            return int(file.metadata.num_rows)
