"""Rows that are equal in every column."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vicinal._compiled import GOLDEN, mix64
from vicinal._stats import Estimate
from vicinal.report.tables import Part

__all__ = ["Copies", "count_copies", "row_keys"]

_NAN = 0x7FF8000000000000


class Copies(NamedTuple):
    """Equal rows of training, synthetic and hold-out tables."""

    synthetic: Estimate  # share of synthetic rows that equal a real row
    baseline: Estimate  # the same of rows that nobody copied
    overlap: int  # hold-out rows that equal a training row
    repeated: int  # training rows that equal another one


def count_copies(train: Part, made: Part, hold: Part, *, known: bool) -> Copies:
    """Count equal rows; a hold-out that is not ``known`` to be unseen is part of the real rows."""
    own, drawn, others = (row_keys(one) for one in (train, made, hold))
    overlap = int(np.isin(others, own).sum())
    real, baseline = own, Estimate.of_share(overlap, len(others))
    if not known:
        real = np.concatenate([own, others])
        baseline = Estimate.of_share(_repeated(real), len(real))
    copied = Estimate.of_share(int(np.isin(drawn, real).sum()), len(drawn))
    return Copies(copied, baseline, overlap, _repeated(own))


def _repeated(keys: npt.NDArray[np.uint64]) -> int:
    """Return how many keys occur more than once."""
    _, counts = np.unique(keys, return_counts=True)
    return int(counts[counts > 1].sum())


def row_keys(part: Part) -> npt.NDArray[np.uint64]:
    """Return a 64-bit number for each row, the same for rows equal in every column.

    Missing equals missing, and -0 equals 0. Two rows that differ share a number with a chance of
    5e-20; among two million rows of which none are equal, the chance that any two do is 1e-7.
    """
    keys = np.full(len(part), GOLDEN, np.uint64)
    for at in range(part.numbers.shape[1]):
        bits = (part.numbers[:, at] + 0.0).view(np.uint64)
        bits[np.isnan(part.numbers[:, at])] = _NAN
        _stir(keys, bits)
    for at in range(part.codes.shape[1]):
        _stir(keys, part.codes[:, at].astype(np.int64).view(np.uint64))
    return keys


def _stir(keys: npt.NDArray[np.uint64], bits: npt.NDArray[np.uint64]) -> None:
    """Mix the bits into the keys, in place; for given keys, one to one in the bits."""
    keys *= np.uint64(GOLDEN)
    keys ^= bits
    keys[:] = mix64(keys)
