"""Mixing while a neural network trains: hidden states, batches, losses, a trainer.

Everything but :class:`Mixup` needs torch, and :class:`MixupTrainer` needs transformers:
``pip install 'vicinal[text]'``.
"""

from typing import Any

from vicinal._lazy import face

_get, __dir__, __all__ = face(
    __name__,
    {
        "batches": ["MixupCollator", "PairBatchSampler"],
        "config": ["Mixup"],
        "hidden": ["HiddenMixup"],
        "loss": ["MixedTarget", "soft_cross_entropy"],
        "trainer": ["MixupTrainer"],
    },
)


def __getattr__(name: str) -> Any:
    try:
        return _get(name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing not in ("torch", "transformers", "accelerate"):
            raise
        raise ImportError(
            f"vicinal.nn.{name} needs {missing}, which is not installed. "
            "Install it with: pip install 'vicinal[text]'",
            name=missing,
        ) from error
