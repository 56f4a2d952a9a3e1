"""What to install where an optional part is not there."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

_TEXT = {"torch", "transformers", "accelerate", "sentence_transformers", "peft", "safetensors"}

#: What people call a module.
_NAMES = {"jinja2": "Jinja2", "ray": "Ray", "sentence_transformers": "sentence-transformers"}


def need(what: str, *modules: str, extra: str = "", instead: str = "") -> None:
    """Raise ImportError where a module is not installed, saying what brings it."""
    for module in modules:
        if find_spec(module) is None:
            package = f"'vicinal[{extra}]'" if extra else module
            raise ImportError(
                f"{what} needs {_NAMES.get(module, module)}, which is not installed. Install it "
                f"with: pip install {package}{instead}",
                name=module,
            )


def explained(get: Callable[[str], Any]) -> Callable[[str], Any]:
    """Wrap a lazy ``__getattr__``, so that a missing part of the extra "text" is explained."""

    def look_up(name: str) -> Any:
        try:
            return get(name)
        except ImportError as error:
            missing = (error.name or "").partition(".")[0]
            if missing not in _TEXT:
                raise
            need(name, missing, extra="text")
            raise

    return look_up
