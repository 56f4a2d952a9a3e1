"""The mean of the states of real tokens."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Average states (B, T, C) over the tokens that a mask (B, T) counts; float32 (B, C)."""
    counted = mask[..., None].to(torch.float32)  # (B, T, 1)
    mean: Tensor = (states.float() * counted).sum(1) / counted.sum(1).clamp(min=1)
    return mean
