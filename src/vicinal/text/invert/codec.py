"""Text <-> token ids for nano: WordPiece with markers for case and spacing.

The encoder's WordPiece vocabulary is uncased and forgets where spaces stood. Two deterministic
rules, one for case and one for spacing, guess both from the neighboring words; a marker is written
only where a rule guesses wrong. So a normalized line comes back letter for letter, and ordinary
English needs few markers.

>>> codec = Codec(["hello", "tom", ",", "."])
>>> codec.decode(codec.encode("Hello, Tom."))
'Hello, Tom.'
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

PAD, FORMAL, INFORMAL, EOS, CAP, UPPER, LOWER, JOIN, GAP = range(9)
_NAMES = "PAD FORMAL INFORMAL EOS CAP UPPER LOWER JOIN GAP"
SPECIALS = tuple(f"[{name}]" for name in _NAMES.split())

_FOLD = str.maketrans(
    {"’": "'", "‘": "'", "`": "'", "´": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"',  # noqa: RUF001
     "…": "...", "−": "-", "‐": "-", "‑": "-", "ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "ø": "o",  # noqa: RUF001
     "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}  # noqa: RUF001
)  # fmt: skip
_UNITS = re.compile(r"[^\W_]+|[^\w\s]|_")
_SUFFIXES = frozenset({"s", "t", "re", "ve", "ll", "d", "m"})
_NO_SPACE_BEFORE = frozenset(".,?!;:)]}%°")
_NO_SPACE_AFTER = frozenset("([{$£€¥#@¡¿~")
_TIGHT = frozenset("-/_^—\\")
_SENTENCE_END = frozenset(".?!")
_TRANSPARENT = frozenset("\"'()[]")


@dataclass(slots=True)
class Unit:
    """A word or one punctuation mark, with its markers (None where the rules guess right)."""

    text: str
    case: int | None = None
    space: int | None = None


def normalize(text: str) -> str:
    """Fold typographic marks to ASCII, drop accents (the encoder ignores them), squeeze spaces."""
    text = text.translate(_FOLD)
    if not text.isascii():
        text = unicodedata.normalize("NFD", text)
        text = "".join(ch for ch in text if unicodedata.category(ch) != "Mn")
        text = unicodedata.normalize("NFC", text)
    return " ".join(text.split())


def is_formal(text: str) -> bool:
    """Whether a line is written as a sentence: opens with a capital or digit, ends with a stop."""
    letters = [ch for ch in text if ch.isalpha()]
    if not letters or text.rstrip("\"')]")[-1:] not in _SENTENCE_END:
        return False
    first = next(ch for ch in text if ch.isalnum())
    words = re.findall(r"[^\W\d_]+", text)
    return (first.isupper() or first.isdigit()) and "i" not in words


def _apply_case(word: str, case: int) -> str:
    if case == CAP:
        return word[:1].upper() + word[1:]
    return word.upper() if case == UPPER else word


def _case_of(word: str) -> int | None:
    lower = word.lower()
    return next((case for case in (LOWER, CAP, UPPER) if _apply_case(lower, case) == word), None)


def _split_camel(word: str) -> list[str]:
    """Cut a word of mixed case into parts of plain case ("McDonald" -> "Mc", "Donald")."""
    parts = re.findall(r"[A-Z]+(?=s$)|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[^A-Za-z]+", word)
    return parts if all(_case_of(part) is not None for part in parts) else list(word)


def _default_case(units: Sequence[Unit], index: int, formal: bool) -> int:
    """Return the case of a word by rule."""
    if not formal or units[index].text == "i":
        return CAP if formal else LOWER
    texts = (unit.text for unit in reversed(units[:index]))
    before = next((text for text in texts if text not in _TRANSPARENT), ".")
    return CAP if before in _SENTENCE_END else LOWER


def _is_initial(text: str) -> bool:
    return len(text) == 1 and text.isalpha()


def _in_one_number(before: str, mark: str, now: str) -> bool:
    """Whether a mark joins two numbers, as in 1,000 or 9:30."""
    digits = before[-1:].isdigit() and now[0].isdigit()
    return digits and (mark in (".", ":", "–") or (mark == "," and len(now) == 3))  # noqa: RUF001


class _Spacing:
    """The spacing rule: says, unit by unit, whether a space stands before it."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self.units = units
        self.double_open = self.single_open = False
        self.tight_after = False  # the mark just placed takes no space after it

    def _text(self, index: int) -> str:
        return self.units[index].text if 0 <= index < len(self.units) else ""

    def default(self, index: int) -> bool:
        """Whether a space stands before unit `index` by rule."""
        now, last, before = self._text(index), self._text(index - 1), self._text(index - 2)
        if index == 0 or self.tight_after or now in _NO_SPACE_BEFORE or now in _TIGHT:
            return False
        if now == '"':
            return not self.double_open
        if now == "'":
            infix = last[-1:].isalnum() and self._text(index + 1) in _SUFFIXES
            return not (infix or self.single_open or last.endswith("s"))
        if now == "–":  # noqa: RUF001
            return not last[-1:].isdigit()
        between_initials = last == "." and _is_initial(before) and _is_initial(now)
        return not (between_initials or _in_one_number(before, last, now))

    def place(self, index: int, spaced: bool) -> None:
        """Note that unit `index` was placed, with or without a space before it."""
        now, last = self._text(index), self._text(index - 1)
        self.tight_after = now in _NO_SPACE_AFTER or now in _TIGHT
        if now == '"':
            self.double_open = not self.double_open
            self.tight_after = self.double_open
        elif now == "'":
            joined = not spaced and last[-1:].isalnum()
            if joined and self._text(index + 1) in _SUFFIXES:
                self.tight_after = True
            elif self.single_open or joined:
                self.single_open = False
            else:
                self.single_open = self.tight_after = True


def cut(line: str) -> list[tuple[str, bool]]:
    """Return words and marks of a normalized line, and whether a space stands before each."""
    found: list[tuple[str, bool]] = []
    end = 0
    for match in _UNITS.finditer(line):
        text, spaced = match.group(), match.start() > end
        end = match.end()
        parts = [text] if _case_of(text) is not None else _split_camel(text)
        found += [(part, spaced and at == 0) for at, part in enumerate(parts)]
    return found


def greedy_pieces(word: str, known: Container[str]) -> list[str] | None:
    """Longest-match-first WordPiece; None where a character is unknown."""
    pieces: list[str] = []
    start = 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = word[start:end] if start == 0 else "##" + word[start:end]
            if piece in known:
                pieces.append(piece)
                start = end
                break
        else:
            return None
    return pieces


class Codec:
    """Turns lines into ids and back; special tokens take the first ids, pieces the next."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.tokens: list[str] = [*SPECIALS, *pieces]
        self.ids: dict[str, int] = {token: index for index, token in enumerate(self.tokens)}
        self._words: dict[str, list[int] | None] = {}

    def __len__(self) -> int:
        return len(self.tokens)

    def _word_ids(self, word: str) -> list[int] | None:
        if word not in self._words:
            pieces = greedy_pieces(word, self.ids)
            self._words[word] = None if pieces is None else [self.ids[one] for one in pieces]
        return self._words[word]

    def encode(self, line: str) -> list[int] | None:
        """Spell a line: style token, pieces and markers, end token; None where that cannot be."""
        line = normalize(line)
        formal = is_formal(line)
        found = cut(line)
        units = [Unit(text.lower()) for text, _ in found]
        spacing = _Spacing(units)
        ids = [FORMAL if formal else INFORMAL]
        for index, (text, spaced) in enumerate(found):
            word = self._word_ids(units[index].text)
            if word is None:
                return None
            if spaced != spacing.default(index):
                ids.append(GAP if spaced else JOIN)
            spacing.place(index, spaced)
            if _apply_case(units[index].text, _default_case(units, index, formal)) != text:
                case = _case_of(text)
                if case is None:
                    return None
                ids.append(case)
            ids.extend(word)
        ids.append(EOS)
        return ids

    def spell(self, line: str) -> list[int]:
        """Spell a line, leaving out the words and marks that cannot be spelt."""
        ids = self.encode(line)
        if ids is None:
            words = [
                "".join(text for text, _ in cut(word) if self.encode(text) is not None)
                for word in normalize(line).split()
            ]
            ids = self.encode(" ".join(words)) or [FORMAL, EOS]
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Read the line that ids spell; markers out of place are ignored."""
        units, formal = self._read(ids)
        spacing = _Spacing(units)
        line: list[str] = []
        for index, unit in enumerate(units):
            spaced = spacing.default(index) if unit.space is None else unit.space == GAP
            spacing.place(index, spaced)
            if spaced and index:
                line.append(" ")
            case = _default_case(units, index, formal) if unit.case is None else unit.case
            line.append(_apply_case(unit.text, case))
        return "".join(line)

    def _read(self, ids: Iterable[int]) -> tuple[list[Unit], bool]:
        """Return the words and marks that ids spell, and whether the line is a formal one."""
        formal = True
        units: list[Unit] = []
        case: int | None = None
        space: int | None = None
        for number in ids:
            if number == EOS:
                break
            if number in (FORMAL, INFORMAL):
                formal = number == FORMAL
            elif number in (CAP, UPPER, LOWER):
                case = number
            elif number in (JOIN, GAP):
                space = number
            elif number >= len(SPECIALS):
                token = self.tokens[number]
                continues = token.startswith("##") and len(token) > 2
                bare = case is None and space is None
                if continues and bare and units and units[-1].text[-1:].isalnum():
                    units[-1].text += token[2:]
                else:
                    units.append(Unit(token[2:] if continues else token, case, space))
                case = space = None
        return units, formal
