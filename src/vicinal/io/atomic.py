"""Files and folders that appear whole, or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from os import PathLike
from pathlib import Path
from typing import IO, Any

_NOTHING = "nothing was written. Free some, or name another folder."
#: Errors about a file that grows, and say that it may not.
_FULL = {errno.ENOSPC, errno.EDQUOT}
#: Files that wait to take their places, with these; None where each takes its own at once.
_waiting: ContextVar[list[tuple[Path, Path]] | None] = ContextVar("_waiting", default=None)


def check_parent(target: Path) -> None:
    """Raise OSError unless the folder above a target exists and takes a file."""
    folder = target.absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(f"Folder {folder} does not exist; make it first (for {target}).")
    beside = _beside(target)
    try:
        # tried, not asked: /proc, quotas and network disks refuse what permissions allow
        with open(beside, "xb"):
            pass
    except OSError as error:
        raise type(error)(
            f"Folder {folder} cannot be written to ({error.strerror}; for {target.name}). Name "
            "another folder."
        ) from error
    finally:
        _discard(beside)


def _discard(beside: Path) -> None:
    """Remove a file if it is there; that it cannot be must not hide the first error."""
    with suppress(OSError):
        beside.unlink()


def check_file(path: str | PathLike[str]) -> None:
    """Raise OSError for a file that could not be written, before any work is done for it."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file to write.")
    check_parent(target)
    if target.exists() and not target.is_file():
        raise OSError(f"{path} is a pipe or a device, which a file cannot replace. Name a file.")
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(f"{path} is there already and is write-protected.")


def same_file(one: str | PathLike[str], other: str | PathLike[str]) -> bool:
    """Tell whether two paths lead to one file, by links, letter case or another name of it."""
    paths = os.path.realpath(one), os.path.realpath(other)
    there = [os.path.exists(path) for path in paths]
    if any(there):
        return all(there) and os.path.samefile(*paths)
    # on some disks capitals, and how accents are put together, make no other file
    first, second = (unicodedata.normalize("NFC", path).casefold() for path in paths)
    return first == second


def _beside(target: Path) -> Path:
    """Return a name for a file beside the target, however long its own is."""
    return target.absolute().with_name(f".{target.name[:20]}.{secrets.token_hex(4)}.part")


@contextmanager
def _naming(target: Path, remedy: str = _NOTHING) -> Iterator[None]:
    """Name the target in errors about a file that cannot be written on."""
    try:
        yield
    except OSError as error:
        # Arrow says what is full only in its text
        if error.errno in _FULL or "No space left" in str(error):
            raise OSError(f"No space left to write {target}; {remedy}") from error
        if error.errno == errno.EFBIG:
            raise OSError(
                f"{target} would be larger than a file may be here (ulimit -f); {remedy}"
            ) from error
        unnamed = error.filename is None or str(error.filename).endswith(".part")
        if error.errno is not None and unnamed:
            raise OSError(f"{target} cannot be written ({error.strerror}); {remedy}") from error
        raise


@contextmanager
def together() -> Iterator[None]:
    """Have all files that are written within take their places at the end, or none of them."""
    files: list[tuple[Path, Path]] = []
    token = _waiting.set(files)
    try:
        yield
        for beside, target in files:
            os.replace(beside, target)
    finally:
        _waiting.reset(token)
        for beside, _ in files:
            _discard(beside)


@contextmanager
def replacing(path: Path, remedy: str = _NOTHING) -> Iterator[IO[bytes]]:
    """Open a file beside the target that takes its place at the end, if all went well."""
    target = Path(os.path.realpath(path))
    beside, waiting = _beside(target), _waiting.get()
    try:
        with _naming(path, remedy):
            # not tempfile: its files are for the owner's eyes only, this one follows the umask
            with open(beside, "xb") as sink:
                yield sink
                sink.flush()
                os.fsync(sink.fileno())
            if waiting is None:
                os.replace(beside, target)
            else:
                waiting.append((beside, target))
    except BaseException:
        _discard(beside)
        raise


class Summed:
    """A file to write to that adds up a checksum of all that goes through it."""

    closed = False

    def __init__(self, sink: Any) -> None:
        self._sink, self._sum, self._size = sink, hashlib.sha256(), 0

    def write(self, data: Any) -> int:
        """Write bytes, or a buffer of them."""
        self._sum.update(data)
        self._size += memoryview(data).nbytes
        self._sink.write(data)
        return memoryview(data).nbytes

    def tell(self) -> int:
        """Return the bytes written."""
        return self._size

    def flush(self) -> None:
        """Leave it to the file behind."""

    def close(self) -> None:
        """Leave it to the file behind, too."""

    def digest(self) -> bytes:
        """Return SHA-256 of the bytes written."""
        return self._sum.digest()


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill, which takes the place of another when all went well."""
    folder = Path(os.path.realpath(folder))  # what a link leads to, not the link
    beside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    beside.mkdir()
    try:
        with _naming(folder):
            yield beside
            if folder.exists():
                old = beside.with_name(f"{beside.name}.old")
                os.rename(folder, old)
                try:
                    os.rename(beside, folder)
                except BaseException:
                    os.rename(old, folder)
                    raise
                shutil.rmtree(old, ignore_errors=True)
            else:
                os.rename(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
