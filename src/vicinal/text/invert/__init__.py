"""Inverters: embeddings back to sentences."""

from typing import Any

from vicinal._lazy import face

_get, __dir__, __all__ = face(
    __name__,
    {
        "adaptor": ["Adaptor"],
        "alignment": ["align"],
        "candidates": ["Candidates", "Inversion"],
        "decoders": ["Decoder"],
        "huggingface": ["HuggingFaceDecoder"],
        "inverter": ["Inverter"],
        "nano": ["NanoDecoder"],
        "refinement": ["refine"],
        "task": ["TaskInverter", "load_inverter"],
        "vllm": ["VllmDecoder"],
    },
)


def __getattr__(name: str) -> Any:
    return _get(name)
