"""What over-sampling and augmentation share: reading rows, drawing plans, tags.

Without imbalanced-learn: its pipeline asks only for ``fit_resample``, and its base class turns
every table into an array of one type before a sampler sees it.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeVar

import narwhals as nw
import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, OneToOneFeatureMixin
from sklearn.utils import InputTags, Tags, check_array, check_consistent_length
from sklearn.utils.validation import validate_data

from vicinal._random import RandomState
from vicinal._types import Array
from vicinal.learn.rows import ArrayRows, FrameRows, Rows, SparseRows, as_frame, copied_columns
from vicinal.pairing import Pairing
from vicinal.plan import MixPlan, make_plan
from vicinal.weights import EpBeta, WeightLaw, check_law

Self = TypeVar("Self", bound="Mixer")


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


class Mixer(OneToOneFeatureMixin, BaseEstimator):  # type: ignore[misc]
    """Base of the estimators that put mixed rows below given ones."""

    _estimator_type = "sampler"
    _sampling_type: ClassVar[str]
    weights: WeightLaw | None
    categorical_features: Any
    bounds: Any
    random_state: RandomState

    def __sklearn_tags__(self) -> _Tags:
        known = super().__sklearn_tags__()
        tags = _Tags(**{item.name: getattr(known, item.name) for item in fields(known)})
        tags.estimator_type = "sampler"
        tags.target_tags.required = True
        tags.input_tags = _InputTags(sparse=True, string=True, allow_nan=True)
        return tags

    def fit(self: Self, X: Any, y: Any) -> Self:
        """Check the data and the parameters, as :meth:`fit_resample` does too, and return self."""
        self._check(X, y)
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return the rows with mixed rows below them.

        Parameters
        ----------
        X : array_like, sparse matrix or table of shape (n_rows, n_features)
            Lists, NumPy, SciPy CSR or CSC, pandas, Polars or PyArrow. Where a parent
            has no value in a column of numbers, the cell is that of the dominant parent, missing
            or not; sparse rows may miss none.
        y : array_like of shape (n_rows,) or (n_rows, n_outputs)
            In any of these containers. For :class:`MixupSampler` classes, also as one-hot rows;
            for :class:`MixupAugmenter` numbers, whole ones rounded after mixing.

        Returns
        -------
        X_resampled : same kind as ``X``
            The original rows, untouched, then the mixed ones; class by class for a sampler.
        y_resampled : same kind as ``y``
            Their classes or targets.

        Raises
        ------
        ValueError
            If values are missing, ``y`` is of the other kind, a parameter is out of range, or
            ``sampling_strategy`` asks for what is not there.
        TypeError
            If a parameter or ``X`` is of the wrong kind.

        Warns
        -----
        UserWarning
            Where a class has one row; where rounding targets adds over 1 % to their variance.
        """
        X_new, y_new = self._resample(*self._check(X, y), y)
        return _listed(X_new, X), _listed(y_new, y)

    @abstractmethod
    def _check(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Check parameters and data, and return the rows and what ``y`` holds."""

    @abstractmethod
    def _resample(self, rows: Rows, target: Any, y: Any) -> tuple[Any, Any]: ...

    def _read(self, X: Any, y: Any) -> Rows:
        if self.weights is not None:
            check_law(self.weights)
        frame = as_frame(X)
        validate_data(self, X=X, y=y, skip_check_array=True)
        if isinstance(frame, nw.DataFrame):
            if len(frame) < 2:
                raise ValueError(f"X must have at least 2 rows, got {len(frame)} sample(s).")
            copied = copied_columns(self.categorical_features, len(frame.columns), frame)
            rows: Rows = FrameRows(frame, copied, self.bounds)
        else:
            given = X
            if isinstance(X, (list, tuple)) and np.asarray(X).dtype.kind in "US":
                given = np.array(X, dtype=object)  # numbers beside text must not turn into text
            checked = check_array(
                given,
                accept_sparse=("csr", "csc"),
                dtype=None,
                ensure_all_finite="allow-nan",
                ensure_min_samples=2,
                estimator=self,
                input_name="X",
            )
            copied = copied_columns(self.categorical_features, checked.shape[1], None)
            rows = (SparseRows if sparse.issparse(checked) else ArrayRows)(
                checked, copied, self.bounds
            )
        check_consistent_length(X, y)
        return rows

    @property
    def _law(self) -> WeightLaw:
        return self.weights or EpBeta()

    def _draw(self, points: int | Array, n_samples: int, pairing: Pairing, rng: Any) -> MixPlan:
        """Draw a plan over rows, given by their number or as points."""
        if not isinstance(points, int):
            scale = points.std(axis=0)
            points = (points - points.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
        return make_plan(points, n_samples, pairing=pairing, weights=self._law, random_state=rng)


def _listed(made: Any, given: Any) -> Any:
    return made.tolist() if isinstance(given, list) and isinstance(made, np.ndarray) else made


def points_of(rows: Rows) -> Array:
    """Return the columns of numbers as points, which sparse rows have not."""
    if rows.numbers is None:
        raise ValueError(
            "pairing looks at distances between rows, which needs a dense X. Leave pairing out, "
            "or pass X.toarray()."
        )
    return rows.numbers
