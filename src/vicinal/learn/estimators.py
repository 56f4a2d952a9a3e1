"""Estimators that learn from mixed vectors: the few-shot baseline on embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from vicinal._checks import check_choice, check_number
from vicinal._random import LearnKey, RandomState, Seeds
from vicinal._types import Array, Floats
from vicinal.learn.augmenter import MixupAugmenter
from vicinal.learn.labels import read_labels
from vicinal.pairing import AcrossGroup, NearTarget, Pairing, Permutation
from vicinal.pairing.base import check_pairing
from vicinal.plan import MixPlan, make_plan
from vicinal.weights import Beta, Uniform, WeightLaw, check_law


def check_proba(estimator: Any) -> None:
    """Refuse a classifier that gives no probabilities before anything is learned."""
    if not hasattr(estimator, "predict_proba"):
        raise TypeError(
            f"estimator must have predict_proba, and {estimator!r} has none. Wrap it in scikit-"
            "learn's CalibratedClassifierCV, or take another."
        )


class MixupClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """Train a classifier on vectors and on mixtures of them, with the labels of both parents.

    A mixed row counts once for each parent's class, by the parent's weight: the loss of a soft
    label, for any estimator that takes ``sample_weight``.

    Parameters
    ----------
    estimator : estimator, optional
        A classifier with ``predict_proba`` that takes ``sample_weight``;
        ``LogisticRegression(max_iter=1000)`` where left out.
    n_samples : float, default 4.0
        Mixed rows to each row.
    weights : WeightLaw, optional
        By how much; ``Beta(0.4)`` where left out. Weights outside [0, 1] are cut to it for labels.
    pairing : Pairing or callable, optional
        Who mixes with whom, or a function of the labels such as ``vicinal.AcrossGroup``;
        ``Permutation()`` where left out.
    unknown : {"across"}, optional
        Whether to learn what is of no class: mixtures of rows of different classes, as many as
        there are rows, are one more class (see :meth:`unknown_proba`).
    random_state : int, numpy.random.Generator or None
        Seed.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Classes, sorted.
    estimator_ : estimator
        The classifier, trained.
    plan_ : MixPlan
        Parents and weights of the mixed rows.
    n_features_in_ : int
        Number of columns.

    References
    ----------
    Zhan, Liang, Liu, Fan, Wu and Lam, "Out-of-Scope Intent Detection with Self-Supervision and
    Discriminative Training", ACL 2021 (for ``unknown``).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-2, 1, (20, 4)), rng.normal(2, 1, (20, 4))])
    >>> y = np.repeat(["no", "yes"], 20)
    >>> model = MixupClassifier(unknown="across", random_state=0).fit(X, y)
    >>> float(model.score(X, y))
    1.0
    >>> bool(model.unknown_proba(np.zeros((1, 4)))[0] > model.unknown_proba(X).mean())
    True
    """

    classes_: Array
    plan_: MixPlan

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_samples: float = 4.0,
        weights: WeightLaw | None = None,
        pairing: Pairing | Callable[[Array], Pairing] | None = None,
        unknown: str | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.estimator = estimator
        self.n_samples = n_samples
        self.weights = weights
        self.pairing = pairing
        self.unknown = unknown
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MixupClassifier:
        """Mix the rows, and train on them and their mixtures.

        Parameters
        ----------
        X : array_like of shape (n_rows, n_features)
            Finite numbers.
        y : array_like of shape (n_rows,)
            Class of each row.
        sample_weight : array_like of shape (n_rows,), optional
            How much each row counts, by itself and in its mixtures; the same where left out.

        Returns
        -------
        MixupClassifier
            Itself.

        Raises
        ------
        ValueError, TypeError
            If a parameter is out of range, or there is one class.
        """
        from sklearn.linear_model import LogisticRegression

        check_number("n_samples", self.n_samples, low=0)
        if self.unknown is not None:
            check_choice("unknown", self.unknown, ["across"])
        X, y = validate_data(self, X, y, dtype=(np.float64, np.float32))
        self.classes_, codes = np.unique(read_labels(y), return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y must hold at least 2 classes, got 1 class: {self.classes_.tolist()}. There is "
                "nothing to tell apart."
            )
        counts = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        rows, numbers, shares = self._mixtures(X, codes, counts, Seeds(self.random_state))
        model = LogisticRegression(max_iter=1000) if self.estimator is None else self.estimator
        check_proba(model)
        kept = shares > 0
        self.estimator_ = clone(model).fit(rows[kept], numbers[kept], sample_weight=shares[kept])
        return self

    def _mixtures(
        self, X: Array, codes: Array, counts: Array, seeds: Seeds
    ) -> tuple[Array, Array, Array]:
        """Return rows and their mixtures, a class for each, and what it counts."""
        weights = check_law(Beta(0.4) if self.weights is None else self.weights, parents=2)
        pairing: Any = Permutation() if self.pairing is None else self.pairing
        if not isinstance(pairing, Pairing) and callable(pairing):
            pairing = pairing(codes)
        check_pairing(pairing)
        self.plan_ = plan = MixPlan([], [], [])
        if n_new := round(self.n_samples * len(X)):
            rng = seeds.generator(LearnKey.PLAN)
            self.plan_ = plan = make_plan(
                X, n_new, pairing=pairing, weights=weights, random_state=rng
            )
        mixed, lam = plan.apply(X), np.clip(plan.lam, 0.0, 1.0)
        rows = [X, mixed, mixed]
        numbers = [codes, codes[plan.left], codes[plan.right]]
        shares = [counts, lam * counts[plan.left], (1 - lam) * counts[plan.right]]
        if self.unknown:
            rng = seeds.generator(LearnKey.PLAN, 1)
            across = make_plan(X, pairing=AcrossGroup(codes), weights=Uniform(), random_state=rng)
            rows.append(across.apply(X))
            numbers.append(np.full(len(X), len(self.classes_)))
            shares.append(across.apply(counts[:, None])[:, 0])
        return np.concatenate(rows), np.concatenate(numbers), np.concatenate(shares)

    def _shares(self, X: Any) -> Floats:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        found = np.zeros((len(X), len(self.classes_) + bool(self.unknown)))
        # a class whose rows all count 0 was not learned
        found[:, self.estimator_.classes_] = self.estimator_.predict_proba(X)
        return found

    def predict_proba(self, X: Any) -> Floats:
        """Return the probability of each class, given that a row is of one of them.

        Parameters
        ----------
        X : array_like of shape (n_rows, n_features)
            Finite numbers.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
            Rows with sum 1.
        """
        shares = self._shares(X)[:, : len(self.classes_)]
        total = shares.sum(axis=1, keepdims=True)
        # where a row is of none of them beyond doubt, each is as likely as any other
        even = np.full_like(shares, 1 / len(self.classes_))
        np.divide(shares, total, out=even, where=total > 0)
        return even

    def unknown_proba(self, X: Any) -> Floats:
        """Return the probability that a row is of no class that was learned.

        Parameters
        ----------
        X : array_like of shape (n_rows, n_features)
            Finite numbers.

        Returns
        -------
        ndarray of shape (n_rows,)
            From 0 to 1. Without ``unknown`` 1 minus the highest probability of a class.
        """
        shares = self._shares(X)
        return shares[:, -1] if self.unknown else 1 - shares.max(axis=1)

    def predict(self, X: Any) -> Array:
        """Return the most probable class, shape (n_rows,)."""
        best = self.predict_proba(X).argmax(axis=1)
        found: Array = self.classes_[best]
        return found


class MixupRegressor(RegressorMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """Train a regressor on vectors and on mixtures of them, targets mixed by the same weights.

    Parameters
    ----------
    estimator : estimator, optional
        A regressor; a network of one hidden layer over standardized columns where left out.
    n_samples : float, default 4.0
        Mixed rows to each row.
    weights : WeightLaw, optional
        By how much; ``Beta(2.0)`` where left out, as in C-Mixup.
    pairing : "any", "near-target", Pairing or callable, default vicinal.NearTarget
        As of :class:`MixupAugmenter`; left out, partners have a like target, as in C-Mixup.
    random_state : int, numpy.random.Generator or None
        Seed.

    Attributes
    ----------
    estimator_ : estimator
        The regressor, trained.
    plan_ : MixPlan
        Parents and weights of the mixed rows.
    n_features_in_ : int
        Number of columns.

    See Also
    --------
    MixupAugmenter : The mixed rows alone, also of tables.

    References
    ----------
    Yao, Wang, Zhang, Zou and Finn, "C-Mixup: Improving Generalization in Regression",
    NeurIPS 2022.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 3))
    >>> model = MixupRegressor(Ridge(), random_state=0).fit(X, X.sum(axis=1))
    >>> round(model.score(X, X.sum(axis=1)), 2)
    1.0
    """

    plan_: MixPlan

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_samples: float = 4.0,
        weights: WeightLaw | None = None,
        pairing: Any = None,
        random_state: RandomState = None,
    ) -> None:
        self.estimator = estimator
        self.n_samples = n_samples
        self.weights = weights
        self.pairing = pairing
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MixupRegressor:
        """Mix the rows, and train on them and their mixtures.

        Parameters
        ----------
        X : array_like of shape (n_rows, n_features)
            Finite numbers.
        y : array_like of shape (n_rows,)
            Target of each row.
        sample_weight : array_like of shape (n_rows,), optional
            How much each row counts; a mixed row counts by the weights of its parents. The
            regressor has to take a ``sample_weight`` where there is one.

        Returns
        -------
        MixupRegressor
            Itself.

        Raises
        ------
        ValueError, TypeError
            If a parameter is out of range, or a number is not finite.
        """
        check_number("n_samples", self.n_samples, low=0, open_low=True)
        X, y = validate_data(
            self, X, y, dtype=(np.float64, np.float32), y_numeric=True, ensure_min_samples=2
        )
        seeds = Seeds(self.random_state)
        augmenter = MixupAugmenter(
            float(self.n_samples),
            weights=Beta(2.0) if self.weights is None else self.weights,
            pairing=NearTarget if self.pairing is None else self.pairing,
            random_state=seeds.generator(LearnKey.PLAN),
        )
        X_new, y_new = augmenter.fit_resample(X, y.astype(np.float64))
        self.plan_ = augmenter.plan_
        own = self.estimator is None
        model = self._network(seeds) if own else clone(self.estimator)
        told = {}
        if sample_weight is not None:
            counts = _check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
            name = "mlpregressor__sample_weight" if own else "sample_weight"
            told[name] = np.concatenate([counts, self.plan_.apply(counts[:, None])[:, 0].clip(0)])
        self.estimator_ = model.fit(X_new, y_new, **told)
        return self

    def _network(self, seeds: Seeds) -> Any:
        from sklearn.neural_network import MLPRegressor
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        seed = int(seeds.generator(LearnKey.PLAN, 1).integers(2**31))
        return make_pipeline(StandardScaler(), MLPRegressor(max_iter=500, random_state=seed))

    def predict(self, X: Any) -> Array:
        """Return predicted targets, shape (n_rows,)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        found: Array = self.estimator_.predict(X)
        return found
