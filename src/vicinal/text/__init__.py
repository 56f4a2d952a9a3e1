"""Texts: encoders, and classifiers that mix while they train.

Everything here needs torch and transformers: ``pip install 'vicinal[text]'``.
"""

from typing import Any

from vicinal._lazy import face

_get, __dir__, __all__ = face(
    __name__,
    {
        "classify.classifier": ["MixupTextClassifier"],
        "classify.comparison": ["Comparison", "compare_methods", "split_texts"],
        "encoder": ["Encoder"],
        "models": ["resolve_model"],
    },
)


def __getattr__(name: str) -> Any:
    return _get(name)
