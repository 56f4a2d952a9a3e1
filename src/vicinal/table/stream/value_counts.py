"""How often each value of a column occurs, in bounded memory.

Few values are counted one by one; of more, HyperLogLog of Apache DataSketches estimates how many
there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vicinal._compiled import GOLDEN, compiled, mix64
from vicinal._extras import need
from vicinal._types import Ints
from vicinal.table.numbers import python_values

#: Values that are counted one by one.
MAX_COUNTED = 1 << 16
#: HyperLogLog has 2 to this many registers: a standard error of 0.8 %.
DISTINCT_BITS = 14
#: One value in this many, by its hash, is counted and stands for all; the sketch takes one value
#: at a time, which would be slow for a column of identifiers.
THINNING = 16


def check_sketches() -> Any:
    """Return the module of sketches, or raise ImportError saying which extra brings it."""
    need("A table larger than memory", "datasketches", extra="stream")
    import datasketches

    return datasketches


class DistinctSketch:
    """Estimates how many values there are, to about 2 % (one standard error) from 60,000 on."""

    def __init__(self) -> None:
        self._sketch = check_sketches().hll_sketch(DISTINCT_BITS)

    def add(self, hashes: npt.NDArray[np.uint64]) -> None:
        """Count values, given by 64-bit hashes."""
        update = self._sketch.update
        for number in (hashes[hashes % THINNING == 0] >> np.uint64(1)).tolist():
            update(number)

    def merge(self, other: DistinctSketch) -> None:
        """Take in what was seen of other rows."""
        sketches = check_sketches()
        union = sketches.hll_union(DISTINCT_BITS)
        union.update(self._sketch)
        union.update(other._sketch)
        self._sketch = union.get_result(sketches.tgt_hll_type.HLL_8)

    def estimate(self) -> int:
        """Return how many values there are, about."""
        return int(THINNING * self._sketch.get_estimate() + 0.5)

    def __getstate__(self) -> bytes:
        state: bytes = self._sketch.serialize_compact()
        return state

    def __setstate__(self, state: bytes) -> None:
        self._sketch = check_sketches().hll_sketch.deserialize(state)


class ValueCounts:
    """Counts up to ``most`` values one by one; of more, a sketch tells how many there are."""

    def __init__(self, most: int = MAX_COUNTED, sketched: bool = True) -> None:
        self.most, self._sketched = most, sketched
        #: Number of rows of every value, where they were counted one by one.
        self.exact: dict[Any, int] | None = {}
        self._distinct: DistinctSketch | None = None

    @property
    def stopped(self) -> bool:
        """Whether there were too many values and no sketch is kept."""
        return self.exact is None and not self._sketched

    @property
    def n_distinct(self) -> int:
        """How many values there are: exact, or the sketch's estimate; at least, without sketch."""
        if self.exact is not None:
            return len(self.exact)
        return max(0 if self._distinct is None else self._distinct.estimate(), self.most + 1)

    def add(self, values: pa.Array | Sequence[Any], counts: Ints) -> None:
        """Count values, each given once and none missing."""
        if self.stopped:
            return
        if self.exact is None:
            self._sketch(values)
            return
        seen = self.exact
        plain = python_values(values) if isinstance(values, pa.Array) else values
        for value, count in zip(plain, counts.tolist(), strict=True):
            seen[value] = seen.get(value, 0) + count
        if len(seen) > self.most:
            self._go_over()

    def _go_over(self) -> None:
        """Count no more value by value."""
        seen, self.exact = self.exact, None
        if self._sketched:
            self._sketch(pa.array(list(seen or ())))

    def stop(self) -> None:
        """Count no more: there are more values than are counted, and no sketch is wanted."""
        self.exact, self._sketched, self._distinct = None, False, None

    def _sketch(self, values: Any) -> None:
        if self._distinct is None:
            self._distinct = DistinctSketch()
        self._distinct.add(hash_values(values))

    def merge(self, other: ValueCounts) -> None:
        """Take in the counts of other rows."""
        if self.stopped or other.stopped:
            self.stop()
        elif other.exact is not None:
            values = list(other.exact)
            counts = np.fromiter(other.exact.values(), np.int64, len(values))
            self.add(pa.array(values) if self.exact is None else values, counts)
        else:
            if self.exact is not None:
                self._go_over()
            assert self._distinct is not None  # noqa: S101
            assert other._distinct is not None  # noqa: S101
            self._distinct.merge(other._distinct)


def hash_values(values: pa.Array) -> npt.NDArray[np.uint64]:
    """Return a 64-bit hash of each value, none of them missing, shape (n,)."""
    kind = values.type
    if not (pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)):
        try:
            text = pa.large_binary() if pa.types.is_binary(kind) else pa.large_string()
            values = values.cast(text)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            values = pa.array([repr(value) for value in python_values(values)], pa.large_string())
    if values.offset:
        values = pa.concat_arrays([values])
    _, offsets, data = values.buffers()
    hashes = np.empty(len(values), np.uint64)
    if len(values):
        text = np.frombuffer(data if data is not None and data.size else b"\0", np.uint8)
        _hash_text(np.frombuffer(offsets, np.int64, len(values) + 1), text, hashes)
    return hashes


def hash_numbers(numbers: Ints) -> npt.NDArray[np.uint64]:
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
