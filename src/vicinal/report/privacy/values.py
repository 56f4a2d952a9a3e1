"""Exact values: numbers that one person alone holds, written out again."""

from __future__ import annotations

import numpy as np

from vicinal._stats import Estimate
from vicinal.report.privacy.risk import Attack
from vicinal.report.tables import Part, Tables

EXACT_VALUES = "Exact values"
#: A column of so few distinct numbers names nobody.
FEW_DISTINCT = 20
#: Columns in which at least this share of the values is that of one row alone.
FINE = 0.1
#: Rows that are looked at for numbers of one row alone, at most.
MOST_ROWS = 200_000


def exact_values(tables: Tables) -> Attack:
    """Look for numbers of one real row alone among the synthetic ones, column by column."""
    hits, totals = np.zeros((2, 2), int)
    for at in range(len(tables.numeric)):
        own, made, unseen = (
            part.numbers[:, at] for part in (tables.real, tables.synthetic, tables.unseen)
        )
        values, counts = np.unique(np.concatenate([own, unseen]), return_counts=True)
        if len(values) <= FEW_DISTINCT:
            continue
        alone = values[(counts == 1) & np.isfinite(values)]
        written = np.isin(alone, made)
        for side, part in enumerate((own, unseen)):
            held = np.isin(alone, part)
            hits[side] += int((held & written).sum())
            totals[side] += int(held.sum())
    rates = [Estimate.of_share(int(h), int(n)) for h, n in zip(hits, totals, strict=True)]
    says = (
        f"Of the numbers that one real row alone holds ({totals[0]:,} in training rows), the share "
        "that the synthetic table writes out again. Who meets such a number knows that its owner "
        "was in the data."
    )
    return Attack(EXACT_VALUES, rates[0], rates[1], says)


def numbers_written_out(train: Part, made: Part, hold: Part) -> tuple[Estimate, Estimate]:
    """Return the share of numbers of one training row alone: of synthetic, of hold-out rows."""
    # columns count in which a tenth of the training values or more is one row's alone; fresh rows
    # meet such numbers as hold-out rows do. Intervals take the numbers of one row for one.
    hits, cells = np.zeros(2), np.zeros(2)
    sides = [part.numbers[:MOST_ROWS] for part in (made, hold)]
    for at in range(train.numbers.shape[1]):
        values, counts = np.unique(train.numbers[:, at], return_counts=True)
        known = np.isfinite(values)
        alone = values[known & (counts == 1)]
        if len(alone) < FINE * counts[known].sum():
            continue
        for side, numbers in enumerate(sides):
            hits[side] += np.isin(numbers[:, at], alone).sum()
            cells[side] += np.isfinite(numbers[:, at]).sum()
    shares = hits / np.maximum(cells, 1)
    worth = [len(one) if held else 0 for one, held in zip(sides, cells, strict=True)]
    ours, theirs = (Estimate.of_share(s * n, n) for s, n in zip(shares, worth, strict=True))
    return ours, theirs
