"""Rows that are equal in every column, and numbers that one row alone holds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vicinal._stats import Estimate
from vicinal.report.tables import Part, few_repeats, row_keys

#: Columns in which at least this share of the values is that of one row alone.
FINE = 0.1
#: Rows that are looked at for numbers of one row alone, at most.
MOST_ROWS = 200_000


class Copies(NamedTuple):
    """Equal rows of training, synthetic and hold-out tables."""

    synthetic: Estimate  # share of synthetic rows that equal a real row
    baseline: Estimate  # the same of rows that nobody copied
    of_holdout: tuple[Estimate, Estimate]  # shares of synthetic and training rows that equal one
    overlap: int  # hold-out rows that equal a training row
    repeated: int  # training rows that equal another one


def count_copies(train: Part, made: Part, hold: Part, *, known: bool) -> Copies:
    """Count equal rows; a hold-out that is not ``known`` to be unseen is part of the real rows."""
    own, drawn, others = (row_keys(one) for one in (train, made, hold))
    overlap = int(np.isin(others, own).sum())
    real, baseline = own, Estimate.of_share(overlap, len(others))
    if known and not overlap and few_repeats(_repeated(own), len(own)):
        # a split keeps equal rows together, and then shows none of those that chance makes
        baseline = Estimate.of_share(_repeated(own), len(own))
    if not known:
        real = np.concatenate([own, others])
        baseline = Estimate.of_share(_repeated(real), len(real))
    copied = Estimate.of_share(int(np.isin(drawn, real).sum()), len(drawn))
    again = (Estimate.of_share(int(np.isin(one, others).sum()), len(one)) for one in (drawn, own))
    return Copies(copied, baseline, (next(again), next(again)), overlap, _repeated(own))


def numbers_written_out(train: Part, made: Part, hold: Part) -> tuple[Estimate, Estimate]:
    """Return the share of numbers that only one training row holds: of synthetic, of hold-out rows.

    Columns of numbers count in which a tenth of the training values or more is one row's alone.
    Fresh rows meet such numbers as hold-out rows do, also where the generator saw both parts.
    Intervals take the numbers of one row for one.
    """
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


def _repeated(keys: npt.NDArray[np.uint64]) -> int:
    """Return how many keys occur more than once."""
    _, counts = np.unique(keys, return_counts=True)
    return int(counts[counts > 1].sum())
