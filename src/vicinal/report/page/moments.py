"""How far moments lie from what is expected."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from vicinal.page.format import amount, number
from vicinal.page.svg import (
    Markup,
    Scale,
    bottom_ticks,
    curve,
    dot,
    drawing,
    label,
    line,
    rect,
)

#: With more dots than this, only those that differ say their names; the table has all.
HINTED = 100
#: From so many standard errors on a difference is drawn at the end of the strip.
FAR = 10.0
#: Beyond so many standard errors chance is no explanation.
FLAG = 4.0


class MomentDot(NamedTuple):
    """One moment of one column, or of two."""

    name: str  # such as "variance of age"
    errors: float  # how far it lies from what is expected, in standard errors
    flagged: bool  # whether they differ beyond chance


def _flagged_last(dots: Iterable[MomentDot]) -> list[MomentDot]:
    return sorted(dots, key=lambda one: one.flagged)


def _drawn(one: MomentDot, x: float, y: float, said: str, count: int) -> Markup:
    if one.flagged:
        diamond = [(x, y - 5), (x + 5, y), (x, y + 5), (x - 5, y)]
        return curve(diamond, "flag", said, closed=True)
    return dot(x, y, 3, "made soft dot", said if count <= HINTED else "")


def moment_strip(key: str, title: str, kinds: Sequence[tuple[str, Sequence[MomentDot]]]) -> Markup:
    """Draw how many standard errors measured moments lie from what is predicted."""
    width, left, pitch = 420.0, 76.0, 34.0
    x = Scale(-FAR, FAR, left + 8, width - 14)
    bottom = 22 + pitch * len(kinds)
    parts: list[str] = [
        rect(x(-FLAG), 18, x(FLAG) - x(-FLAG), bottom - 18, "band"),
        label(x(0), 12, "chance", "note", anchor="middle"),
        label(x(-FAR), 12, "← too small", "note"),
        label(x(FAR), 12, "too large →", "note", anchor="end"),
        line(x(0), 18, x(0), bottom, "guide"),
    ]
    marks = [(at, amount(at)) for at in (-FLAG, 0.0, FLAG)]
    marks = [(-FAR, f"{amount(-FAR)} or less"), *marks, (FAR, f"{FAR:g} or more")]
    parts += bottom_ticks(x, bottom, marks)
    for row, (name, dots) in enumerate(kinds):
        y = 22 + pitch * (row + 0.5)
        parts.append(label(left, y + 4, name, "name", anchor="end"))
        parts.append(line(x.start, y, x.end, y, "grid"))
        known = _flagged_last(one for one in dots if math.isfinite(one.errors))
        for at, one in enumerate(known):
            said = f"{one.name}: {number(one.errors, 1)} standard errors"
            move = 0.0 if one.flagged else ((at * 0.618034) % 1 - 0.5) * 16  # apart, not random
            parts.append(_drawn(one, x.clip(one.errors), y + move, said, len(known)))
    parts.append(label(x(0), bottom + 28, "standard errors", "note", anchor="middle"))
    flagged = sum(one.flagged for _, dots in kinds for one in dots)
    every = sum(len(dots) for _, dots in kinds)
    said = f"{every} moments; {flagged} differ by more than {FLAG:g} standard errors."
    return drawing(key, width, bottom + 34, title, said, parts)
