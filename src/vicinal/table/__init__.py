"""Synthetic tables and over-sampling."""

from vicinal._lazy import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "columns": ["KINDS", "Column", "detect_columns"],
        "files": ["read_table", "write_table"],
        "sampler": ["MixupAugmenter", "MixupSampler"],
        "stream.fit": ["fit_stream"],
        "stream.run": ["sample_stream", "stream_table"],
        "synthesizer": ["PRIVACY", "TableSynthesizer"],
    },
)
