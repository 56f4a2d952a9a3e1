"""The bound on epsilon, on mechanisms whose epsilon is known: how often it exceeds it.

``vector``: the tight case, one Gaussian-noised coordinate for every record. ``table``: a
synthesizer that knows of its training rows only their noisy sum (a row, clipped, moves it by at
most 1), audited end to end by `audit_synthesizer` with few shadow tables. The bound may exceed
epsilon in 5 % of the audits. Delta is 1e-5; epsilon is that of the analytic Gaussian mechanism.

    python benchmarks/privacy_epsilon.py
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd

from _common import machine, markdown, parser, progress, publish
from vicinal import Estimate
from vicinal.report import audit_synthesizer
from vicinal.report.privacy.epsilon import epsilon_bound

DELTA = 1e-5


def epsilon_of(noise: float) -> float:
    """Return epsilon of Gaussian noise on a query that one record moves by at most 1.

    Source: Balle and Wang, "Improving the Gaussian Mechanism", ICML 2018, theorem 5.
    """
    from scipy.optimize import brentq
    from scipy.special import log_ndtr, ndtr

    def excess(epsilon: float) -> float:
        first = ndtr(0.5 / noise - epsilon * noise)
        second = math.exp(epsilon + log_ndtr(-0.5 / noise - epsilon * noise))
        return float(first - second - DELTA)

    return float(brentq(excess, 0.0, 60.0))


class NoisyMeans:
    """Knows noisy sums of clipped rows, and draws rows about their means."""

    def __init__(self, noise: float, random_state: int | None = None) -> None:
        self.noise, self.random_state = noise, random_state

    def fit(self, table: pd.DataFrame) -> None:
        """Sum rows of length at most 1, and add noise."""
        rng = np.random.default_rng(self.random_state)
        rows = table.to_numpy(float)
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1)
        self._sum = rows.sum(axis=0) + rng.normal(0, self.noise, rows.shape[1])
        self._columns, self._rng = table.columns, rng

    def sample(self, n: int) -> pd.DataFrame:
        """Draw rows about the noisy sum, so that it can be read off them."""
        rows = self._rng.normal(0, 1e-3, (n, len(self._columns))) + self._sum
        return pd.DataFrame(rows, columns=self._columns)


def vector(noise: float, coins: int, rng: np.random.Generator) -> float:
    """Audit one run: guess the surest half of the coins."""
    inside = rng.random(coins) < 0.5
    seen = inside + rng.normal(0, noise, coins) - 0.5
    order = np.argsort(-np.abs(seen))[: coins // 2]
    right = int(((seen > 0) == inside)[order].sum())
    return epsilon_bound(right, len(order), coins, delta=DELTA).value


def table(noise: float, seed: int) -> float:
    """Audit a synthesizer of noisy means end to end, with delta."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(rng.normal(size=(60, 16)), columns=[f"x{at}" for at in range(16)])
    options = {"shadows": 16, "records": 20, "n_jobs": 1, "random_state": seed}
    return audit_synthesizer(
        lambda: NoisyMeans(noise), rows, delta=DELTA, **options
    ).epsilon_lower_bound


def main() -> None:
    """Print the table."""
    options = parser(__doc__ or "")
    options.add_argument("--runs", type=int, default=200)
    options.add_argument("--noise", type=float, nargs="+", default=[4.0, 1.0, 0.5])
    asked = options.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for what in ("vector", "table"):
        for noise in asked.noise:
            epsilon, rng = epsilon_of(noise), np.random.default_rng(0)
            found = []
            for run in range(asked.runs):
                if what == "table" and run % 20 == 0:
                    progress(f"{what} {noise} {run}")
                found.append(vector(noise, 1_000, rng) if what == "vector" else table(noise, run))
            above = Estimate.of_share(sum(one > epsilon for one in found), len(found))
            rows.append(
                [
                    what,
                    noise,
                    f"{epsilon:.2f}",
                    len(found),
                    f"{np.median(found):.2f}",
                    f"{max(found):.2f}",
                    str(above),
                ]
            )
    head = ["audit of", "noise", "epsilon", "audits", "bound, median", "largest", "above epsilon"]
    publish(
        asked.name or "privacy_epsilon",
        "\n\n".join(
            [
                "# The bound on epsilon, where epsilon is known",
                f"{machine('numpy', 'scipy')}. The last column may be 0.05.",
                markdown(head, rows),
            ]
        ),
    )


if __name__ == "__main__":
    main()
