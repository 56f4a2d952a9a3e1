"""Texts put aside while a classifier learns: when to stop, and one temperature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback

from vicinal._types import Floats

#: Epochs of a training that ends by itself, at most, and those without gain that end it.
MOST_EPOCHS = 20
WITHOUT_GAIN = 4


class BestEpoch(TrainerCallback):  # type: ignore[misc]  # typed as Any here
    """Measures log loss after each epoch, ends where it no longer falls, keeps the best weights."""

    def __init__(self, net: torch.nn.Module, proba: Callable[[], Floats], truth: list[int]) -> None:
        self._net, self._proba, self._truth = net, proba, np.array(truth)
        self.losses: list[float] = []
        self._kept: dict[str, torch.Tensor] = {}

    @property
    def best(self) -> int:
        """Number of the best epoch, from 1."""
        return int(np.argmin(np.nan_to_num(self.losses, nan=np.inf))) + 1

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Measure, keep the best, and end where there was no gain for long."""
        was_training = self._net.training
        proba = self._proba()[np.arange(len(self._truth)), self._truth]
        self._net.train(was_training)
        self.losses.append(-float(np.log(proba.clip(1e-12)).mean()))
        if self.best == len(self.losses):
            self._kept = {k: one.detach().clone() for k, one in self._net.state_dict().items()}
        control.should_training_stop = len(self.losses) - self.best >= WITHOUT_GAIN

    def restore(self) -> None:
        """Put the best weights back."""
        self._net.load_state_dict(self._kept)
