"""Mixup you can trust, steer and read.

Public names are imported when first used, so that ``import vicinal`` loads nothing heavy.
"""

from vicinal._lazy import face

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "plan": ["MixPlan", "make_plan"],
        "weights": ["Beta", "EpBeta", "Fixed", "SphereWeights", "Uniform", "WeightLaw"],
        "pairing.distant": ["AcrossGroup", "Farthest", "Nearest"],
        "pairing.permutations": [
            "LocalPermutation",
            "Neighbourhood",
            "Pairing",
            "Permutation",
            "Random",
            "WithinGroup",
        ],
    },
)
__all__ += ["__version__"]
