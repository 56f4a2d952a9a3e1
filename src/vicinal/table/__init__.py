"""Synthetic tables and over-sampling."""

from vicinal._lazy import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "columns": ["KINDS", "Column", "detect_columns"],
        "files": ["read_table", "write_table"],
        "sampler": ["MixupAugmenter", "MixupSampler"],
        "synthesizer": ["PRIVACY", "TableSynthesizer"],
    },
)
