"""Two columns at once: how many rows lie in each cell of a picture of a pair."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vicinal.report.fidelity.columns import FEWEST
from vicinal.report.tables import Part, Tables

if TYPE_CHECKING:
    from vicinal.report.fidelity.columns import ColumnFidelity, Marginal
    from vicinal.report.fidelity.pairs import Links

#: Pairs with the largest differences, and the most strongly associated, that get a picture.
WORST, STRONGEST = 16, 8
#: Cells along an axis of numbers, at most.
CELLS = 15


@dataclass(frozen=True)
class PairCells:
    """Where the rows of both tables lie, by two columns.

    Attributes
    ----------
    first, second : str
        The columns, in the order of the table.
    real, synthetic : tuple of tuple of float
        Share of the rows in each cell, a row of cells for each bar of ``first``: its categories, or
        its bins in pairs. Rows are counted to the nearest five, so that no cell tells of a
        single one.
    """

    first: str
    second: str
    real: tuple[tuple[float, ...], ...]
    synthetic: tuple[tuple[float, ...], ...]


def coarse_edges(marginal: Marginal) -> tuple[float, ...]:
    """Return the ends of fewer bins than a column's own picture has."""
    step = math.ceil((len(marginal.edges) - 1) / CELLS)
    edges = marginal.edges[::step]
    return edges if edges[-1] == marginal.edges[-1] else (*edges, marginal.edges[-1])


def pair_cells(
    tables: Tables, columns: tuple[ColumnFidelity, ...], links: Links
) -> tuple[PairCells, ...]:
    """Count the rows of the pairs that differ most or are most strongly associated."""
    gaps = {pair: abs(np.nan_to_num(made) - real) for pair, (real, made) in links.items()}
    known = [pair for pair in links if math.isfinite(gaps[pair])]
    worst = sorted(known, key=lambda pair: -gaps[pair])[:WORST]
    strongest = sorted(known, key=lambda pair: -abs(links[pair][0]))[:STRONGEST]
    pictures = {one.name: one.marginal for one in columns if one.marginal is not None}
    coded: dict[str, list[npt.NDArray[np.intp]]] = {}
    found = []
    for pair in dict.fromkeys((*worst, *strongest)):
        if not set(pair) <= set(pictures):
            continue
        for name in pair:
            if name not in coded:
                coded[name] = [_codes(tables, part, name, pictures[name]) for part in tables.both]
        shape = len(_bars(pictures[pair[0]])), len(_bars(pictures[pair[1]]))
        real, made = (
            _shares(first, second, shape)
            for first, second in zip(coded[pair[0]], coded[pair[1]], strict=True)
        )
        found.append(PairCells(*pair, real, made))
    return tuple(found)


def _bars(marginal: Marginal) -> tuple[str, ...] | tuple[float, ...]:
    return marginal.labels or coarse_edges(marginal)[:-1]


def _codes(tables: Tables, part: Part, name: str, marginal: Marginal) -> npt.NDArray[np.intp]:
    """Return which bar each row is in; -1 where the value is missing."""
    if not marginal.labels:
        values = part.numbers[:, tables.numeric.index(name)]
        inner = np.array(coarse_edges(marginal)[1:-1])
        return np.where(np.isnan(values), -1, np.searchsorted(inner, values, side="right"))
    at = tables.categorical.index(name)
    place = {label: bar for bar, label in enumerate(marginal.labels)}
    bars = [place.get(str(level), len(place) - 1) for level in tables.levels[at]]
    return np.array([*bars, -1])[part.codes[:, at]]


def _shares(
    first: npt.NDArray[np.intp], second: npt.NDArray[np.intp], shape: tuple[int, int]
) -> tuple[tuple[float, ...], ...]:
    there = (first >= 0) & (second >= 0)
    flat = first[there] * shape[1] + second[there]
    counts = FEWEST * np.rint(np.bincount(flat, minlength=shape[0] * shape[1]) / FEWEST)
    shares = (counts / max(len(flat), 1)).round(5)
    return tuple(map(tuple, shares.reshape(shape).tolist()))
