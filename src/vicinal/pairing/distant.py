"""Pairings by distance: the farthest, the nearest, and rows of another group."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_choice, check_count, check_number
from vicinal._points import row_norms
from vicinal._random import Seeds
from vicinal.geometry import EDGE, check_metric, rescale_to_ball, rowwise_distance
from vicinal.pairing._rounds import (
    IndexArray,
    Maps,
    ParentSource,
    Rounds,
    Rows,
    as_points,
    count_rows,
    permuting_source,
    tabled_source,
)
from vicinal.pairing.permutations import Pairing, Random, group_codes

if TYPE_CHECKING:
    from vicinal.pairing._ranks import Scores

__all__ = ["AcrossGroup", "Farthest", "Nearest"]

#: Up to this many rows ``method="auto"`` is exact.
EXACT_ROWS = 50_000
METHODS = ("auto", "exact", "sketch")


class _ByDistance(Pairing):
    """Partners drawn evenly among the first of the others, in the order of a distance."""

    metric: str
    curvature: float
    median_radius: float | None
    method: str
    nearest: bool
    balanced: bool = False

    @abstractmethod
    def wanted(self, others: int) -> int:
        """Return how many of the other rows may be partners."""

    def source(self, rows: Rows, n_samples: int, n_parents: int, seeds: Seeds) -> ParentSource:
        """Return the function that gives the parents of output positions."""
        X = as_points(type(self).__name__, rows)
        if len(X) == 1:
            warnings.warn(
                "A single row has no partner but itself: it can only be copied.",
                UserWarning,
                stacklevel=3,
            )
            turns = np.zeros((n_samples, 1, n_parents - 1), np.int32)
            return tabled_source(Rounds(1, n_samples, seeds), turns)
        if self.balanced:
            return self._balanced_source(X, n_samples, n_parents, seeds)
        return self.source_outside(X, None, n_samples, n_parents, seeds)

    def scores(self, X: npt.NDArray[np.floating[Any]]) -> Scores:
        """Return factors of scores, high for the rows that are wanted."""
        from vicinal.pairing._scores import distance_scores

        k = check_metric(self.metric, self.curvature)
        return distance_scores(X, self.metric, k, self.median_radius, self.nearest)

    def distances(
        self, rows: npt.ArrayLike, partners: npt.ArrayLike
    ) -> npt.NDArray[np.floating[Any]]:
        """Return how far rows are from their partners, by the distance that is paired by.

        Parameters
        ----------
        rows : array_like of shape (n_rows, n_features)
            All rows.
        partners : array_like of int, shape (n_rows,)
            Number of each row's partner.

        Returns
        -------
        ndarray of shape (n_rows,)
            Distances; of rows scaled into the ball where the pairing scales them.

        Raises
        ------
        ValueError
            If a row is zero and the metric is the cosine, or there is no norm to scale by.

        Examples
        --------
        >>> Farthest(1.0, metric="euclidean").distances([[0.0], [3.0]], [1, 0])
        array([3., 3.])
        """
        X = as_points(type(self).__name__, np.asarray(rows))
        k = check_metric(self.metric, self.curvature)
        if k < 0:
            edge = (1 - EDGE["float64"]) / sqrt(-k)
            if self.median_radius is not None or row_norms(X, np).max() >= edge:
                X = rescale_to_ball(X, self.median_radius or 0.5, k)
        found: npt.NDArray[np.floating[Any]] = rowwise_distance(
            X, X[np.asarray(partners)], self.metric, self.curvature
        )
        return found

    def source_outside(
        self,
        X: npt.NDArray[np.floating[Any]],
        codes: IndexArray | None,
        n_samples: int,
        n_parents: int,
        seeds: Seeds,
    ) -> ParentSource:
        """Return the source of partners among rows of other groups, or among all other rows."""
        from vicinal.pairing._candidates import (
            REFERENCE_ROWS,
            Outside,
            even_source,
            exact_source,
            sketch_source,
        )

        rounds = Rounds(len(X), n_samples, seeds)
        outside = Outside(len(X), codes)
        others = len(X) - (outside.stops - outside.starts)
        sizes, back = np.unique(others, return_inverse=True)
        wanted = np.array([self.wanted(int(size)) for size in sizes], np.int64)[back]
        if (wanted == others).all():
            return even_source(rounds, outside, n_parents, seeds)
        # rows of a group side by side, so that what is no candidate is one range
        scores = self.scores(X if codes is None else X[outside.order])
        exact = self.method == "exact" or (self.method == "auto" and len(X) <= EXACT_ROWS)
        if exact or int(others.max()) <= REFERENCE_ROWS:
            return exact_source(scores, wanted, rounds, outside, n_samples, n_parents, seeds)
        return sketch_source(scores, wanted / others, rounds, outside, n_parents, seeds)

    def _balanced_source(
        self, X: npt.NDArray[np.floating[Any]], n_samples: int, n_parents: int, seeds: Seeds
    ) -> ParentSource:
        from vicinal.pairing._candidates import Assigned

        rounds = Rounds(len(X), n_samples, seeds)
        share = self.wanted(len(X) - 1) / (len(X) - 1)
        scores = self.scores(X)

        def draw(_passes: int, rng: np.random.Generator) -> Maps:
            return Assigned(scores, share, rounds, n_parents, rng)

        return permuting_source(rounds, n_parents, seeds, draw)


def _check_distance(pairing: _ByDistance) -> None:
    """Check the parameters that pairings by distance share."""
    k = check_metric(pairing.metric, pairing.curvature)
    check_choice("method", pairing.method, METHODS)
    if pairing.median_radius is not None:
        check_number(
            "median_radius", pairing.median_radius, low=0, high=1, open_low=True, open_high=True
        )
        if k >= 0:
            raise ValueError(
                "median_radius goes with a negative curvature only, got metric="
                f"{pairing.metric!r} and curvature {pairing.curvature!r}. Leave it out."
            )


def _share_of(tau: float, others: int) -> int:
    return max(1, ceil(tau * others - 1e-9))


@dataclass(frozen=True)
class Farthest(_ByDistance):
    """Partners drawn evenly among the farthest rows.

    Parameters
    ----------
    tau : float
        Share of the other rows, by rank of their distance, in (0, 1]: the partner of a row is
        one of the ``ceil(tau (n - 1))`` farthest from it, ties at the limit included. At 1 it is
        any other row.
    metric : {"hyperbolic", "euclidean", "cosine", "stereographic"}, default "hyperbolic"
        Distance, see :func:`vicinal.geometry.pairwise_distance`. Hyperbolic needs rows of
        different norms: embeddings that are *not* normalized.
    curvature : float, default -1.0
        Curvature of "hyperbolic" (below 0) and "stereographic".
    method : {"auto", "exact", "sketch"}, default "auto"
        "exact" compares all pairs, in blocks; its time grows with the square of the rows.
        "sketch" estimates the distance that a share ``tau`` of the rows exceeds from 4096
        reference rows, then draws rows until one lies beyond it; :meth:`rank_error` bounds the
        error. "auto" is exact up to 50,000 rows. Up to 4096 rows all are.
    refresh : int, optional
        In training: embed the rows anew after so many epochs, in place of the recipe's
        :attr:`vicinal.nn.MixupConfig.refresh`.
    balanced : bool, default False
        Whether partners are a permutation of the rows, new for each pass. Without it a few
        outlying rows are the partners of many, and no law keeps the covariance; with it a
        preserving law does. Rows are assigned in random blocks of at most 512, within which
        distances are ranked, so a few partners rank beyond ``tau``; ``method`` has no effect.
    median_radius : float, optional
        Scale the rows so that the one of median norm lands at this share of the ball's radius,
        see :func:`vicinal.geometry.rescale_to_ball`; up to 0.99, beyond which float32 no longer
        tells long rows apart. Left out, rows that are all inside the ball stay where they are,
        and any others are scaled with 0.5.

    Warns
    -----
    UserWarning
        Where all norms are nearly equal, so that curvature changes no order; where there is a
        single row.

    Notes
    -----
    Exact partners are drawn for the whole plan at once. Several partners of one row are drawn
    independently and may repeat. Distances are ranked in float32: rows whose distances differ by
    less than a ten-millionth of the squared width of the data may change places.

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
        check_number("tau", self.tau, low=0, high=1, open_low=True, hint=_TAU)
        if self.refresh is not None:
            check_count("refresh", self.refresh, hint="It counts epochs.")
        _check_distance(self)

    def wanted(self, others: int) -> int:
        """Return how many of ``others`` rows may be partners.

        Parameters
        ----------
        others : int
            Number of candidates.

        Returns
        -------
        int
            ``ceil(tau others)``.
        """
        return _share_of(self.tau, others)

    def rank_error(self, n_rows: int, failure: float = 1e-6) -> float:
        """Return how far beyond ``tau`` a partner found by sketch may rank.

        With probability ``1 - failure`` no partner of any row ranks beyond ``tau`` by more than
        this share of the rows: the bound of Dvoretzky, Kiefer and Wolfowitz for each row's
        threshold, over all rows at once. A single threshold errs far less, by a standard error of
        ``sqrt(tau (1 - tau) / 4096)``; where a few rows are far from all others, all err alike.

        Parameters
        ----------
        n_rows : int
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
            If the pairing is balanced: partners then rank beyond ``tau`` for another reason.

        Examples
        --------
        >>> round(Farthest(0.1).rank_error(1_000_000), 3)
        0.059
        """
        from vicinal.pairing._candidates import REFERENCE_ROWS
        from vicinal.pairing._ranks import rank_error

        if self.balanced:
            raise ValueError(
                "balanced=True has no such bound: partners are assigned in blocks, and a few rank "
                "beyond tau. Leave it out to have one."
            )
        check_count("n_rows", n_rows)
        check_number("failure", failure, low=0, high=1, open_low=True)
        exact = self.method == "exact" or (self.method == "auto" and n_rows <= EXACT_ROWS)
        if exact or self.tau == 1 or n_rows - 1 <= REFERENCE_ROWS:
            return 0.0
        return rank_error(REFERENCE_ROWS, failure / n_rows)


_TAU = "It is a share of ranks: 0.1 draws among the tenth of the rows that are farthest."


@dataclass(frozen=True)
class Nearest(_ByDistance):
    """Partners drawn evenly among the nearest rows, by any distance.

    Rows in the middle are partners of many and rows at the edge of few, so no law keeps the
    covariance; :class:`vicinal.Neighborhood` and :class:`vicinal.LocalPermutation` see to that.

    Parameters
    ----------
    k : int, optional
        Number of nearest other rows to draw from; fewer than there are rows. All pairs are
        compared, in float32: in clusters that are thousands of times narrower than they are
        apart, neighbors within a cluster are told apart badly.
    tau : float, optional
        In place of ``k``: share of the other rows, in (0, 1].
    metric : {"euclidean", "cosine", "hyperbolic", "stereographic"}, default "euclidean"
        Distance, as for :class:`Farthest`.
    curvature : float, default -1.0
        As for :class:`Farthest`.
    method : {"auto", "exact", "sketch"}, default "auto"
        As for :class:`Farthest`; with ``k`` all pairs are compared whatever it says.
    median_radius : float, optional
        As for :class:`Farthest`.

    Warns
    -----
    UserWarning
        As :class:`Farthest`.

    Examples
    --------
    >>> Nearest(k=1).pair([[0.0], [0.1], [0.8], [0.9]], random_state=0)
    array([1, 0, 3, 2], dtype=int32)
    """

    k: int | None = None
    tau: float | None = None
    metric: str = "euclidean"
    curvature: float = -1.0
    method: str = "auto"
    median_radius: float | None = None
    nearest = True

    def __post_init__(self) -> None:
        if (self.k is None) == (self.tau is None):
            raise ValueError(
                f"Give either k, a number of rows, or tau, a share of them; got k={self.k!r} and "
                f"tau={self.tau!r}."
            )
        if self.tau is not None:
            check_number("tau", self.tau, low=0, high=1, open_low=True)
        _check_distance(self)
        if self.k is not None:
            check_count("k", self.k)
            object.__setattr__(self, "method", "exact")

    def wanted(self, others: int) -> int:
        """Return how many of ``others`` rows may be partners.

        Parameters
        ----------
        others : int
            Number of candidates.

        Returns
        -------
        int
            ``k``, or ``ceil(tau others)``.

        Raises
        ------
        ValueError
            If there are fewer than ``k``.
        """
        if self.k is None:
            return _share_of(self.tau or 1.0, others)
        if self.k > others:
            raise ValueError(
                f"k must be at most {others}, the number of rows to choose from, got {self.k}. "
                "Choose a smaller k, or a share of them with tau."
            )
        return self.k


@dataclass(frozen=True, eq=False)
class AcrossGroup(Pairing):
    """Partners from other groups, any of them or as a pairing by distance says.

    Parameters
    ----------
    groups : array_like of shape (n_rows,)
        Group of each row, for instance its class label: any sortable labels.
    pairing : Farthest, Nearest or Random, optional
        Chooses among the rows of other groups: with ``Farthest(0.1)`` the partner is drawn from
        the tenth of them that is farthest. Left out, any of them.

    Raises
    ------
    ValueError
        If all rows are of one group. Balanced pairings are refused: where a group holds more
        than half of the rows, no permutation takes every row to another group.

    Examples
    --------
    >>> AcrossGroup(["a", "b", "b"]).pair(3, random_state=0)[1:]
    array([0, 0], dtype=int32)
    """

    groups: npt.ArrayLike
    pairing: Pairing | None = None

    def __post_init__(self) -> None:
        if self.pairing is None or isinstance(self.pairing, Random):
            return
        if not isinstance(self.pairing, _ByDistance):
            raise TypeError(
                f"pairing must be a Farthest, a Nearest or a Random pairing, got {self.pairing!r}."
            )
        if self.pairing.balanced:
            raise ValueError(
                "balanced=True does not go with AcrossGroup: where a group holds more than half "
                "of the rows, no permutation takes every row to another one. Leave it out."
            )

    def source(self, rows: Rows, n_samples: int, n_parents: int, seeds: Seeds) -> ParentSource:
        """Return the function that gives the parents of output positions."""
        n_rows = count_rows(rows)
        codes = group_codes(self.groups, n_rows)
        if int(codes.max()) == 0:
            raise ValueError(
                f"groups must name at least two groups, got one for all {n_rows} rows: nobody "
                "has a partner in another group."
            )
        if isinstance(self.pairing, _ByDistance):
            X = as_points(type(self.pairing).__name__, rows)
            return self.pairing.source_outside(X, codes, n_samples, n_parents, seeds)
        from vicinal.pairing._candidates import Outside, even_source

        rounds = Rounds(n_rows, n_samples, seeds)
        return even_source(rounds, Outside(n_rows, codes), n_parents, seeds)
