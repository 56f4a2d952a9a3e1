"""A measured figure and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Estimate"]


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval.

    Attributes
    ----------
    value : float
        The figure; NaN where it could not be measured.
    low, high : float
        Ends of the interval; NaN where there is none.

    Examples
    --------
    >>> print(Estimate.of_share(55, 100))
    0.550 (0.452 to 0.644)
    """

    value: float
    low: float = math.nan
    high: float = math.nan

    @classmethod
    def of_share(cls, hits: float, total: int) -> Estimate:
        """Return a share of independent trials with Wilson's interval.

        Parameters
        ----------
        hits : float
            Trials that hit; ties may count one half.
        total : int
            All trials.

        Returns
        -------
        Estimate
            NaN without trials.
        """
        if total < 1:
            return cls(math.nan)
        z = 1.959963984540054
        share = hits / total
        middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
        half = z / (1 + z**2 / total)
        half *= math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
        return cls(share, max(middle - half, 0.0), min(middle + half, 1.0))

    @classmethod
    def of_repeats(cls, values: Sequence[float] | npt.NDArray[np.float64]) -> Estimate:
        """Return the mean of repeated measurements with Student's t interval.

        Parameters
        ----------
        values : sequence of float
            One figure for each repeat.

        Returns
        -------
        Estimate
            Without an interval where there are fewer than two; NaN without any.
        """
        from scipy.stats import t

        if not len(values):
            return cls(math.nan)
        mean = float(np.mean(values))
        if len(values) == 1:
            return cls(mean)
        half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
        return cls(mean, mean - half, mean + half)

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "not measured"
        if math.isnan(self.low):
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"
