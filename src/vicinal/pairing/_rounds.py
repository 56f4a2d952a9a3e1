"""What pairings share: passes over the rows, and partner maps of a pass.

A *pass* visits every row once as left parent. Complete passes go in order; the last incomplete
one takes a random subset.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import lru_cache
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vicinal._points import which_rows
from vicinal._random import Seeds

__all__ = [
    "LAST_PASS",
    "PARTNERS",
    "TWO_LEVEL_ROWS",
    "IndexArray",
    "Maps",
    "ParentSource",
    "Rounds",
    "Rows",
    "as_points",
    "count_rows",
    "permuting_source",
    "tabled_source",
]

IndexArray = npt.NDArray[np.integer[Any]]
Rows: TypeAlias = int | npt.NDArray[Any]

#: Called with output positions ``start`` and ``stop`` inside one chunk; returns the row numbers
#: of all parents, shape (stop - start, n_parents), left parent first. Chunks may be asked for in
#: any order and from several threads.
ParentSource: TypeAlias = Callable[[int, int], IndexArray]

#: From this many rows on a permutation is drawn in two levels, blocks and rows within blocks.
TWO_LEVEL_ROWS = 1 << 18

#: First words of the seeds of what a pairing draws (1 is the weights', see ``plan``).
LAST_PASS, PARTNERS = 2, 3


def count_rows(rows: Rows) -> int:
    """Return the number of rows, given as such or as an array."""
    return rows if isinstance(rows, int) else len(rows)


class Rounds:
    """Left rows of output positions, and the pass that each belongs to.

    Complete passes visit every row once, in order; the last incomplete one takes a random subset.
    """

    def __init__(self, n_rows: int, n_samples: int, seeds: Seeds) -> None:
        self.n_rows = n_rows
        self.index = np.dtype(np.int32 if n_rows < 2**31 else np.int64)
        self._complete = n_samples - n_samples % n_rows
        rng = seeds.generator(LAST_PASS)
        last = rng.choice(n_rows, n_samples - self._complete, replace=False, shuffle=False)
        self._last = np.sort(last).astype(self.index)

    def left(self, start: int, stop: int) -> IndexArray:
        """Return left rows of output positions."""
        if start >= self._complete:
            return self._last[start - self._complete : stop - self._complete]
        row = start % self.n_rows
        rows = np.arange(row, row + stop - start)
        if row + stop - start > self.n_rows:
            rows %= self.n_rows
        rows = rows.astype(self.index)
        if stop > self._complete:
            rows[self._complete - start :] = self._last[: stop - self._complete]
        return rows


class Maps(ABC):
    """Partner maps of a few passes in a row."""

    @abstractmethod
    def partners(self, turn: int, rows: IndexArray, number: int) -> IndexArray:
        """Return partner ``number`` (from 1) of rows in pass ``turn`` of these passes."""


def permuting_source(
    rounds: Rounds,
    n_parents: int,
    seeds: Seeds,
    draw: Callable[[int, np.random.Generator], Maps],
    together: int = 1,
) -> ParentSource:
    """Join passes to a source; the maps of ``together`` passes are drawn at once."""
    n_rows = rounds.n_rows
    lock = Lock()

    @lru_cache(maxsize=2 if n_rows > TWO_LEVEL_ROWS else 8)
    def drawn(number: int) -> Maps:
        return draw(together, seeds.generator(PARTNERS, number))

    def source(start: int, stop: int) -> IndexArray:
        parents = np.empty((stop - start, n_parents), rounds.index, order="F")
        parents[:, 0] = rounds.left(start, stop)
        for number in range(start // n_rows, (stop - 1) // n_rows + 1):
            begin, end = max(number * n_rows, start), min((number + 1) * n_rows, stop)
            here = slice(begin - start, end - start)
            with lock:
                maps = drawn(number // together)
            for partner in range(1, n_parents):
                parents[here, partner] = maps.partners(number % together, parents[here, 0], partner)
        return parents

    return source


def tabled_source(rounds: Rounds, table: IndexArray) -> ParentSource:
    """Return the source that looks partners up.

    Parameters
    ----------
    rounds : Rounds
        Left rows.
    table : ndarray of int, shape (n_passes, n_rows, n_parents - 1)
        Partners of every row in every pass.

    Returns
    -------
    callable
        The source.
    """
    n_rows, n_parents = rounds.n_rows, table.shape[2] + 1

    def source(start: int, stop: int) -> IndexArray:
        parents = np.empty((stop - start, n_parents), rounds.index, order="F")
        parents[:, 0] = rounds.left(start, stop)
        turn = np.arange(start, stop) // n_rows
        parents[:, 1:] = table[turn, parents[:, 0]]
        return parents

    return source


def as_points(name: str, rows: Rows) -> npt.NDArray[np.floating[Any]]:
    """Return the rows as a finite float matrix, or say that this pairing needs one."""
    if isinstance(rows, int):
        raise ValueError(
            f"{name} looks at the rows: pass an array of shape (n_rows, n_features), "
            f"got only their number {rows}."
        )
    if rows.dtype.kind not in "fiubO":
        raise TypeError(
            f"{name} looks at the rows, which must be numbers, got dtype {rows.dtype}. Embed texts "
            "and encode categories first."
        )
    try:
        X = np.asarray(rows, dtype=None if rows.dtype in (np.float32, np.float64) else np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name} looks at the rows, which must be real numbers, all of one width ({error})."
        ) from None
    if X.ndim != 2 or X.shape[1] == 0:
        raise ValueError(f"{name} needs an array of shape (n_rows, n_features), got {X.shape}.")
    if not np.isfinite(X).all():
        raise ValueError(
            f"{name} needs finite numbers, got NaN or infinity in {which_rows(~np.isfinite(X))}. "
            "Fill them first."
        )
    return X
