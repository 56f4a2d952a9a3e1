"""Statistics used in every room: figures with intervals, and rank correlation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from vicinal._types import Floats

#: Standard errors on each side of a normal 95 % interval.
Z95 = 1.959963984540054


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
    def of_share(cls, hits: float, total: int, looks: int = 1) -> Estimate:
        """Return the share of ``hits`` (ties may count one half) with Wilson's interval.

        Where it is the worst of several ``looks``, the interval is Bonferroni's.
        """
        if total < 1:
            return cls(math.nan)
        share, z = hits / total, Z95
        if looks > 1:
            z = NormalDist().inv_cdf(1 - 0.025 / looks)
        middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
        half = z / (1 + z**2 / total)
        half *= math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
        return cls(share, max(middle - half, 0.0), min(middle + half, 1.0))

    @classmethod
    def of_repeats(cls, values: Sequence[float] | Floats) -> Estimate:
        """Return the mean of repeated measurements with Student's t interval, if there are two."""
        return cls._of_sample(values, len(values) ** 0.5)

    @classmethod
    def of_bootstraps(
        cls, values: Sequence[float], low: float = -math.inf, high: float = math.inf
    ) -> Estimate:
        """Return the mean of bootstrap repeats, NaN left out, with the interval of a single one.

        Their standard deviation is the standard error already: repeating adds no rows. ``low`` and
        ``high`` are the ends of what the figure can be; the interval is cut there.
        """
        found = cls._of_sample([value for value in values if not math.isnan(value)], 1.0)
        if math.isnan(found.low):
            return found
        return cls(found.value, max(found.low, low), min(found.high, high))

    @classmethod
    def _of_sample(cls, values: Sequence[float] | Floats, divisor: float) -> Estimate:
        from scipy.stats import t

        if not len(values):
            return cls(math.nan)
        mean = float(np.mean(values))
        if len(values) == 1:
            return cls(mean)
        half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / divisor)
        return cls(mean, mean - half, mean + half)

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "not measured"
        if math.isnan(self.low):
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def spearman(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Return Spearman's rank correlation of pairs without NaN; NaN where a side does not vary."""
    from scipy.stats import rankdata

    pairs = np.stack([np.asarray(a, float), np.asarray(b, float)])
    pairs = pairs[:, ~np.isnan(pairs).any(axis=0)]
    if pairs.shape[1] < 2:
        return math.nan
    first, second = rankdata(pairs, axis=1) - (pairs.shape[1] + 1) / 2
    norm = np.sqrt((first @ first) * (second @ second))
    return float(np.round(first @ second / norm, 12)) if norm else math.nan


def auc_estimate(negative: npt.ArrayLike, positive: npt.ArrayLike) -> Estimate:
    """Return the area under the ROC curve of scores, with DeLong's 95 % interval."""
    # DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988. Where all pairs are in one order,
    # their variance is 0; the interval is then Wilson's for the smaller class.
    low, high = np.sort(np.asarray(negative, float)), np.sort(np.asarray(positive, float))
    # share of the other class that lies below (positives) or above (negatives), ties half
    below = [np.searchsorted(low, high, side) for side in ("left", "right")]
    above = [len(high) - np.searchsorted(high, low, side) for side in ("left", "right")]
    placed = [
        (one[0] + one[1]) / (2.0 * size) for one, size in ((below, len(low)), (above, len(high)))
    ]
    auc = float(placed[0].mean())
    smaller = min(len(low), len(high))
    if smaller < 2 and 0 < auc < 1:  # how one score varies is not known
        return Estimate(auc, 0.0, 1.0)
    variance = sum(float(one.var(ddof=1)) / len(one) if len(one) > 1 else 0.0 for one in placed)
    if variance <= 0.0:
        wide = Estimate.of_share(auc * smaller, smaller)
        return Estimate(auc, wide.low, wide.high)
    half = Z95 * math.sqrt(variance)
    return Estimate(auc, max(auc - half, 0.0), min(auc + half, 1.0))
