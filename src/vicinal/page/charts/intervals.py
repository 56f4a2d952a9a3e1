"""Figures with their intervals, one below the other on a common scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vicinal._stats import Estimate
from vicinal.page.format import NONE, amount, estimate, number, share, short
from vicinal.page.svg import Markup, Scale, drawing, label, line, tag

__all__ = ["IntervalRow", "interval_rows"]

_WIDTH, _RIGHT = 420.0, 292.0
_PITCH, _HEAD = 21.0, 22.0


@dataclass(frozen=True)
class IntervalRow:
    """One line of the picture.

    Attributes
    ----------
    group : str
        Heading that it stands under, written once; "" for none.
    name : str
        What the figure is.
    figure : Estimate
        The figure.
    kind : str
        Class of its mark: "real", "made" or "both".
    """

    group: str
    name: str
    figure: Estimate
    kind: str = "made"


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
) -> Markup:
    """Draw figures as dots or bars with their intervals.

    Parameters
    ----------
    key : str
        Unique on the page.
    title : str
        Name of the picture.
    rows : sequence of IntervalRow
        From top to bottom.
    low, high : float
        Ends of the scale; figures beyond are drawn at the end.
    marks : sequence of (float, str)
        Values that a line is drawn at, and what they mean.
    origin : float, optional
        Where bars start; dots without bars where left out.
    per_cent : bool, default False
        Whether figures are written in per cent.

    Returns
    -------
    Markup
        A picture as high as it has rows.
    """
    longest = max((len(short(row.name, 18)) for row in rows), default=0)
    left = 10 + 7.3 * longest
    x = Scale(low, high, left, _RIGHT)
    inner = {value for value, _ in marks} | ({origin} if origin is not None else set())
    inside = sorted(value for value in inner if low < value < high) or [(low + high) / 2]
    y = 20.0 if marks else 4.0
    parts: list[str] = []
    for value, said in marks:
        anchor = "start" if value <= low else "end" if value >= high else "middle"
        parts.append(label(x(value), y - 7, said, "note", anchor=anchor))
    told: list[str] = []
    group = ""
    for row in rows:
        if row.group and row.group != group:
            parts.append(label(0, y + 15, short(row.group, 60), "head", hint=row.group))
            y += _HEAD
        group = row.group
        said = f"{', '.join(filter(None, (row.group, row.name)))}: {_said(row.figure, per_cent)}"
        told.append(said)
        middle = y + _PITCH / 2
        parts.append(line(left, middle, _RIGHT, middle, "grid"))
        marked = [x(value) for value, _ in marks]
        plain = {x(value) for value in (low, *inside, high)} - {*marked}
        parts += [line(at, y + 2, at, y + _PITCH - 2, "grid") for at in sorted(plain)]
        parts += [line(at, y, at, y + _PITCH, "guide") for at in marked]
        parts.append(label(0, middle + 4, short(row.name, 18), "name", hint=row.name))
        parts += _mark(row, x, middle, origin, said)
        parts += _figures(row.figure, middle + 4, per_cent=per_cent)
        y += _PITCH
    for value in (low, *inside, high):
        text = share(value, 0 if high - low >= 0.1 else 1) if per_cent else amount(value)
        parts.append(label(x(value), y + 13, text, "tick", anchor="middle"))
    return drawing(key, _WIDTH, y + 18, title, "; ".join(told) + ".", parts)


def _said(figure: Estimate, per_cent: bool) -> str:
    if not math.isfinite(figure.value):
        return "not measured"
    if not per_cent:
        return estimate(figure)
    if not math.isfinite(figure.low):
        return share(figure.value, 2)
    return f"{share(figure.value, 2)} ({number(100 * figure.low, 2)} to {share(figure.high, 2)})"


def _figures(figure: Estimate, y: float, *, per_cent: bool) -> list[Markup]:
    """Return the figure in bold, and beside it the interval."""
    scale, digits = (100.0, 2) if per_cent else (1.0, 3)
    if not math.isfinite(figure.value):
        return [label(_RIGHT + 14, y, NONE, "note", hint="not measured")]
    text = number(scale * figure.value, digits)
    found = [label(_RIGHT + 54, y, text, "figure", anchor="end")]
    if math.isfinite(figure.low) and math.isfinite(figure.high):
        ends = "\N{EN DASH}".join(number(scale * end, digits) for end in (figure.low, figure.high))
        found.append(label(_WIDTH, y, ends, "span", anchor="end"))
    return found


def _mark(row: IntervalRow, x: Scale, y: float, origin: float | None, said: str) -> list[Markup]:
    value, low, high = row.figure.value, row.figure.low, row.figure.high
    if not math.isfinite(value):
        return []
    parts = []
    if origin is not None:
        ends = sorted((x.clip(origin), x.clip(value)))
        width = max(ends[1] - ends[0], 0.8)
        parts.append(
            tag(
                "rect",
                tag("title", said),
                x=ends[0],
                y=y - 5,
                width=width,
                height=10,
                class_=f"{row.kind} bar",
            )
        )
    else:
        hint = tag("title", said)
        parts.append(tag("circle", hint, cx=x.clip(value), cy=y, r=5, class_=f"{row.kind} dot"))
    reach = x.clip(high) - x.clip(low) if math.isfinite(low + high) else 0.0
    if reach > (11 if origin is None else 2):  # shorter ones would hide under their dot
        parts.append(line(x.clip(low), y, x.clip(high), y, "whisker"))
        parts += [line(x.clip(at), y - 4, x.clip(at), y + 4, "whisker") for at in (low, high)]
    return parts
