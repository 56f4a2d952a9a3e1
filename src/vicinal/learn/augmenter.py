"""Augmentation of regression data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from vicinal._checks import check_choice, check_count, check_number
from vicinal._random import LearnKey, RandomState, Seeds
from vicinal._types import Array
from vicinal.learn._base import Mixer, points_of
from vicinal.learn.rows import Rows, TargetRows
from vicinal.pairing import LocalPermutation, Pairing, Permutation
from vicinal.weights import WeightLaw


class MixupAugmenter(Mixer):
    """Add mixed rows to a regression data set: features and target by the same weights.

    With the default weights and ``bounds="none"`` the added rows have, in expectation, the means
    and the joint covariance of the real features and targets, so a linear fit stays what it is.

    Parameters
    ----------
    n_samples : float or int, default 1.0
        Rows to add: a float is a share of the rows there are, an int a number.
    weights : WeightLaw, optional
        By how much rows are mixed; ``EpBeta()`` where left out.
    pairing : "any", "near-target", Pairing or callable, default "any"
        Who mixes with whom. A pairing by distance sees the standardized numeric columns of ``X``;
        ``vicinal.NearTarget``, or another function, makes one of the targets.
    categorical_features : "auto" or array_like of int, bool or str, default "auto"
        As for :class:`MixupSampler`.
    bounds : "data", "none" or mapping, default "data"
        Range of mixed numbers, as for :class:`MixupSampler`; that of the target is the data's
        unless "none".
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        Seed.

    Attributes
    ----------
    plan_ : MixPlan
        Parents and weights of the added rows, as row numbers of ``X``.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of str
        Column names; only where ``X`` is a table.

    See Also
    --------
    MixupSampler : For classes.

    Notes
    -----
    ``"near-target"`` mixes rows whose targets are close: they are cut, by target, into blocks of
    about the square root of their number, and permuted within each, which keeps mean and
    covariance. ``vicinal.NearTarget`` is C-Mixup's own way, a Gaussian kernel.

    References
    ----------
    Yao, Wang, Zhang, Zou and Finn, "C-Mixup: Improving Generalization in Regression",
    NeurIPS 2022.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 3))
    >>> augmenter = MixupAugmenter(0.5, bounds="none", random_state=0)
    >>> X_res, y_res = augmenter.fit_resample(X, X.sum(axis=1))
    >>> X_res.shape, bool(np.allclose(y_res, X_res.sum(axis=1)))
    ((150, 3), True)
    """

    _sampling_type = "bypass"

    def __init__(
        self,
        n_samples: float | int = 1.0,
        *,
        weights: WeightLaw | None = None,
        pairing: str | Pairing | Callable[[Array], Pairing] = "any",
        categorical_features: Any = "auto",
        bounds: str | Mapping[Any, Any] = "data",
        random_state: RandomState = None,
    ) -> None:
        self.n_samples = n_samples
        self.weights = weights
        self.pairing = pairing
        self.categorical_features = categorical_features
        self.bounds = bounds
        self.random_state = random_state

    def _check(self, X: Any, y: Any) -> tuple[Rows, TargetRows]:
        if not isinstance(self.pairing, Pairing) and not callable(self.pairing):
            check_choice("pairing", self.pairing, ["any", "near-target"])
        if isinstance(self.n_samples, (int, np.integer)):
            check_count("n_samples", self.n_samples)
        else:
            check_number("n_samples", self.n_samples, low=0, open_low=True)
        return self._read(X, y), TargetRows(y, self.bounds)

    def _resample(self, rows: Rows, target: TargetRows, y: Any) -> tuple[Any, Any]:
        n_rows = len(target.numbers)
        n_new = self.n_samples
        if not isinstance(n_new, (int, np.integer)):
            n_new = max(1, round(n_new * n_rows))
        pairing: Any = Permutation() if isinstance(self.pairing, str) else self.pairing
        if not isinstance(pairing, Pairing):
            numbers = target.numbers.astype(np.float64)
            pairing = pairing(numbers[:, 0] if numbers.shape[1] == 1 else numbers)
        points: int | Array = points_of(rows) if pairing.needs_points else n_rows
        if self.pairing == "near-target":
            # a leaf of fewer than three rows would only copy them
            pairing, points = LocalPermutation(max(3, round(n_rows**0.5))), target.numbers
        rng = Seeds(self.random_state).generator(LearnKey.PLAN)
        self.plan_ = self._draw(points, int(n_new), pairing, rng)
        return rows.extend(self.plan_), target.extend(self.plan_)
