"""Folders that appear whole, or not at all."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from vicinal._checks import did_you_mean

__all__ = ["check_folder", "read_card", "replacing_folder"]


def check_folder(folder: str | PathLike[str], card: str, form: str, what: str) -> Path:
    """Refuse a folder that cannot be written to, before any work is done for it.

    Parameters
    ----------
    folder : str or path
        Where something is to be written.
    card : str
        JSON file that a folder of this kind holds.
    form : str
        What its entry "format" says; such a folder may be replaced.
    what : str
        What is to be written, with its article, for the message.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    FileExistsError
        If it holds something else, or is a file.
    FileNotFoundError
        If the folder above it does not exist.
    """
    target = Path(folder).expanduser()
    above = target.absolute().parent
    if not above.is_dir():
        raise FileNotFoundError(f"There is no folder {str(above)!r} to write to. Make it first.")
    if target.exists() and not target.is_dir():
        raise FileExistsError(f"{str(target)!r} is a file. Name a folder.")
    if target.is_dir() and any(target.iterdir()) and _form_of(target / card) != form:
        raise FileExistsError(
            f"{str(target)!r} holds other things than {what}, which are not overwritten. Name a "
            "new folder."
        )
    return target


def _form_of(path: Path) -> object:
    """Return what kind of folder a JSON file says it lies in; None where it says nothing."""
    try:
        said = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return said.get("format") if isinstance(said, dict) else None


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to fill, which takes the place of another when all went well.

    Parameters
    ----------
    folder : path
        What is to be there in the end.

    Yields
    ------
    Path
        An empty folder beside it.
    """
    beside = folder.absolute().with_name(f".{folder.name}.{secrets.token_hex(4)}")
    beside.mkdir()
    try:
        yield beside
        if folder.exists():
            old = beside.with_name(f"{beside.name}.old")
            os.rename(folder, old)
            os.rename(beside, folder)
            shutil.rmtree(old)
        else:
            os.rename(beside, folder)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise OSError(
            f"No space left to write {folder}; nothing was written. Free some, or name another "
            "folder."
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def read_card(folder: Path, card: str, form: str, version: int, what: str) -> dict[str, Any]:
    """Return the JSON file that says what a folder holds.

    Parameters
    ----------
    folder : path
        Where it was saved.
    card : str
        Name of the file.
    form : str
        What its entry "format" has to say.
    version : int
        The newest that is understood.
    what : str
        What should be there, with its article, for the message.

    Returns
    -------
    dict
        The file's content.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    ValueError
        If it is something else, or newer.
    """
    path, name = folder / card, what.partition(" ")[2]
    if not path.is_file():
        near = [str(one) for one in folder.parent.glob("*") if _form_of(one / card) == form]
        raise FileNotFoundError(
            f"There is no {name} in {str(folder)!r} ({card} is not there)."
            f"{did_you_mean(str(folder), near)}"
        )
    try:
        said: dict[str, Any] = json.loads(path.read_text("utf-8"))
        right, found = said["format"] == form, int(said["version"])
    except (ValueError, KeyError, TypeError):
        right, found = False, 0
    if not right:
        raise ValueError(f"{str(path)!r} does not describe {what} of vicinal's.")
    if found > version:
        raise ValueError(
            f"The {name} in {str(folder)!r} has format {found}, this vicinal reads up to "
            f"{version}. Update vicinal."
        )
    return said
