"""How differences between runs of the same seed, or on the same table, are shown."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import t

from vicinal._stats import Estimate


def interval(values: Any, digits: int = 3) -> str:
    """Return a mean and its t-interval."""
    found = Estimate.of_repeats(np.asarray(values))
    return f"{found.value:+.{digits}f} ({found.low:+.{digits}f} to {found.high:+.{digits}f})"


def mde(values: Any, digits: int = 3) -> str:
    """Return the minimum detectable effect of a paired t-test of so many values at power .8."""
    n = len(values)
    least = t.ppf([0.975, 0.8], n - 1).sum() * np.std(values, ddof=1) / n**0.5
    return f"{least:.{digits}f}"
