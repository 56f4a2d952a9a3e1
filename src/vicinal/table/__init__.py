"""Synthetic tables and over-sampling."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "vicinal.table.columns": ["KINDS", "Column", "detect_columns"],
    "vicinal.table.files": ["read_table", "write_table"],
    "vicinal.table.sampler": ["MixupAugmenter", "MixupSampler"],
    "vicinal.table.synthesizer": ["PRIVACY", "TableSynthesizer"],
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(importlib.import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module 'vicinal.table' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
