"""Folders that hold a model, told by a JSON file in them (their card)."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

from vicinal._checks import did_you_mean
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


def read_card(folder: Path, card: str, form: str, version: int, what: str) -> dict[str, Any]:
    """Return the JSON file that says what a folder holds, of the right form and version."""
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
