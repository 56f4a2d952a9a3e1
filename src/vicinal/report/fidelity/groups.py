"""Fidelity within groups of rows: a table may be kept on the whole and lost for a few."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from vicinal._checks import check_column
from vicinal.report.fidelity.columns import FEWEST, compare_columns
from vicinal.report.tables import Tables

#: Groups that are compared, the largest ones, and the fewest rows of either table they need.
MOST, LEAST = 12, 20


@dataclass(frozen=True)
class GroupFidelity:
    """The columns within one group of rows.

    Attributes
    ----------
    column, level : str
        The group: rows that hold this category in this column.
    rows : tuple of int
        Its rows, real and synthetic.
    score : float
        Mean similarity of the other columns; NaN with fewer than 20 rows on either side.
    worst : str
        The least similar column, and its similarity.
    """

    column: str
    level: str
    rows: tuple[int, int]
    score: float
    worst: str = ""


def check_groups(tables: Tables, column: str | None) -> None:
    """Refuse a column of groups that is not there or holds no categories."""
    if column is None:
        return
    check_column("groups", column, [one.name for one in tables.columns])
    if column not in tables.categorical:
        raise ValueError(
            f"groups must name a category, and {column!r} holds numbers or nothing. Say that it "
            f"is one: kinds={{{column!r}: 'category'}}."
        )


def largest_groups(tables: Tables, column: str) -> list[int]:
    """Return the codes of the categories that most real rows hold, none that few hold."""
    at = tables.categorical.index(column)
    codes = tables.real.codes[:, at]
    sizes = np.bincount(codes[codes >= 0], minlength=len(tables.levels[at]))
    order = np.argsort(-sizes, kind="stable")[:MOST]
    return [int(code) for code in order if sizes[code] >= FEWEST]


def compare_groups(tables: Tables, column: str) -> tuple[GroupFidelity, ...]:
    """Compare the other columns within each of the largest groups."""
    at = tables.categorical.index(column)
    levels, codes = tables.levels[at], [part.codes[:, at] for part in tables.both]
    sizes = [np.bincount(one[one >= 0], minlength=len(levels)) for one in codes]
    others = {one.name for one in tables.columns} - {column}
    found = []
    for level in largest_groups(tables, column):
        rows = int(sizes[0][level]), int(sizes[1][level])
        score, worst = math.nan, ""
        if others and min(rows) >= LEAST:
            parts = [
                part.take(np.flatnonzero(one == level))
                for part, one in zip(tables.both, codes, strict=True)
            ]
            apart = replace(tables, real=parts[0], synthetic=parts[1], holdout=None)
            columns = compare_columns(apart.select(others))[0]
            known = [(one.score, one.name) for one in columns if not math.isnan(one.score)]
            if known:
                score = sum(one for one, _ in known) / len(known)
                worst = f"{min(known)[1]}, {min(known)[0]:.3f}"
        found.append(GroupFidelity(column, str(levels[level]), rows, score, worst))
    return tuple(found)
