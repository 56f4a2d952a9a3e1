"""Distances of near rows, the same to the last digit on every processor."""

from __future__ import annotations

from typing import Any

import numpy as np

from vicinal._compiled import compiled


@compiled()
def squares(points: Any, near: Any) -> Any:
    """Return the squared distances of the first points to those near, summed in a fixed order."""
    away = np.empty(near.shape, np.float32)
    for i in range(len(near)):
        for j in range(near.shape[1]):
            total = np.float32(0.0)
            for at in range(points.shape[1]):
                apart = points[near[i, j], at] - points[i, at]
                total += apart * apart
            away[i, j] = total
    return away
