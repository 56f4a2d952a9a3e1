"""Over-sampling of classes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from vicinal._random import LearnKey, RandomState, Seeds
from vicinal._types import Array
from vicinal.learn._base import Mixer, points_of
from vicinal.learn.labels import read_labels, resolve_strategy
from vicinal.learn.rows import Rows, take_rows
from vicinal.pairing import Pairing, Permutation
from vicinal.pairing.base import check_pairing
from vicinal.plan import MixPlan
from vicinal.weights import SphereWeights, WeightLaw


class MixupSampler(Mixer):
    """Over-sample classes by mixing rows of the same class.

    With the default weights and ``bounds="none"`` the synthetic rows of a class have, in
    expectation, the mean and the covariance of its real rows. Interpolation between neighbors, as
    in SMOTE, shrinks them.

    Parameters
    ----------
    sampling_strategy : str, float, dict or callable, default "auto"
        As in imbalanced-learn: ``"not majority"`` (the same as ``"auto"``), ``"minority"``,
        ``"not minority"`` or ``"all"`` bring classes to the size of the largest; a float is the
        ratio of the smaller to the larger of two classes; a dict gives the wanted rows of each
        class; a callable makes such a dict from the labels.
    weights : WeightLaw, optional
        By how much rows are mixed; ``SphereWeights(3)`` where left out.
    pairing : Pairing, optional
        Who mixes with whom within a class; ``Permutation()`` where left out. A pairing by
        distance sees the numeric columns, standardized within the class.
    categorical_features : "auto" or array_like of int, bool or str, default "auto"
        Columns of numbers that are copied from the parent with the larger weight, as all other
        columns are: column numbers, a mask, or names. "auto" copies whole numbers whose name says
        that they are codes, such as ``zip`` or ``store_id``.
    bounds : "data", "none" or mapping, default "data"
        Range of mixed numbers, column by column: that of the data, none, or, by column name or
        number, a pair (least, largest) with None for an open end; other columns then keep that of
        the data.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        Seed. The rows made for a class do not depend on what is asked for the others.

    Attributes
    ----------
    sampling_strategy_ : dict
        Rows added to each class.
    plan_ : MixPlan
        Parents and weights of the synthetic rows, as row numbers of ``X``.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of str
        Column names; only where ``X`` is a table.

    See Also
    --------
    MixupAugmenter : For a continuous target.
    vicinal.table.TableSynthesizer : A whole synthetic table.

    Notes
    -----
    Whole numbers are rounded and keep their type. Mixed values can lie a little outside the range
    of the data, which is what keeps the variance; ``bounds="none"`` leaves them there, and keeps
    mean and covariance also where many values lie at an end, as zeros do.

    Two parents give rows away: three synthetic rows on a line show it, and lines meet in training
    rows. Ten synthetic rows for each real one were enough to find all of 30. Three parents by
    ``Permutation()`` gave none away at up to 40 (one seed), by ``Random()`` one in five at 40, by
    ``Nearest(5)`` all; smaller classes were not measured. Three parents multiply the skewness of a
    column by 0.78, which two parents keep: pass ``weights=EpBeta()`` where nobody else sees the
    rows.

    References
    ----------
    Lee, Im and Kim, "A Generalized Theory of Mixup for Structure-Preserving Synthetic Data",
    AISTATS 2025.

    Chawla, Bowyer, Hall and Kegelmeyer, "SMOTE: Synthetic Minority Over-sampling Technique",
    Journal of Artificial Intelligence Research 16, 2002.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(100, 3)), np.repeat(["rare", "common"], [10, 90])
    >>> sampler = MixupSampler(random_state=0)
    >>> X_res, y_res = sampler.fit_resample(X, y)
    >>> X_res.shape, sampler.sampling_strategy_
    ((180, 3), {'rare': 80})
    """

    _sampling_type = "over-sampling"

    def __init__(
        self,
        sampling_strategy: Any = "auto",
        *,
        weights: WeightLaw | None = None,
        pairing: Pairing | None = None,
        categorical_features: Any = "auto",
        bounds: str | Mapping[Any, Any] = "data",
        random_state: RandomState = None,
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.weights = weights
        self.pairing = pairing
        self.categorical_features = categorical_features
        self.bounds = bounds
        self.random_state = random_state

    @property
    def _law(self) -> WeightLaw:
        return self.weights or SphereWeights(3)

    def _check(self, X: Any, y: Any) -> tuple[Rows, Array]:
        if self.pairing is not None:
            check_pairing(self.pairing)
        rows = self._read(X, y)
        labels = read_labels(y)
        self.sampling_strategy_ = resolve_strategy(self.sampling_strategy, labels)
        return rows, labels

    def _resample(self, rows: Rows, target: Array, y: Any) -> tuple[Any, Any]:
        classes, codes = np.unique(target, return_inverse=True)
        seeds = Seeds(self.random_state)
        plans = []
        for number, label in enumerate(classes.tolist()):
            n_new = self.sampling_strategy_.get(label, 0)
            if n_new:
                members = np.flatnonzero(codes == number)
                rng = seeds.generator(LearnKey.PLAN, number)
                plan = self._within(rows, members, n_new, rng, label)
                plans.append((members[plan.parents], plan.weights))
        self.plan_ = MixPlan([], [], [])
        if plans:
            self.plan_ = MixPlan.from_parents(*map(np.concatenate, zip(*plans, strict=True)))
        # every parent has the class of the first, whatever the weights
        order = np.concatenate([np.arange(len(target)), self.plan_.left])
        return rows.extend(self.plan_), take_rows(y, order)

    def _within(self, rows: Rows, members: Array, n_new: int, rng: Any, label: Any) -> MixPlan:
        pairing = (self.pairing or Permutation()).take(members)
        if len(members) == 1:
            warnings.warn(
                f"Class {label!r} has a single row, which can only be copied ({n_new} times). "
                "Leave the class out of sampling_strategy, or find more rows of it.",
                UserWarning,
                stacklevel=4,
            )
            weights = np.eye(1, self._law.parents).repeat(n_new, axis=0)
            return MixPlan.from_parents(np.zeros(weights.shape, int), weights)
        points = points_of(rows)[members] if pairing.needs_points else len(members)
        return self._draw(points, n_new, pairing, rng)
