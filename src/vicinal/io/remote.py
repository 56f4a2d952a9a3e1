"""An output that is an address: parts are put there whole, and a manifest when all are there."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from pyarrow import parquet

from vicinal import __version__
from vicinal.io.text_reading import brief
from vicinal.table.stream.chunks import Chunk
from vicinal.table.stream.output import (
    FORMAT,
    GROUP_ROWS,
    MANIFEST,
    part_facts,
    part_name,
    plan_facts,
)

__all__ = ["RemoteFolder", "is_remote", "local_path"]


def is_remote(output: str) -> bool:
    """Tell an address from a folder; ``file://`` is a folder."""
    return "://" in output and not output.startswith("file://")


def local_path(output: str) -> str:
    """Return the path of a folder that may be named by ``file://``.

    Examples
    --------
    >>> local_path("file:///data/out%20put"), local_path("out")
    ('/data/out put', 'out')
    """
    return unquote(urlsplit(output).path) if output.startswith("file://") else output


class RemoteFolder:
    """A place in an object store that PyArrow knows.

    Such stores cannot rename a folder, so parts appear one by one, each whole; the manifest
    comes last, and tells that nothing is missing.

    Parameters
    ----------
    address : str
        Such as ``"s3://bucket/synthetic"``.

    Raises
    ------
    ValueError
        If PyArrow does not know such addresses.
    """

    def __init__(self, address: str) -> None:
        from pyarrow import fs

        self.address = address.rstrip("/")
        try:
            self._system, path = fs.FileSystem.from_uri(self.address)
        except (pa.ArrowException, ValueError, OSError) as error:
            raise ValueError(
                f"output {address} cannot be written to ({brief(error)}). Name a folder, or an "
                "address such as s3://bucket/synthetic."
            ) from error
        self._path = path.rstrip("/")

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteFolder, (self.address,)

    def check(self, resume: bool) -> None:
        """Refuse a place that holds something, or cannot be reached.

        Parameters
        ----------
        resume : bool
            Whether to go on with what is there.

        Raises
        ------
        ValueError
            If so.
        OSError
            If it holds something, or cannot be reached.
        """
        from pyarrow import fs

        if resume:
            raise ValueError(
                f"resume goes with a folder on a disk, and output {self.address} is an address. "
                "Remove what is there and begin anew, or write to a folder."
            )
        try:
            below = fs.FileSelector(self._path, recursive=True, allow_not_found=True)
            infos = self._system.get_file_info(below)
        except (pa.ArrowException, OSError) as error:
            raise OSError(f"{self.address} cannot be reached ({brief(error)}).") from error
        if any(info.type == fs.FileType.File for info in infos):
            raise FileExistsError(
                f"{self.address} is not empty. Name another place, or remove what is in it."
            )

    def see(self) -> None:
        """Do nothing: an address is the same from everywhere."""

    def put(self, number: int, make: Callable[[], pa.Table]) -> None:
        """Write a part, whole or not at all, where it is not there yet.

        Parameters
        ----------
        number : int
            Of the chunk.
        make : callable
            Returns its rows.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        from pyarrow import fs

        path = f"{self._path}/{part_name(number)}"
        if self._system.get_file_info(path).type == fs.FileType.File:
            return
        table = make()
        sink = pa.BufferOutputStream()
        repeated = [
            field.name
            for field in table.schema
            if not (pa.types.is_floating(field.type) or pa.types.is_temporal(field.type))
        ]
        parquet.write_table(
            table, sink, row_group_size=GROUP_ROWS, use_dictionary=repeated or False
        )
        self._write(path, sink.getvalue())

    def _write(self, path: str, content: Any) -> None:
        try:
            if getattr(self._system, "type_name", "") == "local":  # a disk that poses as a store
                self._system.create_dir(os.path.dirname(path), recursive=True)
            with self._system.open_output_stream(path) as sink:
                sink.write(content)
        except (pa.ArrowException, OSError) as error:
            raise OSError(f"{self.address} cannot be written to ({brief(error)}).") from error

    def open(self, number: int) -> parquet.ParquetFile:
        """Open a part that is there."""
        path = f"{self._path}/{part_name(number)}"
        return parquet.ParquetFile(self._system.open_input_file(path))

    def finish(
        self,
        asked: Mapping[str, Any],
        chunks: Sequence[Chunk],
        model: Path,
        rows: Sequence[int] | None = None,
    ) -> None:
        """Say that nothing is missing.

        Parameters
        ----------
        asked : mapping of str to JSON values
            What the run was asked for.
        chunks : sequence of Chunk
            All of them.
        model : Path
            File of what was learned.
        rows : sequence of int, optional
            Rows of each part, where they are not those of the chunks.

        Raises
        ------
        OSError
            If a part is missing, or the manifest cannot be written.
        """
        infos = self._system.get_file_info(
            [f"{self._path}/{part_name(chunk.number)}" for chunk in chunks]
        )
        missing = [info.base_name for info in infos if not info.is_file]
        if missing:
            raise OSError(f"{self.address}: {', '.join(missing[:3])} should be there and is not.")
        there = [chunk.rows for chunk in chunks] if rows is None else rows
        manifest = {
            "format": FORMAT,
            "vicinal": __version__,
            "asked": dict(asked),
            **plan_facts(chunks),
            "model": hashlib.sha256(model.read_bytes()).hexdigest(),
            **part_facts(there, [info.size for info in infos]),
        }
        text = json.dumps(manifest, indent=1) + "\n"
        self._write(f"{self._path}/{MANIFEST}", text.encode())
