"""Rows to look at: the synthetic rows nearest to real ones, and some of each table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from vicinal._types import Ints
from vicinal.report.privacy.nearest import Index, Space
from vicinal.report.tables import Tables

#: Rows that are shown of each kind, and synthetic rows whose neighbors are sought, at most.
SHOWN, SOUGHT = 5, 50_000
#: What is said wherever they are shown.
REAL_ROWS = (
    "Page and JSON of this report show real rows as they are: do not hand them on to anyone who "
    "may not see the real table."
)

#: A row: its cells as text, None where a value is missing.
Cells = tuple[str | None, ...]


@dataclass(frozen=True)
class ShownRows:
    """Rows as they are, without identifiers, personal data and free text.

    Attributes
    ----------
    columns : tuple of str
        Names of the cells.
    distance : tuple of float
        Gower distance of each nearest pair, the least first; 0 is a copy.
    nearest : tuple of pairs of rows
        A synthetic row, and the real one nearest to it; a cell is a text, or None if missing.
    real, synthetic : tuple of rows
        Rows drawn at random.
    sought : int
        Synthetic rows among which the nearest pairs are the nearest.
    """

    columns: tuple[str, ...]
    distance: tuple[float, ...]
    nearest: tuple[tuple[Cells, Cells], ...]
    real: tuple[Cells, ...]
    synthetic: tuple[Cells, ...]
    sought: int


def rows_to_show(
    tables: Tables, real: pa.Table, synthetic: pa.Table, rng: np.random.Generator
) -> ShownRows:
    """Choose rows of tables, whose cells are written as the tables that were given have them."""
    names = tuple(column.name for column in tables.columns)
    space, made = Space(tables), rng.permutation(len(tables.synthetic))[:SOUGHT]
    found = Index(space, space.points(tables.real)).search(
        space.points(tables.synthetic.take(made))
    )
    near = np.argsort(found.distance, kind="stable")[:SHOWN]
    pairs = (_cells(synthetic, names, made[near]), _cells(real, names, found.rows[near]))
    drawn = np.sort(rng.permutation(len(tables.real))[:SHOWN])
    return ShownRows(
        names,
        tuple(found.distance[near].tolist()),
        tuple(zip(*pairs, strict=True)),
        _cells(real, names, drawn),
        _cells(synthetic, names, np.sort(made[:SHOWN])),
        len(made),
    )


def _cells(table: pa.Table, names: tuple[str, ...], rows: Ints) -> tuple[Cells, ...]:
    columns = [table[name].take(pa.array(rows)).to_pylist() for name in names]
    return tuple(tuple(map(_said, row)) for row in zip(*columns, strict=True))


def _said(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return f"{value:.10g}" if isinstance(value, float) else str(value)
