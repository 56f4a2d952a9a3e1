"""Exact values: numbers that one person alone holds, written out again."""

from __future__ import annotations

import numpy as np

from vicinal._stats import Estimate
from vicinal.report.privacy.risk import Attack
from vicinal.report.tables import Tables

__all__ = ["FEW_DISTINCT", "exact_values"]

#: A column of so few distinct numbers names nobody.
FEW_DISTINCT = 20


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
    return Attack("Exact values", rates[0], rates[1], says)
