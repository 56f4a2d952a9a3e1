"""How columns hang together: associations and moments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vicinal.page.format import amount, number, short
from vicinal.page.svg import Markup, Scale, drawing, label, line, path, tag, ticks

__all__ = ["MomentDot", "heat_map", "moment_panel", "moment_strip", "scale_bar"]

#: Shades on each side of zero.
SHADES = 8
#: Up to so many columns every row and cell is named in a small map.
NAMED = 16
#: With more dots than this, only those that differ say their names; the table has all.
HINTED = 100
#: From so many standard errors on a difference is drawn at the end of the strip.
FAR = 10.0
#: Beyond so many standard errors chance is no explanation.
FLAG = 4.0


def _shade(value: float, reach: float) -> int:
    return round(max(-1.0, min(1.0, value / reach)) * SHADES) if math.isfinite(value) else 0


def _shade_class(shade: int) -> str:
    return f"c{'n' if shade < 0 else 'p'}{abs(shade)}"


def heat_map(
    key: str,
    title: str,
    names: Sequence[str],
    values: Sequence[Sequence[float]],
    *,
    reach: float = 1.0,
    named: bool = True,
    large: bool = False,
) -> Markup:
    """Draw a square matrix.

    Parameters
    ----------
    key, title : str
        Unique on the page; what it shows.
    names : sequence of str
        Columns, in the order of the matrix.
    values : sequence of sequence of float
        The matrix; NaN stays empty, and so does the diagonal.
    reach : float, default 1
        Size of a value that gets the deepest color.
    named : bool, default True
        Whether columns are named at the sides.
    large : bool, default False
        Whether it may take the whole width of the page.

    Returns
    -------
    Markup
        Cells of one shade are one path, which keeps large maps small.
    """
    width = 720.0 if large else 340.0
    side = (124.0 if large else 94.0) if named else 2.0
    letters = 18 if large else 12
    size = min((width - side) / max(len(names), 1), 30.0 if large else 40.0)
    width = side + size * len(names) + 2
    shades: dict[int, list[str]] = {}
    hints: list[str] = []
    for row, first in enumerate(names):
        for column, second in enumerate(names):
            value = values[row][column]
            if row == column or not math.isfinite(value):
                continue
            shade = _shade(value, reach)
            if len(names) > NAMED:
                if shade:  # in units of a cell, one stroke each
                    shades.setdefault(shade, []).append(f"M{column} {row}h.96")
                continue
            x, y = side + column * size, side + row * size
            cell = f"M{x:.1f} {y:.1f}h{size - 0.6:.1f}v{size - 0.6:.1f}h-{size - 0.6:.1f}z"
            hints.append(
                tag(
                    "path",
                    tag("title", f"{first} and {second}: {number(value, 2)}"),
                    d=cell,
                    class_=_shade_class(shade),
                )
            )
    end = side + size * len(names)
    parts: list[str] = [
        tag("rect", x=side, y=side, width=end - side, height=end - side, class_="empty"),
        tag(
            "g",
            *(tag("path", d="".join(d), class_=_shade_class(s)) for s, d in sorted(shades.items())),
            class_="cells",
            transform=f"translate({side:g} {side + size / 2:.2f}) scale({size:.3f})",
        ),
        *hints,
    ]
    if named:
        for at, name in enumerate(names):
            middle = side + (at + 0.5) * size
            text = short(name, letters)
            parts.append(label(side - 4, middle + 3.5, text, "name", anchor="end", hint=name))
            parts.append(
                tag(
                    "text",
                    tag("title", name),
                    text,
                    class_="name",
                    transform=f"translate({middle + 3.5:.1f} {side - 4:.1f}) rotate(-90)",
                )
            )
    said = f"Matrix of {len(names)} columns; deep colors are strong associations."
    return drawing(key, width, end + 2, title, said, parts)


def scale_bar(key: str, reach: float) -> Markup:
    """Draw what the shades of a heat map mean, from ``-reach`` to ``reach``."""
    step = 12.0
    count = 2 * SHADES + 1
    parts: list[str] = [
        tag(
            "rect",
            x=2 + (shade + SHADES) * step,
            y=2,
            width=step,
            height=10,
            class_=_shade_class(shade),
        )
        for shade in range(-SHADES, SHADES + 1)
    ]
    wide = 4 + count * step
    parts += [
        tag("rect", x=2, y=2, width=count * step, height=10, class_="frame"),
        label(2, 25, number(-reach, 2), "tick"),
        label(wide / 2, 25, "0", "tick", anchor="middle"),
        label(wide - 2, 25, number(reach, 2), "tick", anchor="end"),
    ]
    return drawing(key, wide, 30, "Scale", f"From {-reach:g} to {reach:g}.", parts)


@dataclass(frozen=True)
class MomentDot:
    """One moment, in units that can be compared between columns.

    Attributes
    ----------
    name : str
        Such as "variance of age".
    predicted, measured : float
        On the panel's scale.
    errors : float
        Their difference in standard errors.
    flagged : bool
        Whether they differ beyond chance.
    """

    name: str
    predicted: float
    measured: float
    errors: float
    flagged: bool


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
    """Draw measured against predicted moments.

    Parameters
    ----------
    key, title : str
        Unique on the page; the kind of moment.
    dots : sequence of MomentDot
        Drawn where both figures are finite.
    bent : bool, default False
        Whether the axes are bent (inverse hyperbolic sine), for figures of very different size.
    across : str, default "predicted"
        What the horizontal axis has.

    Returns
    -------
    Markup
        Dots on the diagonal agree.
    """
    width, height = 220.0, 212.0
    bend = math.asinh if bent else float
    known = [d for d in dots if math.isfinite(d.predicted) and math.isfinite(d.measured)]
    values = [bend(one) for d in known for one in (d.predicted, d.measured)] or [0.0]
    low, high = min(values), max(values)
    margin = max(0.06 * (high - low), 0.02 * max(abs(low), abs(high)), 1e-9)
    x = Scale(low - margin, high + margin, 40, width - 8)
    y = Scale(low - margin, high + margin, height - 36, 20)
    parts: list[str] = [
        line(40, y.start, width - 8, 20, "diagonal"),
        line(40, y.start, width - 8, y.start, "axis"),
        line(40, 20, 40, y.start, "axis"),
    ]
    for at in _bent_ticks(x.low, x.high, bent=bent):
        place = bend(at)
        parts.append(label(x(place), y.start + 14, amount(at), "tick", anchor="middle"))
        parts.append(label(36, y(place) + 4, amount(at), "tick", anchor="end"))
        parts.append(line(x(place), y.start, x(place), y.start + 3, "axis"))
        parts.append(line(37, y(place), 40, y(place), "axis"))
    parts.append(label(width - 8, height - 6, f"{across} →", "note", anchor="end"))
    parts.append(label(36, 10, "↑ measured", "note"))
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
    """Draw how many standard errors measured moments lie from what is predicted.

    Parameters
    ----------
    key, title : str
        Unique on the page; name of the picture.
    kinds : sequence of (str, sequence of MomentDot)
        Kinds of moments, one row each.

    Returns
    -------
    Markup
        A strip of dots for each kind; the band is what chance explains.
    """
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
    for at in (-FAR, -FLAG, 0.0, FLAG, FAR):
        said = amount(at)
        if abs(at) == FAR:
            said = f"{said} or {'less' if at < 0 else 'more'}"
        anchor = "start" if at == -FAR else "end" if at == FAR else "middle"
        parts.append(label(x(at), bottom + 14, said, "tick", anchor=anchor))
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
