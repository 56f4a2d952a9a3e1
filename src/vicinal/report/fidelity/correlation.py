"""Correlations of all pairs of columns at once, over the rows that miss neither value."""

from __future__ import annotations

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from vicinal._threads import for_chunks
from vicinal._types import Bools, Floats
from vicinal.report.fidelity.columns import RankedColumn, mean_and_std


def correlations(numbers: Floats) -> Floats:
    """Return Pearson's correlations over the rows that miss neither value."""
    moments = pair_moments(numbers)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.sqrt(moments.squares * moments.squares.T)
        found: Floats = np.where(scale > 0, moments.covariance / scale, np.nan)
    found[moments.constant] = np.nan
    found[:, moments.constant] = np.nan
    return np.clip(found, -1.0, 1.0)


class PairMoments(NamedTuple):
    """Moments of pairs of columns, over the rows that miss neither value."""

    counts: Floats  # (n_columns, n_columns) rows
    covariance: Floats  # (n_columns, n_columns) of standardized columns
    squares: Floats  # (n_columns, n_columns) variance of one, where the other is there too
    fourth: Floats  # (n_columns, n_columns) mean product of squares
    scale: Floats  # (n_columns,) what the columns were divided by
    constant: Bools  # (n_columns,) columns that do not vary


def pair_moments(numbers: Floats, chunk_rows: int = 1 << 16) -> PairMoments:
    """Return the moments of all pairs of columns, see :class:`PairMoments`."""
    n_rows, n_columns = numbers.shape
    ends = [mean_and_std(column) for column in numbers.T]
    center, scale = (np.array([one[at] for one in ends]) for at in (0, 1))
    constant = scale == 0
    scale[constant] = 1.0
    whole = not np.isnan(numbers).any()
    parts: list[Any] = [None] * len(range(0, n_rows, chunk_rows))

    def work(start: int, stop: int) -> None:
        rows = (numbers[start:stop] - center) / scale
        there = np.ones((len(rows), 1))  # of columns without gaps, one stands for all
        if not whole:
            there = (~np.isnan(rows)).astype(np.float64)
            rows = np.where(there > 0, rows, 0.0)
        square = rows * rows
        parts[start // chunk_rows] = (
            there.T @ there,
            rows.T @ there,
            square.T @ there,
            rows.T @ rows,
            square.T @ square,
        )

    for_chunks(work, n_rows, chunk_rows)
    counts, sums, squares, products, fourth = (sum(each) for each in zip(*parts, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        shape = n_columns, n_columns
        means = np.broadcast_to(sums / counts, shape)
        return PairMoments(
            np.broadcast_to(counts, shape),
            products / counts - means * means.T,
            np.maximum(squares / counts - means**2, 0.0),
            fourth / counts,
            scale,
            constant,
        )


def rank_correlations(columns: list[RankedColumn], chunk_rows: int = 1 << 16) -> Floats:
    """Return rank correlations over the rows that miss neither value."""
    from vicinal.report.fidelity._kernels import rank_correlation

    result = np.full((len(columns), len(columns)), np.nan)
    np.fill_diagonal(result, 1.0)
    n_rows = len(columns[0].codes) if columns else 0
    whole = [at for at, one in enumerate(columns) if n_rows and one.codes.min() >= 0]
    ranks = [_centered_ranks(columns[at]) for at in whole]
    norms = [float(np.sqrt((counts * rank**2).sum())) for rank, counts in ranks]
    parts: list[Any] = [None] * len(range(0, n_rows, chunk_rows))

    def add(start: int, stop: int) -> None:
        block = np.empty((stop - start, len(whole)))
        for at, (column, (rank, _)) in enumerate(zip(whole, ranks, strict=True)):
            block[:, at] = (rank / (norms[at] or 1.0))[columns[column].codes[start:stop]]
        parts[start // chunk_rows] = block.T @ block

    if len(whole) > 1:
        for_chunks(add, n_rows, chunk_rows)
        found = sum(parts)
        varied = [at for at, norm in enumerate(norms) if norm > 0]
        for one, other in combinations(varied, 2):
            rho = min(max(float(found[one, other]), -1.0), 1.0)
            result[whole[one], whole[other]] = result[whole[other], whole[one]] = rho
    known = set(whole)
    rest = [(a, b) for a, b in combinations(range(len(columns)), 2) if not {a, b} <= known]

    def walk(at: int, _: int) -> None:
        first, second = (columns[one] for one in rest[at])
        rho = rank_correlation(first.codes, second.codes, first.levels, second.levels)
        result[rest[at]] = result[rest[at][::-1]] = float(rho)

    for_chunks(walk, len(rest), 1)
    return result


def _centered_ranks(column: RankedColumn) -> tuple[Floats, Floats]:
    """Return the rank of each distinct value, with mean 0, and how often it occurs."""
    counts = np.bincount(column.codes, minlength=column.levels).astype(np.float64)
    ends = np.cumsum(counts)
    return ends - counts / 2 - len(column.codes) / 2, counts
