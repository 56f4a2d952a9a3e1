"""Columns to numbers that can be mixed, and mixed numbers back to columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["NormalScores", "RawValues", "Scale", "fill_missing", "from_numbers", "to_numbers"]

Numbers = npt.NDArray[Any]  # int64 or float64
Scores = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]

#: Up to this many distinct values every one is kept apart; above, quantiles are interpolated.
STEP_VALUES = 1024
#: Quantile levels of an interpolated column.
LEVELS = 2048
#: Tied values share a normal score but for this share of the room that their ranks take up. It
#: breaks ties among mixed scores at random, which keeps the frequencies of the values.
TIE_SPREAD = 0.01
#: Decimal places that are recognised and kept.
MAX_DECIMALS = 6


def to_numbers(values: pa.ChunkedArray, name: str) -> tuple[Numbers, Mask]:
    """Return the numbers behind a column, and where it has none.

    Parameters
    ----------
    values : pyarrow.ChunkedArray
        Numbers, dates, times or durations.
    name : str
        Column, for error messages.

    Returns
    -------
    numbers : ndarray of int64 or float64, shape (n_rows,)
        Times count units since the epoch. Missing places hold 0.
    missing : ndarray of bool, shape (n_rows,)
        True where the value is null or NaN.

    Raises
    ------
    ValueError
        If a value is infinite.
    """
    kind = values.type
    if pa.types.is_temporal(kind):
        width = pa.int32() if kind.bit_width == 32 else pa.int64()
        values = values.cast(width).cast(pa.int64())
    elif pa.types.is_integer(kind) and kind != pa.uint64():
        values = values.cast(pa.int64())
    else:
        values = values.cast(pa.float64(), safe=False)
    missing = values.is_null(nan_is_null=True).to_numpy()
    numbers = pc.fill_null(values, 0).to_numpy()
    if missing.any():
        numbers = np.where(missing, 0, numbers)
    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise ValueError(
            f"Column {name!r} holds infinity (row {row}), which cannot be mixed. Replace it by a "
            "missing value or a large number, or drop the row."
        )
    return numbers, missing


def from_numbers(numbers: Numbers, missing: Mask | None, kind: pa.DataType) -> pa.Array:
    """Return numbers as an Arrow array of the column's own type.

    Parameters
    ----------
    numbers : ndarray of int64 or float64, shape (n_rows,)
        As decoded by a :class:`Scale`.
    missing : ndarray of bool, shape (n_rows,), or None
        Where to leave the value out.
    kind : pyarrow.DataType
        The column's type.

    Returns
    -------
    pyarrow.Array
        Of that type.
    """
    if pa.types.is_temporal(kind):
        numbers = _whole(numbers, *_integer_limits(kind))
        width = pa.int32() if kind.bit_width == 32 else pa.int64()
        return pa.array(numbers, pa.int64(), mask=missing).cast(width).cast(kind)
    if pa.types.is_integer(kind):
        return pa.array(_whole(numbers, *_integer_limits(kind)), mask=missing).cast(kind)
    if pa.types.is_decimal(kind):
        text = pa.array(np.round(numbers, kind.scale), pa.float64(), mask=missing)
        return text.cast(kind, safe=False)
    return pa.array(numbers.astype(np.float64, copy=False), mask=missing).cast(kind, safe=False)


def _integer_limits(kind: pa.DataType) -> tuple[int, int]:
    if pa.types.is_temporal(kind):
        bits, signed = kind.bit_width, True
    else:
        bits, signed = kind.bit_width, pa.types.is_signed_integer(kind)
    low = -(1 << (bits - 1)) if signed else 0
    high = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1
    return low, high


def _whole(numbers: Numbers, low: int, high: int) -> Numbers:
    """Round to integers inside the limits of a type."""
    if numbers.dtype.kind == "i":
        return np.clip(numbers, max(low, -(1 << 63)), min(high, (1 << 63) - 1))
    unsigned = high > (1 << 63) - 1
    top = np.nextafter(float(high), 0) if high > 1 << 53 else float(high)
    rounded = np.clip(np.rint(numbers), float(low), top)
    return rounded.astype(np.uint64 if unsigned else np.int64)


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
    for column in holed:
        scores[missing[:, column], column] = _mean_of(scores[:, column], missing[:, column])
    centred = scores - scores.mean(axis=0)
    for column in holed:
        gone, seen = missing[:, column], ~missing[:, column]
        if not seen.any():
            continue
        others = np.delete(centred, column, axis=1)
        target = scores[seen, column]
        design = np.column_stack([np.ones(len(others)), others])
        gram = design[seen].T @ design[seen]
        gram[np.diag_indices_from(gram)] += 1e-6 * (1 + np.diag(gram))
        slope = np.linalg.solve(gram, design[seen].T @ target)
        residual = target - design[seen] @ slope
        scores[gone, column] = design[gone] @ slope + rng.choice(residual, int(gone.sum()))


def _mean_of(column: Scores, gone: Mask) -> float:
    return float(column[~gone].mean()) if not gone.all() else 0.0


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
    """

    def __init__(self, numbers: Numbers, missing: Mask) -> None:
        seen = numbers[~missing]
        # Centred in the column's own type: large integers and timestamps keep their last digits.
        self._centre = seen.dtype.type(np.median(seen)) if len(seen) else seen.dtype.type(0)
        self.scores = (numbers - self._centre).astype(np.float64)
        self.scores[missing] = 0.0

    def calibrate(self, mixed: Scores) -> None:
        """Nothing to learn."""

    def decode(self, scores: Scores) -> Numbers:
        """Return centred values moved back, rounded where the column holds integers."""
        whole = self._centre.dtype.kind == "i"
        moved: Numbers = self._centre + (np.rint(scores).astype(np.int64) if whole else scores)
        return moved


class NormalScores(Scale):
    """Values are mixed as Gaussian quantiles of their ranks: the marginal and its range are kept.

    Ranks become normal scores; the distribution of the *mixed* scores is learnt from a sample
    (:meth:`calibrate`), and a mixed score goes back to the value of the same rank in the column.

    Parameters
    ----------
    numbers : ndarray of int64 or float64, shape (n_rows,)
        The column.
    missing : ndarray of bool, shape (n_rows,)
        Places without a value.
    rng : numpy.random.Generator
        Breaks ties.
    """

    def __init__(self, numbers: Numbers, missing: Mask, rng: np.random.Generator) -> None:
        from scipy.special import ndtri

        seen = numbers[~missing]
        self._values, inverse, counts = np.unique(seen, return_inverse=True, return_counts=True)
        self._ends = np.cumsum(counts) / max(len(seen), 1)  # share of values up to each one
        middle = ndtri(np.clip(self._ends - counts / (2 * max(len(seen), 1)), 1e-12, 1 - 1e-12))
        scores = middle[inverse]
        if len(self._values) < len(seen):
            order = np.lexsort([rng.random(len(seen)), inverse])
            rank = np.empty(len(seen))
            rank[order] = np.arange(len(seen)) + 0.5
            scores += TIE_SPREAD * (ndtri(rank / len(seen)) - scores)
        self.scores = np.zeros(len(numbers), np.float32)
        self.scores[~missing] = scores
        self._decimals = _decimals(self._values)

    def calibrate(self, mixed: Scores) -> None:
        """Learn the quantiles of mixed scores.

        Parameters
        ----------
        mixed : ndarray of shape (n_sample,)
            Scores of mixed rows, mixed as they will be when sampling.
        """
        ordered = np.sort(mixed).astype(np.float64)
        if len(self._values) <= STEP_VALUES:
            at = self._ends[:-1]
            low, gap = self._values, np.zeros(len(self._values))
        else:
            at, low, gap = self._levels()
        edges = np.interp(at * len(ordered), np.arange(len(ordered)) + 0.5, ordered)
        self._lookup = _Lookup(edges, (ordered[0], ordered[-1]), low, gap, self._decimals)

    def _levels(self) -> tuple[Numbers, Numbers, Numbers]:
        """Return inner levels, and value and gap to the next at each cell's lower level.

        Levels are equally spaced, with frequent values (more than one level wide) given a cell of
        their own, so that they neither smear nor fade.
        """
        starts = np.concatenate([[0.0], self._ends[:-1]])
        wide = np.flatnonzero(self._ends - starts > 1.0 / LEVELS)
        level = np.unique(
            np.concatenate([np.linspace(0, 1, LEVELS + 1), starts[wide], self._ends[wide]])
        )
        at = np.minimum(np.searchsorted(self._ends, level, side="right"), len(self._values) - 1)
        low = self._values[at[:-1]]
        # the cell's upper end is the value just below the next level, not the one at it
        end = np.searchsorted(self._ends, level[1:], side="left").clip(max=len(self._values) - 1)
        return level[1:-1], low, (self._values[end] - low).astype(np.float64)

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


def _decimals(values: Numbers) -> int | None:
    """Return how many decimal places the values have, if that is a few."""
    if values.dtype.kind == "i":
        return None
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
        gap: Scores,
        decimals: int | None,
    ) -> None:
        from vicinal.table import _lookup

        self._function = _lookup.look_up
        self._edges = np.concatenate([[outer[0]], edges, [outer[1]]])
        self._low, self._gap = low, gap
        self._scale = 0.0 if decimals is None else 10.0**decimals
        finite = edges if len(edges) else np.zeros(1)
        self._start = float(finite[0])
        span = float(finite[-1] - finite[0]) or 1.0
        size = 4 * len(finite)
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
            self._gap,
            self._scale,
            self._low.dtype.kind == "i",
            out,
        )
        return out
