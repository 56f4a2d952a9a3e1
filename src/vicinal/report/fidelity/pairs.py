"""Pair by pair: whether two columns are associated as they are in the real table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vicinal._threads import for_chunks
from vicinal._types import Floats
from vicinal.report.fidelity.columns import Ranked, mean_and_std
from vicinal.report.fidelity.correlation import correlations, rank_correlations
from vicinal.report.tables import Tables

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


#: Association of each pair of columns in the real and the synthetic table.
Links = dict[tuple[str, str], tuple[float, float]]


def compare_pairs(
    tables: Tables, ranked: Mapping[str, Ranked], rng: np.random.Generator
) -> tuple[tuple[PairFidelity, ...], Links, str]:
    """Compare the associations of all pairs of columns."""
    from vicinal.report.fidelity import _kernels  # noqa: F401 (loaded before the threads start)

    compared = {*tables.numeric, *tables.categorical}
    pairs = list(combinations([c.name for c in tables.columns if c.name in compared], 2))
    numeric = set(tables.numeric)
    mixed = [pair for pair in pairs if not set(pair) <= numeric]
    keep, sampled = _drawn_rows(tables, len(mixed), rng)
    columns = _columns(tables, keep) if mixed else {}
    found: dict[tuple[str, str], list[PairFidelity]] = {}
    links: Links = {}

    def work(start: int, stop: int) -> None:
        for pair in mixed[start:stop]:
            found[pair], links[pair] = _with_category(*pair, columns)

    for_chunks(work, len(mixed), 1)
    linear = _correlated(tables, "pearson", *(correlations(one.numbers) for one in tables.both))
    for plain, rank in zip(linear, rank_pairs(tables, ranked), strict=True):
        found[rank.first, rank.second] = [plain, rank]
        links[rank.first, rank.second] = rank.real, rank.synthetic
    return tuple(each for pair in pairs for each in found[pair]), links, sampled


class _Column(NamedTuple):
    """A column of both tables."""

    codes: tuple[Codes, Codes]  # of a category's levels, or of a number's bins
    width: int  # how many codes there may be, and one for missing
    values: tuple[Floats, Floats] | None = None  # of a number


def _columns(tables: Tables, keep: list[npt.NDArray[np.intp]]) -> dict[str, _Column]:
    """Return the columns, of the rows to keep in each table; all where none are named."""

    def kept(columns: Sequence[Any]) -> Any:
        return tuple(c[rows] for c, rows in zip(columns, keep, strict=True)) if keep else columns

    found = {}
    for at, name in enumerate(tables.numeric):
        values = [part.numbers[:, at] for part in tables.both]
        found[name] = _Column(kept([_binned(one) for one in values]), BINS + 1, kept(values))
    for at, name in enumerate(tables.categorical):
        codes = kept([part.codes[:, at] for part in tables.both])
        found[name] = _Column(codes, len(tables.levels[at]) + 1)
    return found


def _with_category(
    first: str, second: str, columns: Mapping[str, _Column]
) -> tuple[list[PairFidelity], tuple[float, float]]:
    """Compare a pair of columns of which one is a category, or both are."""
    one, other = columns[first], columns[second]
    cells, distance = _joint(one, other)
    real, synthetic = map(plain_v, cells)
    score = max(1.0 - distance, 0.0)
    measured = first, second, "contingency", real, synthetic, score, real > ASSOCIATED
    contingency = PairFidelity(*measured)
    if one.values is None and other.values is None:
        before, after = map(corrected_v, cells)
        return [contingency], (before, after)
    category, number = (one, other) if one.values is None else (other, one)
    before, after = (
        correlation_ratio(codes, category.width - 1, values)
        for codes, values in zip(category.codes, number.values or (), strict=True)
    )
    score = 1 - abs(before - after)
    ratio = PairFidelity(first, second, "correlation ratio", before, after, score)
    return [contingency, ratio], (before, after)


def _drawn_rows(
    tables: Tables, n_pairs: int, rng: np.random.Generator
) -> tuple[list[npt.NDArray[np.intp]], str]:
    sizes = [len(part) for part in tables.both]
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


#: Levels of the cells of a table that occur, in rows and columns, and their counts.
Cells = tuple[Any, Any, Floats]


def _joint(first: _Column, second: _Column) -> tuple[list[Cells], float]:
    """Count pairs of levels in both tables; return also their total variation distance."""
    from vicinal.report.fidelity._kernels import count_cells

    levels, width = first.width, second.width
    sides = list(zip(first.codes, second.codes, strict=True))
    sizes = [len(one) for one, _ in sides]
    if levels * width <= max(DENSE_CELLS, 4 * max(sizes)):
        counts = np.zeros((2, levels * width), np.int64)
        for (one, other), table in zip(sides, counts, strict=True):
            count_cells(one, other, levels, width, table)
        cell = np.flatnonzero(counts.any(axis=0))
        counts = counts[:, cell]
    else:
        flat = np.concatenate(
            [one % levels * np.int64(width) + other % width for one, other in sides]
        )
        cell, places = np.unique(flat, return_inverse=True)
        parts = np.split(places, [sizes[0]])
        counts = np.stack([np.bincount(where, minlength=len(cell)) for where in parts])
    shares = counts / np.maximum(sizes, 1)[:, None]
    occupied = []
    for table in counts:
        held = table > 0
        rows, columns = np.divmod(cell[held], width)
        occupied.append((rows, columns, table[held].astype(np.float64)))
    return occupied, float(np.abs(shares[0] - shares[1]).sum() / 2)


def _phi(cells: Cells) -> tuple[float, float, Floats]:
    """Return mean square contingency, rows and the two numbers of levels."""
    rows, columns, counts = cells
    margins = np.bincount(rows, counts), np.bincount(columns, counts)
    shape = np.array([np.count_nonzero(one) for one in margins], np.float64)
    phi = (counts / margins[0][rows] * (counts / margins[1][columns])).sum() - 1.0
    return float(max(phi, 0.0)), float(counts.sum()), shape


def plain_v(cells: Cells) -> float:
    """Return Cramer's V of occupied cells (rows, columns, counts); NaN for a single level."""
    phi, _, shape = _phi(cells)
    return min(math.sqrt(phi / (shape.min() - 1)), 1.0) if shape.min() > 1 else math.nan


def corrected_v(cells: Cells) -> float:
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
    return _correlated(tables, "spearman", *map(rank_correlations, sides))


def _correlated(tables: Tables, measure: str, before: Floats, after: Floats) -> list[PairFidelity]:
    found = []
    for pair in combinations(range(len(tables.numeric)), 2):
        real, synthetic = float(before[pair]), float(after[pair])
        score = 1.0 - abs(real - synthetic) / 2
        counted = measure == "pearson" and abs(real) > CORRELATED and not math.isnan(score)
        first, second = (tables.numeric[at] for at in pair)
        found.append(PairFidelity(first, second, measure, real, synthetic, score, counted))
    return found


def associate(names: list[str], links: Links) -> Association:
    """Return the associations of all pairs as two square tables."""
    place = {name: at for at, name in enumerate(names)}
    both = np.stack([np.eye(len(names))] * 2)
    for (first, second), values in links.items():
        one, other = place[first], place[second]
        both[:, one, other] = both[:, other, one] = values
    made = np.nan_to_num(both[1])  # a column that became constant has lost its associations
    gaps = np.nan_to_num(np.abs(both[0] - made)).max(axis=0, initial=0.0)
    shown = np.sort(np.argsort(-gaps, kind="stable")[:SHOWN_COLUMNS])
    real, synthetic = (tuple(map(tuple, one[np.ix_(shown, shown)].tolist())) for one in both)
    kept = tuple(names[at] for at in shown)
    return Association(kept, real, synthetic, len(names) - len(shown))
