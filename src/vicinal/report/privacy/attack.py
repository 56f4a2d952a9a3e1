"""How well distances tell members from strangers."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from vicinal.report.estimate import Estimate

__all__ = ["attack_auc"]

Floats = npt.NDArray[np.float64]


def attack_auc(members: Floats, strangers: Floats) -> Estimate:
    """Return the area under the ROC curve of "the nearer, the likelier a member".

    Parameters
    ----------
    members, strangers : ndarray of shape (n,)
        Distances of training and of hold-out rows to their closest synthetic row.

    Returns
    -------
    Estimate
        Ties count half. The interval is DeLong's; Wilson's for the smaller number of rows where
        the two do not overlap at all.

    Examples
    --------
    >>> attack_auc(np.array([0.1, 0.2, 0.4]), np.array([0.3, 0.5])).value  # 5 of 6 pairs
    0.833...
    """
    m, n = len(members), len(strangers)
    if not m or not n:
        return Estimate(math.nan)
    wins = _below(strangers, members)  # of each member: share of strangers farther away
    losses = 1.0 - _below(members, strangers)
    area = float(wins.mean())
    if area in (0.0, 1.0):
        worst = Estimate.of_share(area * min(m, n), min(m, n))
        return Estimate(area, worst.low, worst.high)
    if m < 2 or n < 2:
        return Estimate(area, 0.0, 1.0)
    half = 1.959963984540054 * math.sqrt(wins.var(ddof=1) / m + losses.var(ddof=1) / n)
    return Estimate(area, max(area - half, 0.0), min(area + half, 1.0))


def _below(others: Floats, values: Floats) -> Floats:
    """Return, for each value, the share of the others above it; equal ones count half."""
    ordered = np.sort(others)
    under = np.searchsorted(ordered, values) + np.searchsorted(ordered, values, side="right")
    return 1.0 - under / (2 * len(ordered))
