"""How far rounding moves numbers, and the shortest number within that."""

from __future__ import annotations

import numpy as np

from vicinal._types import Floats


def half_a_unit(places: int | None) -> float:
    """Return how far rounding moves a number of so many decimal places."""
    return 1e-9 if places is None else 0.5000001 * 10.0**-places


def slack_of(own: Floats, places: int | None) -> Floats:
    """Return by how much values may differ: half a unit of the last place, and rounding."""
    unit = 0.0 if places is None else half_a_unit(places)
    return unit + 1e-9 * np.maximum(1.0, np.abs(own)) * (places is None) + 1e-12 * np.abs(own)


def shortest(low: float, high: float) -> float:
    """Return 0 or the shortest decimal near the middle of two numbers."""
    middle = (low + high) / 2
    near = (round(middle, digits) for digits in range(13))
    return 0.0 if low <= 0 <= high else next((one for one in near if low <= one <= high), middle)
