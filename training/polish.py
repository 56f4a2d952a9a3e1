"""Second part of a writer's training: it writes, and what comes nearer than the rest is favored.

Half of the embeddings are those of training lines, half are mixtures of two, for which nobody has
a sentence. Several are drawn for each and embedded again; the policy gradient raises the likelihood
of those that score above their group's mean and lowers that of the others, while batches of real
lines go on as before, so that the language stays that of the corpus (self-critical training, Rennie
et al., CVPR 2017, with the group baseline of Shao et al., "DeepSeekMath", 2024).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from trigrams import Trigrams

from vicinal._progress import reporting
from vicinal._random import Seeds
from vicinal.nn.resumable import ResumableTrainer
from vicinal.text._blocks import HalfCopy
from vicinal.text.augment.ratio import project
from vicinal.text.encoder import in_bfloat16
from vicinal.text.invert import Inverter
from vicinal.text.invert.candidates import cosine
from vicinal.text.invert.codec import EOS, FORMAL, INFORMAL, PAD
from vicinal.text.invert.decoders import pad_rows
from vicinal.text.invert.decoding import Rules, decode
from vicinal.text.invert.fitting import Sentences, collate, embed
from vicinal.text.invert.huggingface import HuggingFaceDecoder

Rows = Sequence[Sequence[int]]
Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Game:
    """How sentences are drawn, scored and learned from.

    Parameters
    ----------
    lines, rows, each, kept : int
        Real lines a step, further embeddings, sentences drawn for each of these, and how many of
        them, the best and the worst in equal parts, are learned from.
    temperature : float
        Of the draws.
    longest, shortest : int
        Tokens of the lines whose embeddings are taken.
    closeness, ratio, fluency : float
        What counts as one point: cosine to the target, miss of the ratio (mixtures alone), mean
        log-probability of a token to another language model.
    strange, usual : float
        Between which that log-probability counts.
    endless : float
        Points lost by a sentence without an end.
    policy, blame : float
        Weight of the policy gradient beside the loss of real lines, and of sentences below their
        group's mean beside those above.
    rate : float
        Highest learning rate.
    """

    lines: int = 48
    rows: int = 32
    each: int = 8
    kept: int = 4
    temperature: float = 0.7
    shortest: int = 7
    longest: int = 32
    closeness: float = 0.07
    ratio: float = 0.1
    fluency: float = 1.0
    strange: float = -9.0
    usual: float = -2.5
    endless: float = 5.0
    policy: float = 0.7
    blame: float = 0.6
    rate: float = 1e-4


def advantages(scores: Floats, blame: float = 1.0) -> Floats:
    """Return how far each score lies from its group's mean, in units of their common spread.

    Parameters
    ----------
    scores : ndarray of shape (rows, each)
        A group in each row.
    blame : float
        By what those below the mean are multiplied.
    """
    above = scores - scores.mean(1, keepdims=True)
    above = above / max(float(above.std()), 1e-6)
    found: Floats = np.where(above < 0, blame * above, above)
    return found


class Player(Protocol):
    """A writer in training: what differs between language models."""

    game: Game

    def real(self, soft: Tensor, tokens: Rows) -> Tensor:
        """Return the mean loss of lines."""

    def draw(self, soft: Tensor, rng: np.random.Generator) -> tuple[list[list[int]], list[str]]:
        """Draw rows of ids, a game's ``each`` for each of the soft tokens (B, S, C), and texts."""

    def length(self, row: Sequence[int]) -> int:
        """Return how many tokens of a row were drawn."""

    def ended(self, row: Sequence[int]) -> bool:
        """Tell whether a row came to an end."""

    def familiar(self, rows: Rows) -> Floats:
        """Return how likely each row is to another language model, a token."""

    def surprise(self, soft: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return the loss (B, T) of each token as it was drawn, and which are real."""


class NanoPlayer:
    """Nano's network, and trigrams of the lines that it learns from."""

    game = Game()
    MOST = 64  # tokens

    def __init__(self, inverter: Inverter, sentences: Sentences) -> None:
        self.network, self.codec = inverter.decoder.network, inverter.decoder.codec
        most = min(self.MOST, self.network.config.positions)
        self.rules = Rules(FORMAL, EOS, (PAD, FORMAL, INFORMAL), most, 3)
        self.half = HalfCopy(self.network)
        tokens = np.concatenate([np.asarray(row) for row in sentences.tokens])
        self.trigrams = Trigrams(tokens, len(self.codec), {INFORMAL: FORMAL})

    def real(self, soft: Tensor, tokens: Rows) -> Tensor:
        """Return the mean loss of lines."""
        loss: Tensor = self.network.loss(soft, *self._padded(tokens, soft))
        return loss

    def draw(self, soft: Tensor, rng: np.random.Generator) -> tuple[list[list[int]], list[str]]:
        """Draw rows that begin with the style's token."""
        numbers = torch.from_numpy(rng.random((len(soft), self.game.each, self.MOST), np.float32))
        heat = torch.full((self.game.each,), self.game.temperature)
        network = self.network
        if in_bfloat16("auto", soft.device.type):
            network, soft = self.half.get(), soft.to(torch.bfloat16)
        ids, _ = decode(network, soft, heat, numbers, self.rules)
        return ids, [self.codec.decode(row) for row in ids]

    def length(self, row: Sequence[int]) -> int:
        """Return the tokens after that of the style."""
        return len(row) - 1

    def ended(self, row: Sequence[int]) -> bool:
        """Tell whether a row came to an end."""
        return row[-1] == EOS

    def familiar(self, rows: Rows) -> Floats:
        """Return how likely rows are to trigrams."""
        return np.array([self.trigrams(row) for row in rows])

    def surprise(self, soft: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return the loss of each token at the temperature of the draws."""
        ids, lengths = self._padded(rows, soft)
        real = torch.arange(1, ids.shape[1], device=ids.device) < lengths[:, None]
        states = self.network.states(soft, ids[:, :-1])
        scores = self.network.logits(states[real]) / self.game.temperature
        losses = functional.cross_entropy(scores, ids[:, 1:][real], reduction="none").float()
        return torch.zeros_like(real, dtype=torch.float32).masked_scatter(real, losses), real

    def _padded(self, rows: Rows, soft: Tensor) -> tuple[Tensor, Tensor]:
        return pad_rows(rows, self.network.config.positions, PAD, soft.device)


class SmolPlayer:
    """A language model with low-rank matrices; what is usual is told by the same without them."""

    # drawn by a copy with the matrices within its weights, in the arithmetic of those

    game = Game(lines=24, rows=12, fluency=0.8, strange=-6.5, usual=-3.5, rate=2e-4)
    MOST = 40  # tokens

    def __init__(self, inverter: Inverter, decoder: HuggingFaceDecoder) -> None:
        self.learner, self.writer = inverter.decoder, decoder
        self.plain = deepcopy(decoder.model)
        self.layers = {
            name.removeprefix("base_model.model."): layer
            for name, layer in self.learner.model.named_modules()
            if hasattr(layer, "lora_A")
        }

    def real(self, soft: Tensor, tokens: Rows) -> Tensor:
        """Return the mean loss of lines."""
        return self.learner.loss(soft, tokens)

    @torch.no_grad()
    def draw(self, soft: Tensor, rng: np.random.Generator) -> tuple[list[list[int]], list[str]]:
        """Draw rows that end with the end's token."""
        for name, layer in self.layers.items():
            weight = self.writer.model.get_submodule(name).weight
            weight.copy_(layer.base_layer.weight.float() + layer.get_delta_weight("default"))
        heat = [self.game.temperature] * self.game.each
        ids, _ = self.writer.write(soft, heat, max_tokens=self.MOST, generator=rng)
        return ids, self.writer.texts(ids)

    def length(self, row: Sequence[int]) -> int:
        """Return all tokens."""
        return len(row)

    def ended(self, row: Sequence[int]) -> bool:
        """Tell whether a row came to an end."""
        return row[-1] == self.writer.end

    @torch.no_grad()
    def familiar(self, rows: Rows) -> Floats:
        """Return how likely rows are to the language model itself, without soft tokens."""
        whole = [[self.writer.end, *row] for row in rows]
        found = np.empty(len(rows))
        for some in np.array_split(sorted(range(len(rows)), key=lambda at: len(rows[at])), 4):
            few = [whole[at] for at in some]
            ids, lengths = pad_rows(few, max(map(len, few)), self.writer.pad, self.writer.device)
            real = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
            told = self.plain(input_ids=ids, attention_mask=real.long(), use_cache=False).logits
            there, likely = real[:, 1:], torch.zeros_like(real[:, 1:], dtype=torch.float32)
            told, wanted = told[:, :-1][there].float(), ids[:, 1:][there]
            likely[there] = -functional.cross_entropy(told, wanted, reduction="none")
            found[some] = (likely.sum(1) / there.sum(1)).cpu().numpy()
        return found

    def surprise(self, soft: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return the loss of each token at the temperature of the draws."""
        return self.learner.losses(soft, rows, self.game.temperature)


class Polished(nn.Module):
    """A writer in training: its loss is that of real lines and of what it writes itself.

    Parameters
    ----------
    inverter : Inverter
        Trained.
    sentences : Sentences
        Real lines, as tokens, and their embeddings.
    player : Player
        Its language model in this game.
    """

    NOISE, SHARE = 0.1, 0.5

    def __init__(self, inverter: Inverter, sentences: Sentences, player: Player) -> None:
        super().__init__()
        self.inverter, self.player, self.game = inverter, player, player.game
        self.adaptor = inverter.adaptor
        self.language_model = nn.ParameterList(inverter.decoder.trainable)
        fit = (sentences.lengths >= self.game.shortest) & (sentences.lengths <= self.game.longest)
        self.embeddings = sentences.embeddings[fit]
        self.seen: list[tuple[float, ...]] = []

    def forward(self, embeddings: Tensor, tokens: Rows) -> Tensor:
        """Return the loss of a batch of real lines, and of sentences drawn for other embeddings."""
        hit = torch.rand_like(embeddings[:, :1]) < self.SHARE  # (B, 1)
        size = self.NOISE * self.adaptor.scale * torch.rand_like(embeddings[:, :1]) * hit
        noisy = embeddings + size * torch.randn_like(embeddings)
        real: Tensor = self.player.real(self.adaptor(noisy), tokens)
        seed = int(torch.randint(2**31, ()))  # of the step's own numbers
        targets, drawn, scores = self.play(np.random.default_rng(seed))
        worth = advantages(scores, self.game.blame)
        half = self.game.kept // 2
        order = scores.argsort(1)
        kept = np.concatenate([order[:, :half], order[:, -half:]], 1)
        chosen = (np.arange(len(scores))[:, None] * self.game.each + kept).ravel()
        chosen = np.array(sorted(chosen, key=lambda at: len(drawn[at])))
        total = sum(self.player.length(drawn[at]) for at in chosen)
        policy = [
            self.policy(
                targets[part // self.game.each],
                [drawn[at] for at in part],
                torch.from_numpy(worth.ravel()[part]).float().to(targets.device) / total,
            )
            for part in np.array_split(chosen, 2)  # of like length
        ]
        return real + torch.stack(policy).sum()

    @torch.no_grad()
    def play(self, rng: np.random.Generator) -> tuple[Tensor, list[list[int]], Floats]:
        """Draw sentences; return targets, the ids drawn (row by row), and their scores."""
        game, device = self.game, self.adaptor.mean.device
        left, right = (
            self.embeddings[rng.choice(len(self.embeddings), game.rows)] for _ in range(2)
        )
        lam = rng.random((game.rows, 1)).astype(np.float32)
        lam[::2] = 1.0
        mixed = lam * left + (1 - lam) * right
        targets = torch.from_numpy(mixed).to(device)
        ids, lines = self.player.draw(self.adaptor(targets), rng)
        there = self.inverter.encode(lines).reshape(game.rows, game.each, -1)
        close = cosine(there, mixed[:, None])
        real, mixtures = close[::2], close[1::2]
        miss = np.abs(project(there, left[:, None], right[:, None]) - lam)
        miss = np.where(lam < 1, np.nan_to_num(miss).clip(max=1), 0.0)
        shape = (game.rows, game.each)
        known = self.player.familiar(ids).reshape(shape)
        ended = np.array([self.player.ended(row) for row in ids]).reshape(shape)
        self.seen.append((
            real.mean(), real.max(1).mean(), mixtures.mean(), mixtures.max(1).mean(), known.mean(),
        ))  # fmt: skip
        scores = (
            close / game.closeness
            - miss / game.ratio
            + known.clip(game.strange, game.usual) / game.fluency
            - game.endless * ~ended
        )
        return targets, ids, scores

    def policy(self, targets: Tensor, rows: Rows, worth: Tensor) -> Tensor:
        """Return the loss of sentences drawn: their surprise, times what they are worth."""
        losses, real = self.player.surprise(self.adaptor(targets), rows)
        return self.game.policy * (worth[:, None] * losses * real).sum()


def polish(
    inverter: Inverter,
    lines: Sequence[str],
    steps: int,
    folder: Path,
    seed: int,
    player: Callable[[Inverter, Sentences], Player],
) -> None:
    """Polish an inverter in place, or go on from a folder."""
    tokens = inverter.decoder.tokenize(lines)
    spelt = [(line, ids) for line, ids in zip(lines, tokens, strict=True) if ids]
    texts, tokens = zip(*spelt, strict=True)
    folder.mkdir(parents=True, exist_ok=True)
    with reporting(True) as tell:
        embeddings = embed(inverter.encoder, texts, folder / "embeddings", tell)
        sentences = Sentences(embeddings, list(tokens), 0.0, Seeds(seed))
        model = Polished(inverter, sentences, player(inverter, sentences))

        def said(stage: str, done: int, total: int) -> None:
            if model.seen and done % 10 == 0:
                one, best, mixed, best_mixed, known = np.mean(model.seen, axis=0)
                model.seen.clear()
                print(
                    f"step {done} closeness {one:.3f} best {best:.3f} mixed {mixed:.3f} "
                    f"best {best_mixed:.3f} log-probability {known:.2f}", flush=True,
                )  # fmt: skip
            tell(stage, done, total)

        ResumableTrainer.fit(
            model,
            sentences,
            collate,
            batches=lambda epoch: sentences.epoch(epoch, model.game.lines),
            held_out=(),  # no loss tells of closeness, which is learned: the last weights stay
            steps=steps,
            evaluate_every=steps,
            max_attempts=None,
            seeds=sentences.seeds,
            folder=folder,
            report=said,
            learning_rate=model.game.rate,
            lr_scheduler_type="cosine",
            warmup_steps=min(20, steps),
            weight_decay=0.0,
            adam_beta2=0.98,
            bf16=in_bfloat16("auto", model.adaptor.mean.device.type),
        )
