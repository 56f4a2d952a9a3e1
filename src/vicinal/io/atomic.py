"""Files and folders that appear whole, or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO

_NOTHING = "nothing was written. Free some, or name another folder."


def check_parent(target: Path) -> None:
    """Raise OSError unless the folder above a target exists and can be written to."""
    folder = target.absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(f"Folder {folder} does not exist; make it first (for {target}).")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"Folder {folder} cannot be written to (for {target.name}).")


def check_file(path: str | PathLike[str]) -> None:
    """Raise OSError for a file that could not be written, before any work is done for it."""
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; name a file to write.")
    check_parent(target)
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(f"{target} is there already and is write-protected.")


def is_full(error: OSError) -> bool:
    """Tell whether an error is about space; Arrow says so only in its text."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT} or "No space left" in str(error)


@contextmanager
def _saying_full(target: Path, remedy: str = _NOTHING) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise OSError(f"No space left to write {target}; {remedy}") from error


@contextmanager
def replacing(target: Path, remedy: str = _NOTHING) -> Iterator[IO[bytes]]:
    """Open a file beside the target that takes its place at the end, if all went well.

    ``remedy`` is what the error says where the disk is full.
    """
    beside = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        # not tempfile: its files are for the owner's eyes only, this one follows the umask
        with _saying_full(target, remedy), open(beside, "xb") as sink:
            yield sink
            sink.flush()
            os.fsync(sink.fileno())
        os.replace(beside, target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill, which takes the place of another when all went well."""
    beside = folder.absolute().with_name(f".{folder.name}.{secrets.token_hex(4)}")
    beside.mkdir()
    try:
        with _saying_full(folder):
            yield beside
            if folder.exists():
                old = beside.with_name(f"{beside.name}.old")
                os.rename(folder, old)
                os.rename(beside, folder)
                shutil.rmtree(old)
            else:
                os.rename(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
