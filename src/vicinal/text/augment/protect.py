"""Placeholders, names and numbers of texts that stay as they are, and those that must not."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import takewhile

from vicinal._contacts import DATE, EMAIL
from vicinal.text.augment.pairs import english_words

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
#: Words with blanks or commas between them, as far as no other sign parts them.
_STRETCH = re.compile(r"[^\W\d_][\w'\u2019-]*(?:,? [^\W\d_][\w'\u2019-]*)*")
#: What comes before a name in any case; after the first two, ordinary words may come as well.
_CALLED = re.compile(
    r"\b(?:(my name is|named)|(?:(?:m(?:r|rs|s)|dr|dear|regards|sincerely)\W{1,3})+)\W{0,3}"
    r"\b([^\W\d_]+(?: [^\W\d_]+)?)",
    re.IGNORECASE,
)
#: Words before names that are no part of them, and words of what is no person's name.
_BEFORE = """
president minister prime secretary senator sen gov judge chief ceo mr mrs ms miss dr prof professor
sir dear valued customer team sirs madam all everyone
"""
_NO_PERSON = """
corp inc co ltd plc group bank airways airlines union nations kingdom states league cup series
championship prix court university college school street council committee commission reserve
department ministry army party stadium hotel airport club pay card express united european american
british world national international new
"""
_TITLES, _THINGS = frozenset(_BEFORE.split()), frozenset(_NO_PERSON.split())
#: Names that fewer texts hold are somebody's own; a surname by itself, where one alone holds it.
FEW = 3
#: Words of a name at most: more are a title.
LONGEST = 5


def _contacts(text: str) -> set[str]:
    found = {match.group().lower() for match in _ADDRESS.finditer(text)}
    undated = _DATE.sub(" ", text)
    numbers = (re.sub(r"\D", "", match.group()) for match in _NUMBER.finditer(undated))
    return found | {number[-LAST_DIGITS:] for number in numbers}


def _stretches(text: str) -> list[list[str]]:
    text = " ".join(text.split())
    return [match.group().split(" ") for match in _STRETCH.finditer(text)]


def _plain(words: Iterable[str]) -> list[str]:
    return [word.rstrip(",").removesuffix("'s").removesuffix("\u2019s") for word in words]


def _key(words: Iterable[str]) -> tuple[str, ...]:
    """Return what a name has in common in any case and order."""
    return tuple(sorted(word.casefold() for word in words))


def _is_part(word: str) -> bool:
    """Tell whether a word may be one of a name, but for its case."""
    first = word.lower().replace("\u2019", "'").partition("'")[0]
    return first not in english_words() and first not in _TITLES


def _runs(words: list[str], plain: list[str]) -> list[list[int]]:
    """Return where words with capitals stand in a row, with no comma between them."""
    runs: list[list[int]] = []
    before = -2
    for at, word in enumerate(plain):
        if word[:1].isupper() and _is_part(word):
            if before != at - 1 or words[before].endswith(","):
                runs.append([])
            runs[-1].append(at)
            before = at
    return runs


def _names(text: str) -> set[tuple[str, ...]]:
    """Return full names, in the order of the alphabet, and the surnames within sentences."""
    found = set()
    for words in _stretches(text):
        plain = _plain(words)
        runs, capital = _runs(words, plain), [word[:1].isupper() for word in plain]
        for run, after in zip(runs, [*runs[1:], []], strict=False):
            name = [plain[at] for at in run]
            if len(name) > LONGEST or not _THINGS.isdisjoint(map(str.lower, name)):
                continue
            if len(name) > 1:
                found.add(_key(name))
            if len(name) > 2 and run[0] == 0:  # "Yesterday John Smith"
                found.add(_key(name[1:]))
            if len(name) == 2 and name[1][1:2].islower() and not _is_title(capital, run):
                found.add(_key(name[1:]))
            if len(name) == len(after) == 1 and after[0] == run[0] + 1:  # "Smith, John"
                found.add(_key([*name, plain[after[0]]]))
    for match in _CALLED.finditer(text):
        name = list(takewhile(_is_part, match[2].split()))
        sure = not match[1] or "".join(name[-1:])[:1].isupper()
        found |= {_key(one) for one in (name, name[-1:] if sure else ()) if len(one) > (not sure)}
    return found


def _is_title(capital: list[bool], run: list[int]) -> bool:
    """Tell whether at least half of the words besides a name and the first one are capitalized."""
    rest = [one for at, one in enumerate(capital) if at not in (0, *run)]
    return 2 * sum(rest) >= len(rest)


class PersonalData:
    """Addresses, long numbers, and names that few texts hold."""

    def __init__(self, texts: Iterable[str]) -> None:
        texts = set(texts)
        self._names = set().union(*map(_names, texts))
        self._words = set().union(*self._names)
        counts = Counter(name for text in texts for name in self._held(text))
        self._names = {name for name, n in counts.items() if n < (FEW if len(name) > 1 else 2)}
        self._contacts = set().union(*map(_contacts, texts))

    def __bool__(self) -> bool:
        return bool(self._names or self._contacts)

    def within(self, text: str) -> list[str]:
        """Return what of it a sentence holds, however it is written there."""
        names = self._held(text).items() if self._names else ()
        # a surname is an ordinary word without its capital, unless all of the sentence is
        low = text == text.lower()
        own = {said.casefold() for name, said in names if low or len(name) > 1 or said[0].isupper()}
        return sorted(own | (_contacts(text) & self._contacts))

    def _held(self, text: str) -> dict[tuple[str, ...], str]:
        """Return the names that a text holds, and how each is written there."""
        found = {}
        for words in map(_plain, _stretches(text)):
            small = [word.casefold() for word in words]
            for at in range(len(small)):
                for end in range(at + 1, min(at + LONGEST, len(small)) + 1):
                    if small[end - 1] not in self._words:
                        break
                    if (name := tuple(sorted(small[at:end]))) in self._names:
                        found[name] = " ".join(words[at:end])
        return found


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
