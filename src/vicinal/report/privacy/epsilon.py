"""A lower bound on epsilon from guesses of who was in the data."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

#: Chance that a bound is above the epsilon of a mechanism that keeps it.
LEVEL = 0.05


class EpsilonBound(NamedTuple):
    """What a count of right guesses says about epsilon."""

    value: float  # epsilon is at least this, but for a chance of ``level``; 0: nothing shown
    p_value: float  # chance of so many right guesses if nothing leaked at all (epsilon 0)
    right: int  # right guesses
    guesses: int
    coins: int  # records that were in or out by a fair coin, over all runs
    level: float
    delta: float


def guess_p_value(
    right: int, guesses: int, epsilon: float, delta: float = 0.0, coins: int = 0
) -> float:
    """Return the chance of so many right guesses under (epsilon, delta)-privacy, at most."""
    # of guesses chosen after the fact no more are right than of as many biased coins, and delta
    # adds little
    from scipy.stats import binom

    bias = 1 / (1 + math.exp(-epsilon))
    chance = float(binom.sf(right - 1, guesses, bias))
    if delta > 0 and right > 0:
        below = np.cumsum(binom.pmf(right - 1 - np.arange(right), guesses, bias))
        chance += 2 * coins * delta * float((below / np.arange(1, right + 1)).max())
    return min(chance, 1.0)


def epsilon_bound(
    right: int, guesses: int, coins: int, *, delta: float = 0.0, level: float = LEVEL
) -> EpsilonBound:
    """Return the largest epsilon that so many right guesses rule out."""
    # Steinke, Nasr and Jagielski, "Privacy Auditing with One (1) Training Run", NeurIPS 2023,
    # theorem 5.2. Several runs with coins of their own are one mechanism with all the coins.

    def chance(epsilon: float) -> float:
        return guess_p_value(right, guesses, epsilon, delta, coins)

    low, high = 0.0, 40.0
    if not guesses or chance(0.0) > level:
        low = high = 0.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if chance(middle) <= level else (low, middle)
    p_value = chance(0.0) if guesses else 1.0
    return EpsilonBound(low, p_value, right, guesses, coins, level, delta)
