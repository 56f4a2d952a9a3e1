"""Figures as text: how pages write numbers, shares, long names and tables."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vicinal._stats import Estimate

#: What stands where nothing was measured.
NONE = "\N{EN DASH}"

_MINUS = "\N{MINUS SIGN}"
_NARROW = "\N{NARROW NO-BREAK SPACE}"
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def number(value: float, digits: int = 3) -> str:
    """Return a figure with a fixed number of decimals; a dash where it is not finite."""
    if not math.isfinite(value):
        return NONE
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", _MINUS)


def share(value: float, digits: int = 1) -> str:
    """Return a share in per cent; a dash where it is not finite."""
    return NONE if not math.isfinite(value) else f"{number(100 * value, digits)}{_NARROW}%"


def amount(value: float) -> str:
    """Return a number of any size in about four figures."""
    if not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    size = abs(value)
    if 1e-4 <= size < 1e7:
        places = max(0, 3 - math.floor(math.log10(size)))
        text = f"{value:,.{places}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = f"{value:.3g}"
    return text.replace("-", _MINUS)


def interval(figure: Estimate, digits: int = 3) -> str:
    """Return the interval of a figure in words, or nothing where it has none."""
    if not (math.isfinite(figure.low) and math.isfinite(figure.high)):
        return ""
    return f"{number(figure.low, digits)} to {number(figure.high, digits)}"


def estimate(figure: Estimate, digits: int = 3) -> str:
    """Return a figure and its interval."""
    if not math.isfinite(figure.value):
        return NONE
    ends = interval(figure, digits)
    return number(figure.value, digits) + (f" ({ends})" if ends else "")


def clean(text: str) -> str:
    """Replace control characters, which HTML forbids or which would turn the text around."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def short(text: str, length: int) -> str:
    """Return a name in one line of at most ``length`` characters."""
    # cut in the middle: long names of one table often have one beginning
    plain = " ".join(clean(text).split()) or "(empty)"
    if len(plain) <= length:
        return plain
    tail = (length - 1) // 3
    head = plain[: length - 1 - tail].rstrip()
    return f"{head}…{plain[len(plain) - tail :].lstrip()}"


def distinct(names: Sequence[str], length: int) -> list[str]:
    """Return names in one line of about ``length`` characters; names that differ still do."""
    # of those that would be cut to the same, what they share at the beginning is left out
    found = {name: short(name, length) for name in names}
    for text in {one for one in found.values() if list(found.values()).count(one) > 1}:
        same = [name for name, one in found.items() if one == text]
        ends = list(zip(min(same), max(same), strict=False))  # what is first and last by letter
        shared = next((at for at, (a, b) in enumerate(ends) if a != b), len(ends))
        found |= {name: short(f"…{name[max(shared - 1, 0) :]}", length) for name in same}
    said = list(found.values())
    return [short(n, 99) if said.count(found[n]) > 1 else found[n] for n in names]


class Grid(NamedTuple):
    """A table of figures, as templates want it: rows by name of the column."""

    title: str
    rows: Sequence[Mapping[str, str]]  # the first cell of a row names it
    words: tuple[int, ...] = (0,)  # columns that hold words and not figures
    most: int = 300  # rows that are shown
