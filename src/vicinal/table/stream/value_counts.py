"""How often each value of a column occurs, in bounded memory.

Few values are counted one by one. Where there are more than that, counting goes over to two of
Apache DataSketches: HyperLogLog for how many there are, frequent items for which are common. Both
merge, and give the same whenever they are fed the same in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vicinal._compiled import GOLDEN, compiled, mix64

__all__ = ["EXACT_LEVELS", "Distinct", "Levels", "hash_numbers", "hash_values"]

#: Values that are counted one by one.
EXACT_LEVELS = 1 << 16
#: HyperLogLog has 2 to this many registers: a standard error of 0.8 %.
DISTINCT_BITS = 14
#: One value in this many, by its hash, is counted and stands for all; the sketch takes one value
#: at a time, which would be slow for a column of identifiers.
THINNING = 16
#: The sketch of common values holds 3/4 of 2 to this many. A value counts in a batch where it has
#: this many rows.
COMMON_BITS = 12
COMMON_ROWS = 8


class Distinct:
    """Estimates how many values there are, to about 2 % (one standard error) from 60,000 on."""

    def __init__(self) -> None:
        import datasketches as sketches

        self._sketch = sketches.hll_sketch(DISTINCT_BITS)

    def add(self, hashes: npt.NDArray[np.uint64]) -> None:
        """Count values, given by 64-bit hashes."""
        update = self._sketch.update
        for number in (hashes[hashes % THINNING == 0] >> np.uint64(1)).tolist():
            update(number)

    def merge(self, other: Distinct) -> None:
        """Take in what was seen of other rows."""
        import datasketches as sketches

        union = sketches.hll_union(DISTINCT_BITS)
        union.update(self._sketch)
        union.update(other._sketch)
        self._sketch = union.get_result(sketches.tgt_hll_type.HLL_8)

    def estimate(self) -> int:
        """Return how many values there are, about."""
        return int(THINNING * self._sketch.get_estimate() + 0.5)

    def __getstate__(self) -> bytes:
        """Return the sketch as bytes, for another process."""
        state: bytes = self._sketch.serialize_compact()
        return state

    def __setstate__(self, state: bytes) -> None:
        """Take over what another process sent."""
        import datasketches as sketches

        self._sketch = sketches.hll_sketch.deserialize(state)


class Levels:
    """A count of every value, or of the common ones.

    Parameters
    ----------
    most : int
        Values that are counted one by one.
    sketched : bool
        Whether to go on with sketches when there are more; else nothing is counted any more.
    """

    def __init__(self, most: int = EXACT_LEVELS, sketched: bool = True) -> None:
        self.most, self._sketched = most, sketched
        self._counts: dict[Any, int] | None = {}
        self._distinct: Distinct | None = None
        self._common: Any = None

    @property
    def counts(self) -> dict[Any, int] | None:
        """Number of rows of every value, where they were counted one by one; else None."""
        return self._counts

    @property
    def over(self) -> bool:
        """Whether there were too many values and no sketch is kept."""
        return self._counts is None and not self._sketched

    @property
    def n_distinct(self) -> int:
        """How many values there are: exact, or the sketch's estimate; at least, without sketch."""
        if self._counts is not None:
            return len(self._counts)
        return max(0 if self._distinct is None else self._distinct.estimate(), self.most + 1)

    def add(self, values: pa.Array | Sequence[Any], counts: npt.NDArray[np.int64]) -> None:
        """Count values, each given once and none missing."""
        if self.over:
            return
        if self._counts is None:
            self._sketch(values, counts)
            return
        seen = self._counts
        plain = values.to_pylist() if isinstance(values, pa.Array) else values
        for value, count in zip(plain, counts.tolist(), strict=True):
            seen[value] = seen.get(value, 0) + count
        if len(seen) > self.most:
            self._counts = None
            if self._sketched:
                self._sketch_all(seen)

    def stop(self) -> None:
        """Count no more: there are more values than are counted, and no sketch is wanted."""
        self._counts, self._sketched = None, False
        self._distinct = self._common = None

    def _sketch_all(self, seen: dict[Any, int]) -> None:
        counts = np.fromiter(seen.values(), np.int64, len(seen))
        self._sketch(pa.array(list(seen)), counts)

    def _sketch(self, values: Any, counts: npt.NDArray[np.int64]) -> None:
        import datasketches as sketches

        if self._distinct is None:
            self._distinct = Distinct()
            self._common = sketches.frequent_strings_sketch(COMMON_BITS)
        self._distinct.add(hash_values(values))
        often = np.flatnonzero(counts >= COMMON_ROWS)
        for value, count in zip(
            values.take(pa.array(often)).to_pylist(), counts[often].tolist(), strict=True
        ):
            self._common.update(str(value), count)

    def merge(self, other: Levels) -> None:
        """Take in the counts of other rows."""
        if self.over or other.over:
            self.stop()
        elif other._counts is not None:
            values: Iterable[Any] = other._counts
            counts = np.fromiter(other._counts.values(), np.int64, len(other._counts))
            self.add(list(values) if self._counts is not None else pa.array(list(values)), counts)
        else:
            if self._counts is not None:
                mine, self._counts = self._counts, None
                self._sketch_all(mine)
            assert self._distinct is not None  # noqa: S101
            assert other._distinct is not None  # noqa: S101
            self._distinct.merge(other._distinct)
            self._common.merge(other._common)

    def common(self, count: int) -> list[tuple[str, int]]:
        """Return the commonest values as text with how many rows have them, commonest first.

        Where values are sketched, rows may be missed: those of a value that has few in a batch.
        """
        if self._counts is not None:
            pairs = [(str(value), rows) for value, rows in self._counts.items()]
        elif self._common is None:
            return []
        else:
            import datasketches as sketches

            kind = sketches.frequent_items_error_type.NO_FALSE_POSITIVES
            pairs = [(found[0], int(found[1])) for found in self._common.get_frequent_items(kind)]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:count]

    def __getstate__(self) -> dict[str, Any]:
        """Return what travels to another process: sketches as their own bytes."""
        state = dict(vars(self))
        if self._common is not None:
            state["_common"] = self._common.serialize()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over what another process sent."""
        vars(self).update(state)
        if self._common is not None:
            import datasketches as sketches

            self._common = sketches.frequent_strings_sketch.deserialize(self._common)


def hash_values(values: pa.Array) -> npt.NDArray[np.uint64]:
    """Return a 64-bit hash of each value, none of them missing, shape (n,)."""
    kind = values.type
    if not (pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)):
        try:
            text = pa.large_binary() if pa.types.is_binary(kind) else pa.large_string()
            values = values.cast(text)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            values = pa.array([repr(value) for value in values.to_pylist()], pa.large_string())
    if values.offset:
        values = pa.concat_arrays([values])
    _, offsets, data = values.buffers()
    hashes = np.empty(len(values), np.uint64)
    if len(values):
        text = np.frombuffer(data if data is not None and data.size else b"\0", np.uint8)
        _hash_text(np.frombuffer(offsets, np.int64, len(values) + 1), text, hashes)
    return hashes


def hash_numbers(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Return a 64-bit hash of each integer, shape (n,)."""
    hashes = np.empty(len(numbers), np.uint64)
    _hash_whole(numbers, hashes)
    return hashes


@compiled()
def _hash_text(offsets: Any, data: Any, hashes: Any) -> None:
    for i in range(len(hashes)):
        z = np.uint64(0xCBF29CE484222325)  # FNV-1a, and its bits spread
        for at in range(offsets[i], offsets[i + 1]):
            z = (z ^ np.uint64(data[at])) * np.uint64(0x100000001B3)
        hashes[i] = mix64(z)


@compiled()
def _hash_whole(numbers: Any, hashes: Any) -> None:
    for i in range(len(numbers)):
        hashes[i] = mix64(np.uint64(numbers[i]) + np.uint64(GOLDEN))
