"""A uniform sample of the rows of a stream, the same however the stream is cut.

Every row has a key, a hash of the seed, its file and its place; the smallest keys are the sample.
So it is uniform, merges, and depends on neither order nor number of readers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vicinal._compiled import GOLDEN, compiled, mix64
from vicinal._types import Ints

#: A row's number: its file in the upper bits, its place in the file below.
_FILE_BITS = 40
_ALL = (1 << 64) - 1


def row_ids(file: int, first: int, count: int) -> npt.NDArray[np.uint64]:
    """Return numbers of rows that follow each other in a file, shape (count,)."""
    start = (file << _FILE_BITS) + first
    return np.arange(start, start + count, dtype=np.uint64)


def place_of(ids: npt.NDArray[np.uint64]) -> tuple[Ints, Ints]:
    """Return file and place in it of numbered rows."""
    plain = ids.astype(np.int64)
    return plain >> _FILE_BITS, plain & ((1 << _FILE_BITS) - 1)


@compiled()
def _keys(ids: Any, salt: Any, keys: Any) -> None:
    # twice over a Weyl sequence, so that neither the seed nor the row number shows through
    for i in range(len(ids)):
        keys[i] = mix64(mix64((ids[i] + np.uint64(1)) * np.uint64(GOLDEN) + salt))


def row_keys(ids: npt.NDArray[np.uint64], salt: int) -> npt.NDArray[np.uint64]:
    """Return keys of rows: independent of each other, uniform over 64 bits, shape (n,)."""
    keys = np.empty(len(ids), np.uint64)
    _keys(ids, np.uint64(salt), keys)
    return keys


def key_limit(size: int, n_rows: int | None) -> int:
    """Return the key above which a row need not be kept."""
    # eight standard deviations above the expected key of the last row of the sample: fewer rows
    # than asked for come out less than once in 10**15 times
    if n_rows is None or n_rows <= size:
        return _ALL
    return min(_ALL, int((size + 8 * size**0.5 + 64) / n_rows * 2.0**64))


class Reservoir:
    """The ``size`` rows with the smallest keys; those above ``limit`` are not looked at."""

    def __init__(self, size: int, limit: int = _ALL) -> None:
        self.size, self._limit = size, limit
        self._pieces: list[tuple[pa.Table, npt.NDArray[np.uint64], npt.NDArray[np.uint64]]] = []
        self._kept = 0

    def add(
        self, rows: pa.Table, ids: npt.NDArray[np.uint64], keys: npt.NDArray[np.uint64]
    ) -> None:
        """Look at more rows, with their numbers and keys."""
        chosen = np.flatnonzero(keys <= np.uint64(self._limit))
        if not len(chosen):
            return
        every = len(chosen) == rows.num_rows
        self._pieces.append((rows if every else rows.take(chosen), ids[chosen], keys[chosen]))
        self._kept += len(chosen)
        if self._kept > 2 * self.size + 4096:
            self._shrink()

    def merge(self, other: Reservoir) -> None:
        """Take in a sample of other rows, with the same keys' seed."""
        self._limit = min(self._limit, other._limit)
        for piece in other._pieces:
            self.add(*piece)

    def _shrink(self) -> None:
        tables, *numbers = zip(*self._pieces, strict=True)
        # pieces of dictionary columns may have a dictionary each
        rows = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
        ids, keys = map(np.concatenate, numbers)
        if len(keys) > self.size:
            chosen = np.sort(np.argpartition(keys, self.size - 1)[: self.size])
            rows, ids, keys = rows.take(chosen), ids[chosen], keys[chosen]
            self._limit = min(self._limit, int(keys.max()))
        self._pieces, self._kept = [(rows, ids, keys)], len(keys)

    def rows(self) -> tuple[pa.Table, npt.NDArray[np.uint64]]:
        """Return the sample, and the numbers of its rows, in the order of the stream."""
        self._shrink()
        rows, ids, _ = self._pieces[0]
        order = np.argsort(ids, kind="stable")
        return rows.take(order).combine_chunks(), ids[order]
