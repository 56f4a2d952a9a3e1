"""Distances as a product of two thin matrices: what ranks partners for each anchor.

For one anchor ``x`` the distance of curvature ``k`` orders the others ``y`` as
``|x - y|^2 w(y)`` does, with ``w(y) = 1 / (1 + k |y|^2)``; Euclidean is ``w = 1``. That is the
product of ``(x, |x|^2, 1)`` and ``(-2 w y, w, w |y|^2)``. The cosine is the Euclidean distance of
rows of norm 1. Only the second factor is kept; the first follows from it.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal._points import near_origin, safe_unit
from vicinal._threads import for_chunks
from vicinal._types import Floats, Floats32
from vicinal.geometry import EDGE, ball_scale, check_not_zero, scaled_curvature, warn_equal_norms
from vicinal.pairing._ranks import Scores

_CHUNK = 8192
#: Rows, about, from which the middle of all is told.
_MIDDLE_ROWS = 4096


def distance_scores(
    X: npt.NDArray[np.floating[Any]],
    metric: str,
    curvature: float,
    median_radius: float | None,
    nearest: bool,
) -> Scores:
    """Return float32 factors of scores that grow with the distance, or shrink with it."""
    n_rows, width = X.shape
    if not curvature and metric != "cosine":
        (X,) = near_origin(np, X)
    unit = safe_unit(X)
    if unit != 1:  # the same space, in a unit in which no square overflows or vanishes
        X, curved = X / unit, scaled_curvature(curvature, unit)
        # not 0, which would be flat: rows that are scaled into the ball are in it in any unit
        curvature = min(curved, -1e-300) if curvature < 0 else curved
    sign = -1.0 if nearest else 1.0
    norms = np.empty(n_rows)

    def measure(start: int, stop: int) -> None:
        norms[start:stop] = np.linalg.norm(X[start:stop].astype(np.float64, copy=False), axis=1)

    for_chunks(measure, n_rows, _CHUNK)
    factor, margin = np.ones(n_rows), np.ones(n_rows)
    if metric == "cosine":
        check_not_zero(norms)
        factor = 1 / norms
    elif curvature:
        factor, margin = _place_in_space(norms, curvature, median_radius)
        warn_equal_norms(norms, margin)

    # A shared shift and scale change no order, and small numbers cancel less in float32. The
    # median is where most rows are, whatever a few outliers do.
    few = slice(None, None, -(-n_rows // _MIDDLE_ROWS))
    middle = np.median(factor[few, None] * X[few].astype(np.float64, copy=False), axis=0)
    scale = 1 / max(float((norms * factor).max() + np.linalg.norm(middle)), 1e-300)
    right = np.empty((n_rows, width + 2), np.float32)

    def fill(start: int, stop: int) -> None:
        at = slice(start, stop)
        points = (X[at] * factor[at, None] - middle) * scale
        square = np.einsum("ij,ij->i", points, points)
        weight = sign / margin[at]
        right[at, :width] = -2 * weight[:, None] * points
        right[at, width] = weight
        right[at, width + 1] = weight * square

    for_chunks(fill, n_rows, _CHUNK)

    def left(rows: Any) -> Floats32:
        factors = np.array(right[rows])
        weight = factors[:, width].copy()
        factors[:, :width] /= -2 * weight[:, None]
        factors[:, width] = factors[:, width + 1] / weight
        factors[:, width + 1] = 1
        return factors

    return Scores(right, left)


def _place_in_space(
    norms: Floats, curvature: float, median_radius: float | None
) -> tuple[Floats, Floats]:
    """Return by what each row is multiplied, and ``1 + k |y|^2`` of the result."""
    root = sqrt(abs(curvature))
    if curvature > 0 or (median_radius is None and float(norms.max()) * root < 1):
        inside = np.asarray(1 + curvature * norms**2)
        # a norm one rounding below the radius may have a square that is not
        return np.ones(len(norms)), np.maximum(inside, EDGE["float64"])
    scale = ball_scale(norms, 0.5 if median_radius is None else median_radius, curvature)
    reach = np.tanh(root * scale * norms).clip(max=1 - EDGE["float32"])
    still = norms == 0
    factor = np.where(still, 1.0, reach / (root * norms + still))
    return factor, np.asarray((1 - reach) * (1 + reach))
