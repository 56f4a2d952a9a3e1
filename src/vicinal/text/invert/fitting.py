"""How an adaptor, and a language model where it may, learns to write sentences from embeddings."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from vicinal._checks import check_choice, check_count, check_number
from vicinal._progress import ProgressCallback
from vicinal._random import FitKey, Seeds
from vicinal._types import Floats32, Ints
from vicinal.nn.resumable import ResumableTrainer
from vicinal.text.encoder import Encoder, in_bfloat16
from vicinal.text.invert.adaptor import Adaptor
from vicinal.text.invert.decoders import Decoder

Rows = Ints

Options = TypeVar("Options", bound="TrainingOptions")
#: Texts embedded, and kept, at once.
_EMBEDDED = 8192
#: Batches whose texts are sorted by length together.
_POOL = 50
_MOST_HELD_OUT = 2000


@dataclass(frozen=True)
class TrainingOptions:
    """How an adaptor is trained: options of :func:`align`.

    Parameters
    ----------
    epochs : float, default 1
        Passes over the texts.
    steps : int, optional
        Updates, in place of ``epochs``.
    batch_size : int, default 64
        Sentences in an update; sentences of like length go together.
    learning_rate : float, default 1e-3
        Highest rate of the adaptor.
    decoder_rate : float, default 3e-4
        Highest rate of what learns of the language model.
    warmup : int, optional
        Updates in which the rates rise, before they fall to 0 along a cosine; a tenth of all, 200
        at most, where left out.
    validation : float, default 0.02
        Share of the texts that is held out, 2,000 at most; fewer than 20 texts hold out none.
    max_attempts : int, optional, default 5
        Evaluations without a lower held-out loss before training stops; None never stops early.
        The weights with the lowest loss are taken.
    noise : float, default 0.0
        Embeddings are disturbed by up to so many of their standard deviations, for calmer
        sentences between real ones.
    max_tokens : int, default 96
        Texts of more tokens of the language model are left out.
    dtype : {"auto", "float32", "bfloat16"}, default "auto"
        Arithmetic; "auto" takes bfloat16 where the processor multiplies it.

    Raises
    ------
    TypeError, ValueError
        Naming the option that is not what it should be.

    Examples
    --------
    >>> TrainingOptions(steps=500, batch_size=32).learning_rate
    0.001
    """

    epochs: float = 1
    steps: int | None = None
    batch_size: int = 64
    learning_rate: float = 1e-3
    decoder_rate: float = 3e-4
    warmup: int | None = None
    validation: float = 0.02
    max_attempts: int | None = 5
    noise: float = 0.0
    max_tokens: int = 96
    dtype: str = "auto"

    def __post_init__(self) -> None:
        check_number("epochs", self.epochs, low=0.0, open_low=type(self) is TrainingOptions)
        check_count("batch_size", self.batch_size)
        check_number("learning_rate", self.learning_rate, low=0.0, open_low=True)
        check_number("decoder_rate", self.decoder_rate, low=0.0, open_low=True)
        check_number("validation", self.validation, low=0.0, high=0.5)
        check_number("noise", self.noise, low=0.0)
        check_count("max_tokens", self.max_tokens, low=2)
        check_choice("dtype", self.dtype, ["auto", "float32", "bfloat16"])
        for name, low in (("steps", 1), ("warmup", 0), ("max_attempts", 1)):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), low=low)

    def for_texts(self: Options, n_texts: int) -> Options:
        """Return the options with ``steps`` and ``warmup`` that fit so many texts."""
        learned = n_texts * (1 - self.validation)
        steps = self.steps or max(1, math.ceil(self.epochs * learned / self.batch_size))
        warmup = min(200, steps // 10) if self.warmup is None else self.warmup
        return dataclasses.replace(self, steps=steps, warmup=warmup)


@dataclass(frozen=True)
class RefinementOptions(TrainingOptions):
    """How a task is taught: options of :func:`refine`, with its own defaults.

    Parameters
    ----------
    epochs : float, default 5
        Passes of the adaptor over labelled and unlabelled texts; 0 leaves it at the regression.
    batch_size : int, default 32
        Sentences in an update of the adaptor.
    learning_rate : float, default 2e-4
        Highest rate of the adaptor.
    validation : float, default 0.1
        Share of the texts held out while the adaptor learns.
    max_attempts : int, optional, default 3
        Evaluations without a lower loss on what is held out before the adaptor stops.
    task_epochs : int, default 3
        With ``tune="encoder"``: passes of the task model over the labelled texts.
    task_rate : float, default 5e-5
        With ``tune="encoder"``: highest learning rate of the task model.
    steps, decoder_rate, warmup, noise, max_tokens, dtype : optional
        As of :class:`TrainingOptions`; the language model does not learn here.

    Raises
    ------
    TypeError, ValueError
        Naming the option that is not what it should be.

    Examples
    --------
    >>> RefinementOptions(task_epochs=5).epochs
    5
    """

    epochs: float = 5
    batch_size: int = 32
    learning_rate: float = 2e-4
    validation: float = 0.1
    max_attempts: int | None = 3
    task_epochs: int = 3
    task_rate: float = 5e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("task_epochs", self.task_epochs)
        check_number("task_rate", self.task_rate, low=0.0, open_low=True)


class Sentences:
    """Training sentences: their embeddings (n, dim) and tokens, and which are held out."""

    def __init__(
        self, embeddings: Floats32, tokens: list[list[int]], validation: float, seeds: Seeds
    ) -> None:
        self.embeddings, self.tokens, self.seeds = embeddings, tokens, seeds
        self.lengths = np.array([len(row) for row in tokens], np.int64)
        n = len(tokens)
        held = min(_MOST_HELD_OUT, max(1, round(validation * n))) if validation and n >= 20 else 0
        order = seeds.generator(FitKey.HELD_OUT).permutation(n)
        self.held_out, self.learned = np.sort(order[:held]), np.sort(order[held:])

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, at: int) -> tuple[Floats32, list[int]]:
        return self.embeddings[at], self.tokens[at]

    def epoch(self, number: int, size: int) -> list[Rows]:
        """Return batches of like length, in an order that depends on seeds and number alone."""
        rng = self.seeds.generator(FitKey.ORDER, number)
        order = rng.permutation(self.learned)
        batches = []
        for at in range(0, len(order), size * _POOL):
            pool = order[at : at + size * _POOL]
            pool = pool[np.argsort(self.lengths[pool], kind="stable")]
            batches += [pool[i : i + size] for i in range(0, len(pool), size)]
        return [batches[at] for at in rng.permutation(len(batches))]

    def evaluation(self, size: int) -> list[Rows]:
        """Return the batches that are held out, of like length."""
        held = self.held_out[np.argsort(self.lengths[self.held_out], kind="stable")]
        return [held[at : at + size] for at in range(0, len(held), size)]


class _SoftPrompts(nn.Module):  # type: ignore[misc]  # torch is Any here
    """An adaptor in front of a language model, and the loss of the sentences it is to write."""

    def __init__(self, adaptor: Adaptor, decoder: Decoder, noise: float, learns: bool) -> None:
        super().__init__()
        self.adaptor, self.decoder, self.noise = adaptor, decoder, noise
        self.learns = learns and bool(decoder.trainable)
        self.language_model = nn.ParameterList(decoder.trainable if learns else [])

    def train(self, mode: bool = True) -> _SoftPrompts:
        super().train(mode)
        self.decoder.train(mode and self.learns)
        return self

    def forward(self, embeddings: Tensor, tokens: list[list[int]]) -> Tensor:
        if self.training and self.noise:
            size = self.noise * self.adaptor.scale * torch.rand_like(embeddings[:, :1])  # (B, 1)
            embeddings = embeddings + size * torch.randn_like(embeddings)  # (B, E)
        loss: Tensor = self.decoder.loss(self.adaptor(embeddings), tokens).float()
        return loss


def ready_to_learn(decoder: Decoder) -> None:
    """Take what a decoder learned out of its other weights, where it was merged into them."""
    decoder.train()
    decoder.train(False)


def fit(
    adaptor: Adaptor,
    decoder: Decoder,
    sentences: Sentences,
    options: TrainingOptions,
    folder: Path | None,
    *,
    learns: bool,
    report: ProgressCallback,
) -> list[dict[str, float]]:
    """Train the adaptor, and a decoder that ``learns``, in place; return the evaluations."""
    assert options.steps is not None and options.warmup is not None  # noqa: PT018, S101
    if learns:
        ready_to_learn(decoder)  # before a checkpoint is read
    model = _SoftPrompts(adaptor, decoder, options.noise, learns)
    groups: list[Any] = [{"params": list(adaptor.parameters()), "lr": options.learning_rate}]
    if model.learns:
        groups.append({"params": list(decoder.trainable), "lr": options.decoder_rate})
    learning = {id(one) for group in groups for one in group["params"]}
    frozen = [p for p in parameters_of(decoder) if p.requires_grad and id(p) not in learning]
    try:
        for one in frozen:
            one.requires_grad_(False)
        return ResumableTrainer.fit(
            model,
            sentences,
            collate,
            batches=lambda epoch: sentences.epoch(epoch, options.batch_size),
            held_out=sentences.evaluation(options.batch_size),
            steps=options.steps,
            evaluate_every=max(1, min(500, options.steps // 10)),
            max_attempts=options.max_attempts,
            seeds=sentences.seeds,
            folder=folder,
            report=report,
            groups=groups,
            learning_rate=options.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=options.warmup,
            weight_decay=0.01,
            adam_beta2=0.98,
            bf16=in_bfloat16(options.dtype, adaptor.mean.device.type),
        )
    finally:
        for one in frozen:
            one.requires_grad_(True)


def parameters_of(decoder: Decoder) -> list[nn.Parameter]:
    """Return all parameters of the networks that a decoder holds."""
    parts = [part for part in vars(decoder).values() if isinstance(part, nn.Module)]
    return [one for part in parts for one in part.parameters()]


def collate(rows: list[tuple[Floats32, list[int]]]) -> dict[str, Any]:
    """Return sentences as a batch; each of their tokens weighs the same in the loss."""
    embeddings, tokens = zip(*rows, strict=True)
    batch = torch.from_numpy(np.stack(embeddings))  # (B, E)
    return {"embeddings": batch, "tokens": list(tokens), "count": sum(map(len, tokens))}


def embed(
    encoder: Encoder,
    texts: Sequence[str],
    folder: Path | None,
    report: ProgressCallback,
) -> Floats32:
    """Return the embeddings of texts; with a folder, what was embedded once stays there."""
    if folder is None:
        return encoder.encode(texts, progress=report)
    from vicinal.io import replacing

    folder.mkdir(exist_ok=True)
    parts = []
    for at in range(0, len(texts), _EMBEDDED):
        path = folder / f"{at // _EMBEDDED:05d}.npy"
        if not path.is_file():
            found = encoder.encode(texts[at : at + _EMBEDDED], progress=report)
            with replacing(path) as sink:
                np.save(sink, found, allow_pickle=False)
        parts.append(np.load(path, allow_pickle=False))
    return np.concatenate(parts).astype(np.float32, copy=False)
