"""Rare combinations of categories, and whether synthetic rows repeat them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt

from vicinal._types import Bools, Ints

Codes = npt.NDArray[np.int32]

#: Combinations of up to so many columns can single a row out.
MOST_COLUMNS = 3
#: At most so many combinations of columns are looked at, fewer where there are very many rows.
MOST_COMBINATIONS, LEAST_COMBINATIONS, CELLS = 400, 60, 4 * 10**8


def rare_combinations(
    real: Codes, synthetic: Codes, n_levels: tuple[int, ...], rng: np.random.Generator
) -> tuple[Bools, Bools, bool]:
    """Tell which real rows have a rare combination of categories, and whether it turns up."""
    # rare is a combination of up to three columns that one real row alone has
    total = max(len(real) + len(synthetic), 1)
    most = int(np.clip(CELLS // total, LEAST_COMBINATIONS, MOST_COMBINATIONS))
    chosen, all_seen = _combinations(len(n_levels), most, rng)
    rare, found = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for columns in chosen:
        size = math.prod(n_levels[c] + 1 for c in columns)
        keys, drawn = (_combined(codes, columns, n_levels) for codes in (real, synthetic))
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


def _combined(codes: Codes, columns: tuple[int, ...], n_levels: tuple[int, ...]) -> Ints:
    """Return one number for the values of several columns."""
    keys = np.zeros(len(codes), np.int64)
    for c in columns:
        keys *= n_levels[c] + 1
        keys += codes[:, c]
        keys += 1  # missing is -1
    return keys
