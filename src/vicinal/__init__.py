"""Mixup you can trust, steer and read.

Public names are imported when first used, so that ``import vicinal`` loads nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "vicinal.plan": ["MixPlan", "make_plan"],
    "vicinal.weights": ["Beta", "EpBeta", "Fixed", "SphereWeights", "Uniform", "WeightLaw"],
    "vicinal.distant": ["AcrossGroup", "Farthest", "Nearest"],
    "vicinal.pairing": [
        "LocalPermutation",
        "Neighbourhood",
        "Pairing",
        "Permutation",
        "Random",
        "WithinGroup",
    ],
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME_OF)]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(importlib.import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module 'vicinal' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
