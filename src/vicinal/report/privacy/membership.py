"""How well distances tell members from strangers."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from vicinal._stats import Estimate, auc_estimate

__all__ = ["attack_auc"]

Floats = npt.NDArray[np.float64]


def attack_auc(members: Floats, strangers: Floats) -> Estimate:
    """Return the area under the ROC curve of "the nearer, the likelier a member"."""
    m, n = len(members), len(strangers)
    if not m or not n:
        return Estimate(math.nan)
    found = auc_estimate(-strangers, -members)
    if min(m, n) < 2 and 0.0 < found.value < 1.0:
        return Estimate(found.value, 0.0, 1.0)  # one row has no variance to go by
    return found
