"""Rows that are equal in every column."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vicinal._stats import Estimate
from vicinal.report.tables import Part, few_repeats, row_keys


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


def _repeated(keys: npt.NDArray[np.uint64]) -> int:
    """Return how many keys occur more than once."""
    _, counts = np.unique(keys, return_counts=True)
    return int(counts[counts > 1].sum())
