"""Figures with their intervals, one below the other on a common scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from vicinal._stats import Estimate
from vicinal.page.format import NONE, amount, distinct, estimate, number, share, short
from vicinal.page.svg import Markup, Scale, bottom_ticks, dot, drawing, label, line, rect

_WIDTH, _RIGHT = 420.0, 292.0
_PITCH, _HEAD = 21.0, 22.0


class IntervalRow(NamedTuple):
    """One line of the picture."""

    group: str  # heading that it stands under, written once; "" for none
    name: str  # what the figure is
    figure: Estimate
    kind: str = "made"  # class of its mark: "real", "made" or "both"


def interval_rows(
    key: str,
    title: str,
    rows: Sequence[IntervalRow],
    *,
    low: float,
    high: float,
    marks: Sequence[tuple[float, str]] = (),
    origin: float | None = None,
    per_cent: bool = False,
    figures: bool = True,
) -> Markup:
    """Draw figures and intervals as bars from ``origin``, or as dots where there is none."""
    # figures beyond low and high are drawn at the end; marks are values that a line is drawn at,
    # and what they mean
    names = distinct([row.name for row in rows], 18 if figures else 32)
    longest = max(map(len, names), default=0)
    right = _RIGHT if figures else _WIDTH - 10
    x = Scale(low, high, 10 + (7.3 if figures else 6.6) * longest, right)
    guides = sorted({value for value, _ in marks})
    ends = _ticks([*guides, low if origin is None else origin], low, high)
    plain = sorted({*ends}.difference(guides))
    y = 20.0 if marks else 4.0
    parts: list[str] = [
        label(x(at), y - 7, said, "note", anchor=_anchor(at, low, high)) for at, said in marks
    ]
    group, told = "", []
    for row, name in zip(rows, names, strict=True):
        if row.group and row.group != group:
            parts.append(label(0, y + 15, short(row.group, 60), "head", hint=row.group))
            y += _HEAD
        group = row.group
        middle = y + _PITCH / 2
        parts.append(line(x.start, middle, right, middle, "grid"))
        parts += _uprights(x, y, plain, guides)
        parts.append(label(0, middle + 4, name, "name", hint=row.name))
        told.append(_said(row, per_cent))
        parts += _mark(row, x, middle, origin, told[-1])
        parts += _figures(row.figure, middle + 4, per_cent) if figures else []
        y += _PITCH
    parts += bottom_ticks(x, y, _written(ends, per_cent))
    return drawing(key, _WIDTH, y + 20, title, f"{'; '.join(told)}.", parts)


def _uprights(x: Scale, y: float, plain: Sequence[float], guides: Sequence[float]) -> list[Markup]:
    """Return the upright lines behind one row."""
    found = [line(x(at), y + 2, x(at), y + _PITCH - 2, "grid") for at in plain]
    return found + [line(x(at), y, x(at), y + _PITCH, "guide") for at in guides]


def _written(ends: Sequence[float], per_cent: bool) -> list[tuple[float, str]]:
    digits = 0 if ends[-1] - ends[0] >= 0.1 else 1
    return [(at, share(at, digits) if per_cent else amount(at)) for at in ends]


def _ticks(inside: Sequence[float], low: float, high: float) -> list[float]:
    """Return both ends, and values between them; their middle where there is none."""
    inner = sorted({at for at in inside if low < at < high})
    return [low, *(inner or [(low + high) / 2]), high]


def _anchor(value: float, low: float, high: float) -> str:
    return "start" if value <= low else "end" if value >= high else "middle"


def _said(row: IntervalRow, per_cent: bool) -> str:
    figure = row.figure
    said = share(figure.value, 2) if per_cent else estimate(figure)
    if per_cent and math.isfinite(figure.low):
        said += f" ({number(100 * figure.low, 2)} to {share(figure.high, 2)})"
    if not math.isfinite(figure.value):
        said = "not measured"
    return f"{row.group}, {row.name}: {said}" if row.group else f"{row.name}: {said}"


def _figures(figure: Estimate, y: float, per_cent: bool) -> list[Markup]:
    """Return the figure in bold, and beside it the interval."""
    scale, digits = (100.0, 2) if per_cent else (1.0, 3)
    if not math.isfinite(figure.value):
        return [label(_RIGHT + 14, y, NONE, "note", hint="not measured")]
    text = number(scale * figure.value, digits)
    found = [label(_RIGHT + 54, y, text, "figure", anchor="end")]
    if math.isfinite(figure.low + figure.high):
        ends = "\N{EN DASH}".join(number(scale * end, digits) for end in (figure.low, figure.high))
        found.append(label(_WIDTH, y, ends, "span", anchor="end"))
    return found


def _mark(row: IntervalRow, x: Scale, y: float, origin: float | None, said: str) -> list[Markup]:
    value, low, high = row.figure.value, row.figure.low, row.figure.high
    if not math.isfinite(value):
        return []
    if origin is None:
        parts = [dot(x.clip(value), y, 5, f"{row.kind} dot", said)]
    else:
        left, right = sorted((x.clip(origin), x.clip(value)))
        parts = [rect(left, y - 5, max(right - left, 0.8), 10, f"{row.kind} bar", said)]
    reach = x.clip(high) - x.clip(low) if math.isfinite(low + high) else 0.0
    if reach > (11 if origin is None else 2):  # shorter ones would hide under their dot
        parts.append(line(x.clip(low), y, x.clip(high), y, "whisker"))
        parts += [line(x.clip(at), y - 4, x.clip(at), y + 4, "whisker") for at in (low, high)]
    return parts
