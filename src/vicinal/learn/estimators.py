"""Over-sampling of classes and augmentation for regression, with scikit-learn's interface.

Neither class needs imbalanced-learn. Its pipeline asks only for ``fit_resample``, while its base
class turns every table into one array of a single type before a sampler sees it, and takes a
second to import; so both are scikit-learn estimators that bring the method, the attributes and
the tags themselves.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import narwhals as nw
import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator, OneToOneFeatureMixin
from sklearn.utils import InputTags, Tags, check_array, check_consistent_length
from sklearn.utils.validation import validate_data

from vicinal._checks import check_choice, check_count, check_number
from vicinal._random import LearnKey, RandomState, Seeds
from vicinal.learn.classes import read_labels, resolve_strategy
from vicinal.learn.rows import (
    ArrayRows,
    FrameRows,
    Rows,
    SparseRows,
    TargetRows,
    as_frame,
    copied_columns,
    take_rows,
)
from vicinal.pairing import LocalPermutation, Pairing, Permutation
from vicinal.plan import MixPlan, make_plan
from vicinal.weights import EpBeta, WeightLaw

__all__ = ["MixupAugmenter", "MixupSampler"]

Array = npt.NDArray[Any]


# The tags that imbalanced-learn's tools look for, beyond those of scikit-learn.
@dataclass(slots=True)
class _InputTags(InputTags):  # type: ignore[misc]
    dataframe: bool = True


@dataclass(slots=True)
class _SamplerTags:
    sample_indices: bool = False


@dataclass(slots=True)
class _Tags(Tags):  # type: ignore[misc]
    sampler_tags: _SamplerTags = field(default_factory=_SamplerTags)


class _Mixer(OneToOneFeatureMixin, BaseEstimator):  # type: ignore[misc]
    """What over-sampling and augmentation share: reading rows, drawing plans, tags."""

    _estimator_type = "sampler"
    _sampling_type: ClassVar[str]
    weights: WeightLaw | None
    categorical_features: Any
    random_state: RandomState

    def __sklearn_tags__(self) -> _Tags:
        known = super().__sklearn_tags__()
        tags = _Tags(**{item.name: getattr(known, item.name) for item in fields(known)})
        tags.estimator_type = "sampler"
        tags.target_tags.required = True
        tags.input_tags = _InputTags(sparse=True, string=True)
        return tags

    def _read(self, X: Any, y: Any) -> Rows:
        if self.weights is not None and not isinstance(self.weights, WeightLaw):
            raise TypeError(f"weights must be a law such as EpBeta(0.1), got {self.weights!r}.")
        frame = as_frame(X)
        validate_data(self, X=X, y=y, skip_check_array=True)
        if isinstance(frame, nw.DataFrame):
            if len(frame) < 2:
                raise ValueError(f"X must have at least 2 rows, got {len(frame)} sample(s).")
            names = frame.columns
            copied = copied_columns(self.categorical_features, len(names), names)
            rows: Rows = FrameRows(frame, copied)
        else:
            as_list, given = isinstance(X, list), X
            if isinstance(X, (list, tuple)) and np.asarray(X).dtype.kind in "US":
                given = np.array(X, dtype=object)  # numbers beside text must not turn into text
            checked = check_array(
                given,
                accept_sparse=("csr", "csc"),
                dtype=None,
                ensure_min_samples=2,
                estimator=self,
                input_name="X",
            )
            copied = copied_columns(self.categorical_features, checked.shape[1], None)
            if sparse.issparse(checked):
                rows = SparseRows(checked, copied)
            else:
                rows = ArrayRows(checked, copied, as_list=as_list)
        check_consistent_length(X, y)
        return rows

    def _draw(self, points: int | Array, n_samples: int, pairing: Pairing, rng: Any) -> MixPlan:
        """Draw a plan over rows, given by their number or as points for a pairing that looks."""
        if not isinstance(points, int):
            scale = points.std(axis=0)
            points = (points - points.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
        return make_plan(
            points, n_samples, pairing=pairing, weights=self.weights or EpBeta(), random_state=rng
        )


class MixupSampler(_Mixer):
    """Over-sample classes by mixing rows of the same class.

    With the default weights the synthetic rows of a class have, in expectation, the mean and the
    covariance of its real rows. Interpolation between neighbors, as in SMOTE, shrinks them.

    Parameters
    ----------
    sampling_strategy : str, float, dict or callable, default "auto"
        Which classes get how many rows, as in imbalanced-learn: ``"not majority"`` (the same as
        ``"auto"``), ``"minority"``, ``"not minority"`` or ``"all"`` bring classes to the size of
        the largest; a float is the ratio of the smaller to the larger of two classes; a dict
        gives the wanted rows of each class; a callable makes such a dict from the labels.
    weights : WeightLaw, optional
        By how much rows are mixed; ``EpBeta()`` where left out.
    pairing : Pairing, optional
        Who mixes with whom within a class; ``Permutation()`` where left out. A pairing that
        looks at distances sees the numeric columns, standardized within the class.
    categorical_features : "auto" or array_like of int, bool or str, default "auto"
        Columns that are copied from the parent with the larger weight although they hold numbers
        (codes, for instance): column numbers, a mask, or names. Columns of anything but numbers
        are always copied so.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        Seed. Each class has its own stream, spawned from it: the rows made for a class do not
        depend on what is asked for the others.

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
    Columns of whole numbers are rounded to the nearest and keep their type. Mixed values can lie
    a little outside the range of the data, which is what keeps the variance.

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
        random_state: RandomState = None,
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.weights = weights
        self.pairing = pairing
        self.categorical_features = categorical_features
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> MixupSampler:
        """Check the data and work out ``sampling_strategy_``; :meth:`fit_resample` does it too.

        Parameters
        ----------
        X : array_like, sparse matrix or table of shape (n_rows, n_features)
            Rows.
        y : array_like of shape (n_rows,)
            Classes.

        Returns
        -------
        MixupSampler
            Itself.
        """
        self._check(X, y)
        return self

    def _check(self, X: Any, y: Any) -> tuple[Rows, Array]:
        if self.pairing is not None and not isinstance(self.pairing, Pairing):
            raise TypeError(
                f"pairing must be a Pairing such as vicinal.Permutation(), got {self.pairing!r}."
            )
        rows = self._read(X, y)
        labels = read_labels(y)
        self.sampling_strategy_ = resolve_strategy(self.sampling_strategy, labels)
        return rows, labels

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return the rows with synthetic rows below them.

        Parameters
        ----------
        X : array_like, sparse matrix or table of shape (n_rows, n_features)
            Rows: lists, NumPy, SciPy CSR or CSC, pandas, Polars or PyArrow. Missing values are
            refused in columns of numbers; in others they are copied like any value.
        y : array_like of shape (n_rows,), or one-hot of shape (n_rows, n_classes)
            Classes: text, whole numbers or truth values, in any of these containers.

        Returns
        -------
        X_resampled : same kind as ``X``
            The original rows, untouched, then the synthetic ones, class by class.
        y_resampled : same kind as ``y``
            Their classes.

        Raises
        ------
        ValueError
            If values are missing, ``y`` is continuous or holds one class, or
            ``sampling_strategy`` asks for what is not there.
        TypeError
            If a parameter or ``X`` is of the wrong kind.

        Warns
        -----
        UserWarning
            Where a class has one row, which can only be copied.
        """
        rows, labels = self._check(X, y)
        classes, codes = np.unique(labels, return_inverse=True)
        seeds = Seeds(self.random_state)
        plans = []
        for number, label in enumerate(classes.tolist()):
            n_new = self.sampling_strategy_.get(label, 0)
            if n_new:
                members = np.flatnonzero(codes == number)
                plan = self._within(
                    rows, members, n_new, seeds.generator(LearnKey.PLAN, number), label
                )
                plans.append((members[plan.parents], plan.weights))
        self.plan_ = MixPlan([], [], [])
        if plans:
            self.plan_ = MixPlan.from_parents(*map(np.concatenate, zip(*plans, strict=True)))
        # every parent has the class of the first, whatever the weights
        order = np.concatenate([np.arange(len(labels)), self.plan_.left])
        return rows.extend(self.plan_), take_rows(y, order)

    def _within(self, rows: Rows, members: Array, n_new: int, rng: Any, label: Any) -> MixPlan:
        pairing = (self.pairing or Permutation()).take(members)
        if len(members) == 1:
            warnings.warn(
                f"Class {label!r} has a single row, which can only be copied ({n_new} times). "
                "Leave the class out of sampling_strategy, or find more rows of it.",
                UserWarning,
                stacklevel=3,
            )
            weights = np.eye(1, (self.weights or EpBeta()).parents).repeat(n_new, axis=0)
            return MixPlan.from_parents(np.zeros(weights.shape, int), weights)
        points = _points(rows)[members] if pairing.needs_points else len(members)
        return self._draw(points, n_new, pairing, rng)


class MixupAugmenter(_Mixer):
    """Add mixed rows to a regression data set: features and target by the same weights.

    With the default weights the added rows have, in expectation, the means and the joint
    covariance of the real features and targets, so a linear fit stays what it is.

    Parameters
    ----------
    n_samples : float or int, default 1.0
        Rows to add: a float is a share of the rows there are, an int a number.
    weights : WeightLaw, optional
        By how much rows are mixed; ``EpBeta()`` where left out.
    pairing : "any", "near-target" or Pairing, default "any"
        Who mixes with whom: any two rows; rows with near targets; or as the pairing says, which
        sees the standardized numeric columns of ``X`` if it looks at distances.
    categorical_features : "auto" or array_like of int, bool or str, default "auto"
        Columns that are copied from the parent with the larger weight although they hold
        numbers, as in :class:`MixupSampler`.
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
    ``"near-target"`` follows the idea of C-Mixup, to mix rows whose targets are close, so that a
    mixed target is plausible where the target is a curved function of the features. C-Mixup
    draws partners with a Gaussian kernel; here rows are cut, by target, into blocks of about the
    square root of their number, and permuted within each: mean and covariance are kept.

    References
    ----------
    Yao, Wang, Zhang, Zou and Finn, "C-Mixup: Improving Generalization in Regression",
    NeurIPS 2022.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 3))
    >>> X_res, y_res = MixupAugmenter(0.5, random_state=0).fit_resample(X, X.sum(axis=1))
    >>> X_res.shape, bool(np.allclose(y_res, X_res.sum(axis=1)))
    ((150, 3), True)
    """

    _sampling_type = "bypass"

    def __init__(
        self,
        n_samples: float | int = 1.0,
        *,
        weights: WeightLaw | None = None,
        pairing: str | Pairing = "any",
        categorical_features: Any = "auto",
        random_state: RandomState = None,
    ) -> None:
        self.n_samples = n_samples
        self.weights = weights
        self.pairing = pairing
        self.categorical_features = categorical_features
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> MixupAugmenter:
        """Check the data; :meth:`fit_resample` does it too.

        Parameters
        ----------
        X : array_like, sparse matrix or table of shape (n_rows, n_features)
            Rows.
        y : array_like of shape (n_rows,) or (n_rows, n_outputs)
            Targets.

        Returns
        -------
        MixupAugmenter
            Itself.
        """
        self._check(X, y)
        return self

    def _check(self, X: Any, y: Any) -> tuple[Rows, TargetRows, int]:
        if not isinstance(self.pairing, Pairing):
            check_choice("pairing", self.pairing, ["any", "near-target"])
        rows = self._read(X, y)
        targets = TargetRows(y)
        n_rows = len(targets.numbers)
        if isinstance(self.n_samples, (int, np.integer)):
            return rows, targets, check_count("n_samples", self.n_samples)
        share = check_number("n_samples", self.n_samples, low=0, open_low=True)
        return rows, targets, max(1, round(share * n_rows))

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return the rows and targets with mixed ones below them.

        Parameters
        ----------
        X : array_like, sparse matrix or table of shape (n_rows, n_features)
            Rows, as in :meth:`MixupSampler.fit_resample`.
        y : array_like of shape (n_rows,) or (n_rows, n_outputs)
            Numbers. Whole ones are rounded after mixing and keep their type.

        Returns
        -------
        X_resampled : same kind as ``X``
            The original rows, untouched, then the mixed ones.
        y_resampled : same kind as ``y``
            Their targets.

        Raises
        ------
        ValueError
            If values are missing, ``y`` holds class labels or a parameter is out of range.
        TypeError
            If a parameter or ``X`` is of the wrong kind.

        Warns
        -----
        UserWarning
            Where rounding whole targets adds more than 1 % to their variance.
        """
        rows, targets, n_new = self._check(X, y)
        points: int | Array = len(targets.numbers)
        if isinstance(self.pairing, Pairing):
            pairing = self.pairing
            if pairing.needs_points:
                points = _points(rows)
        elif self.pairing == "near-target":
            pairing = LocalPermutation(max(2, round(len(targets.numbers) ** 0.5)))
            points = targets.numbers
        else:
            pairing = Permutation()
        self.plan_ = self._draw(
            points, n_new, pairing, Seeds(self.random_state).generator(LearnKey.PLAN)
        )
        return rows.extend(self.plan_), targets.extend(self.plan_)


def _points(rows: Rows) -> Array:
    if rows.numbers is None:
        raise ValueError(
            "pairing looks at distances between rows, which needs a dense X. Leave pairing out, "
            "or pass X.toarray()."
        )
    return rows.numbers
