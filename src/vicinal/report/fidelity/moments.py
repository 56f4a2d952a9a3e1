"""Moments, measured and predicted, and where they disagree beyond sampling error.

Sampling errors come from influence functions. With z the standardized column, g its skewness and
k its (plain) kurtosis, a figure's variance is the mean square of

* mean: ``x - mean``
* variance: ``(x - mean)**2 - variance``, so ``(m4 - m2**2) / n``
* covariance: ``(x - mean_x)(y - mean_y) - covariance``, so ``(m22 - m11**2) / n``
* skewness: ``z**3 - 3 z - g - 1.5 g (z**2 - 1)``
* kurtosis: ``z**4 - 4 g z - k - 2 k (z**2 - 1)``

over the number of rows: the delta method, from moments up to the eighth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from vicinal._threads import for_chunks
from vicinal._types import Floats
from vicinal.report.fidelity.columns import mean_and_std
from vicinal.report.fidelity.correlation import pair_moments
from vicinal.report.fidelity.prediction import Prediction, predict
from vicinal.report.tables import Part, Tables

if TYPE_CHECKING:
    from vicinal.plan import MixPlan

Indices = npt.NDArray[np.intp]

#: A figure is flagged beyond this many standard errors: 1 in 16,000 by chance, if it is normal.
FLAG_ERRORS = 4.0
#: With fewer rows than this there is no standard error to speak of.
ERROR_ROWS = 30
#: Where one row makes up more than this share of the squared error of skewness or kurtosis, there
#: is none either.
ROW_SHARE = 0.5
#: Covariances that are listed: those furthest off, in standard errors.
SHOWN_COVARIANCES = 2000

KINDS = ("mean", "variance", "skewness", "kurtosis")


@dataclass(frozen=True)
class Moment:
    """One moment of one column, or of two.

    Attributes
    ----------
    name : str
        Such as "variance of age".
    kind : str
        "mean", "variance", "covariance", "skewness" or "kurtosis" (excess: 0 for a normal law).
    columns : tuple of str
        One, or two for a covariance.
    real, synthetic : float
        The figure in both tables, in the columns' own units.
    predicted : float
        What the plan's weights and parents lead one to expect; NaN where nothing is predicted.
    error : float
        Standard error of ``synthetic - predicted``, or of ``synthetic - real`` where nothing is
        predicted. NaN with fewer than 30 rows, and where a single row decides it, as it does for
        skewness and kurtosis of heavy tails.
    flagged : bool
        Whether that difference is beyond 4 standard errors.
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    real: float
    synthetic: float
    predicted: float
    error: float
    flagged: bool


@dataclass(frozen=True)
class Moments:
    """Moments of all numeric columns.

    Attributes
    ----------
    names : tuple of str
        The columns.
    figures : tuple of Moment
        Means, variances, skewness and kurtosis of each, then covariances.
    law : str
        What the predictions rest on; empty without a plan.
    left_out : int
        Covariances that are not listed; those that are lie furthest off.
    """

    names: tuple[str, ...]
    figures: tuple[Moment, ...]
    law: str
    left_out: int = 0

    @property
    def predicts(self) -> bool:
        """Whether anything is predicted; the law may say why nothing is."""
        return any(not math.isnan(figure.predicted) for figure in self.figures)

    @property
    def flagged(self) -> tuple[Moment, ...]:
        """The figures beyond sampling error."""
        return tuple(figure for figure in self.figures if figure.flagged)


def measure_moments(tables: Tables, plan: MixPlan | None) -> Moments:
    """Measure the moments of the numeric columns, and predict them from a plan."""
    prediction = predict(tables, plan)
    (real, real_errors, scales), (made, made_errors, _) = map(_column_moments, tables.both)
    figures = []
    for at, name in enumerate(tables.numeric):
        scale = float(scales[at])
        units = (scale, scale * scale, 1.0, 1.0)
        for degree, kind in enumerate(KINDS):
            place = at, degree
            figures.append(
                _moment(
                    kind,
                    (name,),
                    (real[place], real_errors[place]),
                    (made[place], made_errors[place]),
                    predicted=prediction.single[place],
                    scale=units[degree],
                )
            )
    shown, left_out = _covariances(tables, prediction)
    return Moments(tables.numeric, (*figures, *shown), prediction.law, left_out)


def _moment(
    kind: str,
    columns: tuple[str, ...],
    real: tuple[float, float],
    synthetic: tuple[float, float],
    *,
    predicted: float,
    scale: float,
) -> Moment:
    """Return a figure; ``real`` and ``synthetic`` hold value and standard error each."""
    # the square of a huge number is no figure
    real, synthetic = (
        (value if math.isfinite(value) else math.nan, error if math.isfinite(error) else math.nan)
        for value, error in ((float(one[0]), float(one[1])) for one in (real, synthetic))
    )
    predicted, scale = float(predicted), float(scale)
    known = not math.isnan(predicted)
    error = synthetic[1] if known else math.hypot(real[1], synthetic[1])
    gap = abs(synthetic[0] - (predicted if known else real[0]))
    # what is equal up to rounding is not flagged, however small the error
    noise = 1e-9 * scale + 1e-12 * abs(real[0])
    flagged = gap > FLAG_ERRORS * error + noise  # False where any is NaN
    name = f"{kind} of {' and '.join(columns)}"
    return Moment(name, kind, columns, real[0], synthetic[0], predicted, error, flagged)


def _column_moments(part: Part) -> tuple[Floats, Floats, Floats]:
    """Return mean, variance, skewness and excess kurtosis, (n_columns, 4), errors, and scales."""
    from vicinal.report.fidelity._kernels import power_sums

    n_columns = part.numbers.shape[1]
    values, errors = np.full((2, n_columns, 4), np.nan)
    scale = np.ones(n_columns)

    def work(at: int, _: int) -> None:
        column = part.numbers[:, at]
        center, std = mean_and_std(column)
        scale[at] = std or 1.0
        sums = np.zeros(9)
        power_sums(column, center, scale[at], sums)
        if sums[0]:
            ends = (np.array([np.nanmin(column), np.nanmax(column)]) - center) / scale[at]
            values[at], errors[at] = _from_powers(sums, center, std, ends)

    for_chunks(work, n_columns, 1)
    return values, errors, scale


def _from_powers(
    sums: Floats, center: float, std: float, ends: Floats
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return four moments and their errors from power sums and ends of the standardized column."""
    n = float(sums[0])
    powers = sums / n
    if not std:
        enough = 0.0 if n >= ERROR_ROWS else math.nan
        return (center, 0.0, math.nan, math.nan), (enough, enough, math.nan, math.nan)
    skewness, kurtosis = float(powers[3]), float(powers[4])
    influence = (
        np.array([0.0, 1.0]),
        np.array([-1.0, 0.0, 1.0]),
        np.array([0.5 * skewness, -3.0, -1.5 * skewness, 1.0]),
        np.array([kurtosis, -4.0 * skewness, -2.0 * kurtosis, 0.0, 1.0]),
    )
    errors = [math.nan] * 4
    if n >= ERROR_ROWS:
        squares = [np.convolve(one, one) for one in influence]
        squared = [max(float(one @ powers[: len(one)]), 0.0) for one in squares]
        errors = [math.sqrt(one / n) for one in squared]
        for at in (2, 3):
            largest = float((np.polyval(influence[at][::-1], ends) ** 2).max())
            if largest > ROW_SHARE * n * squared[at]:
                errors[at] = math.nan
    units = (std, std * std, 1.0, 1.0)
    figures = (center, std * std, skewness, kurtosis - 3.0)
    return figures, tuple(one * unit for one, unit in zip(errors, units, strict=True))


def _covariances(tables: Tables, prediction: Prediction) -> tuple[list[Moment], int]:
    some, _ = tables.narrowed()
    names = some.numeric
    if len(names) < 2:
        return [], 0
    first, second = np.triu_indices(len(names), 1)  # (n_pairs,) each
    real, made = (_products(part, first, second) for part in some.both)
    among = np.array([tables.numeric.index(name) for name in names])
    predicted = prediction.covariance[among[first], among[second]]
    order = np.arange(len(first))
    if len(order) > SHOWN_COVARIANCES:  # those furthest off
        known = ~np.isnan(predicted)
        error = np.where(known, made.errors, np.hypot(real.errors, made.errors))
        gap = np.abs(made.values - np.where(known, predicted, real.values))
        with np.errstate(invalid="ignore", divide="ignore"):
            off = np.where(error > 0, gap / error, gap)
        order = np.sort(np.argsort(-off, kind="stable")[:SHOWN_COVARIANCES])
    found = [
        _moment(
            "covariance",
            (names[first[at]], names[second[at]]),
            (real.values[at], real.errors[at]),
            (made.values[at], made.errors[at]),
            predicted=predicted[at],
            scale=real.units[at],
        )
        for at in order
    ]
    return found, len(first) - len(found)


class _Products(NamedTuple):
    """Covariances of pairs of columns of one table, (n_pairs,) each."""

    values: Floats
    errors: Floats
    units: Floats


def _products(part: Part, first: Indices, second: Indices) -> _Products:
    moments, pair = pair_moments(part.numbers), (first, second)
    units = moments.scale[first] * moments.scale[second]
    values, counts = moments.covariance[pair], moments.counts[pair]
    varies = np.maximum(moments.fourth[pair] - values**2, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = np.where(counts >= ERROR_ROWS, np.sqrt(varies / counts), math.nan)
    return _Products(values * units, errors * units, units)
