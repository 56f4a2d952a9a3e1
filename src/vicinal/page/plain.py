"""Results as plain values and JSON files."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from os import PathLike
from pathlib import Path
from typing import Any

__all__ = ["to_plain", "write_json"]


def to_plain(value: Any) -> Any:
    """Return dataclasses as dicts, arrays as lists and non-finite numbers as None, all through."""
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(one) for one in value]
    if hasattr(value, "tolist"):  # of NumPy
        return to_plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def write_json(content: Any, path: str | PathLike[str]) -> None:
    """Write :func:`to_plain` of a result to a JSON file, whole or not at all."""
    from vicinal.io import check_file, replacing

    check_file(path)
    text = json.dumps(to_plain(content), indent=1, ensure_ascii=False, allow_nan=False)
    with replacing(Path(path)) as sink:
        sink.write(f"{text}\n".encode())
