"""The privacy dial: what each of its settings stands for."""

from __future__ import annotations

from typing import Any

from vicinal.weights import EpBeta, SphereWeights

__all__ = ["PARTS", "PRIVACY"]

#: What each setting of the privacy dial stands for; parts given by name win over it.
PRIVACY: dict[str, dict[str, Any]] = {
    "off": {"method": "rows", "weights": EpBeta(delta=0.1, eps=0.3)},
    "balanced": {
        "method": "neighborhood",
        "weights": SphereWeights(8),
        "neighbors": 60,
        "share": 0.4,
        "focus": 1.0,
        "spacing": 0.7,
    },
    "high": {
        "method": "neighborhood",
        "weights": SphereWeights(8),
        "neighbors": 150,
        "share": 0.4,
        "focus": 1.0,
        "spacing": 0.7,
    },
    "max": {
        "method": "neighborhood",
        "weights": SphereWeights(8),
        "neighbors": 300,
        "share": 0.8,
        "focus": 1.0,
        "spacing": 0.7,
    },
}
#: Parts of a setting that have no parameter of their own, and what they are where it names none.
PARTS = {"focus": 0.0, "spacing": 0.0, "spike": 0.3, "effects": True}
