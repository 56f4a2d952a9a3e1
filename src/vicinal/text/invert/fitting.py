"""The training loop of both stages: soft tokens that make a language model write a sentence."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vicinal._random import FitKey, Seeds
from vicinal.text.encoder import Encoder, has_bfloat16
from vicinal.text.invert.adaptor import Adaptor
from vicinal.text.invert.checkpoint import Workplace
from vicinal.text.invert.decoders import Decoder

__all__ = [
    "Examples",
    "Fitting",
    "Recipe",
    "embed",
    "fit",
    "shown_progress",
]

Floats = npt.NDArray[np.float32]
History = list[dict[str, float]]

#: Texts embedded, and kept, at once.
_EMBEDDED = 8192
#: Batches whose texts are sorted by length together.
_POOL = 50
_MOST_HELD_OUT = 2000


@dataclass(frozen=True)
class Recipe:
    """How a fit goes.

    Parameters
    ----------
    steps : int
        Updates.
    batch_size : int
        Sentences in one.
    learning_rate, decoder_rate : float
        Highest rates of the adaptor and of what learns of the language model.
    warmup : int
        Steps in which the rates rise; they fall to 0 along a cosine afterwards.
    max_attempts : int or None
        Evaluations without a lower loss before it stops; None never stops early.
    evaluate_every : int
        Steps between two evaluations.
    noise : float
        Each embedding is disturbed by up to so many standard deviations.
    decoder : bool
        Whether the language model learns too, where it can.
    dtype : str
        Arithmetic.
    """

    steps: int
    batch_size: int = 64
    learning_rate: float = 1e-3
    decoder_rate: float = 3e-4
    warmup: int = 100
    max_attempts: int | None = 5
    evaluate_every: int = 200
    noise: float = 0.0
    decoder: bool = True
    dtype: str = "auto"
    clip: float = 1.0

    def share_at(self, step: int) -> float:
        """Share of the highest rate at a step."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return 0.5 * (1.0 + float(np.cos(np.pi * done)))


class Examples:
    """Sentences: their embeddings, their tokens, and which are held out.

    Parameters
    ----------
    embeddings : ndarray of shape (n, dim)
        As the encoder made them.
    rows : list of list of int
        Tokens of each.
    validation : float
        Share held out.
    seeds : Seeds
        Decide which.
    """

    def __init__(
        self, embeddings: Floats, rows: list[list[int]], validation: float, seeds: Seeds
    ) -> None:
        self.embeddings, self.rows, self.seeds = embeddings, rows, seeds
        self.lengths = np.array([len(row) for row in rows], np.int64)
        n = len(rows)
        held = min(_MOST_HELD_OUT, max(1, round(validation * n))) if validation and n >= 20 else 0
        order = seeds.generator(FitKey.HELD_OUT).permutation(n)
        self.held_out, self.learned = np.sort(order[:held]), np.sort(order[held:])

    def epoch(self, number: int, size: int) -> list[npt.NDArray[np.int64]]:
        """Return batches of like length, in an order that depends on seeds and number alone."""
        rng = self.seeds.generator(FitKey.ORDER, number)
        order = rng.permutation(self.learned)
        batches = []
        for at in range(0, len(order), size * _POOL):
            pool = order[at : at + size * _POOL]
            pool = pool[np.argsort(self.lengths[pool], kind="stable")]
            batches += [pool[i : i + size] for i in range(0, len(pool), size)]
        return [batches[at] for at in rng.permutation(len(batches))]

    def batches(self, size: int, start: int, stop: int) -> Iterator[npt.NDArray[np.int64]]:
        """Yield the batches of the steps from start to stop."""
        each = -(-len(self.learned) // size)
        for number in range(start // each, -(-stop // each)):
            first = max(start - number * each, 0)
            yield from self.epoch(number, size)[first : stop - number * each]


class Fitting:
    """A fit on its way: what learns, how far it is, and the best so far.

    Parameters
    ----------
    adaptor : Adaptor
        Learns in place.
    decoder : Decoder
        Learns in place where the recipe says so.
    examples : Examples
        What is learned from.
    recipe : Recipe
        How.
    """

    def __init__(
        self, adaptor: Adaptor, decoder: Decoder, examples: Examples, recipe: Recipe
    ) -> None:
        self.adaptor, self.decoder, self.examples, self.recipe = adaptor, decoder, examples, recipe
        self.device = adaptor.mean.device
        groups = [(list(adaptor.parameters()), recipe.learning_rate)]
        if recipe.decoder and decoder.trainable:
            groups.append((list(decoder.trainable), recipe.decoder_rate))
        self.learning = [one for group, _ in groups for one in group]
        self.rates = [rate for _, rate in groups]
        self.optimizer = torch.optim.AdamW(
            [{"params": group, "lr": rate} for group, rate in groups],
            betas=(0.9, 0.98),
            weight_decay=0.01,
        )
        self.best = [one.detach().clone() for one in self.learning]
        self.step, self.stale, self.lowest = 0, 0, float("inf")
        self.history: History = []
        self._total, self._seen = 0.0, 0
        halved = recipe.dtype == "bfloat16" or (
            recipe.dtype == "auto" and has_bfloat16(self.device.type)
        )
        self._halved = halved

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        impatient = self.recipe.max_attempts is not None and self.stale >= self.recipe.max_attempts
        return self.step >= self.recipe.steps or impatient

    def run(self, workplace: Workplace, *, progress: bool, save_every: float = 300.0) -> None:
        """Learn until the last step or until max_attempts ends; the best weights are there then.

        Ctrl-C, or being told to end (SIGTERM), takes effect after the step, when all is kept.
        """
        self._resume(workplace)
        kept = time.monotonic()
        if not self.history:
            self._evaluate()
        steps = self.recipe.steps
        with _interrupts() as interrupted, _bar(progress, steps, self.step) as advance:
            rows = self.examples.batches(self.recipe.batch_size, self.step, steps)
            while not self.finished:
                self._learn(next(rows))
                if self.step % self.recipe.evaluate_every == 0 or self.step == steps:
                    self._evaluate()
                advance()
                if interrupted:
                    self._keep(workplace)
                    _pass_on(interrupted.pop())
                if time.monotonic() - kept > save_every:
                    self._keep(workplace)
                    kept = time.monotonic()
        self._keep(workplace)
        for one, best in zip(self.learning, self.best, strict=True):
            one.detach().copy_(best)
        self.adaptor.eval()
        self.decoder.train(False)

    def _loss(self, places: npt.NDArray[np.int64], embeddings: Floats) -> Tensor:
        arithmetic = (
            torch.autocast(self.device.type, torch.bfloat16) if self._halved else nullcontext()
        )
        with arithmetic:
            soft = self.adaptor(torch.from_numpy(embeddings).to(self.device))
            return self.decoder.loss(soft, [self.examples.rows[at] for at in places]).float()

    def _learn(self, places: npt.NDArray[np.int64]) -> None:
        rng = self.examples.seeds.generator(FitKey.NOISE, self.step)
        self.adaptor.train()
        self.decoder.train(self.recipe.decoder)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * self.recipe.share_at(self.step)
        embeddings = self.examples.embeddings[places]
        if self.recipe.noise:
            size = self.recipe.noise * rng.random((len(places), 1), np.float32)
            noise = rng.standard_normal(embeddings.shape, np.float32)
            embeddings = embeddings + size * float(self.adaptor.scale) * noise
        # dropout of the language model draws from torch; its state is nobody's business but ours
        devices = [] if self.device.type == "cpu" else [self.device]
        with torch.random.fork_rng(devices):
            torch.manual_seed(int(rng.integers(2**31)))
            loss = self._loss(places, embeddings)
            found = torch.autograd.grad(loss, self.learning, allow_unused=True)
        if not bool(torch.isfinite(loss)):
            raise ValueError(
                f"The loss is {float(loss.detach())} at step {self.step + 1}: training fell apart. "
                f"Lower learning_rate ({self.recipe.learning_rate:g})."
            )
        for one, gradient in zip(self.learning, found, strict=True):
            one.grad = gradient
        torch.nn.utils.clip_grad_norm_(self.learning, self.recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self._total += float(loss.detach()) * len(places)
        self._seen += len(places)

    def _evaluate(self) -> None:
        """Measure the loss on what is held out; keep the weights where it is the lowest."""
        self.adaptor.eval()
        self.decoder.train(False)
        held = self.examples.held_out
        held = held[np.argsort(self.examples.lengths[held], kind="stable")]
        total, tokens = 0.0, 0
        for at in range(0, len(held), self.recipe.batch_size):
            places = held[at : at + self.recipe.batch_size]
            weight = int(self.examples.lengths[places].sum())
            with torch.no_grad():
                total += weight * float(self._loss(places, self.examples.embeddings[places]))
            tokens += weight
        entry = {"step": float(self.step)}
        if self._seen:
            entry["loss"] = self._total / self._seen
        self._total, self._seen = 0.0, 0
        better = not len(held)
        if len(held):
            entry["validation_loss"] = total / tokens
            better = total / tokens < self.lowest
        self.history.append(entry)
        self.stale = 0 if better else self.stale + 1
        if better:
            self.lowest = total / max(tokens, 1)
            for one, best in zip(self.learning, self.best, strict=True):
                best.copy_(one.detach())

    # what a resumed fit needs

    def _keep(self, workplace: Workplace) -> None:
        tensors: dict[str, Tensor] = {}
        for at, (one, best) in enumerate(zip(self.learning, self.best, strict=True)):
            tensors[f"now.{at}"], tensors[f"best.{at}"] = one, best
            for name, value in self.optimizer.state.get(one, {}).items():
                tensors[f"{name}.{at}"] = torch.as_tensor(value)
        lowest = None if self.lowest == float("inf") else self.lowest
        notes: dict[str, Any] = {"step": self.step, "stale": self.stale, "lowest": lowest}
        notes |= {"history": self.history, "total": self._total, "seen": self._seen}
        workplace.save(tensors, notes)

    def _resume(self, workplace: Workplace) -> None:
        found = workplace.load()
        if found is None:
            return
        tensors, notes = found
        for at, (one, best) in enumerate(zip(self.learning, self.best, strict=True)):
            one.detach().copy_(tensors[f"now.{at}"])
            best.copy_(tensors[f"best.{at}"])
            parts = {name: f"{name}.{at}" for name in ("step", "exp_avg", "exp_avg_sq")}
            if parts["step"] in tensors:
                self.optimizer.state[one] = {
                    name: tensors[key].to("cpu" if name == "step" else self.device)
                    for name, key in parts.items()
                }
        self.step, self.stale = notes["step"], notes["stale"]
        self.lowest = float("inf") if notes["lowest"] is None else notes["lowest"]
        self.history, self._total, self._seen = notes["history"], notes["total"], notes["seen"]


def fit(
    adaptor: Adaptor,
    decoder: Decoder,
    examples: Examples,
    recipe: Recipe,
    workplace: Workplace,
    *,
    progress: bool,
) -> History:
    """Train adaptor and, where the recipe says so, decoder in place; return the evaluations."""
    fitting = Fitting(adaptor, decoder, examples, recipe)
    fitting.run(workplace, progress=progress)
    return fitting.history


def embed(encoder: Encoder, texts: Sequence[str], folder: Path | None, progress: bool) -> Floats:
    """Return the embeddings of texts; with a folder, what was embedded once stays there."""
    if folder is None:
        return encoder.encode(texts, progress=progress)
    folder.mkdir(exist_ok=True)
    parts = []
    for at in range(0, len(texts), _EMBEDDED):
        path = folder / f"{at // _EMBEDDED:05d}.npy"
        if not path.is_file():
            from vicinal.io import replacing

            found = encoder.encode(texts[at : at + _EMBEDDED], progress=progress)
            with replacing(path) as sink:
                np.save(sink, found, allow_pickle=False)
        parts.append(np.load(path, allow_pickle=False))
    return np.concatenate(parts).astype(np.float32, copy=False)


def shown_progress(progress: bool | None) -> bool:
    """Whether to show a bar: where a person looks on, unless it is said."""
    return sys.stderr.isatty() if progress is None else progress


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of stopping within a step; a second one stops at once."""
    found: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield found  # handlers belong to the main thread
        return
    usual: dict[int, Any] = {}
    for one in (signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(one)
        if handler not in (None, signal.SIG_IGN):
            usual[one] = handler

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


@contextmanager
def _bar(show: bool, steps: int, done: int) -> Iterator[Any]:
    if not show:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Training", total=steps, completed=done)
        yield lambda: bar.advance(task)
