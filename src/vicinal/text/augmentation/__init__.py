"""New sentences between two: mixed embeddings, written out by an inverter, and what they are worth.

:func:`augment` makes labelled rows, :func:`morph` shows the way from one sentence to another.
:func:`measure_ratio` says how much of a parent is in a sentence, :func:`measure_intrusion` how
often a sentence is not what its label says.
"""

from typing import Any

from vicinal._lazy import face

_get, __dir__, __all__ = face(
    __name__,
    {
        "augmenting": ["augment"],
        "augmented": ["Augmented"],
        "intrusion": ["Intrusion", "Rate", "measure_intrusion"],
        "morphing": ["Morph", "morph"],
        "ratio": ["measure_ratio"],
    },
)


def __getattr__(name: str) -> Any:
    return _get(name)
