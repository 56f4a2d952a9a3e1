"""What to install where an optional part is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_TEXT = {"torch", "transformers", "accelerate", "sentence_transformers", "peft", "safetensors"}


def explained(get: Callable[[str], Any]) -> Callable[[str], Any]:
    """Wrap a lazy ``__getattr__``, so that a missing part of the extra "text" is explained."""

    def look_up(name: str) -> Any:
        try:
            return get(name)
        except ImportError as error:
            missing = (error.name or "").partition(".")[0]
            if missing not in _TEXT:
                raise
            raise ImportError(
                f"{name} needs {missing}, which is not installed: pip install 'vicinal[text]'.",
                name=missing,
            ) from error

    return look_up
