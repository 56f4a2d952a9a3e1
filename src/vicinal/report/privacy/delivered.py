"""What of the training rows comes again in the very table that is handed on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vicinal._stats import Estimate
from vicinal._types import Indices
from vicinal.report.fidelity.columns import FEWEST
from vicinal.report.privacy.copies import count_copies
from vicinal.report.privacy.values import Written, numbers_written_out
from vicinal.report.tables import Tables
from vicinal.table.marginals import held_by
from vicinal.table.rare import OTHER


@dataclass(frozen=True)
class Delivered:
    """What needs no hold-out, of a table that was made of all real rows.

    Attributes
    ----------
    copies : tuple of Estimate
        Share of synthetic rows that equal a real row, and of real rows that equal another one.
    numbers_written_out : tuple of Estimate
        Share of numbers that one real row alone holds: of synthetic rows, and of other real rows.
    numbers_written_in : str
        The column of which that is; empty where it is all such columns together.
    rare_categories : Estimate
        Of the categories that fewer than ``min_count`` real rows, or entities, hold, the share that
        turns up. NaN where there are none.
    rare_category_in : str
        A column with the most that turn up; empty where none do.
    n_rare : int
        How many such categories there are.
    min_count : int
        How many holders make a category frequent: the synthesizer's own, 5 where that is 1.
    cells_written_out : tuple of Estimate
        Share of identifiers and texts that are a real one: of synthetic rows, and by chance.
    cells_written_in : str
        The column of which that is.
    """

    copies: tuple[Estimate, Estimate]
    numbers_written_out: tuple[Estimate, Estimate]
    numbers_written_in: str
    rare_categories: Estimate
    rare_category_in: str
    n_rare: int
    min_count: int
    cells_written_out: tuple[Estimate, Estimate]
    cells_written_in: str


def measure_delivered(
    tables: Tables, whole: Tables, cells: Written, min_count: int, owners: Indices | None
) -> Delivered:
    """Compare a table with the real rows that it stands for, and its categories with all rows'."""
    real = tables.real
    copies = count_copies(real, tables.synthetic, real.take(slice(0, 0)), known=False)
    numbers = numbers_written_out(tables, real)
    least = min_count if min_count > 1 else FEWEST
    share, column, n_rare = _rare_categories(whole, least, owners)
    return Delivered(
        copies=(copies.synthetic, copies.baseline),
        numbers_written_out=(numbers.found, numbers.control),
        numbers_written_in=numbers.column,
        rare_categories=share,
        rare_category_in=column,
        n_rare=n_rare,
        min_count=least,
        cells_written_out=(cells.found, cells.control),
        cells_written_in=cells.column,
    )


def _rare_categories(
    tables: Tables, least: int, owners: Indices | None
) -> tuple[Estimate, str, int]:
    """Return the share of rare categories that turn up, where most of them do, and their number."""
    n_rare, hits = 0, dict[str, int]()
    for at, name in enumerate(tables.categorical):
        codes, made = (part.codes[:, at] for part in tables.both)
        there = codes >= 0
        whose = np.arange(len(codes)) if owners is None else owners
        held = held_by(codes[there], whose[there])
        # "other" is written for rare ones
        own = np.array([level != OTHER for level in tables.levels[at]], bool)
        rare = np.flatnonzero((held > 0) & (held < least) & own[: len(held)])
        n_rare += len(rare)
        hits[name] = int(np.isin(rare, made).sum())
    total = sum(hits.values())
    share = Estimate(total / n_rare) if n_rare else Estimate(math.nan)
    return share, max(hits, key=lambda one: hits[one]) if total else "", n_rare
