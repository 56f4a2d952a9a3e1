"""What surrounds a training: its device, its random numbers, its record."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from vicinal._checks import check_choice

__all__ = ["by_epoch", "device_for", "own_randomness", "warn_of_empty"]


def by_epoch(log: Iterable[dict[str, float]]) -> list[dict[str, float]]:
    """Return a trainer's log as one record for each epoch; accuracy and loss are logged apart."""
    found: dict[float, dict[str, float]] = {}
    for one in log:
        if "loss" in one or "train_accuracy" in one:
            found.setdefault(one["epoch"], {}).update(one)
    return list(found.values())


def device_for(wanted: str | None) -> str:
    """Return the kind of device to train on."""
    import torch

    fast = "cuda" if torch.cuda.is_available() else ""
    best = fast or ("mps" if torch.backends.mps.is_available() else "cpu")
    if wanted in (None, "cpu"):
        return wanted or best
    if check_choice("device", wanted, ["cpu", "cuda", "mps"]) != best:
        raise ValueError(f"device={wanted!r} is not there; this machine trains on {best!r}.")
    return best


def warn_of_empty(texts: Sequence[str]) -> None:
    """Warn where texts hold nothing."""
    empty = sum(not text.strip() for text in texts)
    if empty:
        warnings.warn(
            f"{empty} of {len(texts)} texts are empty: there is nothing to learn from them.",
            UserWarning,
            stacklevel=3,
        )


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Let torch, NumPy and Python draw from a seed, and put their states back afterwards.

    The Trainer seeds all three for the whole process.
    """
    import random

    import torch

    restore: list[tuple[Callable[[Any], Any], Any]] = [
        (random.setstate, random.getstate()),
        (np.random.set_state, np.random.get_state()),  # noqa: NPY002
    ]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            yield
        finally:
            for put, state in restore:
                put(state)
