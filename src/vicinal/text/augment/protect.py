"""Placeholders, names and numbers of texts that stay as they are, and those that must not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

#: Words that writers know well, which stand for what is protected while it is embedded and written.
STAND_INS = ("Anna", "Paris", "Peter", "London", "Maria", "Berlin", "Robert", "Rome")

_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
#: Telephone numbers, accounts and the like: seven digits or more.
_NUMBER = re.compile(r"\d(?:[ ./()-]{0,2}\d){6,}")
#: Two capitalized words or more in a row, but for the first word of a sentence.
_NAME = re.compile(r"(?<=[\w,;:] )[A-Z][A-Za-z'-]+(?: [A-Z][A-Za-z'-]+)+")


def _contacts(text: str) -> set[str]:
    found = {match.group().lower() for match in _ADDRESS.finditer(text)}
    return found | {re.sub(r"\D", "", match.group()) for match in _NUMBER.finditer(text)}


def _names(text: str) -> set[str]:
    return {match.group().lower() for match in _NAME.finditer(text)}


def personal_data(text: str) -> set[str]:
    """Return the addresses, long numbers and full names of a text, in one spelling."""
    return _contacts(text) | _names(text)


def never_written(texts: Sequence[str]) -> frozenset[str]:
    """Return personal data of texts, of names only those that one text alone holds."""
    counts = Counter(name for text in texts for name in _names(text))
    names = (name for name, count in counts.items() if count == 1)
    return frozenset(names).union(*map(_contacts, texts))


def _stand_in(stand_ins: Mapping[str, str], match: re.Match[str]) -> str:
    return stand_ins.get(match.group(), match.group())


class Protection:
    """Puts stand-ins into texts, and what they stand for into what was written."""

    def __init__(self, pattern: str, texts: Sequence[str]) -> None:
        found = re.compile(pattern)
        self.texts: list[str] = []
        self._spans: list[dict[str, str]] = []  # of each text, by stand-in
        for text in texts:
            free = (one for one in STAND_INS if one.lower() not in text.lower())
            kept = dict.fromkeys(filter(None, (match.group() for match in found.finditer(text))))
            stand_ins = dict(zip(kept, free, strict=False))  # more spans than stand-ins stay
            self.texts.append(found.sub(partial(_stand_in, stand_ins), text))
            self._spans.append({name: span for span, name in stand_ins.items()})
        words = re.compile(rf"\b(?:{'|'.join(STAND_INS)})\b|\W")
        if texts and not any(words.sub("", text) for text in self.texts):
            raise ValueError(
                f"protect={pattern!r} matches all there is of every text, so that nothing is left "
                "to mix. Give a narrower pattern."
            )

    def restore(self, text: str, heavier: int, lighter: int) -> tuple[str, str]:
        """Return a sentence with what its parents protect, and what of the heavier's it lacks."""
        spans = self._spans[lighter] | self._spans[heavier]
        for stand_in, span in spans.items():
            text = span.join(re.split(rf"\b{stand_in}\b", text))
        lacks = [span for span in self._spans[heavier].values() if span not in text]
        return text, lacks[0] if lacks else ""
