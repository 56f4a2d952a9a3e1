"""Pairings by distance: the farthest and the nearest rows."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_choice, check_count, check_number
from vicinal._points import row_norms
from vicinal._random import Seeds
from vicinal._types import Indices
from vicinal.geometry import EDGE, check_metric, check_radius, rescale_to_ball, rowwise_distance
from vicinal.pairing.base import (
    Pairing,
    ParentSource,
    Rounds,
    Rows,
    as_points,
    as_rows,
    check_partners,
)
from vicinal.pairing.neighbors import nearest_rows

if TYPE_CHECKING:
    from vicinal.pairing._ranks import Scores

Points: TypeAlias = npt.NDArray[np.floating[Any]]

METHODS = ("auto", "exact", "sketch")
#: Up to this many rows "auto" is exact.
EXACT_ROWS = 50_000


class ByDistance(Pairing):
    """Partners drawn evenly among the first of the others, in the order of a distance."""

    metric: str
    curvature: float
    median_radius: float | None
    method: str
    balanced: bool
    nearest: bool
    needs_points = True

    @abstractmethod
    def n_partners(self, others: int) -> int:
        """Return how many of ``others`` rows may be partners, at least 1."""

    @abstractmethod
    def _balanced_source(self, X: Points, rounds: Rounds) -> ParentSource: ...

    def source(self, X: Rows, n_samples: int, n_parents: int, seeds: Seeds) -> ParentSource:
        """Return the function that gives the parents of output positions."""
        X = as_points(type(self).__name__, X)
        rounds = Rounds(X, n_samples, n_parents, seeds)
        if len(X) == 1:
            message = "A single row has no partner but itself: it can only be copied."
            warnings.warn(message, UserWarning, stacklevel=3)
            return rounds.tabled(np.zeros((n_samples, 1, n_parents - 1), np.int32))
        return self._balanced_source(X, rounds) if self.balanced else self.outside(X, None, rounds)

    def scores(self, X: Points) -> Scores:
        """Return factors of scores, high for the rows that are wanted."""
        from vicinal.pairing._scores import distance_scores

        k = check_metric(self.metric, self.curvature)
        return distance_scores(X, self.metric, k, self.median_radius, self.nearest)

    def distances(self, X: npt.ArrayLike, partners: npt.ArrayLike) -> Points:
        """Return how far rows are from their partners; scaled into the ball as for pairing."""
        points = as_points(type(self).__name__, as_rows(X))
        k = check_metric(self.metric, self.curvature)
        if k < 0:
            edge = (1 - EDGE["float64"]) / sqrt(-k)
            if self.median_radius is not None or row_norms(points, np).max() >= edge:
                points = rescale_to_ball(points, self.median_radius or 0.5, k)
        others = points[check_partners("partners must be", partners, len(points))]
        return np.asarray(rowwise_distance(points, others, self.metric, self.curvature))

    def outside(self, X: Points, codes: Indices | None, rounds: Rounds) -> ParentSource:
        """Return the source of partners among rows of other groups, or among all other rows."""
        from vicinal.pairing import _candidates

        outside = _candidates.Outside(len(X), codes)
        others = len(X) - (outside.stops - outside.starts)
        sizes, back = np.unique(others, return_inverse=True)
        wanted = np.array([self.n_partners(int(size)) for size in sizes], np.int64)[back]
        if (wanted == others).all():
            return _candidates.even_source(rounds, outside)
        # rows of a group side by side, so that what is no candidate is one range
        scores = self.scores(X if codes is None else X[outside.order])
        if self._is_exact(len(X)) or int(others.max()) <= _candidates.REFERENCE_ROWS:
            return _candidates.exact_source(scores, wanted, rounds, outside)
        return _candidates.sketch_source(scores, wanted / others, rounds, outside)

    def _is_exact(self, n_rows: int) -> bool:
        return self.method == "exact" or (self.method == "auto" and n_rows <= EXACT_ROWS)

    def _check_distance(self) -> None:
        k = check_metric(self.metric, self.curvature)
        check_choice("method", self.method, METHODS)
        if self.median_radius is None:
            return
        check_radius(self.median_radius)
        if k >= 0:
            raise ValueError(
                "median_radius goes with a negative curvature only, got metric="
                f"{self.metric!r} and curvature {self.curvature!r}. Leave it out."
            )


def _share_of(tau: float, others: int) -> int:
    return max(1, ceil(tau * others - 1e-9))


@dataclass(frozen=True)
class Farthest(ByDistance):
    """Partners drawn evenly among the farthest rows.

    Parameters
    ----------
    tau : float
        Share of the other rows, in (0, 1]: a partner is one of the ``ceil(tau (n - 1))`` farthest,
        ties at the limit included.
    metric : {"hyperbolic", "euclidean", "cosine", "stereographic"}, default "hyperbolic"
        See :func:`vicinal.geometry.pairwise_distance`. "hyperbolic" needs rows of different
        norms: embeddings that are *not* normalized.
    curvature : float, default -1.0
        Curvature of "hyperbolic" (below 0) and "stereographic".
    method : {"auto", "exact", "sketch"}, default "auto"
        "exact" compares all pairs, so its time grows with the square of the rows. "sketch"
        estimates the distance that a share ``tau`` of the rows exceeds from 4096 reference rows,
        then draws rows until one lies beyond it; :meth:`rank_error` bounds the error. "auto" is
        exact up to 50,000 rows. Up to 4096 rows all are.
    refresh : int, optional
        In training: embed the rows anew after so many epochs, in place of
        :attr:`vicinal.nn.MixupConfig.refresh`.
    balanced : bool, default False
        Whether partners are a permutation of the rows, new for each pass, so that a preserving
        law keeps the covariance; without it a few outlying rows are the partners of many. Rows
        are assigned in random blocks of at most 512, so a few partners rank beyond ``tau``;
        ``method`` has no effect.
    median_radius : float, optional
        Scale the rows as :func:`vicinal.geometry.rescale_to_ball` does; up to 0.99, beyond which
        float32 tells no long rows apart. Left out, rows that are all inside the ball stay where
        they are, and others are scaled with 0.5.

    Warns
    -----
    UserWarning
        Where all norms are nearly equal, so that curvature changes no order, or there is one row.

    Notes
    -----
    Exact partners are drawn for the whole plan at once; those of one row may repeat. Distances
    are ranked in float32.

    References
    ----------
    Sawhney et al., "DMix: Adaptive Distance-aware Interpolative Mixup", ACL 2022.

    Examples
    --------
    >>> X = np.array([[0.0], [0.1], [0.8], [0.9]])
    >>> Farthest(0.3, metric="euclidean").pair(X, random_state=0)
    array([3, 3, 0, 0], dtype=int32)
    """

    tau: float
    metric: str = "hyperbolic"
    curvature: float = -1.0
    method: str = "auto"
    refresh: int | None = None
    balanced: bool = False
    median_radius: float | None = None
    nearest = False

    def __post_init__(self) -> None:
        hint = "It is a share of ranks: 0.1 draws among the tenth of the rows that are farthest."
        check_number("tau", self.tau, low=0, high=1, open_low=True, hint=hint)
        if self.refresh is not None:
            check_count("refresh", self.refresh, hint="It counts epochs.")
        self._check_distance()

    def n_partners(self, others: int) -> int:
        """Return ``ceil(tau others)``, how many of ``others`` rows may be partners."""
        return _share_of(self.tau, others)

    def rank_error(self, n_samples: int, failure: float = 1e-6) -> float:
        """Return how far beyond ``tau`` a partner found by sketch may rank.

        With probability ``1 - failure`` no partner of any row ranks beyond ``tau`` by more than
        this share of the rows: the bound of Dvoretzky, Kiefer and Wolfowitz over all rows at once.

        Parameters
        ----------
        n_samples : int
            Number of rows.
        failure : float, default 1e-6
            Probability, over draws of the reference rows, that the bound fails.

        Returns
        -------
        float
            Share of the rows; 0 where the method is exact.

        Raises
        ------
        ValueError
            If the pairing is balanced, which has no such bound.

        Examples
        --------
        >>> round(Farthest(0.1).rank_error(1_000_000), 3)
        0.059
        """
        from vicinal.pairing._candidates import REFERENCE_ROWS
        from vicinal.pairing._ranks import rank_error

        if self.balanced:
            raise ValueError(
                "balanced=True has no such bound: a few partners rank beyond tau. Leave it out."
            )
        check_count("n_samples", n_samples)
        check_number("failure", failure, low=0, high=1, open_low=True)
        if self._is_exact(n_samples) or self.tau == 1 or n_samples - 1 <= REFERENCE_ROWS:
            return 0.0
        return rank_error(REFERENCE_ROWS, failure / n_samples)

    def _balanced_source(self, X: Points, rounds: Rounds) -> ParentSource:
        from vicinal.pairing._candidates import assign

        share = self.n_partners(len(X) - 1) / (len(X) - 1)
        scores = self.scores(X)
        return rounds.mapped(lambda rng: assign(scores, share, rounds, rng).take)


@dataclass(frozen=True)
class Nearest(ByDistance):
    """Partners drawn among the nearest rows: evenly, or so that every row is drawn equally often.

    Parameters
    ----------
    k : int, optional
        Number of nearest other rows to draw from.
    tau : float, optional
        In place of ``k``: share of the other rows, in (0, 1].
    metric : {"euclidean", "cosine", "hyperbolic", "stereographic"}, default "euclidean"
        Distance, as for :class:`Farthest`.
    curvature : float, default -1.0
        As for :class:`Farthest`.
    method : {"auto", "exact", "sketch"}, default "auto"
        As for :class:`Farthest`. With ``k`` and without ``balanced`` it has no effect: all pairs
        are compared. With ``balanced`` "sketch" looks among near leaves of a tree.
    median_radius : float, optional
        As for :class:`Farthest`.
    balanced : bool, default False
        Whether every row is drawn as often as every other (to 1 %, from ``k=2`` on), so that a
        preserving law keeps the covariance; without it rows in the middle are partners of many
        and rows at the edge of few. A row may now and then be its own partner. Euclidean only.

    Warns
    -----
    UserWarning
        Where ``k`` is more than the other rows, which are then all used; and as :class:`Farthest`.

    Notes
    -----
    Distances are compared in float32, which tells rows in very narrow clusters apart badly.

    References
    ----------
    Sinkhorn and Knopp, "Concerning nonnegative matrices and doubly stochastic matrices", Pacific
    Journal of Mathematics, 1967 (for ``balanced``).

    Examples
    --------
    >>> Nearest(k=1).pair([[0.0], [0.1], [0.8], [0.9]], random_state=0)
    array([1, 0, 3, 2], dtype=int32)
    >>> partners = Nearest(k=1, balanced=True).pair([[0.0], [0.1], [5.0], [5.1]], random_state=0)
    >>> (partners // 2).tolist()
    [0, 0, 1, 1]
    """

    k: int | None = None
    tau: float | None = None
    metric: str = "euclidean"
    curvature: float = -1.0
    method: str = "auto"
    median_radius: float | None = None
    balanced: bool = False
    nearest = True

    def __post_init__(self) -> None:
        if (self.k is None) == (self.tau is None):
            raise ValueError(
                f"Give either k, a number of rows, or tau, a share of them; got k={self.k!r} and "
                f"tau={self.tau!r}."
            )
        if self.tau is not None:
            check_number("tau", self.tau, low=0, high=1, open_low=True)
        if self.k is not None:
            check_count("k", self.k)
        self._check_distance()
        if self.balanced and self.metric != "euclidean":
            raise ValueError(
                f"balanced=True needs metric='euclidean', got {self.metric!r}. For the cosine "
                "divide each row by its norm."
            )

    def n_partners(self, others: int) -> int:
        """Return ``k`` or ``ceil(tau others)``, how many of ``others`` rows may be partners."""
        if self.k is None:
            return _share_of(self.tau or 1.0, others)
        if self.k > others:
            warnings.warn(
                f"k={self.k} is more than the {others} row(s) to choose from; all of them are "
                "used. Choose a smaller k, or a share of them with tau.",
                UserWarning,
                stacklevel=4,
            )
        return min(self.k, others)

    def _is_exact(self, n_rows: int) -> bool:
        return self.k is not None or super()._is_exact(n_rows)

    def _balanced_source(self, X: Points, rounds: Rounds) -> ParentSource:
        from vicinal.pairing.balance import FairNeighbors

        exact_rows = {"auto": EXACT_ROWS, "exact": len(X), "sketch": 0}[self.method]
        k = self.n_partners(len(X) - 1)
        near = FairNeighbors(nearest_rows(X, k, exact_rows=exact_rows))
        return rounds.drawn(lambda left, rng: near.draw(left, rounds.n_parents - 1, rng))
