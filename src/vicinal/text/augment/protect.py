"""Placeholders, names and numbers of texts that stay as they are, and those that must not."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby

from vicinal._contacts import DATE, EMAIL

#: Words that writers know well, which stand for what is protected while it is embedded and written.
STAND_INS = (
    *("Anna", "Paris", "Peter", "London", "Maria", "Berlin", "Robert", "Rome"),
    *("Sarah", "Madrid", "Thomas", "Vienna", "Laura", "Oslo", "Daniel", "Dublin"),
)
#: Last digits by which a long number is known, whatever stands for its country.
LAST_DIGITS = 7

_ADDRESS = re.compile(EMAIL)
#: Telephone numbers, accounts and the like: seven digits or more.
_NUMBER = re.compile(r"\d(?:[ ./()-]{0,2}\d){6,}")
_DATE = re.compile(DATE)
#: Words with blanks between them, as far as no sign parts them.
_STRETCH = re.compile(r"[^\W\d_][\w'\u2019-]*(?: [^\W\d_][\w'\u2019-]*)*")
_POSSESSIVE = re.compile(r"['\u2019]s$")


def _contacts(text: str) -> set[str]:
    found = {match.group().lower() for match in _ADDRESS.finditer(text)}
    undated = _DATE.sub(" ", text)
    numbers = (re.sub(r"\D", "", match.group()) for match in _NUMBER.finditer(undated))
    return found | {number[-LAST_DIGITS:] for number in numbers}


def _stretches(text: str) -> list[list[str]]:
    text = " ".join(text.split())
    found = (match.group().split(" ") for match in _STRETCH.finditer(text))
    return [[_POSSESSIVE.sub("", word) for word in words] for words in found]


def _names(text: str) -> set[str]:
    """Return capitalized words in a row, two or more, but for a common one at the beginning."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    found = set()
    for words in _stretches(text):
        if words[0].lower() in ENGLISH_STOP_WORDS:
            words = words[1:]
        for capital, run in groupby(words, key=lambda word: word[:1].isupper()):
            name = list(run)
            if capital and len(name) > 1:
                found.add(" ".join(name).casefold())
            if capital and len(name) > 2 and name[0] is words[0]:  # "Yesterday John Smith"
                found.add(" ".join(name[1:]).casefold())
    return found


class PersonalData:
    """Addresses, long numbers, and full names that one text alone holds."""

    def __init__(self, texts: Iterable[str]) -> None:
        texts = set(texts)
        counts = Counter(name for text in texts for name in _names(text))
        self._names = {name for name, count in counts.items() if count == 1}
        self._lengths = sorted({name.count(" ") + 1 for name in self._names})
        self._contacts = set().union(*map(_contacts, texts))

    def __bool__(self) -> bool:
        return bool(self._names or self._contacts)

    def within(self, text: str) -> list[str]:
        """Return what of it a sentence holds, however it is written there."""
        found = _contacts(text) & self._contacts
        for words in _stretches(text.casefold()) if self._names else ():
            for length in self._lengths:
                spans = (" ".join(words[at : at + length]) for at in range(len(words)))
                found |= self._names.intersection(spans)
        return sorted(found)


class Protection:
    """Puts stand-ins into texts, and what they stand for into what was written."""

    def __init__(self, pattern: str, texts: Sequence[str]) -> None:
        found = re.compile(pattern)
        lower = [text.lower() for text in texts]
        taken = {name: sum(name.lower() in text for text in lower) for name in STAND_INS}
        names = sorted(STAND_INS, key=lambda name: taken[name])  # a text's own would be overwritten
        self.texts: list[str] = []
        self._spans: list[dict[str, str]] = []  # of each text, by stand-in
        self._kept: list[Counter[str]] = []  # all that is protected of each text, how often
        for text, small in zip(texts, lower, strict=True):
            free = (name for name in names if name.lower() not in small)
            matches = (match.group() for match in found.finditer(text))
            kept = Counter(filter(None, matches))
            stand_ins = dict(zip(kept, free, strict=False))
            self.texts.append(found.sub(partial(_stand_in, stand_ins), text))
            self._spans.append({name: span for span, name in stand_ins.items()})
            self._kept.append(kept)
        if texts and not any(re.sub(r"\W", "", found.sub("", text)) for text in texts):
            raise ValueError(
                f"protect={pattern!r} matches all there is of every text, so that nothing is left "
                "to mix. Give a narrower pattern."
            )
        if texts and not any(self._kept):
            warnings.warn(
                f"protect={pattern!r} matches nothing in any text, so that nothing is protected.",
                stacklevel=4,
            )

    def restore(self, text: str, heavier: int, lighter: int) -> tuple[str, str]:
        """Return a sentence with what its parents protect, and what it lacks or repeats of that."""
        spans = self._spans[lighter] | self._spans[heavier]
        by_name = {name.lower(): span for name, span in spans.items()}
        names = re.compile(rf"\b(?:{'|'.join(spans) or '(?!)'})\b", re.IGNORECASE)
        rest = names.sub(" ", text)
        # all at once: a span may hold what stands for another one
        text = names.sub(lambda match: by_name[match.group().lower()], text)
        kept, wrong = self._kept[heavier], []
        for span, most in (kept | self._kept[lighter]).items():
            text = _thinned(text, span, most)
            if not bool(kept[span]) <= _count(text, span) <= most:
                wrong.append(span)
        wrong += [span for name, span in spans.items() if _begins(rest, name)]  # as a part
        return text, wrong[0] if wrong else ""


def _stand_in(stand_ins: Mapping[str, str], match: re.Match[str]) -> str:
    return stand_ins.get(match.group(), match.group())


def _alone(span: str) -> str:
    """Return the expression of a span that is no part of a longer word or number."""
    return rf"(?<!\w){re.escape(span)}(?!\w)"


def _count(text: str, span: str) -> int:
    return len(re.findall(_alone(span), text))


def _thinned(text: str, span: str, most: int) -> str:
    """Return a text without the first of two equal spans side by side, while there are too many."""
    surplus = _count(text, span) - most
    one = _alone(span)
    return re.sub(rf"{one}[\s,/&-]*(?={one})", "", text, count=surplus) if surplus > 0 else text


def _begins(text: str, name: str) -> bool:
    """Tell whether a stand-in is left as a part of a word: in any case at its beginning."""
    return name in text or re.search(rf"\b{name}", text, re.IGNORECASE) is not None
