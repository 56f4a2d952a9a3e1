"""Partners by distance for rows that are never in one place.

A small reference sample of all rows is sent to whoever holds a part of them, and each row draws
its partner from the sample. Who holds which rows changes nothing: a partner depends on the row,
its number, the sample and the seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_count
from vicinal._compiled import GOLDEN, mix64
from vicinal._points import safe_unit
from vicinal._random import RandomState, Seeds
from vicinal.geometry import EDGE, ball_scale, check_metric, scaled_curvature, warn_equal_norms
from vicinal.pairing import Farthest, Nearest
from vicinal.pairing._candidates import REFERENCE_ROWS
from vicinal.pairing._ranks import _pick
from vicinal.pairing.base import as_points

#: Rows that are compared at once. Always so many, filled up where there are fewer: a product of
#: matrices may round a row otherwise in a matrix of another height.
TILE_ROWS = 256
_SAMPLE, _WORD = 40, 41  # first words of seeds


def reference_rows(
    n_rows: int, size: int = REFERENCE_ROWS, random_state: RandomState = None
) -> npt.NDArray[np.int64]:
    """Say which rows are the reference sample.

    Parameters
    ----------
    n_rows : int
        Of all parts together.
    size : int, default 4096
        Rows of the sample; all where there are fewer.
    random_state : int, numpy.random.Generator or None
        Seed.

    Returns
    -------
    ndarray of int64
        Row numbers, in order.

    Examples
    --------
    >>> reference_rows(10, 4, random_state=0)
    array([0, 4, 5, 8])
    """
    check_count("n_rows", n_rows, low=2)
    check_count("size", size, low=2)
    rng = Seeds(random_state).generator(_SAMPLE)
    return np.sort(rng.choice(n_rows, min(size, n_rows), replace=False)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Reference:
    """Rows that others draw their partners from, small enough to be sent everywhere.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_reference,)
        Their numbers among all rows, in order.
    points : ndarray of shape (n_reference, n_features)
        What they are.
    """

    rows: npt.NDArray[np.int64]
    points: npt.NDArray[np.floating]

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.points) or len(self.rows) < 2:
            raise ValueError(
                f"A reference needs two rows or more, and a number for each, got {len(self.points)}"
                f" points and {len(self.rows)} numbers."
            )
        if (np.diff(self.rows) <= 0).any():
            raise ValueError("rows must be in order, each once, as reference_rows returns them.")


def pair_with_reference(
    pairing: Farthest | Nearest,
    anchors: npt.NDArray[np.floating],
    first: int,
    reference: Reference,
    random_state: RandomState = None,
) -> npt.NDArray[np.int64]:
    """Draw a partner from the reference for each row of a part.

    Parameters
    ----------
    pairing : Farthest or Nearest
        Whom to draw: a partner is one of the farthest (or nearest) share ``tau`` of the
        reference, itself not among it. ``method`` has no effect; balanced pairings are refused.
    anchors : ndarray of shape (n, n_features)
        Consecutive rows.
    first : int
        Number of the first of them among all rows.
    reference : Reference
        The same for all parts.
    random_state : int, numpy.random.Generator or None
        Seed, the same for all parts.

    Returns
    -------
    ndarray of int64, shape (n,)
        Row numbers of the partners.

    Raises
    ------
    ValueError, TypeError
        If the pairing is of another kind, or the rows are not as wide as the reference.

    Notes
    -----
    A rank in a sample of m rows is off that among all by at most ``sqrt(log(2 / p) / (2 m))``
    of the rows but for a chance of p (Dvoretzky, Kiefer and Wolfowitz): 0.042 for 4096 rows and
    p = 1e-6. All partners are rows of the sample, so a mean over partners has the sample's
    standard error, not that of all rows.

    Examples
    --------
    >>> X = np.array([[0.0], [0.1], [0.8], [0.9]])
    >>> whole = Reference(np.arange(4), X)
    >>> pairing = Farthest(0.3, metric="euclidean")
    >>> pair_with_reference(pairing, X[2:], 2, whole, random_state=0)
    array([0, 0])
    """
    if not isinstance(pairing, (Farthest, Nearest)):
        raise TypeError(f"pairing must be Farthest or Nearest, got {pairing!r}.")
    if pairing.balanced:
        raise ValueError("balanced=True needs all rows in one place. Leave it out.")
    check_count("first", first, low=0)
    known = as_points(type(pairing).__name__, reference.points)
    rows = as_points(type(pairing).__name__, anchors)
    if rows.shape[1] != known.shape[1]:
        raise ValueError(
            f"anchors must be as wide as the reference, {known.shape[1]} features, got "
            f"{rows.shape[1]}."
        )
    space = _Space(pairing, known)
    across = np.ascontiguousarray(space.right.T)
    n, size = len(rows), len(known)
    numbers = np.arange(first, first + n)
    at = np.searchsorted(reference.rows, numbers)
    own = (at < size) & (reference.rows[np.minimum(at, size - 1)] == numbers)
    starts = np.where(own, at, 0)
    stops = starts + own
    wanted = np.where(own, pairing.n_partners(size - 1), pairing.n_partners(size))
    words = _words(numbers, random_state)
    drawn = np.empty((n, 1), np.int32)
    tile = np.zeros((TILE_ROWS, across.shape[0]), np.float32)
    for begin in range(0, n, TILE_ROWS):
        part = slice(begin, min(begin + TILE_ROWS, n))
        count = part.stop - begin
        tile[:count], tile[count:] = space.left(rows[part], first + begin), 0
        _pick(tile @ across, 0, starts[part], stops[part], wanted[part], words[part], drawn[part])
    return reference.rows[drawn[:, 0]]


def _words(numbers: npt.NDArray[np.int64], random_state: RandomState) -> npt.NDArray[np.uint64]:
    """Return a random word for each row number."""
    root = Seeds(random_state).generator(_WORD).integers(0, 2**64, dtype=np.uint64)
    with np.errstate(over="ignore"):
        counters = root + numbers.astype(np.uint64) * np.uint64(GOLDEN)
    return np.asarray(mix64(counters), np.uint64)


class _Space:
    """Scores of anchors against the reference, placed and scaled by the reference alone."""

    def __init__(self, pairing: Farthest | Nearest, known: npt.NDArray[np.floating]) -> None:
        self._metric = pairing.metric
        self._k = check_metric(pairing.metric, pairing.curvature)
        self._unit = safe_unit(known)
        if self._unit != 1:
            self._k = scaled_curvature(self._k, self._unit)
        known = known / self._unit
        norms = np.linalg.norm(known, axis=1)
        self._scale: float | None = None
        if self._k:
            root = sqrt(abs(self._k))
            inside = self._k > 0 or float(norms.max()) * root < 1
            if pairing.median_radius is not None or not inside:
                radius = 0.5 if pairing.median_radius is None else pairing.median_radius
                self._scale = ball_scale(norms, radius, self._k)
        factor, margin = self._place(norms, "reference", 0)
        if self._k:
            warn_equal_norms(norms, margin)
        placed = known * factor[:, None]
        self._middle = np.median(placed, axis=0)
        reach = np.linalg.norm(placed, axis=1).max() + np.linalg.norm(self._middle)
        self._size = 1 / max(float(reach), 1e-300)
        points = (placed - self._middle) * self._size
        square = np.einsum("ij,ij->i", points, points)
        weight = (-1.0 if pairing.nearest else 1.0) / margin
        # |x - y|^2 w(y) orders the rows y as their distance from x does, see _scores.py
        columns = [-2 * weight[:, None] * points, weight[:, None], (weight * square)[:, None]]
        self.right = np.concatenate(columns, axis=1).astype(np.float32)

    def left(self, rows: npt.NDArray[np.floating], first: int) -> npt.NDArray[np.float32]:
        """Return the factor of rows as anchors, shape (n, n_features + 2)."""
        rows = rows / self._unit
        factor, _ = self._place(np.linalg.norm(rows, axis=1), "row", first)
        points = (rows * factor[:, None] - self._middle) * self._size
        square = np.einsum("ij,ij->i", points, points)[:, None]
        return np.concatenate([points, square, np.ones_like(square)], axis=1).astype(np.float32)

    def _place(
        self, norms: npt.NDArray[np.float64], what: str, first: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return by what rows are multiplied, and ``1 + k |y|^2`` of the result."""
        even = np.ones(len(norms))
        if self._metric == "cosine":
            if (norms == 0).any():
                raise ValueError(
                    f"{what} {first + int((norms == 0).argmax())} is zero, and the cosine of a "
                    "zero vector is undefined. Drop such rows, or use metric='euclidean'."
                )
            return 1 / norms, even
        if not self._k:
            return even, even
        root = sqrt(abs(self._k))
        if self._scale is None:
            if self._k < 0 and (norms * root >= 1).any():
                raise ValueError(
                    f"{what} {first + int((norms * root >= 1).argmax())} lies outside of the ball, "
                    "and the reference inside. Give the pairing a median_radius, such as 0.5, "
                    "which scales all rows alike."
                )
            return even, np.maximum(1 + self._k * norms**2, EDGE["float64"])
        reach = np.tanh(root * self._scale * norms).clip(max=1 - EDGE["float32"])
        still = norms == 0
        return np.where(still, 1.0, reach / (root * norms + still)), (1 - reach) * (1 + reach)
