"""A Trainer that can be stopped at any step, and goes on to the same weights."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PrinterCallback, Trainer, TrainerCallback

from vicinal._checks import sha256_of
from vicinal._progress import ProgressCallback
from vicinal._random import ResumeKey, Seeds
from vicinal._types import Ints
from vicinal.nn._training import ProgressReporter, own_randomness, training_arguments

History = list[dict[str, float]]
Rows = Ints

_SAVE_SECONDS = 300.0
_COMPLETE, _BEST = "complete.json", "best.safetensors"


class ResumableTrainer(Trainer):  # type: ignore[misc]  # typed as Any here
    """A Trainer whose result does not depend on how often it was interrupted."""

    # what a step draws depends on seed and step alone. The model returns its loss, given a batch
    # without "count", which is the weight of that loss

    control: Any

    def __init__(
        self,
        model: torch.nn.Module,
        dataset: Sequence[Any],
        collate: Callable[[list[Any]], dict[str, Any]],
        *,
        batches: Callable[[int], Sequence[Rows]],
        held_out: Sequence[Rows],
        steps: int,
        evaluate_every: int,
        max_attempts: int | None,
        seeds: Seeds,
        folder: Path | None,
        report: ProgressCallback,
        groups: Sequence[dict[str, Any]] = (),
        **settings: Any,
    ) -> None:
        device = next(model.parameters()).device.type
        with tempfile.TemporaryDirectory(prefix="vicinal-") as nowhere:
            args = training_arguments(
                folder or nowhere, device, max_steps=steps, logging_strategy="no", **settings
            )
            args._n_gpu = min(args.n_gpu, 1)  # more in one process would part a batch
            optimizer = None
            if groups:  # each with a rate of its own
                betas = (args.adam_beta1, args.adam_beta2)
                optimizer = torch.optim.AdamW(groups, betas=betas, weight_decay=args.weight_decay)
            optimizers = (optimizer, None)
            super().__init__(model, args, collate, dataset, optimizers=optimizers)
        self._batches, self._held_out, self._seeds = batches, held_out, seeds
        self._folder, self._max_attempts = folder, max_attempts
        self._learning = [one for one in model.parameters() if one.requires_grad]
        self._best = [one.detach().clone() for one in self._learning]
        #: What a checkpoint keeps: evaluations, the lowest loss, evaluations since it, and the sum
        #: and number of what was learned from since the last.
        self._notes: dict[str, Any] = {
            "history": [],
            "lowest": float("inf"),
            "stale": 0,
            "total": 0.0,
            "count": 0,
        }
        self.remove_callback(PrinterCallback)
        self.add_callback(_Checkpoints(self, evaluate_every))
        self.add_callback(ProgressReporter(report))

    @classmethod
    def fit(cls, *args: Any, seeds: Seeds, **kwargs: Any) -> History:
        """Train a model in place to its best weights, and return its evaluations."""
        with own_randomness(int(seeds.generator(ResumeKey.GLOBAL).integers(2**31))):
            trainer = cls(*args, seeds=seeds, **kwargs)
            trainer._run()
        history: History = trainer._notes["history"]
        return history

    def _run(self) -> None:
        last, done = self._restore()
        if not done:
            with _signals() as self._arrived:
                self.train(resume_from_checkpoint=last)
            if self._arrived:
                _pass_on(self._arrived[0])
        for one, best in zip(self._learning, self._best, strict=True):
            one.detach().copy_(best)
        self.model.eval()

    # one step

    def get_train_dataloader(self) -> Any:
        """Return the loader of training batches, the same for every run of an epoch."""
        batches = _EpochBatches(self, self._batches)
        return torch.utils.data.DataLoader(
            self.train_dataset, batch_sampler=batches, collate_fn=self.data_collator
        )

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Learn from one batch; what the step draws depends on seed and step alone."""
        seed = int(self._seeds.generator(ResumeKey.STEPS, self.state.global_step).integers(2**31))
        devices = [] if self.args.device.type == "cpu" else [self.args.device]
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            loss: torch.Tensor = super().training_step(*args, **kwargs)
        return loss

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Return the loss of a batch, and add it up."""
        batch = dict(inputs)
        count = batch.pop("count")
        loss: torch.Tensor = model(**batch)
        value = float(loss.detach())
        if not np.isfinite(value):
            raise ValueError(
                f"The loss is {value} at step {self.state.global_step + 1}: training fell apart. "
                f"Lower learning_rate ({self.args.learning_rate:g})."
            )
        self._notes["total"] += value * count
        self._notes["count"] += count
        return loss

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Measure the loss on what is held out; keep the weights where it is the lowest."""
        entry, notes = {"step": float(self.state.global_step)}, self._notes
        if notes["count"]:
            entry["loss"] = notes["total"] / notes["count"]
        self.model.eval()
        total = count = 0.0
        for rows in self._held_out:
            batch = self.data_collator([self.train_dataset[at] for at in rows])
            batch = self._prepare_inputs(batch)
            weight = batch.pop("count")
            with torch.no_grad(), self.compute_loss_context_manager():
                total += weight * float(self.model(**batch))
            count += weight
        lowest = notes["lowest"]
        if count:
            lowest = entry["validation_loss"] = total / count
        better = not count or lowest < notes["lowest"]
        if better:
            notes["lowest"] = lowest
            for one, best in zip(self._learning, self._best, strict=True):
                best.copy_(one.detach())
        notes["history"].append(entry)
        notes |= {"stale": 0 if better else notes["stale"] + 1, "total": 0.0, "count": 0}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, entry)
        return entry

    @property
    def _impatient(self) -> bool:
        return self._max_attempts is not None and self._notes["stale"] >= self._max_attempts

    # checkpoints

    def _keep(self, folder: Path) -> None:
        """Complete a checkpoint of the Trainer's, then remove those before it."""
        from safetensors.torch import save_file

        best = {str(at): one.cpu().contiguous() for at, one in enumerate(self._best)}
        save_file(best, folder / _BEST)
        notes = self._notes | {
            "done": self._impatient or self.state.global_step >= self.args.max_steps,
            "files": {
                one.name: sha256_of(one) for one in folder.iterdir() if one.name != _COMPLETE
            },
        }
        beside = folder / f"{_COMPLETE}.part"
        beside.write_text(json.dumps(notes), "utf-8")
        os.replace(beside, folder / _COMPLETE)
        for other in folder.parent.glob("checkpoint-*"):
            if other != folder:
                shutil.rmtree(other)

    def _restore(self) -> tuple[str | None, bool]:
        """Read the last whole checkpoint; return where it is, and whether training is over."""
        from safetensors.torch import load_file

        found = sorted(
            self._folder.glob(f"checkpoint-*/{_COMPLETE}") if self._folder else [],
            key=lambda path: int(path.parent.name.rpartition("-")[2]),
        )
        if not found:
            return None, False
        folder = found[-1].parent
        try:
            notes = json.loads(found[-1].read_text("utf-8"))
            for name, said in notes["files"].items():
                if sha256_of(folder / name) != said:
                    raise ValueError(f"{name} was changed")
            best = load_file(folder / _BEST)
            for at, one in enumerate(self._best):
                one.copy_(best[str(at)])
            self._notes = {name: notes[name] for name in self._notes}
            return str(folder), bool(notes["done"])
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"The checkpoint in {str(folder)!r} cannot be read ({error}). Remove the folder to "
                "begin again."
            ) from error


class _EpochBatches:
    """The batches of the epoch that a trainer is in."""

    def __init__(self, trainer: Trainer, batches: Callable[[int], Sequence[Rows]]) -> None:
        self._trainer, self._batches = trainer, batches
        self._length = len(batches(0))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[list[int]]:
        for rows in self._batches(int((self._trainer.state.epoch or 0.0) + 1e-9)):
            yield rows.tolist()


class _Checkpoints(TrainerCallback):  # type: ignore[misc]  # typed as Any here
    """Decides when a :class:`ResumableTrainer` evaluates, saves and ends."""

    def __init__(self, trainer: ResumableTrainer, steps: int) -> None:
        self._trainer, self._steps = trainer, steps

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._saved = time.monotonic()
        if not self._trainer._notes["history"]:
            self._trainer.evaluate()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        last = state.global_step >= state.max_steps
        control.should_evaluate = last or state.global_step % self._steps == 0
        control.should_training_stop = last or bool(self._trainer._arrived)
        due = time.monotonic() - self._saved > _SAVE_SECONDS
        self._save_where(control, due or control.should_training_stop)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._trainer._impatient:
            control.should_training_stop = True
            self._save_where(control, True)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._trainer._keep(Path(args.output_dir) / f"checkpoint-{state.global_step}")
        self._saved = time.monotonic()

    def _save_where(self, control: Any, due: bool) -> None:
        if due and self._trainer._folder is not None:
            control.should_save = True


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of stopping within a step; a second one stops at once."""
    found: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield found  # handlers belong to the main thread
        return
    usual: dict[int, Any] = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    usual = {one: do for one, do in usual.items() if do not in (None, signal.SIG_IGN)}

    def note(number: int, frame: Any) -> None:
        found.append(number)
        signal.signal(number, usual[number])

    for number in usual:
        signal.signal(number, note)
    try:
        yield found
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


def _pass_on(number: int) -> None:
    """Do what a collected signal asks for; its own handler is back by then."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    signal.raise_signal(number)
