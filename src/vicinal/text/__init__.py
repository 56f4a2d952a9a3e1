"""Texts: encoders, classifiers that mix while they train, and mixtures that a person can read.

Everything here needs torch and transformers: ``pip install 'vicinal[text]'``.
"""

from typing import Any

from vicinal._lazy import face

_get, __dir__, __all__ = face(
    __name__,
    {
        "augmentation.augmented": ["Augmented"],
        "augmentation.augmenting": ["augment"],
        "augmentation.cluster": ["AugmentedParts", "augment_parts"],
        "augmentation.intrusion": ["Intrusion", "measure_intrusion"],
        "augmentation.morphing": ["Morph", "morph"],
        "augmentation.ratio": ["measure_ratio"],
        "classify.classifier": ["MixupTextClassifier"],
        "classify.comparison": ["Comparison", "compare_methods", "split_texts"],
        "encoder": ["Encoder"],
        "invert.alignment": ["align"],
        "invert.candidates": ["Candidates", "Inversion"],
        "invert.inverter": ["Inverter"],
        "invert.refinement": ["refine"],
        "invert.task": ["TaskInverter", "load_inverter"],
        "models": ["resolve_model"],
    },
)


def __getattr__(name: str) -> Any:
    return _get(name)
