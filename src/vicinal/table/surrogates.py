"""Fresh identifiers and texts in place of real ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._types import Bools
from vicinal.table.formats.personal import Personal
from vicinal.table.formats.surrogates import SurrogateMaker, free_numbers


def spans_of(
    table: pa.Table, names: Iterable[str], known: Mapping[str, tuple[int, int]]
) -> dict[str, tuple[int, int]]:
    """Return the ends of columns of whole numbers; those of a type that overlap have one.

    So no new value of one is a real value of another. Ends that are known go before those of rows.
    """
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for name in names:
        plain = _whole(table[name])
        if pa.types.is_integer(plain.type) and len(plain):
            ends = pc.min_max(plain).as_py()
            of_type = found.setdefault(str(plain.type), {})
            of_type[name] = known.get(name, (ends["min"], ends["max"]))
    joined: dict[str, tuple[int, int]] = {}
    for spans in found.values():
        group: list[str] = []
        low = high = 0
        for name in sorted(spans, key=lambda one: spans[one]):
            first, last = spans[name]
            if not group or first > high:
                group, low, high = [], first, last
            group, high = [*group, name], max(high, last)
            joined |= dict.fromkeys(group, (low, high))
    return {**known, **joined}


def _whole(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return values without gaps and without codes; whole numbers with gaps as integers."""
    plain = pc.drop_null(values)
    if pa.types.is_dictionary(plain.type):
        plain = plain.cast(plain.type.value_type)
    if pa.types.is_floating(plain.type):
        plain = plain.filter(pc.is_finite(plain)).cast(pa.int64())
    return plain


def check_replaceable(kind: pa.DataType, name: str) -> None:
    """Refuse a column of which no new values can be made."""
    if pa.types.is_fixed_size_binary(kind):
        raise ValueError(
            f"Column {name!r} holds bytes of a fixed length, which have no surrogates. Leave it "
            "out, or turn it into strings."
        )


class Surrogates:
    """Makes identifiers that look like a column's own but were not in it."""

    # integers count on beyond the real ones; strings keep prefix, pattern and length; text becomes
    # "<name> 1", "<name> 2". The ends of integers that are avoided are said by span; where values
    # are only a sample, strings get a prefix that no real one begins with.

    def __init__(
        self,
        values: pa.ChunkedArray,
        name: str,
        kind: str,
        *,
        span: tuple[int, int] | None = None,
        prefix: str | None = None,
        personal: Personal | None = None,
    ) -> None:
        self._type, self._name = values.type, name
        check_replaceable(values.type, name)
        self._prefix = f"{name} " if kind == "text" else prefix
        plain = _whole(values)
        if pa.types.is_integer(plain.type):
            ends = pc.min_max(plain).as_py()
            self._low: int = ends["min"] if span is None else span[0]
            self._high: int = ends["max"] if span is None else span[1]
        self._real, self._personal = plain, personal

    @cached_property
    def _maker(self) -> SurrogateMaker:
        return SurrogateMaker(self._real, self._name, personal=self._personal)

    def make(
        self,
        n: int,
        rng: np.random.Generator,
        missing: Bools | None = None,
        *,
        first: int = 0,
        total: int | None = None,
    ) -> pa.Array:
        """Return ``n`` surrogates of the column's type."""
        total = first + n if total is None else total
        plain = self._plain
        if pa.types.is_integer(plain):
            made: Any = self._count_on(first, n, total, plain)
        elif self._prefix is not None:
            made = [f"{self._prefix}{number + 1}" for number in range(first, first + n)]
        else:
            fresh = self._maker.seeded(int(rng.integers(1 << 61))).make(first, n)
            made = fresh.to_numpy(zero_copy_only=False)
        array = pa.array(made, plain, mask=missing)
        if pa.types.is_floating(self._type):
            return array.cast(self._type, safe=False)
        if not pa.types.is_dictionary(self._type):
            return array
        codes = self._type.index_type
        if total > 1 << (codes.bit_width - pa.types.is_signed_integer(codes)):
            codes = pa.int32()
        return array.dictionary_encode().cast(pa.dictionary(codes, plain, self._type.ordered))

    def check(self, total: int) -> None:
        """Refuse to make more than the column's type has room for."""
        if pa.types.is_integer(self._plain):
            self._count_on(0, 0, total, self._plain)

    @property
    def _plain(self) -> pa.DataType:
        kind = self._type.value_type if pa.types.is_dictionary(self._type) else self._type
        return pa.int64() if pa.types.is_floating(kind) else kind

    def _count_on(self, first: int, n: int, total: int, plain: pa.DataType) -> np.ndarray[Any, Any]:
        dtype = np.int64 if pa.types.is_signed_integer(plain) else np.uint64
        spans = free_numbers(self._low, self._high, plain)
        if total <= sum(room for *_, room in spans):
            parts = [np.empty(0, dtype)]
            for start, step, room in spans:  # by the index alone, so that no two calls meet
                at, count = max(first, 0), min(first + n, room) - max(first, 0)
                if count > 0:
                    up = np.arange(count, dtype=dtype)
                    begin = dtype(start + step * at)
                    parts.append(begin + up if step > 0 else begin - up)
                first -= room
            return np.concatenate(parts)
        raise ValueError(
            f"Column {self._name!r} ({plain}) has no room for {total:,} new identifiers. Use a "
            "wider integer type, or leave identifiers out."
        )
