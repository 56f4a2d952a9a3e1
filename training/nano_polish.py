"""Second part of nano's training: it writes, and what comes nearer than the rest is favored.

Half of the embeddings are those of training lines, half are mixtures of two, for which nobody has
a sentence. Several are drawn for each and embedded again; the policy gradient raises the likelihood
of those that score above their group's mean and lowers that of the others, while batches of real
lines go on as before, so that the language stays that of the corpus (self-critical training, Rennie
et al., CVPR 2017, with the group baseline of Shao et al., "DeepSeekMath", 2024).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from nano_data import Batch, Corpus
from nano_model import Inverter
from nano_train import Recipe, Trainer
from nano_trigrams import Trigrams
from torch import Tensor
from torch.nn import functional

from vicinal.text.augment.ratio import project
from vicinal.text.invert.candidates import cosine
from vicinal.text.invert.codec import EOS, FORMAL, INFORMAL, PAD
from vicinal.text.invert.decoding import Rules, decode

__all__ = ["Game", "Polisher", "advantages"]

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

    def recipe(self, steps: int, seed: int) -> Recipe:
        """Return rates and sizes of the batches of real lines; the last 30 % of steps decay."""
        decay = max(1, round(0.3 * steps))
        return Recipe(
            rate=1e-4,
            warmup=20,
            decay_start=steps - decay,
            decay_steps=decay,
            positions=1500,
            noise=0.1,
            weight_decay=0.0,
            ema=0.98,
            seed=seed,
        )


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


class Polisher(Trainer):
    """A trainer whose steps also learn from what the network itself writes.

    Parameters
    ----------
    model : Inverter
        A trained network, on its device.
    corpus : Corpus
        Sentences and embeddings.
    steps : int
        Steps of the whole polish.
    device : str
        "cpu" or "cuda".
    seed : int
        Of draws.
    """

    RULES = Rules(FORMAL, EOS, (PAD, FORMAL, INFORMAL), 64, 3)

    def __init__(
        self, model: Inverter, corpus: Corpus, steps: int, device: str, seed: int = 0
    ) -> None:
        self.game = Game()
        super().__init__(model, corpus, self.game.recipe(steps, seed), device)
        self.writer = copy.deepcopy(model).to(torch.bfloat16).eval()
        self.trigrams = Trigrams(corpus.tokens, len(corpus.codec), {INFORMAL: FORMAL})
        fit = (corpus.lengths >= self.game.shortest) & (corpus.lengths <= self.game.longest)
        self.rows = np.flatnonzero(fit[: corpus.embedded])
        self._seen: list[tuple[float, ...]] = []

    def remarks(self) -> str:
        """Return the closeness of draws since the last line: mean and best, lines and mixtures."""
        one, best, mixed, best_mixed = np.mean(self._seen, axis=0)
        self._seen.clear()
        return f" closeness {one:.3f} best {best:.3f} mixed {mixed:.3f} best {best_mixed:.3f}"

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of real lines, and add the policy's gradient to the weights."""
        targets, ids, scores = self._play()
        worth = advantages(scores, self.game.blame)
        half = self.game.kept // 2
        order = scores.argsort(1)
        kept = np.concatenate([order[:, :half], order[:, -half:]], 1)
        chosen = (np.arange(len(scores))[:, None] * self.game.each + kept).ravel()
        chosen = np.array(sorted(chosen, key=lambda at: len(ids[at])))
        total = sum(len(ids[at]) - 1 for at in chosen)
        for part in np.array_split(chosen, 2):  # of like length
            self._learn(
                targets[part // self.game.each],
                [ids[at] for at in part],
                torch.from_numpy(worth.ravel()[part]).float().to(self.device) / total,
            )
        return super().loss(batch)

    def _play(self) -> tuple[Tensor, list[list[int]], Floats]:
        """Draw sentences; return targets, the ids drawn (row by row), and their scores."""
        game = self.game
        rng = np.random.default_rng((self.recipe.seed, self.step))
        left, right = (
            self.corpus.embeddings[rng.choice(self.rows, game.rows)].astype(np.float32)
            for _ in range(2)
        )
        lam = rng.random((game.rows, 1)).astype(np.float32)
        lam[::2] = 1.0
        mixed = lam * left + (1 - lam) * right
        targets = self.corpus.statistics.standardize(mixed).to(self.device)
        numbers = torch.from_numpy(rng.random((game.rows, game.each, 64), np.float32))
        heat = torch.full((game.each,), game.temperature)
        with torch.no_grad():
            for mine, theirs in zip(self.writer.parameters(), self.parameters, strict=True):
                mine.copy_(theirs)
            soft = self.writer.soft(targets.to(torch.bfloat16))
        ids, _ = decode(self.writer, soft, heat, numbers, self.RULES)
        lines = [self.corpus.codec.decode(row) for row in ids]
        there = self.corpus.encoder.encode(lines).reshape(game.rows, game.each, -1)
        close = cosine(there, mixed[:, None])
        real, mixtures = close[::2], close[1::2]
        self._seen.append(
            (real.mean(), real.max(1).mean(), mixtures.mean(), mixtures.max(1).mean())
        )
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

    def _learn(self, targets: Tensor, rows: list[list[int]], worth: Tensor) -> None:
        """Add the policy's gradient: the sentences' log-probabilities times what they are worth."""
        lengths = torch.tensor([len(row) for row in rows])
        ids = torch.full((len(rows), int(lengths.max())), PAD)
        for at, row in enumerate(rows):
            ids[at, : len(row)] = torch.tensor(row)
        ids, lengths = ids.to(self.device), lengths.to(self.device)
        real = torch.arange(1, ids.shape[1], device=self.device) < lengths[:, None]
        with torch.autocast(self.device, torch.bfloat16):
            states = self.model.states(self.model.soft(targets), ids[:, :-1])
            scores = self.model.logits(states[real]) / self.game.temperature
        surprise = functional.cross_entropy(scores, ids[:, 1:][real], reduction="none").float()
        weight = worth[:, None].expand(-1, ids.shape[1] - 1)[real]
        torch.autograd.backward(self.game.policy * (weight * surprise).sum())
