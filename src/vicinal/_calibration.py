"""How far probabilities of classes can be believed, and what one temperature mends."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vicinal._stats import Estimate
from vicinal._types import Bools, Floats

#: Bins of equal numbers of rows.
BINS = 15
#: Draws of the bootstrap behind the interval of the calibration error.
DRAWS = 200
#: Probabilities are held this far from 0 and 1, or one row would be the whole log loss.
LEAST = 1e-12
#: What a temperature may be, and the standard deviation of its logarithm before any row was seen.
HOTTEST = 100.0
SPREAD = 1.0


@dataclass(frozen=True)
class Calibration:
    """How far probabilities can be believed."""

    log_loss: float
    brier: float  # mean squared distance from the truth, over all classes
    # expected calibration error: mean distance of confidence (the highest probability) from
    # accuracy, with a bootstrap interval
    ece: Estimate
    curve: tuple[tuple[float, float, int], ...]  # confidence, accuracy and rows of each bin

    @classmethod
    def of(
        cls, proba: Floats, truth: npt.NDArray[np.integer], rng: np.random.Generator
    ) -> Calibration:
        """Measure probabilities (n_rows, n_classes) against class numbers."""
        at = np.arange(len(truth))
        sharp = proba.copy()
        sharp[at, truth] -= 1.0
        confidence, right = proba.max(axis=1), proba.argmax(axis=1) == truth
        drawn = rng.integers(len(truth), size=(DRAWS, len(truth)))
        error = _error(confidence, right)
        # a resample is less well calibrated than its rows: what it adds is taken off again
        repeats = np.array([_error(confidence[rows], right[rows]) for rows in drawn])
        low, high = np.quantile(2 * error - repeats, [0.025, 0.975]).clip(0.0, 1.0)
        return cls(
            log_loss=-float(np.log(proba[at, truth].clip(LEAST)).mean()),
            brier=float((sharp**2).sum(axis=1).mean()),
            ece=Estimate(error, min(float(low), error), max(float(high), error)),
            curve=_bins(confidence, right),
        )


def _bins(confidence: Floats, right: Bools) -> tuple[tuple[float, float, int], ...]:
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(BINS, len(order)))
    return tuple((float(confidence[p].mean()), float(right[p].mean()), len(p)) for p in parts)


def _error(confidence: Floats, right: Bools) -> float:
    bins = _bins(confidence, right)
    return sum(rows * abs(sure - share) for sure, share, rows in bins) / len(confidence)


def fit_temperature(proba: Floats, truth: npt.NDArray[np.integer]) -> float:
    """Return the temperature with the least log loss: above 1 it makes probabilities milder.

    Of a few rows it stays near 1: their log loss counts beside a normal law of log temperature.
    """
    from scipy.optimize import minimize_scalar

    logits, at = np.log(proba.clip(LEAST)), np.arange(len(truth))

    def loss(log_t: float) -> float:
        scaled = logits / math.exp(log_t)
        top = scaled.max(axis=1, keepdims=True)
        total = np.log(np.exp(scaled - top).sum(axis=1)) + top[:, 0]
        # a few rows that are all right would ask for 0, and the first mistake cost the world
        return float((total - scaled[at, truth]).sum()) + (log_t / SPREAD) ** 2 / 2

    edge = math.log(HOTTEST)
    return math.exp(minimize_scalar(loss, bounds=(-edge, edge), method="bounded").x)


def scale(proba: Floats, temperature: float) -> Floats:
    """Return probabilities at another temperature."""
    logits = np.log(proba.clip(LEAST)) / temperature
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    scaled: Floats = shares / shares.sum(axis=1, keepdims=True)
    return scaled


def scale_crossed(
    proba: Floats, truth: npt.NDArray[np.integer], rng: np.random.Generator
) -> tuple[Floats, float]:
    """Scale each half of the rows by the temperature of the other; return their mean as well."""
    # no row's own label has a say in its probabilities, and none is taken from training
    halves = np.array_split(rng.permutation(len(truth)), 2)
    found, degrees = proba.copy(), []
    for one, other in (halves, halves[::-1]):
        if len(other):
            degrees.append(fit_temperature(proba[other], truth[other]))
            found[one] = scale(proba[one], degrees[-1])
    return found, float(np.exp(np.mean(np.log(degrees))))
