"""Columns to numbers that can be mixed, and mixed numbers back to columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal.table.numbers import MAX_DECIMALS, Mask, Numbers
from vicinal.table.population import Marginal

__all__ = ["NormalScores", "RawValues", "Scale", "fill_missing", "marginal_of"]

Scores = npt.NDArray[np.floating[Any]]

#: Up to this many distinct values every one is kept apart; above, quantiles are interpolated.
STEP_VALUES = 1024
#: Quantile levels of an interpolated column.
LEVELS = 2048
#: Places in the guide for each level: so many that most lookups need no further step, which the
#: processor would guess wrongly.
GUIDE = 16
#: Tied values share a normal score but for this share of the room that their ranks take up. It
#: breaks ties among mixed scores at random, which keeps the frequencies of the values.
TIE_SPREAD = 0.01
#: Rows, about, and columns at most from which a missing score is predicted.
FILL_ROWS = 20_000
FILL_COLUMNS = 64


def fill_missing(scores: Scores, missing: Mask, rng: np.random.Generator) -> None:
    """Fill missing scores so that they can be mixed without harm, in place.

    Each column is regressed on the others and filled by the prediction plus the residual of a
    random observed row. Filled values never show in a synthetic table, where the place stays
    missing, unless a partner's value is mixed with one; then they carry the right mean, variance
    and correlation.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, n_columns)
        Changed where ``missing`` is True.
    missing : ndarray of bool, same shape
        Which scores to fill.
    rng : numpy.random.Generator
        Picks the residuals.
    """
    holed = np.flatnonzero(missing.any(axis=0))
    if not len(holed):
        return
    size = np.maximum(np.abs(scores).max(axis=0), np.finfo(scores.dtype).tiny)
    plain = scores / size  # squares of huge numbers would overflow
    for column in holed:
        hole = missing[:, column]
        plain[hole, column] = plain[~hole, column].mean() if not hole.all() else 0.0
    few = plain[:: max(1, len(plain) // FILL_ROWS)].astype(np.float64)
    strength = None
    if few.shape[1] > FILL_COLUMNS:
        few -= few.mean(axis=0)
        strength = np.abs(few.T @ few) / np.maximum(np.sqrt((few**2).sum(axis=0)), 1e-12)
    for column in holed:
        gone, seen = (np.flatnonzero(one) for one in (missing[:, column], ~missing[:, column]))
        if not len(seen):
            continue
        seen = seen[:: max(1, len(seen) // FILL_ROWS)]
        target = plain[seen, column].astype(np.float64)
        others = np.delete(np.arange(scores.shape[1]), column)
        if strength is not None:  # the most correlated of many
            order = np.argsort(-strength[column, others], kind="stable")
            others = np.sort(others[order[:FILL_COLUMNS]])
        design = _design(plain, seen, others)
        gram = design.T @ design
        gram[np.diag_indices_from(gram)] += 1e-6 * (1 + np.diag(gram))
        slope = np.linalg.solve(gram, design.T @ target)
        residual = target - design @ slope
        filled = _design(plain, gone, others) @ slope + rng.choice(residual, len(gone))
        scores[gone, column] = filled * size[column]


def _design(
    scores: Scores, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    design = np.ones((len(rows), len(columns) + 1))
    design[:, 1:] = scores[np.ix_(rows, columns)]
    return design


class Scale(ABC):
    """How one column becomes scores and scores become values.

    Attributes
    ----------
    scores : ndarray of shape (n_rows,)
        The column in the space where rows are mixed; 0 where missing.
    """

    scores: Scores

    @abstractmethod
    def calibrate(self, mixed: Scores) -> None:
        """Learn how mixed scores are distributed, from a sample of them."""

    @abstractmethod
    def decode(self, scores: Scores) -> Numbers:
        """Return the values that belong to mixed scores."""


class RawValues(Scale):
    """Values are mixed as they are: mean, variance and covariance are kept.

    Parameters
    ----------
    numbers : ndarray of int64 or float64, shape (n_rows,)
        The column.
    missing : ndarray of bool, shape (n_rows,)
        Places without a value.
    limits : tuple of two numbers
        What the column's type can hold; mixed values are clipped to it.
    whole : bool, default False
        Whether to round floats to whole numbers.
    """

    def __init__(
        self, numbers: Numbers, missing: Mask, limits: tuple[Any, Any], whole: bool = False
    ) -> None:
        seen = numbers[~missing]
        self._limits, self._whole = limits, whole
        # Centerd in the column's own type: large integers and timestamps keep their last digits.
        half = len(seen) // 2
        self._center = np.partition(seen, half)[half] if len(seen) else numbers.dtype.type(0)
        if len(seen) and int(seen.max()) - int(seen.min()) >= 2**63:  # would not fit in int64
            self.scores = numbers.astype(np.float64) - float(self._center)
        else:
            self.scores = np.where(missing, 0, numbers - self._center).astype(np.float64)
        self.scores[missing] = 0.0
        self._factor, self._shift = 1.0, 0.0

    def fit_moments(self, pivot: Any, offset: float, variance: float, missing: Mask) -> None:
        """Give mixed values the mean and variance of a column that these are a sample of.

        Parameters
        ----------
        pivot : int or float
            A number near the mean.
        offset : float
            How far the mean lies above it.
        variance : float
            Of the whole column.
        missing : ndarray of bool, shape (n_rows,)
            Places without a value.
        """
        seen = self.scores[~missing]
        spread = float(seen.std()) if len(seen) else 0.0
        factor = float(np.sqrt(variance)) / spread if spread > 0 else 1.0
        above = float(pivot - self._center.item()) + offset  # exact before it is a float
        shift = above - factor * float(seen.mean()) if len(seen) else 0.0
        if np.isfinite(factor) and np.isfinite(shift):
            self._factor, self._shift = factor, shift

    def calibrate(self, mixed: Scores) -> None:
        """Nothing to learn."""

    def decode(self, scores: Scores) -> Numbers:
        """Return centerd values moved back, rounded where the column holds integers."""
        low, high = self._limits
        if self._factor != 1.0 or self._shift != 0.0:
            scores = self._factor * scores + self._shift
        if self._center.dtype.kind == "f":
            moved = self._center + scores
            clipped: Numbers = np.clip(np.rint(moved) if self._whole else moved, low, high)
            return clipped
        center, far = int(self._center), 2**62
        steps = np.clip(np.rint(scores), -float(far), float(far)).astype(np.int64)
        whole = center + np.clip(steps, max(low - center, -far), min(high - center, far))
        beyond = np.abs(scores) >= far
        if beyond.any():
            top = np.nextafter(float(high), 0.0) if float(high) > high else float(high)
            whole[beyond] = np.clip(center + scores[beyond], float(low), top).astype(np.int64)
        return whole


class NormalScores(Scale):
    """Values are mixed as Gaussian quantiles of their ranks: the marginal and its range are kept.

    Ranks become normal scores; the distribution of the *mixed* scores is learned from a sample
    (:meth:`calibrate`), and a mixed score goes back to the value of the same rank in the column.

    Parameters
    ----------
    numbers : ndarray of int64 or float64, shape (n_rows,)
        The column.
    missing : ndarray of bool, shape (n_rows,)
        Places without a value.
    rng : numpy.random.Generator
        Breaks ties.

    Attributes
    ----------
    marginal : Marginal
        The column's distribution; another one may be put in its place before :meth:`calibrate`.
    """

    def __init__(self, numbers: Numbers, missing: Mask, rng: np.random.Generator) -> None:
        from scipy.special import ndtri

        seen = numbers[~missing]
        values, inverse, counts = np.unique(seen, return_inverse=True, return_counts=True)
        ends = np.cumsum(counts) / max(len(seen), 1)  # share of values up to each one
        middle = ndtri(np.clip(ends - counts / (2 * max(len(seen), 1)), 1e-12, 1 - 1e-12))
        scores = middle[inverse]
        if len(values) < len(seen):
            order = np.lexsort([rng.random(len(seen)), inverse])
            rank = np.empty(len(seen))
            rank[order] = np.arange(len(seen)) + 0.5
            scores += TIE_SPREAD * (ndtri(rank / len(seen)) - scores)
        self.scores = np.zeros(len(numbers), np.float32)
        self.scores[~missing] = scores
        self.marginal = marginal_of(values, ends, _decimals(values))

    def calibrate(self, mixed: Scores) -> None:
        """Learn the quantiles of mixed scores.

        Parameters
        ----------
        mixed : ndarray of shape (n_sample,)
            Scores of mixed rows, mixed as they will be when sampling.
        """
        ordered = np.sort(mixed).astype(np.float64)
        to = self.marginal
        edges = np.interp(to.levels * len(ordered), np.arange(len(ordered)) + 0.5, ordered)
        outer = (ordered[0], ordered[-1])
        self._lookup = _Lookup(edges, outer, to.low, to.high, to.decimals)

    def decode(self, scores: Scores) -> Numbers:
        """Return the values of the same rank.

        Parameters
        ----------
        scores : ndarray of shape (n_rows,)
            Mixed scores.

        Returns
        -------
        ndarray of int64 or float64, shape (n_rows,)
            Inside the column's range; with its number of decimal places.
        """
        return self._lookup(scores)


def marginal_of(
    values: Numbers,
    ends: npt.NDArray[np.float64],
    decimals: int | None,
    extra: npt.NDArray[np.float64] | None = None,
) -> Marginal:
    """Return the distribution of a column as a table.

    Parameters
    ----------
    values : ndarray of int64 or float64, shape (n_distinct,)
        Different values, rising.
    ends : ndarray of float64, shape (n_distinct,)
        Share of values up to each one.
    decimals : int, optional
        Decimal places of the values.
    extra : ndarray of float64, optional
        Levels beside those that are equally spaced.

    Returns
    -------
    Marginal
        Every value of few, or quantiles of many.
    """
    if not len(values):  # nothing but gaps
        values, ends = np.zeros(1, values.dtype), np.ones(1)
    if len(values) <= STEP_VALUES:
        return Marginal(ends[:-1], values, values, decimals)
    return Marginal(*_interpolated(values, ends, extra), decimals)


def _interpolated(
    values: Numbers, ends: npt.NDArray[np.float64], extra: npt.NDArray[np.float64] | None
) -> tuple[npt.NDArray[np.float64], Numbers, Numbers]:
    """Return inner levels, and the values that the cells between levels begin and end with.

    Levels are equally spaced, with frequent values (more than one level wide) given a cell of
    their own, so that they neither smear nor fade.
    """
    starts = np.concatenate([[0.0], ends[:-1]])
    wide = np.flatnonzero(ends - starts > 1.0 / LEVELS)
    more = np.empty(0) if extra is None else extra
    spaced = np.linspace(0, 1, LEVELS + 1)
    level = np.unique(np.concatenate([spaced, starts[wide], ends[wide], more]))
    at = np.searchsorted(ends, level, side="right").clip(max=len(values) - 1)
    # the cell's upper end is the value just below the next level, not the one at it
    end = np.searchsorted(ends, level[1:], side="left").clip(max=len(values) - 1)
    return level[1:-1], values[at[:-1]], values[end]


def _decimals(values: Numbers) -> int | None:
    """Return how many decimal places the values have, if that is a few."""
    if values.dtype.kind == "i":
        return None
    with np.errstate(over="ignore"):  # huge numbers have no decimal places to keep
        for places in range(MAX_DECIMALS + 1):
            if np.array_equal(np.round(values, places), values):
                return places
    return None


class _Lookup:
    """A piecewise linear function with jumps, found through a table of where to start looking."""

    def __init__(
        self,
        edges: Scores,
        outer: tuple[float, float],
        low: Numbers,
        high: Numbers,
        decimals: int | None,
    ) -> None:
        from vicinal.table import _lookup

        self._function = _lookup.look_up
        self._edges = np.concatenate([[outer[0]], edges, [outer[1]]])
        self._low, self._high = low, high
        self._scale = 0.0 if decimals is None else 10.0**decimals
        finite = edges if len(edges) else np.zeros(1)
        self._start = float(finite[0])
        span = float(finite[-1] - finite[0]) or 1.0
        size = GUIDE * len(finite)
        self._per_cell = size / span
        grid = self._start + np.arange(size + 1) / self._per_cell
        self._guide = np.searchsorted(edges, grid, side="left").astype(np.int32)

    def __call__(self, scores: Scores) -> Numbers:
        out = np.empty(len(scores), self._low.dtype)
        self._function(
            scores,
            self._edges,
            self._guide,
            self._start,
            self._per_cell,
            self._low,
            self._high,
            self._scale,
            self._low.dtype.kind == "i",
            out,
        )
        return out
