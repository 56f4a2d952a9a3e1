"""Charts of moments, measured against predicted ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vicinal.page.format import amount, number
from vicinal.page.svg import (
    Markup,
    Scale,
    bottom_axis,
    bottom_ticks,
    drawing,
    label,
    left_axis,
    line,
    path,
    tag,
    ticks,
)

__all__ = ["MomentDot", "moment_panel", "moment_strip"]

#: With more dots than this, only those that differ say their names; the table has all.
HINTED = 100
#: From so many standard errors on a difference is drawn at the end of the strip.
FAR = 10.0
#: Beyond so many standard errors chance is no explanation.
FLAG = 4.0


@dataclass(frozen=True)
class MomentDot:
    """One moment, in units that can be compared between columns."""

    name: str  # such as "variance of age"
    predicted: float  # on the panel's scale
    measured: float  # on the panel's scale
    errors: float  # their difference in standard errors
    flagged: bool  # whether they differ beyond chance


def _diamond(x: float, y: float, size: float) -> str:
    return path([(x, y - size), (x + size, y), (x, y + size), (x - size, y)], closed=True)


def _dot(dot: MomentDot, x: float, y: float, said: str) -> Markup:
    if dot.flagged:
        return tag("path", tag("title", said), d=_diamond(x, y, 5), class_="flag")
    hint = [tag("title", said)] if said else []
    return tag("circle", *hint, cx=x, cy=y, r=3, class_="made soft dot")


def moment_panel(
    key: str,
    title: str,
    dots: Sequence[MomentDot],
    *,
    bent: bool = False,
    across: str = "predicted",
) -> Markup:
    """Draw measured against predicted moments."""
    width, height = 220.0, 212.0
    bend = math.asinh if bent else float
    known = [d for d in dots if math.isfinite(d.predicted) and math.isfinite(d.measured)]
    values = [bend(one) for d in known for one in (d.predicted, d.measured)] or [0.0]
    low, high = min(values), max(values)
    margin = max(0.06 * (high - low), 0.02 * max(abs(low), abs(high)), 1e-9)
    x = Scale(low - margin, high + margin, 40, width - 8)
    y = Scale(low - margin, high + margin, height - 40, 20)
    marks = [(bend(at), amount(at)) for at in _bent_ticks(x.low, x.high, bent=bent)]
    parts: list[str] = [
        *left_axis(y, 40, width - 8, marks, "measured"),
        *bottom_axis(x, y.start, marks, across),
        line(40, y.start, width - 8, 20, "diagonal"),
    ]
    for dot in sorted(known, key=lambda one: one.flagged):
        said = f"{dot.name}: {across} {amount(dot.predicted)}, measured {amount(dot.measured)}"
        said = said if dot.flagged or len(known) <= HINTED else ""
        parts.append(_dot(dot, x(bend(dot.predicted)), y(bend(dot.measured)), said))
    flagged = sum(dot.flagged for dot in known)
    says = f"{len(known)} dots; {flagged} lie off the diagonal by more than chance explains."
    return drawing(key, width, height, title, says, parts)


def _bent_ticks(low: float, high: float, *, bent: bool) -> list[float]:
    if not bent or high - low < 2:
        found = ticks(math.sinh(low), math.sinh(high), 3) if bent else ticks(low, high, 3)
        return found[:: 1 + len(found) // 6]
    powers = [float(10**at) for at in range(16)]
    inside = [
        one for one in (*(-one for one in powers), 0.0, *powers) if low <= math.asinh(one) <= high
    ]
    return inside[:: 1 + (len(inside) - 1) // 4]


def moment_strip(key: str, title: str, kinds: Sequence[tuple[str, Sequence[MomentDot]]]) -> Markup:
    """Draw how many standard errors measured moments lie from what is predicted."""
    width, left, pitch = 420.0, 76.0, 34.0
    x = Scale(-FAR, FAR, left + 8, width - 14)
    bottom = 22 + pitch * len(kinds)
    parts: list[str] = [
        tag("rect", x=x(-FLAG), y=18, width=x(FLAG) - x(-FLAG), height=bottom - 18, class_="band"),
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
        known = [one for one in dots if math.isfinite(one.errors)]
        for at, dot in enumerate(sorted(known, key=lambda one: one.flagged)):
            said = f"{dot.name}: {number(dot.errors, 1)} standard errors"
            said = said if dot.flagged or len(known) <= HINTED else ""
            move = 0.0 if dot.flagged else ((at * 0.618034) % 1 - 0.5) * 16  # apart, not random
            parts.append(_dot(dot, x.clip(dot.errors), y + move, said))
    parts.append(label(x(0), bottom + 28, "standard errors", "note", anchor="middle"))
    flagged = sum(dot.flagged for _, dots in kinds for dot in dots)
    every = sum(len(dots) for _, dots in kinds)
    said = f"{every} moments; {flagged} differ by more than {FLAG:g} standard errors."
    return drawing(key, width, bottom + 34, title, said, parts)
