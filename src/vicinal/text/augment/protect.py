"""Placeholders, names and numbers of texts that stay as they are."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Words that writers know well, which stand for what is protected while it is embedded and written.
STAND_INS = ("Anna", "Paris", "Peter", "London", "Maria", "Berlin", "Robert", "Rome")


class Protection:
    """Puts stand-ins into texts, and what they stand for into what was written."""

    def __init__(self, pattern: str, texts: Sequence[str]) -> None:
        found = re.compile(pattern)
        self.texts: list[str] = []
        self._spans: list[dict[str, str]] = []  # of each text, by stand-in
        for text in texts:
            free = (one for one in STAND_INS if one.lower() not in text.lower())
            spans: dict[str, str] = {}
            for span in dict.fromkeys(match.group() for match in found.finditer(text)):
                stand_in = next(free, None) if span else None
                if stand_in is not None:
                    spans[stand_in] = span
                    text = text.replace(span, stand_in)
            self.texts.append(text)
            self._spans.append(spans)
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
