"""Rows that are equal, and rare combinations of categories."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt

from vicinal._compiled import GOLDEN, mix64
from vicinal.report.tables import Part

__all__ = ["row_keys", "singled_out"]

#: Combinations of up to so many columns can single a row out.
MOST_COLUMNS = 3
#: At most so many combinations of columns are looked at, fewer where there are very many rows.
MOST_COMBINATIONS, LEAST_COMBINATIONS, CELLS = 400, 60, 4 * 10**8

_NAN = 0x7FF8000000000000


def row_keys(part: Part) -> npt.NDArray[np.uint64]:
    """Return a 64-bit number for each row, the same for rows equal in every column.

    Missing equals missing, and -0 equals 0. Two rows that differ share a number with a chance of
    5e-20; among two million rows of which none are equal, the chance that any two do is 1e-7.

    Parameters
    ----------
    part : Part
        Rows.

    Returns
    -------
    ndarray of uint64, shape (n_rows,)
        Comparable between parts of the same tables.

    Examples
    --------
    >>> part = Part(np.array([[1.0], [np.nan], [1.0]]), np.zeros((3, 1), np.int32))
    >>> keys = row_keys(part)
    >>> bool(keys[0] == keys[2]), bool(keys[0] == keys[1])
    (True, False)
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


def singled_out(
    real: Part, synthetic: Part, n_levels: tuple[int, ...], rng: np.random.Generator
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], bool]:
    """Tell which real rows have a rare combination of categories, and whether it turns up.

    A combination of values of up to three categorical columns is rare where one real row alone
    has it.

    Parameters
    ----------
    real : Part
        Training and hold-out rows together: what is rare must not depend on which is which.
    synthetic : Part
        Rows in which a rare combination may turn up.
    n_levels : tuple of int
        Values of each categorical column; missing is one more.
    rng : numpy.random.Generator
        Draws combinations of columns where there are too many to look at all.

    Returns
    -------
    rare : ndarray of bool, shape (len(real),)
        Rows with a rare combination.
    found : ndarray of bool, shape (len(real),)
        Rows with a rare combination that a synthetic row has.
    all_seen : bool
        False where only some of the combinations of columns were looked at.
    """
    total = max(len(real) + len(synthetic), 1)
    most = int(np.clip(CELLS // total, LEAST_COMBINATIONS, MOST_COMBINATIONS))
    chosen, all_seen = _combinations(len(n_levels), most, rng)
    rare, found = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for columns in chosen:
        size = math.prod(n_levels[c] + 1 for c in columns)
        keys, drawn = (_combined(part, columns, n_levels) for part in (real, synthetic))
        if size <= max(4 * len(keys), 1 << 16):
            alone = np.bincount(keys, minlength=size) == 1
            there = np.zeros(size, bool)
            there[drawn] = True
            rare |= alone[keys]
            found |= (alone & there)[keys]
            continue
        _, first, counts = np.unique(keys, return_index=True, return_counts=True)
        rows = first[counts == 1]
        rare[rows] = True
        found[rows] |= np.isin(keys[rows], drawn)
    return rare, found, all_seen


def _combinations(
    n_columns: int, most: int, rng: np.random.Generator
) -> tuple[list[tuple[int, ...]], bool]:
    sizes = range(1, min(MOST_COLUMNS, n_columns) + 1)
    if sum(math.comb(n_columns, size) for size in sizes) <= most:
        every = (itertools.combinations(range(n_columns), size) for size in sizes)
        return list(itertools.chain.from_iterable(every)), True
    drawn: dict[tuple[int, ...], None] = {}  # in the order drawn
    while len(drawn) < most:
        size = int(rng.integers(1, MOST_COLUMNS + 1))
        columns = rng.choice(n_columns, size, replace=False).tolist()
        drawn[tuple(sorted(columns))] = None
    return list(drawn), False


def _combined(
    part: Part, columns: tuple[int, ...], n_levels: tuple[int, ...]
) -> npt.NDArray[np.int64]:
    """Return one number for the values of several columns."""
    keys = np.zeros(len(part), np.int64)
    for c in columns:
        keys *= n_levels[c] + 1
        keys += part.codes[:, c]
        keys += 1  # missing is -1
    return keys
