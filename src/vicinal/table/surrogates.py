"""Fresh identifiers and texts in place of real ones."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Surrogates"]

#: Shapes of strings that are imitated; rarer ones are not.
SHAPES = 50
#: Attempts at strings that are neither repeated nor real before a number is appended.
ATTEMPTS = 8

_CLASSES = ("digit", "lower", "upper", "letter")


class Surrogates:
    """Makes identifiers that look like a column's own but were not in it.

    Integers count on from the largest. Strings take the shape of a frequent one (letters for
    letters, digits for digits, everything else kept) filled at random. Text becomes
    ``"<name> 1"``, ``"<name> 2"``, .... Where ``values`` are only a sample, ``span`` holds the
    least and the largest integer of all, and strings become ``"<prefix>1"``, ``"<prefix>2"``, ...,
    with a prefix that no real one begins with.
    """

    def __init__(
        self,
        values: pa.ChunkedArray,
        name: str,
        kind: str,
        *,
        span: tuple[int, int] | None = None,
        prefix: str | None = None,
    ) -> None:
        self._type, self._name = values.type, name
        self._prefix = f"{name} " if kind == "text" else prefix
        plain = pc.drop_null(values)
        if pa.types.is_dictionary(plain.type):
            plain = plain.cast(plain.type.value_type)
        if pa.types.is_integer(plain.type):
            ends = pc.min_max(plain).as_py()
            self._low: int = ends["min"] if span is None else span[0]
            self._high: int = ends["max"] if span is None else span[1]
        elif self._prefix is None:
            self._real = set(plain.to_pylist())
            self._shapes, self._alphabets = _learn(self._real)

    def make(
        self,
        n: int,
        rng: np.random.Generator,
        missing: npt.NDArray[np.bool_] | None = None,
        *,
        first: int = 0,
        total: int | None = None,
    ) -> pa.Array:
        """Return ``n`` surrogates of the column's type."""
        total = first + n if total is None else total
        plain = self._type.value_type if pa.types.is_dictionary(self._type) else self._type
        if pa.types.is_integer(plain):
            made: Any = self._count_on(first, n, total, plain)
        elif self._prefix is not None:
            made = [f"{self._prefix}{number + 1}" for number in range(first, first + n)]
        else:
            made = self._fill(n, rng)
        array = pa.array(made, plain, mask=missing)
        if not pa.types.is_dictionary(self._type):
            return array
        codes = self._type.index_type
        if total > 1 << (codes.bit_width - pa.types.is_signed_integer(codes)):
            return array.cast(pa.dictionary(pa.int32(), plain, self._type.ordered))
        return array.cast(self._type)

    def check(self, total: int) -> None:
        """Refuse to make more than the column's type has room for."""
        plain = self._type.value_type if pa.types.is_dictionary(self._type) else self._type
        if pa.types.is_integer(plain):
            self._count_on(0, 0, total, plain)

    def _count_on(self, first: int, n: int, total: int, plain: pa.DataType) -> np.ndarray[Any, Any]:
        signed = pa.types.is_signed_integer(plain)
        top = (1 << (plain.bit_width - signed)) - 1
        bottom = -(1 << (plain.bit_width - 1)) if signed else 0
        dtype = np.int64 if signed else np.uint64
        if self._high + total <= top:
            return np.arange(n, dtype=dtype) + dtype(self._high + 1 + first)
        if self._low - total >= bottom:
            return dtype(self._low - 1 - first) - np.arange(n, dtype=dtype)
        raise ValueError(
            f"Column {self._name!r} ({plain}) has no room for {total:,} new identifiers. Use a "
            "wider integer type, or leave identifiers out."
        )

    def _fill(self, n: int, rng: np.random.Generator) -> list[str]:
        made: list[str] = []
        taken = set(self._real)
        for _ in range(ATTEMPTS):
            for text in self._draw(n - len(made), rng):
                if text not in taken:
                    taken.add(text)
                    made.append(text)
            if len(made) == n:
                return made
        number = 1
        for text in self._draw(n - len(made), rng):
            while f"{text}-{number}" in taken:
                number += 1
            taken.add(f"{text}-{number}")
            made.append(f"{text}-{number}")
        return made

    def _draw(self, n: int, rng: np.random.Generator) -> list[str]:
        shapes = list(self._shapes)
        counts = np.fromiter(self._shapes.values(), float)
        picked = rng.choice(len(shapes), n, p=counts / counts.sum())
        made = np.empty(n, object)
        for number in np.unique(picked):
            rows = np.flatnonzero(picked == number)
            shape = shapes[number]
            points = np.zeros((len(rows), max(len(shape), 1)), "<u4")  # zeros end a string
            for at, mark in enumerate(shape):
                letters = self._alphabets.get(mark, [mark])
                codes = np.array([ord(letter) for letter in letters], np.uint32)
                points[:, at] = codes[rng.integers(0, len(codes), len(rows))]
            made[rows] = points.view(f"<U{points.shape[1]}")[:, 0]
        return made.tolist()


def _class_of(letter: str) -> str:
    if letter.isdigit():
        return "digit"
    if letter.islower():
        return "lower"
    if letter.isupper():
        return "upper"
    return "letter" if letter.isalpha() else letter


def _learn(real: set[str]) -> tuple[dict[tuple[str, ...], int], dict[str, list[str]]]:
    """Return the commonest shapes with their counts, and the characters seen of each class."""
    shapes = Counter(tuple(_class_of(letter) for letter in text) for text in sorted(real))
    seen = sorted(set().union(*real)) if real else []
    alphabets: dict[str, list[str]] = {mark: [] for mark in _CLASSES}
    for letter in seen:
        if _class_of(letter) in alphabets:
            alphabets[_class_of(letter)].append(letter)
    return dict(shapes.most_common(SHAPES)), {
        mark: all_ for mark, all_ in alphabets.items() if all_
    }
