"""Training loop of nano: warm-up, constant rate, decay on request; resumes from one file."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

import torch
from nano_data import Batch, Corpus, write_whole
from nano_model import Inverter, InverterConfig
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

__all__ = ["Recipe", "Trainer", "load_weights"]


@dataclass(frozen=True)
class Recipe:
    """How nano is trained.

    Parameters
    ----------
    rate, warmup : float, int
        Peak learning rate and the steps up to it; constant from there.
    decay_start, decay_steps : int
        Where the rate starts to fall to zero along a half cosine, and over how many steps; 0 steps
        for none.
    positions : int
        Positions per batch, soft tokens included (2,000 are about 64 sentences).
    noise_share, noise : float
        Share of rows whose embedding is disturbed, and the largest deviation, in units of the
        embeddings' scale.
    ema : float
        Decay of the averaged weights.
    """

    rate: float = 7e-4
    warmup: int = 300
    decay_start: int = 0
    decay_steps: int = 0
    positions: int = 2000
    noise_share: float = 0.25
    noise: float = 0.25
    clip: float = 1.0
    weight_decay: float = 0.01
    ema: float = 0.9995
    seed: int = 0

    def rate_at(self, step: int) -> float:
        """Learning rate of a step."""
        rate = self.rate * min(1.0, (step + 1) / self.warmup)
        if self.decay_steps and step >= self.decay_start:
            done = min(1.0, (step + 1 - self.decay_start) / self.decay_steps)
            rate *= 0.5 * (1.0 + float(torch.cos(torch.tensor(done * torch.pi))))
        return rate


def load_weights(path: Path, part: str = "ema") -> tuple[Inverter, dict[str, str]]:
    """Load the network of a checkpoint (`part`: "ema" or "model") and the checkpoint's notes."""
    with safe_open(path, "pt") as stored:
        notes = stored.metadata()
        model = Inverter(InverterConfig(**json.loads(notes["config"])))
        model.load_state_dict(
            {name: stored.get_tensor(f"{part}.{name}") for name in model.state_dict()}
        )
    return model, notes


class Evaluation(Protocol):
    """What the loop calls from time to time."""

    def __call__(self, trainer: Trainer) -> None:
        """Measure the trainer's averaged weights."""


class Threads:
    """Fall back to one thread while other work holds a core: the slowest thread holds up all.

    Parameters
    ----------
    most : int
        Threads to use on an idle machine.
    """

    PATIENCE = 20  # steps on one thread before all are tried again

    def __init__(self, most: int) -> None:
        self.most, self.alone = most, 0.0
        self._use(1, 3)  # the first steps show what one thread can do

    def observe(self, pace: float) -> None:
        """Choose the threads of the next step by the pace (positions per second) of the last."""
        if self.now == 1:
            self.alone = max(pace, 0.999 * self.alone)
            self.left -= 1
            if self.left == 0:
                self._use(self.most, 0)
        elif pace < self.alone:
            self._use(1, self.PATIENCE)

    def _use(self, count: int, steps: int) -> None:
        self.now, self.left = count, steps
        torch.set_num_threads(count)


class Trainer:
    """An inverter in training, with its optimizer, averaged weights and place in the data.

    Parameters
    ----------
    model : Inverter
        The network, on its device.
    corpus : Corpus
        Sentences and embeddings.
    recipe : Recipe
        How to train.
    device : str
        "cpu" or "cuda".
    """

    EMA_EVERY = 10

    def __init__(self, model: Inverter, corpus: Corpus, recipe: Recipe, device: str) -> None:
        self.model, self.corpus, self.recipe, self.device = model, corpus, recipe, device
        self.names = [name for name, _ in model.named_parameters()]
        self.parameters: list[Tensor] = [parameter for _, parameter in model.named_parameters()]
        groups = [
            {
                "params": [p for p in self.parameters if p.ndim > 1],
                "weight_decay": recipe.weight_decay,
            },
            {"params": [p for p in self.parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.98), fused=True)
        self.average = [parameter.detach().clone() for parameter in self.parameters]
        self.step = 0
        self.sentences = 0
        self.seconds = 0.0
        self.place = (0, 0, 0)
        self.stopping = False

    def perturbed(self, embedding: Tensor) -> Tensor:
        """Embeddings with noise on a share of rows; the noise depends on seed and step alone."""
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self.step)
        rows = embedding.shape[0]
        size = torch.rand(rows, 1, generator=generator) * self.recipe.noise
        size *= torch.rand(rows, 1, generator=generator) < self.recipe.noise_share
        noise = size * torch.randn(embedding.shape, generator=generator)
        return embedding + noise.to(embedding.device)

    def loss(self, batch: Batch) -> Tensor:
        """Loss of a batch of real lines."""
        with torch.autocast(self.device, torch.bfloat16):
            found: Tensor = self.model.batch_loss(
                self.perturbed(batch.embedding), batch.ids, batch.lengths
            )
        return found

    def remarks(self) -> str:
        """Return what to say in a line of progress besides the loss."""
        return ""

    def train_step(self, batch: Batch) -> Tensor:
        """One update; returns the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate_at(self.step)
        loss = self.loss(batch)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.sentences += len(batch.lengths)
        if self.step % self.EMA_EVERY == 0:
            self._update_average()
        return loss.detach()

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step)) ** self.EMA_EVERY
        torch._foreach_lerp_(self.average, self.parameters, 1.0 - decay)

    def save(self, path: Path) -> None:
        """Write everything that a resumed run needs, whole or not at all."""
        tensors: dict[str, Tensor] = {}
        for name, parameter, mean in zip(self.names, self.parameters, self.average, strict=True):
            state = self.optimizer.state[parameter]
            tensors[f"model.{name}"] = parameter.detach()
            tensors[f"ema.{name}"] = mean
            tensors[f"first.{name}"] = state["exp_avg"]
            tensors[f"second.{name}"] = state["exp_avg_sq"]
        notes = {
            "version": "1",
            "config": json.dumps(asdict(self.model.config)),
            "recipe": json.dumps(asdict(self.recipe)),
            "place": json.dumps(self.place),
            "step": str(self.step),
            "sentences": str(self.sentences),
            "seconds": f"{self.seconds:.1f}",
        }
        write_whole(
            path,
            lambda beside: save_file(
                {k: v.contiguous() for k, v in tensors.items()}, beside, notes
            ),
        )

    @torch.no_grad()
    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        with safe_open(path, "pt", device=self.device) as stored:
            notes = stored.metadata()
            self.step, self.sentences = int(notes["step"]), int(notes["sentences"])
            self.seconds, self.place = float(notes["seconds"]), tuple(json.loads(notes["place"]))
            for name, parameter, mean in zip(
                self.names, self.parameters, self.average, strict=True
            ):
                parameter.copy_(stored.get_tensor(f"model.{name}"))
                mean.copy_(stored.get_tensor(f"ema.{name}"))
                self.optimizer.state[parameter] = {
                    "step": torch.tensor(
                        float(self.step), device=self.device if self.device != "cpu" else None
                    ),
                    "exp_avg": stored.get_tensor(f"first.{name}"),
                    "exp_avg_sq": stored.get_tensor(f"second.{name}"),
                }

    def averaged(self) -> Inverter:
        """Copy the network with the averaged weights."""
        model = Inverter(self.model.config).to(self.device)
        model.load_state_dict(dict(zip(self.names, self.average, strict=True)))
        return model.eval()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def run(
        self,
        path: Path,
        budget: float,
        steps: int | None,
        save_every: float,
        evaluate_every: float,
        evaluate: Evaluation,
    ) -> None:
        """Train until the budget of seconds, the last step, or a signal; then save and leave.

        A single step counts for at most a minute, so that a paused process uses up none of it.

        Parameters
        ----------
        path : Path
            The checkpoint.
        budget : float
            Working seconds of this run.
        steps : int or None
            Step to stop at.
        save_every, evaluate_every : float
            Working seconds between checkpoints and between evaluations.
        evaluate : callable
            Called with the trainer.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        used, saved, evaluated, total, window = 0.0, 0.0, 0.0, torch.zeros(()), 0
        begun, counted = time.monotonic(), self.sentences
        stream = self.corpus.stream(
            *self.place, self.recipe.positions, self.model.config.soft_tokens
        )
        threads, alone = Threads(torch.get_num_threads()), 0
        for place, rows in stream:
            if self.stopping or used >= budget or (steps is not None and self.step >= steps):
                break
            batch = self.corpus.batch(rows, self.device)
            before = time.monotonic()
            total += self.train_step(batch).cpu()
            alone += threads.now < threads.most
            threads.observe(batch.ids.numel() / (time.monotonic() - before))
            self.place, window = place, window + 1
            now = time.monotonic()
            spent = min(now - begun, 60.0)
            begun, used, self.seconds = now, used + spent, self.seconds + spent
            if self.step % 100 == 0:
                pace = (self.sentences - counted) / max(used, 1e-9)
                print(
                    f"step {self.step} loss {float(total) / window:.4f} "
                    f"rate {self.recipe.rate_at(self.step):.2e} sentences {self.sentences} "
                    f"place {self.place} hours {self.seconds / 3600:.2f} "
                    f"({pace:.0f}/s this run; {alone} steps on one thread){self.remarks()}",
                    flush=True,
                )
                total, window, alone = torch.zeros(()), 0, 0
            if used - saved >= save_every:
                self.save(path)
                saved = used
            if used - evaluated >= evaluate_every:
                evaluate(self)
                evaluated = used
        self.save(path)
        print(f"saved {path} at step {self.step}", flush=True)
