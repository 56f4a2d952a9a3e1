"""Methods of training, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vicinal._checks import check_choice
from vicinal.weights import Beta, WeightLaw

if TYPE_CHECKING:
    from vicinal.nn import MixupConfig

#: Names of methods, and what they are in words.
METHODS = {
    "none": "no mixing",
    "input": "input mixup, any partner",
    "sentence": "sentence mixup, any partner",
    "hidden": "mixup at a random layer, any partner",
    "dmix": "mixup at a random layer, far partner",
}


def preset(
    method: str,
    *,
    tau: float = 0.5,
    metric: str = "hyperbolic",
    weights: WeightLaw | None = None,
    warmup_epochs: int = 0,
    probability: float = 1.0,
    refresh: int = 1,
) -> MixupConfig:
    """Return the configuration that a method's name stands for."""
    from vicinal.nn.config import MixupConfig
    from vicinal.pairing import Farthest, Permutation

    check_choice("method", method, METHODS)
    far = Farthest(tau, metric=metric)  # checks both, whatever the method
    return MixupConfig(
        pairing=far if method == "dmix" else Permutation(),
        weights=Beta(0.4) if weights is None else weights,
        where="hidden" if method == "dmix" else method,
        warmup_epochs=warmup_epochs,
        probability=probability,
        refresh=refresh,
    )
