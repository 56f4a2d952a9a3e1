"""How single columns, and weights, are distributed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from vicinal.page.format import amount, distinct, share
from vicinal.page.svg import (
    Markup,
    Scale,
    amounts,
    bottom_axis,
    curve,
    drawing,
    label,
    line,
    outline,
    path,
    rect,
    tag,
)
from vicinal.page.times import moment_of, time_ticks

if TYPE_CHECKING:
    from vicinal.report.evaluation import WeightPicture
    from vicinal.report.fidelity.columns import Marginal

_WIDTH, _HEIGHT = 240.0, 142.0
_LEVELS = 7
#: Where the axis begins that a common value is drawn left of.
_APART = 58.0


def marginal_chart(key: str, name: str, marginal: Marginal, *, hints: bool = True) -> Markup:
    """Draw a column, real and synthetic, on one set of axes."""
    return (_bars if marginal.labels else _steps)(key, name, marginal, hints=hints)


def _densities(shares: Sequence[float], edges: Sequence[float]) -> list[float]:
    """Return shares as heights, so that a wide bin does not look fuller than it is."""
    widths = [right - left for left, right in pairwise(edges)]
    usual = sum(widths) / len(widths)
    return [
        part * usual / width if width > 0 and math.isfinite(part) else 0.0
        for part, width in zip(shares, widths, strict=False)
    ]


def _steps(key: str, name: str, marginal: Marginal, *, hints: bool) -> Markup:
    unit, spike = marginal.unit, marginal.spike
    spike = spike if spike is not None and math.isfinite(sum(spike)) else None
    edges = list(marginal.edges)
    if len(edges) > 1 and not edges[-1] > edges[0]:
        edges = [edges[0] - 0.5, *edges[1:-1], edges[0] + 0.5]
    real, made = _densities(marginal.real, edges), _densities(marginal.synthetic, edges)
    x = Scale(edges[0], edges[-1], 4 if spike is None else _APART, _WIDTH - 4)
    y = Scale(0, max([*real, *made, 1e-12]), _HEIGHT - 22, 6)
    first, last = edges[0], edges[-1]
    span = last - first
    # two edges are those of one value, or of one bin
    marks = [(first + last) / 2] if len(edges) == 2 else time_ticks(first, last, unit, 3)
    parts: list[str] = [
        curve(outline(edges, real, x, y), "real area", closed=True),
        curve(outline(edges, made, x, y), "made line"),
        *bottom_axis(x, y(0), [(at, moment_of(at, unit, span)) for at in marks]),
    ]
    says = (
        f"Histogram from {moment_of(first, unit, span)} to {moment_of(last, unit, span)}; "
        "the real rows as an area, the synthetic ones as a line."
    )
    if spike is not None:
        value, *shares = spike
        parts += _spike(moment_of(value, unit), shares[0], shares[1])
        says += f" The value {moment_of(value, unit)} is drawn apart, on a scale of its own."
    if hints:
        for at, (left, right) in enumerate(pairwise(edges)):
            said = (
                f"{moment_of(left, unit, span / 50)} to {moment_of(right, unit, span / 50)}: "
                f"real {share(marginal.real[at])}, synthetic {share(marginal.synthetic[at])}"
            )
            parts.append(rect(x(left), 6, max(x(right) - x(left), 0), _HEIGHT - 28, "hit", said))
    return drawing(key, _WIDTH, _HEIGHT, f"Distribution of {name}", says, parts)


def _spike(value: str, real: float, made: float) -> list[Markup]:
    """Draw one common value left of the others, as shares of all rows."""
    y = Scale(0, 1, _HEIGHT - 22, 6)
    said = f"{value}: real {share(real)}, synthetic {share(made)}"
    top = min(y(real), y(made)) - 4
    return [
        rect(10, y(real), 13, y(0) - y(real), "real bar", said),
        rect(24, y(made), 13, y(0) - y(made), "made bar", said),
        label(24, max(top, 10), share(real, 0), "tick", anchor="middle"),
        line(4, y(0), 43, y(0), "axis"),
        label(24, y(0) + 16, value, "tick", anchor="middle"),
        line(_APART - 10, 6, _APART - 10, y(0), "guide"),
    ]


def _bars(key: str, name: str, marginal: Marginal, *, hints: bool) -> Markup:
    rows = _commonest(marginal)
    known = [one for _, *pair in rows for one in pair if math.isfinite(one)]
    x = Scale(0, max([*known, 1e-12]), 88, _WIDTH - 40)
    pitch = min((_HEIGHT - 4) / max(len(rows), 3), 26)
    thick = pitch * 0.36
    names = distinct([level for level, *_ in rows], 13)
    parts: list[str] = []
    for at, (level, real, made) in enumerate(rows):
        y = 2 + at * pitch
        middle = y + thick + 4
        parts.append(label(x.start - 6, middle, names[at], "name", anchor="end", hint=level))
        for value, kind, top in ((real, "real", y), (made, "made", y + thick + 1)):
            if math.isfinite(value):
                width = max(x(value) - x.start, 0.6)
                parts.append(rect(x.start, top, width, thick, f"{kind} bar"))
        if math.isfinite(real):
            end = x(max(real, made if math.isfinite(made) else 0))
            text = "<" + share(0.01, 0) if 0 < real < 0.005 else share(real, 0)
            parts.append(label(end + 4, middle, text, "tick"))
        if hints:
            said = f"{level}: real {share(real)}, synthetic {share(made)}"
            parts.append(rect(0, y, _WIDTH, pitch, "hit", said))
    parts.append(line(x.start, 0, x.start, 2 + len(rows) * pitch - 3, "axis"))
    says = (
        "Shares of the commonest categories; upper bars are the real rows, lower ones the "
        "synthetic. The figure is the real share."
    )
    return drawing(key, _WIDTH, 4 + len(rows) * pitch, f"Shares of {name}", says, parts)


def _commonest(marginal: Marginal) -> list[tuple[str, float, float]]:
    """Return categories with their shares, real and synthetic; the rarer ones as one."""
    rows = list(zip(marginal.labels, marginal.real, marginal.synthetic, strict=False))
    if len(rows) <= _LEVELS:
        return rows
    _, *shares = zip(*rows[_LEVELS - 1 :], strict=True)
    real, made = (math.fsum(filter(math.isfinite, one)) for one in shares)
    return [*rows[: _LEVELS - 1], ("other", real, made)]


def weight_chart(key: str, picture: WeightPicture) -> Markup:
    """Draw how the weights of a plan are distributed."""
    wide, high = 420.0, 210.0
    edges = list(picture.edges)
    heights = _densities(picture.shares, edges)
    low, top = picture.support
    margin = 0.06 * max(top - low, 1.0)
    x = Scale(min(low, 0.0) - margin, max(top, 1.0) + margin, 8, wide - 8)
    y = Scale(0, max([*heights, 1e-12]), high - 46, 24)
    base = y(0)
    parts: list[str] = [
        rect(x(0), 20, x(1) - x(0), base - 20, "band"),
        label((x(0) + x(1)) / 2, 14, "between the parents", "note", anchor="middle"),
    ]
    beyond: list[Markup] = []
    for (left, right), height, part in zip(pairwise(edges), heights, picture.shares, strict=True):
        if not height > 0:
            continue
        place = x(left), y(height), max(x(right) - x(left) - 0.4, 0.4), base - y(height)
        parts.append(
            rect(*place, "weight", f"weight {amount(left)} to {amount(right)}: {share(part, 2)}")
        )
        if not 0 <= (left + right) / 2 <= 1:
            beyond.append(rect(*place, None))
    if beyond:
        parts += _hatched(f"{key}-beyond", beyond, base, wide)
    parts += bottom_axis(x, base, amounts(x, 6))
    under = base + 26
    parts += [
        line(x(low), under, x(top), under, "support"),
        *(line(x(at), under - 4, x(at), under + 4, "support") for at in (low, top)),
    ]
    middle = min(max((x(low) + x(top)) / 2, 100), wide - 100)
    said = f"support {amount(low)} to {amount(top)}"
    parts.append(label(middle, under + 14, said, "note", anchor="middle"))
    says = f"Histogram of the weights; {said}. Bars beyond 0 and 1 are hatched."
    return drawing(key, wide, high, "The mixing weights", says, parts)


def _hatched(key: str, bars: Sequence[Markup], base: float, width: float) -> list[Markup]:
    """Draw lines that bars clip; in print a pattern would become a picture of megabytes."""
    lines = "".join(
        path([(start, base), (start + base - 20, 20)]) for start in range(-int(base), int(width), 6)
    )
    return [
        tag("clipPath", *bars, id=key),
        tag("path", d=lines, clip_path=f"url(#{key})", class_="hatching still"),
    ]
