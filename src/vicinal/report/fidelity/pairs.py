"""Pair by pair: whether two columns are associated as they are in the real table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal._threads import for_chunks
from vicinal.report.fidelity.columns import Ranked, mean_and_std
from vicinal.report.fidelity.correlation import correlations, rank_correlations
from vicinal.report.tables import Part, Tables

__all__ = ["Association", "PairFidelity", "associate", "compare_pairs", "rank_pairs"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]

#: A pair of numbers counts towards the pair score above this real correlation ...
CORRELATED = 0.5
#: ... and a pair with a category above this real Cramer's V. Both are SDMetrics' own.
ASSOCIATED = 0.3
#: Bins of a number beside a category.
BINS = 10
#: Tables with more cells than this, and than four times the rows, are counted by sorting.
DENSE_CELLS = 1 << 20
#: Pairs times rows that are looked at one by one; beyond it, this many rows are drawn.
PAIR_ROWS = 500_000_000
DRAWN_ROWS = 100_000
#: Columns of a picture of all associations.
SHOWN_COLUMNS = 40


@dataclass(frozen=True)
class PairFidelity:
    """Two columns, real and synthetic.

    Attributes
    ----------
    first, second : str
        The columns, in the order of the table.
    measure : str
        "pearson" and "spearman" for two numbers; "contingency" for two categories, and for a
        number (cut into 10 bins) and a category; "correlation ratio" for a number and a category.
    real, synthetic : float
        How strongly the two are associated: a correlation, Cramer's V, or the correlation ratio
        (root of the share of the number's variance between the categories, corrected for chance).
        NaN where it is undefined.
    score : float
        1 = identical, 0 as different as can be. For "contingency" 1 minus the total variation
        distance of the joint distributions; otherwise 1 minus the difference of the two values,
        halved for correlations. NaN where a value is undefined.
    counted : bool
        Whether it counts towards :attr:`Fidelity.pair_score`: the real columns are associated
        (correlation beyond 0.5, V above 0.3).
    """

    first: str
    second: str
    measure: str
    real: float
    synthetic: float
    score: float
    counted: bool = False


@dataclass(frozen=True)
class Association:
    """How strongly each column is associated with each other one.

    Attributes
    ----------
    names : tuple of str
        At most 40 columns, those with the largest differences.
    real, synthetic : tuple of tuple of float
        Square: Spearman's correlation of two numbers, Cramer's V of two categories, the
        correlation ratio of a number and a category (both from 0 to 1 and corrected for chance).
        NaN where undefined.
    left_out : int
        Columns that are not shown.
    """

    names: tuple[str, ...]
    real: tuple[tuple[float, ...], ...]
    synthetic: tuple[tuple[float, ...], ...]
    left_out: int = 0


#: First and second column, then their association in the real and the synthetic table.
Link = tuple[str, str, float, float]


def compare_pairs(
    tables: Tables, ranked: Mapping[str, Ranked], rng: np.random.Generator
) -> tuple[tuple[PairFidelity, ...], list[Link], str]:
    """Compare the associations of all pairs of columns.

    Returns one or two comparisons and one association for each pair, and what was measured on a
    sample, in words.
    """
    from vicinal.report.fidelity import _kernels  # noqa: F401 (loaded before the threads start)

    compared = {*tables.numeric, *tables.categorical}
    pairs = list(combinations([c.name for c in tables.columns if c.name in compared], 2))
    mixed = [pair for pair in pairs if not set(pair) <= set(tables.numeric)]
    keep, sampled = _drawn_rows(tables, len(mixed), rng)
    columns = _columns(tables, keep) if mixed else {}
    found: dict[tuple[str, str], tuple[list[PairFidelity], Link]] = {}

    def work(start: int, stop: int) -> None:
        for pair in mixed[start:stop]:
            found[pair] = _with_category(*pair, columns)

    for_chunks(work, len(mixed), 1)
    pearson = [correlations(part.numbers) for part in _parts(tables)]
    for pair in rank_pairs(tables, ranked):
        one, other = (tables.numeric.index(name) for name in (pair.first, pair.second))
        linear = _correlated(
            pair.first, pair.second, "pearson", *(float(table[one, other]) for table in pearson)
        )
        link = (pair.first, pair.second, pair.real, pair.synthetic)
        found[pair.first, pair.second] = [linear, pair], link
    return (
        tuple(each for pair in pairs for each in found[pair][0]),
        [found[pair][1] for pair in pairs],
        sampled,
    )


@dataclass(frozen=True, eq=False)
class _Column:
    """A column of both tables."""

    codes: tuple[Codes, Codes]  # of a category's levels, or of a number's bins
    width: int  # how many codes there may be, and one for missing
    values: tuple[Floats, Floats] | None = None  # of a number


def _columns(tables: Tables, keep: list[npt.NDArray[np.intp]]) -> dict[str, _Column]:
    """Return the columns, of the rows to keep in each table; all where none are named."""

    def kept(columns: Sequence[Any]) -> Any:
        return tuple(one[rows] for one, rows in _zip(columns, keep)) if keep else tuple(columns)

    found = {}
    for at, name in enumerate(tables.numeric):
        values = [part.numbers[:, at] for part in _parts(tables)]
        found[name] = _Column(kept([_binned(one) for one in values]), BINS + 1, kept(values))
    for at, name in enumerate(tables.categorical):
        codes = [part.codes[:, at] for part in _parts(tables)]
        found[name] = _Column(kept(codes), len(tables.levels[at]) + 1)
    return found


def _with_category(
    first: str, second: str, columns: Mapping[str, _Column]
) -> tuple[list[PairFidelity], Link]:
    """Compare a pair of columns of which one is a category, or both are."""
    one, other = columns[first], columns[second]
    cells = _joint(one, other)
    contingency = cells.compared(first, second)
    if one.values is None and other.values is None:
        before, after = (corrected_v(table) for table in cells.tables)
        return [contingency], (first, second, before, after)
    category, number = (one, other) if one.values is None else (other, one)
    before, after = (
        correlation_ratio(codes, category.width - 1, values)
        for codes, values in _zip(category.codes, number.values)
    )
    score = 1 - abs(before - after)
    ratio = PairFidelity(first, second, "correlation ratio", before, after, score)
    return [contingency, ratio], (first, second, before, after)


def _parts(tables: Tables) -> tuple[Part, Part]:
    return tables.real, tables.synthetic


def _zip(first: Any, second: Any) -> Any:
    return zip(first, second, strict=True)


def _drawn_rows(
    tables: Tables, n_pairs: int, rng: np.random.Generator
) -> tuple[list[npt.NDArray[np.intp]], str]:
    sizes = [len(part) for part in _parts(tables)]
    if n_pairs * max(sizes) <= PAIR_ROWS or max(sizes) <= DRAWN_ROWS:
        return [], ""
    keep = [
        np.sort(rng.choice(size, min(size, DRAWN_ROWS), replace=False, shuffle=False))
        for size in sizes
    ]
    return keep, f"pairs with a category on {DRAWN_ROWS:,} rows drawn from each table"


def _binned(values: Floats) -> Codes:
    """Cut a number into 10 bins of equal width over its own range."""
    known = values[~np.isnan(values)]
    try:
        edges = np.histogram_bin_edges(known, BINS)
    except ValueError:  # huge numbers so near each other that none lie between
        edges = np.unique(known)
    # the last bin holds the largest value alone (and gaps): numpy.digitize's rule
    return (np.searchsorted(edges, values, side="right") - 1).astype(np.int32)


@dataclass(frozen=True, eq=False)
class _Joint:
    """Counts of the pairs of levels in both tables, those that occur."""

    # for each table, the levels of the cells that occur and their counts
    tables: tuple[tuple[Any, Any, Floats], ...]
    distance: float  # total variation distance

    def compared(self, first: str, second: str) -> PairFidelity:
        real, synthetic = (plain_v(one) for one in self.tables)
        score = max(1.0 - self.distance, 0.0)
        return PairFidelity(first, second, "contingency", real, synthetic, score, real > ASSOCIATED)


def _joint(first: _Column, second: _Column) -> _Joint:
    """Count pairs of levels in both tables."""
    from vicinal.report.fidelity._kernels import count_cells

    levels, width = first.width, second.width
    sides = list(_zip(first.codes, second.codes))
    sizes = [len(one) for one, _ in sides]
    if levels * width <= max(DENSE_CELLS, 4 * max(sizes)):
        counts = [np.zeros(levels * width, np.int64) for _ in sides]
        for (one, other), table in _zip(sides, counts):
            count_cells(one, other, levels, width, table)
        cell = np.flatnonzero(counts[0] | counts[1])
        counts = [table[cell] for table in counts]
    else:
        flat = [np.where(a < 0, levels - 1, a) * np.int64(width) for a, _ in sides]
        flat = [a + np.where(b < 0, width - 1, b) for a, (_, b) in _zip(flat, sides)]
        cell, places = np.unique(np.concatenate(flat), return_inverse=True)
        counts = [np.bincount(where, minlength=len(cell)) for where in np.split(places, [sizes[0]])]
    shares = [table / max(size, 1) for table, size in _zip(counts, sizes)]
    occupied = []
    for table in counts:
        held = table > 0
        rows, columns = np.divmod(cell[held], width)
        occupied.append((rows, columns, table[held].astype(np.float64)))
    return _Joint(tuple(occupied), float(np.abs(shares[0] - shares[1]).sum() / 2))


def _phi(cells: tuple[Any, Any, Floats]) -> tuple[float, float, Floats]:
    """Return mean square contingency, rows and the two numbers of levels."""
    rows, columns, counts = cells
    margins = np.bincount(rows, counts), np.bincount(columns, counts)
    shape = np.array([np.count_nonzero(one) for one in margins], np.float64)
    phi = (counts / margins[0][rows] * (counts / margins[1][columns])).sum() - 1.0
    return float(max(phi, 0.0)), float(counts.sum()), shape


def plain_v(cells: tuple[Any, Any, Floats]) -> float:
    """Return Cramer's V of occupied cells (rows, columns, counts); NaN for a single level."""
    phi, _, shape = _phi(cells)
    return min(math.sqrt(phi / (shape.min() - 1)), 1.0) if shape.min() > 1 else math.nan


def corrected_v(cells: tuple[Any, Any, Floats]) -> float:
    """Return Cramer's V with Bergsma's correction for chance; NaN for a single level."""
    phi, size, shape = _phi(cells)
    if shape.min() < 2:
        return math.nan
    phi -= (shape - 1).prod() / (size - 1)
    free = shape - (shape - 1) ** 2 / (size - 1)
    return min(math.sqrt(max(phi, 0.0) / max(free.min() - 1, 1e-9)), 1.0)


def correlation_ratio(codes: Codes, levels: int, values: Floats) -> float:
    """Return how much of a number's variance lies between categories, from 0 to 1."""
    from vicinal.report.fidelity._kernels import group_sums

    counts, sums = np.zeros(levels), np.zeros(levels)
    center, std = mean_and_std(values)
    squares = float(group_sums(codes, values, center, std or 1.0, counts, sums))
    held = counts > 0
    size, groups = counts.sum(), np.count_nonzero(held)
    total = squares - sums.sum() ** 2 / max(size, 1)
    if groups < 2 or size <= groups or total <= 1e-12 * squares:
        return math.nan
    within = max(squares - (sums[held] ** 2 / counts[held]).sum(), 0.0)
    share = 1.0 - within / (size - groups) / (total / (size - 1))
    return math.sqrt(max(share, 0.0))


def rank_pairs(tables: Tables, ranked: Mapping[str, Ranked]) -> list[PairFidelity]:
    """Compare the rank correlations of all pairs of numbers."""
    sides = [[ranked[name][side] for name in tables.numeric] for side in (0, 1)]
    real, synthetic = (rank_correlations(side) for side in sides)
    return [
        _correlated(
            tables.numeric[one],
            tables.numeric[other],
            "spearman",
            float(real[one, other]),
            float(synthetic[one, other]),
        )
        for one, other in combinations(range(len(tables.numeric)), 2)
    ]


def _correlated(
    first: str, second: str, measure: str, real: float, synthetic: float
) -> PairFidelity:
    score = 1.0 - abs(real - synthetic) / 2
    counted = measure == "pearson" and abs(real) > CORRELATED and not math.isnan(score)
    return PairFidelity(first, second, measure, real, synthetic, score, counted)


def associate(names: list[str], links: list[Link]) -> Association:
    """Return the associations of all pairs as two square tables."""
    place = {name: at for at, name in enumerate(names)}
    real, synthetic = np.eye(len(names)), np.eye(len(names))
    for first, second, before, after in links:
        one, other = place[first], place[second]
        real[one, other] = real[other, one] = before
        synthetic[one, other] = synthetic[other, one] = after
    gaps = np.nan_to_num(np.abs(real - synthetic)).max(axis=0, initial=0.0)
    shown = np.sort(np.argsort(-gaps, kind="stable")[:SHOWN_COLUMNS])

    def square(table: Floats) -> tuple[tuple[float, ...], ...]:
        return tuple(tuple(row) for row in table[np.ix_(shown, shown)].tolist())

    return Association(
        tuple(names[at] for at in shown), square(real), square(synthetic), len(names) - len(shown)
    )
