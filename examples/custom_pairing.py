"""Write a pairing of one's own: months are mixed with the same month of another year.

Needs ``pip install vicinal`` alone. Run it with

    python examples/custom_pairing.py
"""

from __future__ import annotations

import numpy as np

from vicinal import EpBeta, Pairing, Permutation, make_plan


class SameSeason(Pairing):
    """The partner of a month is that month of any other year."""

    def __init__(self, months: int = 12) -> None:
        self.months = months

    def partners(self, X: int, rng: np.random.Generator) -> np.ndarray:
        """Return a partner for each of ``X`` rows, which are months in order."""
        years = X // self.months
        steps = rng.integers(1, years, size=X)  # at least one year on, never all the way round
        return (np.arange(X) + self.months * steps) % (years * self.months)


def series(years: int = 40) -> np.ndarray:
    """Return a made temperature for each month: a season, and weather."""
    months = np.arange(12 * years)
    season = 10 - 9 * np.cos(2 * np.pi * months / 12)
    return season + np.random.default_rng(0).normal(scale=1.5, size=len(months))


def main(n_samples: int = 4800) -> dict[str, float]:
    """Mix with any month and with the same one; print how much of the season is left."""
    values = series()
    found = {}
    for name, pairing in (("any month", Permutation()), ("same month", SameSeason())):
        plan = make_plan(len(values), n_samples, pairing=pairing, weights=EpBeta(), random_state=0)
        mixed = plan.apply(values[:, None])[:, 0]
        month = plan.left % 12
        around = np.array([values[np.arange(len(values)) % 12 == m].mean() for m in range(12)])
        found[name] = float(np.abs(mixed - around[month]).mean())
        print(f"{name:<11} mean distance from the month's mean: {found[name]:.2f}")
    return found


if __name__ == "__main__":
    main()
