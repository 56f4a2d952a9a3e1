"""Folders that hold a model, told by a JSON file in them (their card)."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

from vicinal._checks import did_you_mean, sha256_of
from vicinal.io.atomic import check_parent


def check_folder(folder: str | PathLike[str], card: str, form: str, what: str) -> Path:
    """Return a folder that may be written to: new, empty, or with a ``card`` of this ``form``."""
    target = Path(folder).expanduser()
    check_parent(target)
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


def checksums(folder: Path, *besides: str) -> dict[str, str]:
    """Return SHA-256 of a folder's files, by their paths in it, but of those that begin so."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: sha256_of(at) for name, at in names.items() if not name.startswith(besides)}


def read_card(folder: Path, card: str, form: str, version: int, what: str) -> dict[str, Any]:
    """Return the JSON file that says what a folder holds, of the right form and version.

    Files that are not those whose checksums it holds are refused; older cards hold none.
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
        files = dict(said.get("files", {}))
    except (ValueError, KeyError, TypeError):
        right, found = False, 0
    if not right:
        raise ValueError(f"{str(path)!r} does not describe {what} of vicinal's.")
    if found > version:
        raise ValueError(
            f"The {name} in {str(folder)!r} has format {found}, this vicinal reads up to "
            f"{version}. Update vicinal."
        )
    for file, checksum in files.items():
        if not (folder / file).is_file():
            raise ValueError(f"{str(folder)!r} lacks its file {file!r}. Save the {name} again.")
        if sha256_of(folder / file) != checksum:
            raise ValueError(
                f"{str(folder / file)!r} is damaged, or another file than was saved: its SHA-256 "
                f"is not the one in {card}. Save the {name} again."
            )
    return said
