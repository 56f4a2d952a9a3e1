"""Values in place of real identifiers and personal data."""

from __future__ import annotations

import copy
import hashlib
import re
import secrets
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._compiled import GOLDEN, mix64
from vicinal._contacts import contacts
from vicinal._types import Array, Bools, Floats
from vicinal.table.formats.base import as_texts
from vicinal.table.formats.personal import Personal, iban_check, luhn_check

Hashes = npt.NDArray[np.uint64]

#: Shapes of texts that are imitated; rarer ones are not.
SHAPES = 50
#: Room for surrogates per real value that a constant run of digits must leave to be kept.
ROOM = 100
#: Texts of a shape that must share a letter or digit at a place for it to be kept there.
SHARED = 5
#: Largest number of texts of a shape that a permutation reaches.
LARGEST = 1 << 60
_DIGITS = "0123456789"
_LETTERS = frozenset(string.ascii_letters)
_HEXADECIMAL = frozenset("abcdef")
#: Different ones, at least, that tell hexadecimal digits from others.
_ENOUGH = 4
#: Texts of a shape that tell them, at most.
_TOLD = 2000
_ROUNDS = 4
#: Letters of other scripts are drawn among so many, which begin at a multiple of it ...
_BLOCK = 128
#: ... or, for signs of words and of syllables, at the first one.
_SIGNS = ((0x3400, 0x9FFF, 0x4E00), (0xAC00, 0xD7A3, 0xAC00), (0x20000, 0x3FFFF, 0x4E00))


@dataclass(frozen=True)
class Shape:
    """Texts of one length: the letters that each place may take; one letter is a fixed place."""

    places: tuple[str, ...]
    check: str = ""

    @property
    def free(self) -> list[int]:
        """The places that vary, the last first."""
        held = set() if not self.check else set(self.checks())
        return [at for at in reversed(range(len(self.places))) if len(self.places[at]) > 1
                and at not in held]  # fmt: skip

    def checks(self) -> tuple[int, ...]:
        """Return the places of check digits."""
        if self.check == "iban":
            return (2, 3)
        digits = [at for at, letters in enumerate(self.places) if letters[0].isdecimal()]
        return (digits[-1],)

    def size(self) -> int:
        """Return how many texts there are, or the largest number counted."""
        total = 1
        for at in self.free:
            if total * len(self.places[at]) > LARGEST:
                break
            total *= len(self.places[at])
        return total

    def write(self, numbers: Hashes, seed: int) -> list[str]:
        """Return the texts of numbers below :meth:`size`."""
        n, left = len(numbers), numbers.copy()
        points = np.zeros((n, max(len(self.places), 1)), "<u4")
        total = 1
        for at, letters in enumerate(self.places):
            points[:, at] = ord(letters[0])
        for at in self.free:
            codes = np.array([ord(letter) for letter in self.places[at]], np.uint32)
            if total * len(codes) <= LARGEST:
                total *= len(codes)
                left, digit = np.divmod(left, np.uint64(len(codes)))
            else:  # more than is permuted: any letter, by the number itself
                total = LARGEST
                digit = _hashed(numbers, seed + at) % np.uint64(len(codes))
            points[:, at] = codes[digit.astype(np.int64)]
        texts: list[str] = points.view(f"<U{points.shape[1]}")[:, 0].tolist()
        return [self._checked(text) for text in texts] if self.check else texts

    def _checked(self, text: str) -> str:
        if self.check == "iban":
            return text[:2] + iban_check(text[:2], text[4:].replace(" ", "")) + text[4:]
        at = self.checks()[0]
        check = _digits_like(text[at])[int(luhn_check(re.sub(r"\D", "", text[:at])))]
        return text[:at] + check + text[at + 1 :]

    def numbers(self, points: npt.NDArray[np.uint32]) -> Hashes:
        """Return the numbers of those texts that are of the shape, given as code points."""
        held = self.checks() if self.check else ()
        rows = np.arange(points.shape[1])
        for at in sorted(
            set(range(len(self.places))) - {*held}, key=lambda at: len(self.places[at])
        ):
            fits = np.isin(points[at][rows], [ord(letter) for letter in self.places[at]])
            rows = rows if fits.all() else rows[fits]
        made, total = np.zeros(len(rows), np.uint64), 1
        for at in self.free:
            codes = np.array([ord(letter) for letter in self.places[at]], np.uint32)
            if total * len(codes) > LARGEST:
                break
            order = np.argsort(codes)
            digit = order[np.searchsorted(codes[order], points[at][rows])]
            made += np.uint64(total) * digit.astype(np.uint64)
            total *= len(codes)
        return made

    def number(self, text: str) -> int | None:
        """Return the number of a text, or None if it is none of these."""
        if len(text) != len(self.places):
            return None
        held = self.checks() if self.check else ()
        if any(text[at] not in letters for at, letters in enumerate(self.places) if at not in held):
            return None
        total, number = 1, 0
        for at in self.free:
            letters = self.places[at]
            if total * len(letters) > LARGEST:
                break
            number += total * letters.index(text[at])
            total *= len(letters)
        return number


class SurrogateMaker:
    """Makes values that look like a column's own but were not in it.

    Fixed prefixes, lengths, leading zeros and check digits are kept; what varies is filled from
    a permutation of all texts of the shape, so no surrogate comes twice, wherever one starts.
    Surrogates and real values fill half of a shape at most, or those that are left would tell the
    real ones: more surrogates get more digits.
    E-mails get the domain example.org, addresses of the net the range 10.0.0.0/8 or 2001:db8::/32,
    names are invented.

    Parameters
    ----------
    values : pyarrow Array or ChunkedArray of strings or integers
        Real values: none of them is ever made. For several tables that share a key, those of all.
    name : str
        The column's name, for messages.
    personal : Personal, optional
        What :func:`find_personal` found.
    seed : int
        Of the permutation, for :meth:`make`.
    key : bytes, optional
        Secret of :meth:`replace`; None draws one. Whoever has the key can tell which surrogate a
        value he guesses has, so keep it as safe as the data.

    Raises
    ------
    TypeError
        If the values are neither strings nor integers.

    Examples
    --------
    >>> import pyarrow as pa
    >>> maker = SurrogateMaker(pa.array(["TXN_1961373", "TXN_4977031"]), "id", seed=1)
    >>> first, second = maker.make(0, 2).to_pylist()
    >>> first[:4], len(first), maker.make(1, 1).to_pylist() == [second]
    ('TXN_', 11, True)
    """

    def __init__(
        self,
        values: pa.Array | pa.ChunkedArray,
        name: str,
        *,
        personal: Personal | None = None,
        seed: int = 0,
        key: bytes | None = None,
    ) -> None:
        plain = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
        whole = pa.types.is_integer(plain)
        if not (whole or pa.types.is_string(plain) or pa.types.is_large_string(plain)):
            raise TypeError(
                f"Surrogates are made of strings and integers. Column {name!r} is {plain}."
            )
        self.name, self.type, self.seed = name, plain, seed
        self._key = secrets.token_bytes(16) if key is None else key
        self._mapping: dict[str, str] | None = None
        self._real = set(pc.unique(pc.drop_null(as_texts(values))).to_pylist())
        self._kind = personal.kind if personal else ""
        self._two_words = sum(" " in text for text in self._real) * 2 >= len(self._real)
        self._colons = sum(":" in text for text in self._real) * 2 > len(self._real)
        self._counts_on = whole and personal is None
        numbers = [int(text) for text in self._real] if whole else []
        self._ends = min(numbers, default=0), max(numbers, default=-1)
        self._learn("" if personal is None or not personal.checked else personal.kind)

    def _learn(self, checked: str) -> None:
        """Learn the shapes, and where in their permutations real values stand."""
        check = {"IBAN": "iban", "card number": "luhn"}.get(checked, "")
        bodies = Counter(self._body(text) for text in sorted(self._real))
        self._shapes, self._shares = _learn(bodies, check, self._kind == "e-mail")
        points = _points(bodies)
        self._numbers = [
            np.unique(shape.numbers(points[len(shape.places)]))
            if len(shape.places) in points
            else np.zeros(0, np.uint64)
            for shape in self._shapes
        ]
        self._forbid()
        self._largest = max(range(len(self._shapes)), key=lambda at: self._shapes[at].size())
        self._lengths = {len(body) for body in bodies} | {len(s.places) for s in self._shapes}

    def _forbid(self) -> None:
        """Place real values in the permutations of shapes."""
        pairs = zip(self._shapes, self._numbers, strict=True)
        self._forbidden = [
            np.sort(_permuted(real, shape.size(), self.seed, back=True)) for shape, real in pairs
        ]

    def seeded(self, seed: int) -> SurrogateMaker:
        """Return the same with another seed of :meth:`make`.

        Parameters
        ----------
        seed : int
            Of the permutation.

        Returns
        -------
        SurrogateMaker
            Learned as this one is.
        """
        made = copy.copy(self)
        made.seed = seed
        made._forbid()
        return made

    def make(self, start: int, n: int) -> pa.Array:
        """Return surrogates ``start`` to ``start + n - 1``.

        Parameters
        ----------
        start : int
            Index of the first; each index has one surrogate of its own.
        n : int
            How many.

        Returns
        -------
        pyarrow.Array
            Of the column's type, without dictionary; no two alike, none of them real.

        Raises
        ------
        ValueError
            If integers of the column's type have no room for as many.
        """
        index = np.arange(start, start + n, dtype=np.uint64)
        return self._typed(self._at(index))

    def replace(self, values: pa.Array | pa.ChunkedArray) -> pa.Array:
        """Return the surrogate of each value: the same for the same value, also in other tables.

        Parameters
        ----------
        values : pyarrow Array or ChunkedArray
            Real values; nulls stay.

        Returns
        -------
        pyarrow.Array
            Of the column's type, without dictionary. Makers with one key agree, but for the few
            values whose first surrogate is real or taken in one of the tables, or where values
            are so many that surrogates get more digits: give the values of all tables at
            construction, and they agree on all.

        Raises
        ------
        ValueError
            If a value was not among the real ones.
        """
        encoded = as_texts(values).dictionary_encode()
        if self._mapping is None:
            self._mapping = self._mapped()
        known = encoded.dictionary.to_pylist()
        if unknown := [text for text in known if text not in self._mapping]:
            raise ValueError(
                f"{len(unknown):,} values of column {self.name!r} were not among those that the "
                f"surrogates were made for: {', '.join(map(repr, unknown[:3]))}."
            )
        return self._typed([self._mapping[text] for text in known]).take(encoded.indices)

    def _mapped(self) -> dict[str, str]:
        """Return a surrogate for each real value, by a keyed hash of the value alone."""
        waiting = sorted(self._real, key=lambda text: self._digest(text, 0))
        if self._counts_on:
            return {text: str(self._counted(at)) for at, text in enumerate(waiting)}
        made: dict[str, str] = {}
        taken = set(self._real)
        for attempt in range(400):
            longer = max(0, attempt - 30) // 10  # a shape that is full grows
            numbers = [self._digest(text, attempt) for text in waiting]
            texts = self._spelled(waiting, numbers, longer)
            left = []
            for text, surrogate in zip(waiting, texts, strict=True):
                if surrogate in taken:
                    left.append(text)
                else:
                    taken.add(surrogate)
                    made[text] = surrogate
            waiting = left
            if not waiting:
                break
        else:
            raise ValueError(f"No room for surrogates of column {self.name!r}.")
        return made

    def _digest(self, text: str, attempt: int) -> int:
        salted = f"{attempt}\0{text}".encode()
        return int.from_bytes(hashlib.blake2b(salted, key=self._key, digest_size=8).digest(), "big")

    def _spelled(self, values: list[str], numbers: list[int], longer: int) -> list[str]:
        """Return texts for hashed numbers, in the shape of each value."""
        if self._kind in _SPELLS:
            return [self._spell(number >> 4, longer) for number in numbers]
        made = [""] * len(values)
        members: dict[tuple[int, str], list[int]] = {}
        for row, value in enumerate(values):
            body = self._body(value)
            fits = (at for at, shape in enumerate(self._shapes) if shape.number(body) is not None)
            runs = re.findall(r"\d+", body)
            first = "".join("d" if int(run[0]) else "z" for run in runs)
            members.setdefault((next(fits, self._largest), first), []).append(row)
        for (at, first), rows in members.items():
            shape = self._shapes[at]
            if self._kind not in _PREFIXED:
                shape = _any_digits(shape, first)
            shape = _extended(shape, longer + self._widened(at))
            drawn = np.array([numbers[row] % shape.size() for row in rows], np.uint64)
            for row, body in zip(rows, shape.write(drawn, self.seed), strict=True):
                made[row] = self._whole(body)
        return made

    def _widened(self, at: int) -> int:
        """Return how many digits a shape needs more to hold its values and their surrogates."""
        shape, n_real = self._shapes[at], len(self._numbers[at])
        longer = 0
        while 4 * n_real > _extended(shape, longer).size() or (
            longer and len(shape.places) + longer in self._lengths
        ):
            longer += 1
        return longer

    def _at(self, index: Hashes) -> list[str]:
        """Return the text of each index."""
        if self._counts_on:
            return [str(self._counted(int(at))) for at in index]
        if self._kind in _SPELLS:
            size = _SPELLS[self._kind]
            if len(index) and int(index[-1]) >= size:
                raise ValueError(f"No room for so many surrogates of column {self.name!r}.")
            return [self._fresh(number) for number in _permuted(index, size, self.seed).tolist()]
        made = np.empty(len(index), object)
        # which shape: by the index alone, so that it is the same wherever one starts
        share = _hashed(index, self.seed).astype(float) / 2.0**64
        picked = np.minimum(np.searchsorted(np.cumsum(self._shares), share, "right"),
                            len(self._shapes) - 1)  # fmt: skip
        left = np.ones(len(index), bool)
        order = [at for at in range(len(self._shapes)) if at != self._largest]
        for at in [*order, self._largest]:
            rows = np.flatnonzero(picked == at)
            done = self._write_free(at, index[rows], made, rows)
            left[rows[done]] = False
            if at != self._largest:  # what a full shape has no room for, the largest takes
                picked[rows[~done]] = self._largest
        self._write_longer(index, made, left)
        return list(made)

    def _write_longer(self, index: Hashes, made: Array, left: Bools) -> None:
        """Write what no shape has room for, in lengths that no real value has."""
        for longer in range(1, 19):
            shape = _extended(self._shapes[self._largest], longer)
            if not left.any() or len(shape.places) in self._lengths:
                continue
            rows = np.flatnonzero(left)
            rows = rows[index[rows] < shape.size()]
            numbers = _permuted(index[rows], shape.size(), self.seed + longer)
            made[rows] = [self._whole(body) for body in shape.write(numbers, self.seed)]
            left[rows] = False
        if left.any():
            raise ValueError(f"No room for so many surrogates of column {self.name!r}.")

    def _write_free(self, at: int, index: Hashes, made: Array, rows: npt.NDArray[np.intp]) -> Bools:
        """Write texts of a shape that are not real; tell which indices half of it has room for."""
        shape, forbidden = self._shapes[at], self._forbidden[at]
        gaps = forbidden - np.arange(len(forbidden), dtype=np.uint64)
        numbers = index + np.searchsorted(gaps, index, "right").astype(np.uint64)
        done = index + np.uint64(len(forbidden)) < np.uint64(shape.size() // 2)
        if done.any():
            permuted = _permuted(numbers[done], shape.size(), self.seed)
            made[rows[done]] = [self._whole(body) for body in shape.write(permuted, self.seed)]
        return done

    def _body(self, text: str) -> str:
        return text.rpartition("@")[0] or text if self._kind == "e-mail" else text

    def _whole(self, body: str) -> str:
        return f"{body}@example.org" if self._kind == "e-mail" else body

    def _fresh(self, number: int) -> str:
        """Return a spelled text that is not real."""
        longer = 0
        while (text := self._spell(number, longer)) in self._real:
            longer += 1
        return text

    def _spell(self, number: int, longer: int) -> str:
        """Return a made-up name, or an address that nobody has."""
        number %= _SPELLS[self._kind]
        if self._kind == "IP address" and self._colons:
            return f"2001:db8:{longer:x}::{number >> 16:x}:{number & 0xFFFF:x}"
        if self._kind == "IP address":
            block = 10 if not longer else 239 + longer
            return f"{block}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        if self._kind == "URL":
            return f"https://example.org/{_syllables(number, 5 + longer).lower()}"
        if self._kind == "user name":
            return _syllables(number, 4 + longer).lower()
        if self._kind == "street address":
            return f"{_syllables(number // 100, 4 + longer)} {1 + number % 100}"
        if not self._two_words:
            return _syllables(number, 4 + longer)
        return f"{_syllables(number % 10**4, 2)} {_syllables(number // 10**4, 2 + longer)}"

    def _counted(self, index: int) -> int:
        """Return an integer beyond those of the column."""
        for start, step, room in free_numbers(*self._ends, self.type):
            if index < room:
                return start + step * index
            index -= room
        return (1 << 64) + index  # which the type has no room for

    def _typed(self, texts: Sequence[str]) -> pa.Array:
        array = pa.array(texts, pa.string())
        if array.type == self.type:
            return array
        try:
            return array.cast(self.type)
        except pa.ArrowInvalid:
            raise ValueError(
                f"Column {self.name!r} ({self.type}) has no room for so many new identifiers. "
                "Use a wider integer type, or leave identifiers out."
            ) from None


class ContactMaker:
    """Writes surrogates for the contacts within texts, and leaves the rest as it is."""

    def __init__(self, values: pa.Array, name: str, *, key: bytes) -> None:
        found: dict[str, set[str]] = {}
        for text in values.to_pylist():
            for match in contacts(text):
                found.setdefault(_CONTACTS.get(str(match.lastgroup), ""), set()).add(match.group())
        self._made: dict[str, str] = {}
        for kind, ones in found.items():
            real = pa.array(sorted(ones))
            maker = SurrogateMaker(real, name, personal=Personal(kind, 1.0), key=key)
            self._made |= zip(sorted(ones), maker.replace(real).to_pylist(), strict=True)

    def replace(self, values: pa.Array | pa.ChunkedArray) -> pa.Array:
        """Return texts with a surrogate for each contact, the same for the same one."""
        encoded = as_texts(values).dictionary_encode()
        texts = map(self._written, encoded.dictionary.to_pylist())
        return pa.array(texts, pa.string()).take(encoded.indices)

    def _written(self, text: str) -> str:
        for match in reversed(contacts(text)):
            text = text[: match.start()] + self._made[match.group()] + text[match.end() :]
        return text


#: Kinds of personal data by those of contacts, where surrogates are no texts of the same shape.
_CONTACTS = {"URL": "URL", "mail": "e-mail", "IP": "IP address"}
#: How many surrogates are spelled, rather than filled into shapes, by kind.
_SPELLS = {
    "name": 10**8,
    "URL": 10**10,
    "IP address": 1 << 24,
    "user name": 10**8,
    "street address": 10**10,
}
_CONSONANTS, _VOWELS = "bdfghjklmnprstvzckwy", "aeiou"


def _syllables(number: int, n: int) -> str:
    made = ""
    for _ in range(n):
        number, at = divmod(number, 100)
        made += _CONSONANTS[at // 5] + _VOWELS[at % 5]
    return made.capitalize()


#: Kinds whose first digits mean something: a country, a bank, an area.
_PREFIXED = {"phone", "card number", "IBAN"}


def _any_digits(shape: Shape, first: str) -> Shape:
    """Return the shape with digits as one value has them, whatever the rest of its table has."""
    # first has a "z" for each run of digits that begins with a zero; one that begins a text stays
    places, runs = list(shape.places), iter(first)
    for at, letters in enumerate(places):
        if not letters.isdecimal():
            continue
        digits = _digits_like(letters[0])
        begins = at == 0 or not places[at - 1][0].isdecimal()
        zero = next(runs, "z") == "z" if begins else True
        places[at] = digits[0] if begins and zero and at == 0 else digits if zero else digits[1:]
    return Shape(tuple(places), shape.check)


def _extended(shape: Shape, longer: int) -> Shape:
    """Return a shape with more digits behind the last place that varies."""
    if not longer:
        return shape
    at = shape.free[0] + 1 if shape.free else len(shape.places)
    digits = _digits_like(shape.places[at - 1][0]) if at else _DIGITS
    return Shape((*shape.places[:at], *[digits] * longer, *shape.places[at:]), shape.check)


def _digits_like(letter: str) -> str:
    """Return the ten digits of a digit's script, of any other letter those from 0 to 9."""
    zero = ord(letter) - int(letter) if letter.isdecimal() else ord("0")
    return "".join(map(chr, range(zero, zero + 10)))


def _hashed(numbers: Hashes, seed: int) -> Hashes:
    """Return random words for numbers and a seed."""
    words: Hashes = mix64(numbers + np.uint64((seed + 1) * GOLDEN % (1 << 64)))
    return words


def free_numbers(low: int, high: int, kind: pa.DataType) -> list[tuple[int, int, int]]:
    """Return where integers beyond those of a column begin, their step, and how many there are."""
    # a round number first, from which the largest real one cannot be told
    signed = pa.types.is_signed_integer(kind)
    top = (1 << (kind.bit_width - signed)) - 1
    bottom = -(1 << (kind.bit_width - 1)) if signed else 0
    unit = int(10 ** max(len(str(high - low)) - 1, 1))
    first = min((high // unit + 1) * unit, top + 1)
    return [
        (first, 1, top + 1 - first),
        (high + 1, 1, first - high - 1),
        (low - 1, -1, low - bottom),
    ]


def _permuted(numbers: Hashes, size: int, seed: int, *, back: bool = False) -> Hashes:
    """Return a permutation of the numbers below ``size``: a Feistel network, walked inside."""
    half = max(1, (max(size - 1, 1).bit_length() + 1) // 2)
    low = np.uint64((1 << half) - 1)
    rounds = range(_ROUNDS)[::-1] if back else range(_ROUNDS)
    made = numbers.astype(np.uint64)
    rows = np.arange(len(made))
    while len(rows):
        left, right = made[rows] >> np.uint64(half), made[rows] & low
        for at in rounds:
            if back:
                left, right = right ^ (_hashed(left, seed * _ROUNDS + at) & low), left
            else:
                left, right = right, left ^ (_hashed(right, seed * _ROUNDS + at) & low)
        made[rows] = (left << np.uint64(half)) | right
        rows = rows[made[rows] >= size]
    return made


def _points(bodies: Counter[str]) -> dict[int, npt.NDArray[np.uint32]]:
    """Return distinct texts as code points, shape (length, n_texts), by their length."""
    members: dict[int, list[str]] = {}
    for body in bodies:
        members.setdefault(len(body), []).append(body)
    return {
        length: np.array(texts, f"<U{max(length, 1)}").view("<u4").reshape(len(texts), -1).T.copy()
        for length, texts in members.items()
    }


def _class_of(letter: str) -> str:
    if letter.isdecimal():
        return _digits_like(letter)[0]
    if not letter.isascii():
        return _others_like(letter)[0]
    return letter if not letter.isalpha() else "a" if letter.islower() else "A"


def _others_like(letter: str) -> str:
    """Return letters of another script, or signs on them, among which one is drawn."""
    kind, point = unicodedata.category(letter), ord(letter)
    if kind[0] not in "LMN":
        return letter
    starts = (start for low, high, start in _SIGNS if low <= point <= high)
    start = next(starts, point // _BLOCK * _BLOCK)
    block = map(chr, range(max(start, _BLOCK), start + _BLOCK))
    return "".join(one for one in block if unicodedata.category(one) == kind) or letter


class _Classes(dict[int, str]):
    """What stands for each letter in the mark of a shape."""

    def __missing__(self, point: int) -> str:
        self[point] = found = _class_of(chr(point))
        return found


_CLASSES = _Classes()


def _learn(bodies: Counter[str], check: str, vary: bool) -> tuple[list[Shape], Floats]:
    """Return the commonest shapes of distinct texts, and their shares; letters may have to vary."""
    members: dict[str, list[str]] = {}
    for body in bodies:
        members.setdefault(body.translate(_CLASSES), []).append(body)
    mixed: dict[str, list[str]] = {}
    for mark, texts in members.items():
        mixed.setdefault(re.sub("[0aA]", "x", mark), []).extend(texts)
    seen = _hexadecimal(mixed.values())
    # letters and digits at random
    if seen or (len(members) > SHAPES and len(members) > len(bodies) // 2):
        members = mixed
    if not members:
        members = {"00000000": []}
    seen = seen or set("".join(bodies))
    common = sorted(members, key=lambda shape: (-len(members[shape]), shape))[:SHAPES]
    prefix = 0
    if len(bodies) >= (SHARED if vary else 2):  # of the first and the last, and so of all
        ends = zip(min(bodies), max(bodies), strict=False)
        prefix = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], ends))
    shapes = [_shape(mark, members[mark], seen, check, prefix, vary) for mark in common]
    counts = np.array([max(len(members[mark]), 1) for mark in common], float)
    return shapes, counts / counts.sum()


def _hexadecimal(shapes: Iterable[list[str]]) -> set[str]:
    """Return the letters of hexadecimal digits: they vary, mostly where digits stand, too."""
    varied: set[str] = set()
    among = places = 0
    for texts in shapes:
        for place in map(set, zip(*texts[:: -(-len(texts) // _TOLD)], strict=True)):
            letters = place & _LETTERS
            if len(place) > 1 and letters:
                if not {letter.lower() for letter in letters} <= _HEXADECIMAL:
                    return set()
                varied |= letters
                places += 1
                among += not place.isdisjoint(_DIGITS)
    enough = len({letter.lower() for letter in varied}) >= _ENOUGH
    if not enough or 2 * among < places:
        return set()
    cases = {str.lower if letter.islower() else str.upper for letter in varied}
    return {case(letter) for case in cases for letter in _HEXADECIMAL}


def _shape(
    marks: str, texts: list[str], seen: set[str], check: str, prefix: int, vary: bool
) -> Shape:
    """Return a shape with every place fixed that never varies, as far as there is room."""
    # what a few texts alone have in common would give them away, and so would a person's name
    fixes = [at < prefix or (len(texts) >= SHARED and not (vary and mark.isalpha()))
             for at, mark in enumerate(marks)]  # fmt: skip
    places = [_letters(marks, at, texts, seen, fixed) for at, fixed in enumerate(fixes)]
    if check == "iban":
        places = places[:2] + [_DIGITS] * 2 + places[4:]
    fixed = [at for at, mark in enumerate(marks) if mark.isdecimal() and len(places[at]) == 1]
    shape = Shape(tuple(places), check)
    while fixed and shape.size() < ROOM * len(texts):
        at = fixed.pop()
        led = places[at] == marks[at] or (at > 0 and marks[at - 1] == marks[at])
        places[at] = _alphabet(marks[at], seen)[not led :]
        shape = Shape(tuple(places), check)
    return shape


def _letters(marks: str, at: int, texts: list[str], seen: set[str], fixed: bool) -> str:
    """Return what one place of a shape takes."""
    mark, held = marks[at], {text[at] for text in texts}
    if len(held) == 1 and fixed:
        return next(iter(held))
    leads = mark.isdecimal() and len(marks) > 1 and (at == 0 or marks[at - 1] != mark)
    return _alphabet(mark, seen)[leads and mark not in held :]


def _alphabet(mark: str, seen: set[str]) -> str:
    """Return the letters that a class of places takes; those of hexadecimal digits stay so."""
    if mark.isdecimal():
        return _digits_like(mark)
    if mark not in "aAx":
        return mark if mark.isascii() else _others_like(mark)
    classes = {"a", "A"} if mark == "x" else {mark}
    used = {letter for letter in seen if _class_of(letter) in classes}
    held = {_class_of(letter) for letter in used}
    if {letter.lower() for letter in used} - _HEXADECIMAL:
        used = {letter for letter in string.ascii_letters if _class_of(letter) in held}
    return "".join(sorted(used)) if mark != "x" else _DIGITS + "".join(sorted(used))
