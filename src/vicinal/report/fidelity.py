"""Fidelity: how like the real table a synthetic one is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vicinal.table.columns import Column, detect_columns
from vicinal.table.frames import to_arrow
from vicinal.table.numbers import to_floats

__all__ = ["ColumnFidelity", "Fidelity", "compare"]


@dataclass(frozen=True)
class ColumnFidelity:
    """One column, real and synthetic.

    Attributes
    ----------
    name, kind : str
        The column.
    score : float
        1 minus the Kolmogorov-Smirnov distance (numbers, dates) or the total variation distance
        (categories) of the values that are there; 1 is alike. NaN where there is nothing to
        compare.
    missing : tuple of float
        Share of missing values, real and synthetic.
    mean, spread : tuple of float
        Mean and standard deviation, real and synthetic; NaN for categories. Dates and times
        count in their own units.
    """

    name: str
    kind: str
    score: float
    missing: tuple[float, float]
    mean: tuple[float, float]
    spread: tuple[float, float]


@dataclass(frozen=True)
class Fidelity:
    """All columns, and how they hang together.

    Attributes
    ----------
    rows : tuple of int
        Rows of the real and the synthetic table.
    columns : tuple of ColumnFidelity
        One for each compared column.
    correlation_error : float
        Largest difference between real and synthetic Spearman correlations of two numeric
        columns; NaN with fewer than two.
    """

    rows: tuple[int, int]
    columns: tuple[ColumnFidelity, ...]
    correlation_error: float

    @property
    def score(self) -> float:
        """Mean score of the columns."""
        known = [column.score for column in self.columns if not math.isnan(column.score)]
        return sum(known) / len(known) if known else math.nan

    def summary(self) -> str:
        """Return the comparison as a text of one line for each column."""
        width = max([6, *(len(column.name) for column in self.columns)])
        lines = [
            f"{'column':<{width}}  {'kind':<10} {'alike':>6}  {'missing':>13}  "
            f"{'mean':>23}  {'standard deviation':>23}",
        ]
        for column in self.columns:
            gone = f"{column.missing[0]:>5.1%} {column.missing[1]:>6.1%}"
            lines.append(
                f"{column.name:<{width}}  {column.kind:<10} {_share(column.score):>6}  {gone:>13}  "
                f"{_pair(column.mean):>23}  {_pair(column.spread):>23}"
            )
        gap = self.correlation_error
        lines += [
            "",
            "Pairs of figures are real, then synthetic. Alike is 1 minus the Kolmogorov-Smirnov "
            "(numbers) or total variation (categories) distance.",
            f"Mean over columns: {_share(self.score)}. Largest difference of a rank correlation: "
            f"{_share(gap) or 'none to compare'}.",
        ]
        return "\n".join(line.rstrip() for line in lines)


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _pair(values: tuple[float, float]) -> str:
    return "" if math.isnan(values[0]) else f"{values[0]:>11.5g} {values[1]:>11.5g}"


def compare(real: Any, synthetic: Any, columns: Sequence[Column] | None = None) -> Fidelity:
    """Compare a synthetic table with the real one, column by column.

    Parameters
    ----------
    real, synthetic : pandas, Polars or PyArrow tables
        The synthetic one may lack columns; extra ones are refused.
    columns : sequence of Column, optional
        What the real columns are; detected where left out.

    Returns
    -------
    Fidelity
        The figures.

    Raises
    ------
    ValueError
        If the synthetic table has columns that the real one has not, or of another type.

    Examples
    --------
    >>> table = pa.table({"x": [1.0, 2.0, 3.0, 4.0], "y": ["a", "b", "a", "b"]})
    >>> compare(table, table).score
    1.0
    """
    before, after = to_arrow(real), to_arrow(synthetic)
    known = columns if columns is not None else detect_columns(before)
    stray = set(after.column_names) - set(before.column_names)
    if stray:
        raise ValueError(
            f"The synthetic table has columns that the real one has not: "
            f"{', '.join(sorted(stray))}. Compare it with the table it was made from."
        )
    shared = [column for column in known if column.name in after.column_names]
    compared = [c for c in shared if c.kind not in {"identifier", "text"}]
    for column in compared:
        kinds = before[column.name].type, after[column.name].type
        if kinds[0] != kinds[1] and not all(map(_is_wordy, kinds)):
            raise ValueError(
                f"Column {column.name!r} is {kinds[0]} in the real table and {kinds[1]} in the "
                "synthetic one. Convert one of them."
            )
    return Fidelity(
        rows=(before.num_rows, after.num_rows),
        columns=tuple(_compare_column(c, before[c.name], after[c.name]) for c in compared),
        correlation_error=_correlation_error(before, after, [c.name for c in compared if c.mixed]),
    )


def _is_wordy(kind: pa.DataType) -> bool:
    return pa.types.is_dictionary(kind) or kind in (pa.string(), pa.large_string())


def _compare_column(
    column: Column, real: pa.ChunkedArray, synthetic: pa.ChunkedArray
) -> ColumnFidelity:
    missing = (_missing_share(real), _missing_share(synthetic))
    nothing = (math.nan, math.nan)
    if not column.mixed:
        score = _variation_complement(real, synthetic)
        return ColumnFidelity(column.name, column.kind, score, missing, nothing, nothing)
    before, after = _seen(real, column.name), _seen(synthetic, column.name)
    if not len(before) or not len(after):
        return ColumnFidelity(column.name, column.kind, math.nan, missing, nothing, nothing)
    return ColumnFidelity(
        column.name,
        column.kind,
        1.0 - ks_distance(before, after),
        missing,
        (float(before.mean()), float(after.mean())),
        (float(before.std()), float(after.std())),
    )


def _seen(values: pa.ChunkedArray, name: str) -> npt.NDArray[Any]:
    numbers, gone = to_floats(values, name)
    return numbers[~gone]


def _missing_share(values: pa.ChunkedArray) -> float:
    gone = pc.sum(pc.is_null(values, nan_is_null=True)).as_py() or 0
    return gone / max(len(values), 1)


def ks_distance(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float:
    """Return the largest gap between two empirical distribution functions.

    Parameters
    ----------
    first, second : ndarray of shape (n,)
        Samples, not empty.

    Returns
    -------
    float
        From 0 to 1.
    """
    first, second = np.sort(first), np.sort(second)
    points = np.concatenate([first, second])
    below = [np.searchsorted(one, points, side="right") / len(one) for one in (first, second)]
    return float(np.abs(below[0] - below[1]).max())


def _variation_complement(real: pa.ChunkedArray, synthetic: pa.ChunkedArray) -> float:
    shares = [_shares(values) for values in (real, synthetic)]
    if not all(shares):
        return math.nan
    values = {*shares[0], *shares[1]}
    return 1 - sum(abs(shares[0].get(v, 0) - shares[1].get(v, 0)) for v in values) / 2


def _shares(values: pa.ChunkedArray) -> dict[Any, float]:
    plain = pc.drop_null(values)
    if pa.types.is_dictionary(plain.type):
        plain = plain.cast(plain.type.value_type)
    counts = pc.value_counts(plain)
    return {pair["values"]: pair["counts"] / len(plain) for pair in counts.to_pylist()}


def _correlation_error(real: pa.Table, synthetic: pa.Table, names: list[str]) -> float:
    if len(names) < 2:
        return math.nan
    return float(np.abs(_spearman(real, names) - _spearman(synthetic, names)).max())


def _spearman(table: pa.Table, names: list[str]) -> npt.NDArray[np.float64]:
    """Return rank correlations; rows that miss either value are left out, pair by pair."""
    from scipy.stats import rankdata

    read = [to_floats(table[name], name) for name in names]
    result = np.eye(len(names))
    for i in range(len(names)):
        for j in range(i):
            kept = ~(read[i][1] | read[j][1])
            ranks = [rankdata(read[at][0][kept]) for at in (i, j)]
            if kept.sum() > 1 and all(rank.std() > 0 for rank in ranks):
                result[i, j] = result[j, i] = np.corrcoef(*ranks)[0, 1]
            else:
                result[i, j] = result[j, i] = 0.0
    return result
