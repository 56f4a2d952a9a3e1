"""Membership by shadow models: who was in the data, told from runs with and without each record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vicinal._stats import Estimate, auc_estimate
from vicinal._types import Bools, Floats
from vicinal.report.privacy.epsilon import EpsilonBound, epsilon_bound

#: Parts of the shadows, each attacked by what the others teach.
FOLDS = 8
#: Shadows' worth of the mean standard deviation that is added to each record's own.
PRIOR = 8
#: Draws of records and shadows behind an interval.
BOOTSTRAPS = 200
#: Shares of coins that are guessed, the surest first; one is chosen on other shadows.
GUESSED = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True, eq=False)
class Membership:
    """How well an attacker tells records that were in the data from records that were not."""

    # scores and inside have the shape (n_shadows, n_records): log-likelihood ratios of "in" against
    # "out", and who was in

    auc: Estimate
    scores: Floats = field(repr=False)
    inside: Bools = field(repr=False)

    def tpr_at(self, fpr: float = 0.01) -> Estimate:
        """Return the share of members that are found where this share of others is accused."""
        rng = np.random.default_rng(0)
        n_shadows, n_records = self.scores.shape
        drawn = []
        for _ in range(BOOTSTRAPS):
            rows, columns = (
                rng.integers(n_shadows, size=n_shadows),
                rng.integers(n_records, size=n_records),
            )
            drawn.append(_tpr(self.scores[rows][:, columns], self.inside[rows][:, columns], fpr))
        low, high = np.nanquantile(drawn, [0.025, 0.975])
        return Estimate(_tpr(self.scores, self.inside, fpr), float(low), float(high))

    def of_records(self) -> list[Estimate]:
        """Return the area under the ROC curve of each record alone."""
        return [
            auc_estimate(one[~known], one[known]) if 0 < known.sum() < len(known) else Estimate(0.5)
            for one, known in zip(self.scores.T, self.inside.T, strict=True)
        ]


def _tpr(scores: Floats, inside: Bools, fpr: float) -> float:
    members, strangers = scores[inside], scores[~inside]
    if not len(members) or not len(strangers):
        return float("nan")
    limit = np.quantile(strangers, 1 - fpr, method="higher")
    return float((members > limit).mean())


def attack_shadows(signals: Floats, inside: Bools) -> Membership:
    """Attack each shadow, (n_shadows, n_records, n_signals) of them, by what the others teach."""
    scores = np.empty(inside.shape)
    for fold in range(min(FOLDS, len(inside))):
        attacked = np.arange(len(inside)) % FOLDS == fold
        scores[attacked] = _log_ratios(signals[~attacked], inside[~attacked], signals[attacked])
    return Membership(auc_estimate(scores[~inside], scores[inside]), scores, inside)


def _log_ratios(known: Floats, inside: Bools, asked: Floats) -> Floats:
    """Return log likelihood ratios of "in", learned from shadows whose members are known."""
    # signals are standardized record by record; one linear model weighs them for all records; the
    # ratio is of two normal distributions of one variance for each record
    from sklearn.linear_model import LogisticRegression

    out = (~inside)[:, :, None]
    middle = _mean(known, out)
    learned, new = _scaled(known, out, middle, known), _scaled(known, out, middle, asked)
    model = LogisticRegression(C=0.1, max_iter=200)
    model.fit(learned.reshape(-1, learned.shape[2]), inside.ravel())
    weights = model.coef_[0]
    scores, asked_scores = (learned @ weights)[:, :, None], (new @ weights)[:, :, None]
    middle = _mean(scores, out)
    z = _scaled(scores, out, middle, scores)[:, :, 0]
    effect = _effects(z, inside)
    asked_z = _scaled(scores, out, middle, asked_scores)[:, :, 0]
    ratios: Floats = effect * (asked_z - effect / 2)
    return ratios


def _mean(values: Floats, which: Any) -> Floats:
    """Return means over some of the shadows, record by record; of all, where there is none."""
    count = which.sum(axis=0)
    mean = (values * which).sum(axis=0) / np.maximum(count, 1)
    found: Floats = np.where(count > 0, mean, values.mean(axis=0))
    return found


def _scaled(known: Floats, which: Any, middle: Floats, values: Floats) -> Floats:
    """Return values in standard deviations of the records that were out."""
    squares = (((known - middle) ** 2) * which).sum(axis=0)
    count = which.sum(axis=0)
    common = squares.sum(axis=0) / max(count.sum(), 1)
    variance = (squares + PRIOR * common) / (count + PRIOR)
    scale = np.sqrt(np.where(variance > 0, variance, 1.0))
    return np.clip((values - middle) / scale, -20, 20)


def _effects(z: Floats, inside: Bools) -> Floats:
    """Return how far being in shifts each record's score, drawn toward the mean over records."""
    members, others = inside.sum(axis=0), (~inside).sum(axis=0)
    usable = (members > 0) & (others > 0)
    shift = (z * inside).sum(axis=0) / np.maximum(members, 1)
    shift -= (z * ~inside).sum(axis=0) / np.maximum(others, 1)
    noise = 1 / np.maximum(members, 1) + 1 / np.maximum(others, 1)
    if not usable.any():
        return np.zeros(len(usable))
    common = float(shift[usable].mean())
    spread = max(float(((shift - common) ** 2 - noise)[usable].mean()), 0.0)
    keep = spread / (spread + noise)
    return np.where(usable, keep * shift + (1 - keep) * common, common)


def bound_from_shadows(signals: Floats, inside: Bools, *, delta: float = 0.0) -> EpsilonBound:
    """Return a lower bound on epsilon: half of the shadows teach, the other half is guessed."""
    # how many of the surest are guessed is chosen on the first half, so that the coins of the
    # second take no part in any choice
    half = len(inside) // 2
    rehearsal = attack_shadows(signals[:half], inside[:half])
    count = max(
        (int(share * rehearsal.scores.size) for share in GUESSED),
        key=lambda r: _guess(rehearsal.scores, rehearsal.inside, r, delta).value,
    )
    scores = _log_ratios(signals[:half], inside[:half], signals[half:])
    r = int(count / rehearsal.scores.size * scores.size)
    return _guess(scores, inside[half:], r, delta)


def _guess(scores: Floats, inside: Bools, count: int, delta: float) -> EpsilonBound:
    order = np.argsort(-np.abs(scores), axis=None, kind="stable")[:count]
    right = int(((scores > 0) == inside).ravel()[order].sum())
    return epsilon_bound(right, count, scores.size, delta=delta)
