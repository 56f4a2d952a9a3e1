"""What a synthetic table kept, what it gives away, and what it is good for."""

from vicinal._lazy import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "estimate": ["Estimate"],
        "evaluation": ["Report", "WeightPicture", "audit", "evaluate"],
        "verdict": ["Verdict", "VerdictFigure"],
        "fidelity": [
            "Association",
            "ColumnFidelity",
            "Fidelity",
            "Marginal",
            "Moment",
            "Moments",
            "PairFidelity",
            "TwoSample",
            "compare",
        ],
        "privacy": ["DistanceCurves", "Privacy"],
        "utility": ["Utility", "UtilityScore"],
        "laws": ["parse_law"],
        "collapse": ["Collapse", "CollapseCurve", "measure_collapse"],
        "front": ["Front", "Setting", "tune"],
    },
)
