"""Second part of nano's training: it writes, and what comes nearer than the rest is favored.

Half of the embeddings are those of training lines, half are mixtures of two, for which nobody has
a sentence. Several are drawn for each and embedded again; the policy gradient raises the likelihood
of those that score above their group's mean and lowers that of the others, while batches of real
lines go on as before, so that the language stays that of the corpus (self-critical training, Rennie
et al., CVPR 2017, with the group baseline of Shao et al., "DeepSeekMath", 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from nano_trigrams import Trigrams
from torch import Tensor, nn
from torch.nn import functional

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

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Game:
    """How sentences are drawn, scored and learned from.

    Parameters
    ----------
    rows, each, kept : int
        Embeddings a step, sentences drawn for each, and how many of these, the best and the worst
        in equal parts, are learned from.
    temperature : float
        Of the draws.
    longest, shortest : int
        Tokens of the lines whose embeddings are taken.
    closeness, ratio, fluency : float
        What counts as one point: cosine to the target, miss of the ratio (mixtures alone), mean
        log-probability of a token under the trigrams.
    endless : float
        Points lost by a sentence without an end.
    policy, blame : float
        Weight of the policy gradient beside the loss of real lines, and of sentences below their
        group's mean beside those above.
    """

    rows: int = 32
    each: int = 8
    kept: int = 4
    temperature: float = 0.7
    shortest: int = 7
    longest: int = 32
    closeness: float = 0.07
    ratio: float = 0.1
    fluency: float = 1.0
    endless: float = 5.0
    policy: float = 0.7
    blame: float = 0.6


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


class Polished(nn.Module):
    """A network in training: its loss is that of real lines and of what it writes itself.

    Parameters
    ----------
    inverter : Inverter
        Trained, with nano's decoder.
    sentences : Sentences
        Real lines, as tokens, and their embeddings.
    """

    MOST, NOISE, SHARE = 64, 0.1, 0.5

    def __init__(self, inverter: Inverter, sentences: Sentences) -> None:
        super().__init__()
        self.game, self.inverter = Game(), inverter
        self.adaptor, self.network = inverter.adaptor, inverter.decoder.network
        most = min(self.MOST, self.network.config.positions)
        self.rules = Rules(FORMAL, EOS, (PAD, FORMAL, INFORMAL), most, 3)
        self.half = HalfCopy(self.network)
        tokens = np.concatenate([np.asarray(row) for row in sentences.tokens])
        self.trigrams = Trigrams(tokens, len(inverter.decoder.codec), {INFORMAL: FORMAL})
        fit = (sentences.lengths >= self.game.shortest) & (sentences.lengths <= self.game.longest)
        self.embeddings = sentences.embeddings[fit]
        self.seen: list[tuple[float, ...]] = []

    def forward(self, embeddings: Tensor, tokens: Sequence[Sequence[int]]) -> Tensor:
        """Return the loss of a batch of real lines, and of sentences drawn for other embeddings."""
        ids, lengths = self._padded(tokens)
        hit = torch.rand_like(embeddings[:, :1]) < self.SHARE  # (B, 1)
        size = self.NOISE * self.adaptor.scale * torch.rand_like(embeddings[:, :1]) * hit
        noisy = embeddings + size * torch.randn_like(embeddings)
        real: Tensor = self.network.loss(self.adaptor(noisy), ids, lengths)
        seed = int(torch.randint(2**31, ()))  # of the step's own numbers
        targets, drawn, scores = self.play(np.random.default_rng(seed))
        worth = advantages(scores, self.game.blame)
        half = self.game.kept // 2
        order = scores.argsort(1)
        kept = np.concatenate([order[:, :half], order[:, -half:]], 1)
        chosen = (np.arange(len(scores))[:, None] * self.game.each + kept).ravel()
        chosen = np.array(sorted(chosen, key=lambda at: len(drawn[at])))
        total = sum(len(drawn[at]) - 1 for at in chosen)
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
        game, device = self.game, self.network.bias.device
        left, right = (
            self.embeddings[rng.choice(len(self.embeddings), game.rows)] for _ in range(2)
        )
        lam = rng.random((game.rows, 1)).astype(np.float32)
        lam[::2] = 1.0
        mixed = lam * left + (1 - lam) * right
        targets = torch.from_numpy(mixed).to(device)
        numbers = torch.from_numpy(rng.random((game.rows, game.each, self.MOST), np.float32))
        heat = torch.full((game.each,), game.temperature)
        network, soft = self.network, self.adaptor(targets)
        if in_bfloat16("auto", device.type):
            network, soft = self.half.get(), soft.to(torch.bfloat16)
        ids, _ = decode(network, soft, heat, numbers, self.rules)
        lines = [self.inverter.decoder.codec.decode(row) for row in ids]
        there = self.inverter.encode(lines).reshape(game.rows, game.each, -1)
        close = cosine(there, mixed[:, None])
        real, mixtures = close[::2], close[1::2]
        self.seen.append((real.mean(), real.max(1).mean(), mixtures.mean(), mixtures.max(1).mean()))
        miss = np.abs(project(there, left[:, None], right[:, None]) - lam)
        miss = np.where(lam < 1, np.nan_to_num(miss).clip(max=1), 0.0)
        shape = (game.rows, game.each)
        fluent = np.array([self.trigrams(row) for row in ids]).reshape(shape)
        ended = np.array([row[-1] == EOS for row in ids]).reshape(shape)
        scores = (
            close / game.closeness
            - miss / game.ratio
            + fluent.clip(-9.0, -2.5) / game.fluency
            - game.endless * ~ended
        )
        return targets, ids, scores

    def policy(self, targets: Tensor, rows: Sequence[Sequence[int]], worth: Tensor) -> Tensor:
        """Return the loss of sentences drawn: their surprise, times what they are worth."""
        ids, lengths = self._padded(rows)
        real = torch.arange(1, ids.shape[1], device=ids.device) < lengths[:, None]
        states = self.network.states(self.adaptor(targets), ids[:, :-1])
        scores = self.network.logits(states[real]) / self.game.temperature
        surprise = functional.cross_entropy(scores, ids[:, 1:][real], reduction="none").float()
        weight = worth[:, None].expand(-1, ids.shape[1] - 1)[real]
        return self.game.policy * (weight * surprise).sum()

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        device = self.network.bias.device
        return pad_rows(rows, self.network.config.positions, PAD, device)


def polish(inverter: Inverter, lines: Sequence[str], steps: int, folder: Path, seed: int) -> None:
    """Polish an inverter in place, or go on from a folder."""
    spelt = [(line, ids) for line in lines if (ids := inverter.decoder.codec.encode(line))]
    texts, tokens = zip(*spelt, strict=True)
    folder.mkdir(parents=True, exist_ok=True)
    with reporting(True) as tell:
        embeddings = embed(inverter.encoder, texts, folder / "embeddings", tell)
        sentences = Sentences(embeddings, list(tokens), 0.0, Seeds(seed))
        model = Polished(inverter, sentences)

        def said(stage: str, done: int, total: int) -> None:
            if model.seen and done % 20 == 0:
                one, best, mixed, best_mixed = np.mean(model.seen, axis=0)
                model.seen.clear()
                print(
                    f"step {done} closeness {one:.3f} best {best:.3f} mixed {mixed:.3f} "
                    f"best {best_mixed:.3f}", flush=True,
                )  # fmt: skip
            tell(stage, done, total)

        ResumableTrainer.fit(
            model,
            sentences,
            collate,
            batches=lambda epoch: sentences.epoch(epoch, 48),
            held_out=(),  # no loss tells of closeness, which is learned: the last weights stay
            steps=steps,
            evaluate_every=steps,
            max_attempts=None,
            seeds=sentences.seeds,
            folder=folder,
            report=said,
            learning_rate=1e-4,
            lr_scheduler_type="cosine",
            warmup_steps=min(20, steps),
            weight_decay=0.0,
            adam_beta2=0.98,
            bf16=in_bfloat16("auto", model.network.bias.device.type),
        )
