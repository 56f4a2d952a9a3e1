"""What surrounds every training: its arguments, its random numbers, its progress."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback, TrainingArguments

from vicinal._progress import ProgressCallback


def training_arguments(folder: Path | str, device: str, **settings: Any) -> TrainingArguments:
    """Return arguments of a Trainer that prints nothing and saves only where it is told to."""
    return TrainingArguments(
        output_dir=str(folder),
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        use_cpu=device == "cpu",
        dataloader_pin_memory=False,
        **settings,
    )


class ProgressReporter(TrainerCallback):  # type: ignore[misc]  # typed as Any here
    """Tells a progress callback how many steps a Trainer has done."""

    def __init__(self, report: ProgressCallback, stage: str = "Training") -> None:
        self._report, self._stage = report, stage

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._report(self._stage, state.global_step, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._report(self._stage, state.global_step, state.max_steps)


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Let torch, NumPy and Python draw from a seed, and put their states back afterwards."""
    # the Trainer seeds all three for the whole process
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
