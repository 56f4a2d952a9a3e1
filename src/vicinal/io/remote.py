"""Folders of files that appear whole: on a disk, or at an address such as ``s3://bucket/folder``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from vicinal._checks import first_line
from vicinal.io.atomic import replacing


def is_remote(output: str) -> bool:
    """Tell an address from a folder; ``file://`` is a folder."""
    return "://" in output and not output.startswith("file://")


def local_path(output: str) -> str:
    """Return the path of a folder that may be named by ``file://``."""
    return unquote(urlsplit(output).path) if output.startswith("file://") else output


class Store:
    """A folder in an object store that PyArrow knows; files in it appear one by one, each whole."""

    def __init__(self, address: str) -> None:
        from pyarrow import fs

        self.address = address.rstrip("/")
        try:
            self._system, path = fs.FileSystem.from_uri(self.address)
        except (pa.ArrowException, ValueError, OSError) as error:
            raise ValueError(
                f"output {address} cannot be written to ({first_line(error)}). Name a folder, or "
                "an address such as s3://bucket/synthetic."
            ) from error
        self._path = path.rstrip("/")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.address,)

    @contextmanager
    def _naming(self, what: str) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            raise OSError(f"{self.address} cannot be {what} ({first_line(error)}).") from error

    def check_empty(self) -> None:
        """Raise OSError where something lies there, or it cannot be reached."""
        from pyarrow import fs

        with self._naming("reached"):
            below = fs.FileSelector(self._path, recursive=True, allow_not_found=True)
            infos = self._system.get_file_info(below)
        if any(info.type == fs.FileType.File for info in infos):
            raise FileExistsError(
                f"{self.address} is not empty. Name another place, or remove what is in it."
            )

    def size(self, name: str) -> int | None:
        """Return the bytes of a file; None where it is not there."""
        with self._naming("reached"):
            info = self._system.get_file_info(f"{self._path}/{name}")
        return int(info.size) if info.is_file else None

    @contextmanager
    def writing(self, name: str) -> Iterator[Any]:
        """Give what to write a file to; it is there at the end, if all went well."""
        sink = pa.BufferOutputStream()
        yield sink
        with self._naming("written to"):
            path = f"{self._path}/{name}"
            if getattr(self._system, "type_name", "") == "local":  # a disk that poses as a store
                self._system.create_dir(os.path.dirname(path), recursive=True)
            with self._system.open_output_stream(path) as there:
                there.write(sink.getvalue())

    def open(self, name: str) -> Any:
        """Return what PyArrow opens."""
        with self._naming("reached"):
            return self._system.open_input_file(f"{self._path}/{name}")


class Folder:
    """A folder on a disk, as a store."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def size(self, name: str) -> int | None:
        """Return the bytes of a file; None where it is not there."""
        path = self.path / name
        return path.stat().st_size if path.exists() else None

    def writing(self, name: str) -> AbstractContextManager[Any]:
        """Give what to write a file to; it is there at the end, if all went well."""
        remedy = f"what is done stays in {self.path}. Free some, then go on with --resume"
        return replacing(self.path / name, f"{remedy} (resume=True).")

    def open(self, name: str) -> Any:
        """Return what PyArrow opens."""
        return self.path / name
