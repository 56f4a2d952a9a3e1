"""Distances between embeddings: Euclidean, cosine and of constant curvature.

With ``D = |x - y|^2`` and
``A(x) = 1 + k |x|^2`` it reads

    d(x, y) = 2 arsinh(sqrt(-k D / (A(x) A(y)))) / sqrt(-k)     k < 0, the Poincare ball
    d(x, y) = 2 arcsin(sqrt(k D / (A(x) A(y)))) / sqrt(k)       k > 0, the sphere
    d(x, y) = 2 |x - y|                                         k = 0

The factor 2 at ``k = 0`` is the limit of both. The first line equals the better known
``2 artanh(sqrt(-k) |(-x) (+) y|) / sqrt(-k)``, but does not saturate near the edge of the ball.
NumPy arrays and torch tensors go the same way.
"""

from __future__ import annotations

import sys
import warnings
from math import atanh, pi, sqrt
from typing import Any

import numpy as np

from vicinal._checks import check_choice, check_number
from vicinal._points import (
    SAFE,
    blocks,
    cast,
    in_double,
    matrices,
    near_origin,
    place,
    plain,
    row_norms,
    row_squares,
    safe_unit,
)

METRICS = ("euclidean", "cosine", "hyperbolic", "stereographic")
PUBLISHED = ("workshop-2021",)

#: Pairs this much nearer than their norms lose digits in a matrix product, and are done again.
NEAR = 1e-2
#: How near to its edge the exponential map may reach, as a share of the ball's radius.
EDGE = {"float32": 1e-6, "float64": 1e-12}
#: Norms that vary by less than this (standard deviation by mean) count as equal.
EQUAL_NORMS = 0.01


def pairwise_distance(
    X: Any,
    Y: Any = None,
    metric: str = "euclidean",
    curvature: float = -1.0,
    published: str | None = None,
) -> Any:
    """Return the distance of every row of one array to every row of another.

    Parameters
    ----------
    X : array_like or torch.Tensor of shape (n_rows, n_features)
        Points. float32 and float64 are kept; half precision becomes float32, integers float64.
    Y : array_like or torch.Tensor of shape (n_others, n_features), optional
        Other points, of the same kind; ``X`` itself where left out.
    metric : {"euclidean", "cosine", "hyperbolic", "stereographic"}, default "euclidean"
        "cosine" is 1 minus the cosine, in [0, 2]; "hyperbolic" is the Poincare ball;
        "stereographic" takes any curvature, and at 0 gives *twice* the Euclidean distance.
    curvature : float, default -1.0
        Curvature k of the two last metrics. With k < 0 points must lie inside the ball of radius
        1 / sqrt(-k): see :func:`rescale_to_ball`.
    published : {"workshop-2021"}, optional
        With "hyperbolic": the distance as first printed, with arctan for artanh. It orders pairs
        in the same way.

    Returns
    -------
    ndarray or torch.Tensor of shape (n_rows, n_others)
        Distances.

    Raises
    ------
    ValueError
        If a point or distance is not finite, a point is outside the ball or zero under "cosine",
        metric and curvature do not go together, or shapes differ.
    TypeError
        If one input is a tensor and the other is not, or either holds no numbers.

    Warns
    -----
    UserWarning
        Where nearly equal norms make a curved metric order pairs as the flat ones do.

    See Also
    --------
    rowwise_distance : Distances of pairs of rows.

    References
    ----------
    Bachmann, Becigneul and Ganea, "Constant Curvature Graph Convolutional Networks", ICML 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from vicinal.geometry import pairwise_distance
    >>> pairwise_distance(np.array([[0.0, 0.0], [3.0, 4.0]]))
    array([[0., 5.],
           [5., 0.]])
    >>> pairwise_distance([[0.0]], [[0.5]], metric="hyperbolic").round(4)  # ln 3
    array([[1.0986]])
    """
    k = check_metric(metric, curvature, published)
    xp, x, y = matrices(X, Y)
    x, y, k, unit = _in_units(x, y, k, metric, xp)
    if k:
        norms = row_norms(x, xp)
        if Y is not None:
            norms = np.concatenate([norms, row_norms(y, xp)])
        warn_equal_norms(unit * norms, 1 + k * norms**2)
    if metric == "cosine":
        x, y = _units(x, "X", xp), _units(y, "Y", xp)
    margins = (_margins(x, k, "X", xp, unit), _margins(y, k, "Y", xp, unit)) if k else None
    # distances do not depend on the origin, and small numbers cancel less
    middle = y.mean(0) if len(y) else 0
    x_mid, y_mid = x - middle, y - middle
    x_square, y_square = (x_mid * x_mid).sum(-1), (y_mid * y_mid).sum(-1)
    out = xp.empty((len(x), len(y)), dtype=x.dtype, **place(x))
    for rows in blocks(len(x), len(y)):
        square = x_square[rows, None] + y_square - 2 * (x_mid[rows] @ y_mid.T)
        _redo_near(square, NEAR * (x_square[rows, None] + y_square), x[rows], y, xp)
        curve = (margins[0][rows, None] * margins[1]) if margins else None
        out[rows] = _finish(square.clip(min=0), curve, metric, k, published, xp)
    return out if unit == 1 else out * unit


def rowwise_distance(
    X: Any, Y: Any, metric: str = "euclidean", curvature: float = -1.0, published: str | None = None
) -> Any:
    """Return the distance of each row of one array to the same row of another.

    Parameters
    ----------
    X, Y : array_like or torch.Tensor of shape (n_rows, n_features)
        Points, as for :func:`pairwise_distance`.
    metric, curvature, published : str, float, str
        As for :func:`pairwise_distance`.

    Returns
    -------
    ndarray or torch.Tensor of shape (n_rows,)
        Distances, worked out in double precision where the device has it.

    Raises
    ------
    ValueError, TypeError
        As :func:`pairwise_distance`, and if the numbers of rows differ.

    Examples
    --------
    >>> from vicinal.geometry import rowwise_distance
    >>> rowwise_distance([[1.0, 0.0], [1.0, 0.0]], [[0.0, 2.0], [-3.0, 0.0]], metric="cosine")
    array([1., 2.])
    """
    k = check_metric(metric, curvature, published)
    xp, x, y = matrices(X, Y)
    if len(x) != len(y):
        raise ValueError(
            f"X and Y must have one length, got {len(x)} and {len(y)} rows. For every pair of "
            "rows use pairwise_distance."
        )
    kept = x.dtype
    x, y, k, unit = _in_units(x, y, k, metric, xp)
    x, y = in_double(x, xp), in_double(y, xp)
    if metric == "cosine":
        x, y = _units(x, "X", xp), _units(y, "Y", xp)
    curve = _margins(x, k, "X", xp, unit) * _margins(y, k, "Y", xp, unit) if k else None
    gap = x - y
    return cast(_finish((gap * gap).sum(-1), curve, metric, k, published, xp) * unit, kept)


def exp0(v: Any, curvature: float = -1.0) -> Any:
    """Carry tangent vectors at the origin into the space: the exponential map.

    Parameters
    ----------
    v : array_like or torch.Tensor of shape (n_rows, n_features)
        Tangent vectors; any length below zero curvature.
    curvature : float, default -1.0
        Curvature k. ``tanh(sqrt(-k) |v|) v / (sqrt(-k) |v|)`` for k < 0, tan in its place for
        k > 0, and ``v`` itself at 0.

    Returns
    -------
    ndarray or torch.Tensor of shape (n_rows, n_features)
        Points, 2 |v| from the origin. For k < 0 they stay off the edge of the ball by 1e-6 of its
        radius in float32 and 1e-12 in float64.

    Raises
    ------
    ValueError
        If a number is NaN or infinite, or on the sphere a vector reaches its far pole.

    Examples
    --------
    >>> from vicinal.geometry import exp0
    >>> exp0([[0.0, 0.0], [0.0, 1.0]]).round(4)
    array([[0.    , 0.    ],
           [0.    , 0.7616]])
    """
    k = check_number("curvature", curvature)
    xp, x, _ = matrices(v, None, "v")
    return _exp0(x, 1.0, k, xp)


def rescale_to_ball(X: Any, median_radius: float = 0.5, curvature: float = -1.0) -> Any:
    """Scale vectors of any length by one number and map them into the ball by :func:`exp0`.

    Parameters
    ----------
    X : array_like or torch.Tensor of shape (n_rows, n_features)
        Vectors, not normalized: on one shell all distances order pairs alike.
    median_radius : float, default 0.5
        Where the vector of median norm lands, as a share of the radius, in (0, 1).
    curvature : float, default -1.0
        Curvature of the ball, below 0; its radius is 1 / sqrt(-curvature).

    Returns
    -------
    ndarray or torch.Tensor of shape (n_rows, n_features)
        Points inside the ball.

    Raises
    ------
    ValueError
        If the curvature is not below 0, a number is not finite, or half of the vectors are zero.

    Examples
    --------
    >>> import numpy as np
    >>> from vicinal.geometry import rescale_to_ball
    >>> ball = rescale_to_ball(np.array([[3.0, 0.0], [0.0, 9.0], [-18.0, 0.0]]))
    >>> np.linalg.norm(ball, axis=1).round(3)
    array([0.181, 0.5  , 0.8  ])
    """
    share = check_radius(median_radius)
    hint = "The curvature of a ball is below 0."
    k = check_number("curvature", curvature, high=0, open_high=True, hint=hint)
    xp, x, _ = matrices(X, None)
    return _exp0(x, ball_scale(row_norms(x, xp), share, k), k, xp)


def check_radius(median_radius: Any) -> float:
    """Check a share of the ball's radius; at 1 the median would lie on the edge."""
    return check_number(
        "median_radius", median_radius, low=0, high=1, open_low=True, open_high=True
    )


def ball_scale(norms: Any, median_radius: float, curvature: float) -> float:
    """Return the number by which vectors are multiplied before the exponential map."""
    middle = float(np.median(norms)) if len(norms) else 1.0
    if middle == 0:
        raise ValueError(
            "X: half of the vectors or more are zero, so there is no length to scale by. Drop "
            "them, or see why they are empty."
        )
    return atanh(median_radius) / (middle * sqrt(-curvature))


def check_metric(metric: str, curvature: float, published: str | None = None) -> float:
    """Check that the three go together, and return the curvature, 0 of a flat metric."""
    check_choice("metric", metric, METRICS)
    k = check_number("curvature", curvature)
    if published is not None:
        check_choice("published", published, PUBLISHED)
        if metric != "hyperbolic":
            raise ValueError(
                f"published={published!r} is a formula for metric='hyperbolic', got "
                f"metric={metric!r}. Leave one of them out."
            )
    if metric == "hyperbolic" and k >= 0:
        raise ValueError(
            f"curvature must be below 0 with metric='hyperbolic', got {curvature!r}. For flat "
            "space use metric='euclidean', for a sphere metric='stereographic'."
        )
    return k if metric in ("hyperbolic", "stereographic") else 0.0


def scaled_curvature(curvature: float, unit: float) -> float:
    """Return the curvature of the same space in another unit of length: ``k unit^2``."""
    scaled = curvature * unit * unit
    if unit > 1 and scaled > SAFE:
        raise ValueError(
            f"Points of about {unit:.0e} all lie at the far pole of a sphere of curvature "
            f"{curvature:g}. Scale them down."
        )
    return max(scaled, -1e300)


def warn_equal_norms(norms: Any, margins: Any = None) -> None:
    """Warn where points have nearly one norm, so that curvature changes no order."""
    # margins are 1 + k |x|^2: near the edge of the ball nearly equal norms have unequal ones
    norms = np.asarray(norms, np.float64)
    judged = [norms] if margins is None else [norms, np.asarray(margins, np.float64)]
    if len(norms) > 2 and all(one.std() < EQUAL_NORMS * one.mean() for one in judged):
        warnings.warn(
            f"All rows have nearly the same norm ({norms.mean():.4g}, standard deviation "
            f"{norms.std():.2g}), so hyperbolic, Euclidean and cosine distance order pairs "
            "alike. Use embeddings that are not normalized.",
            UserWarning,
            stacklevel=_levels_inside(),
        )


def _levels_inside() -> int:
    """Return how far up the stack the code is that called into this package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("vicinal."):
        level, frame = level + 1, frame.f_back
    return level


def check_not_zero(norms: Any, name: str = "X") -> None:
    """Refuse zero vectors, which have no cosine."""
    zero = norms == 0
    if zero.any():
        raise ValueError(
            f"{name} has {int(zero.sum())} zero row(s), the first of them row "
            f"{int(zero.argmax())}: the cosine of a zero vector is undefined. Drop them, or use "
            "metric='euclidean'."
        )


# steps


def _in_units(x: Any, y: Any, k: float, metric: str, xp: Any) -> tuple[Any, Any, float, float]:
    """Return points and curvature in a unit in which squares stay in range, and the unit."""
    if not k and metric != "cosine":
        x, y = near_origin(xp, x, y)
    unit = max(safe_unit(x), safe_unit(y))
    if unit == 1:
        return x, y, k, 1.0
    most = float(xp.finfo(x.dtype).max)
    if metric != "cosine" and unit > most / (8 * sqrt(x.shape[1])):
        raise ValueError(
            f"X and Y hold numbers of about {unit:.0e}, whose distances are beyond the largest "
            f"{str(x.dtype).removeprefix('torch.')}. Divide them by a number first."
        )
    return x / unit, y / unit, scaled_curvature(k, unit), 1.0 if metric == "cosine" else unit


def _units(x: Any, name: str, xp: Any) -> Any:
    length = xp.sqrt(row_squares(x, xp))
    check_not_zero(plain(length), name)
    return cast(in_double(x, xp) / length[:, None], x.dtype)


def _margins(x: Any, k: float, name: str, xp: Any, unit: float) -> Any:
    """Return 1 + k |x|^2, taken in double precision because it cancels near the edge."""
    margin = 1 + k * row_squares(x, xp)
    outside = plain(margin <= 0)
    if outside.any():
        raise ValueError(
            f"{name} has {int(outside.sum())} row(s) outside the ball of radius "
            f"{unit / sqrt(-k):.4g}, the first of them row {int(outside.argmax())}. Bring them in "
            "with rescale_to_ball."
        )
    return cast(margin, x.dtype)


def _exp0(x: Any, scale: float, k: float, xp: Any) -> Any:
    if k == 0:
        return x * scale
    out = xp.empty(tuple(x.shape), dtype=x.dtype, **place(x))
    root = sqrt(abs(k))
    for rows in blocks(len(x), x.shape[1]):
        wide = in_double(x[rows], xp) * scale
        unit = safe_unit(wide)
        angle = root * unit * xp.sqrt(((wide / unit) ** 2).sum(-1))
        if k > 0 and bool((angle >= pi / 2).any()):
            raise ValueError(
                f"v holds vectors of length {pi / 2 / root:.4g} or more, which reach the far "
                "pole of the sphere or go past it. Scale them down."
            )
        if k < 0:
            reach = xp.tanh(angle).clip(max=1 - EDGE[str(x.dtype).removeprefix("torch.")])
        else:
            reach = xp.tan(angle)
        still = angle == 0
        factor = xp.where(still, 1.0, reach / (angle + still))
        out[rows] = cast(wide * factor[:, None], x.dtype)
    return out


def _redo_near(square: Any, limit: Any, x: Any, y: Any, xp: Any) -> None:
    """Replace squared distances that lost their digits, in place."""
    near = square <= limit
    left, right = np.nonzero(near) if xp is np else xp.nonzero(near, as_tuple=True)
    for at in blocks(len(left), x.shape[1]):
        gap = x[left[at]] - y[right[at]]
        square[left[at], right[at]] = (gap * gap).sum(-1)


def _finish(square: Any, curve: Any, metric: str, k: float, published: str | None, xp: Any) -> Any:
    """Turn squared Euclidean distances into distances; ``curve`` is A(x) A(y)."""
    if metric == "euclidean":
        return xp.sqrt(square)
    if metric == "cosine":
        return (square / 2).clip(max=2)  # of unit vectors
    if k == 0:
        return 2 * xp.sqrt(square)
    root = sqrt(abs(k))
    ratio = abs(k) * square / curve
    if k > 0:
        ratio = ratio.clip(max=1)
        return 2 / root * xp.arctan2(xp.sqrt(ratio), xp.sqrt(1 - ratio))
    if published:
        return 2 / root * xp.arctan(xp.sqrt(ratio / (1 + ratio)))
    return 2 / root * xp.arcsinh(xp.sqrt(ratio))
