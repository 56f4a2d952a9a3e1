"""The grammar of our pictures: elements, scales and ticks. Nothing here knows what is drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from vicinal.page.format import amount

#: Width of a letter of a tick's label, and least distance of two labels, in pixels.
LETTER, APART = 6.2, 6.0

#: Values on an axis and what is written there.
Marks = Iterable[tuple[float, str]]


class Markup(str):
    """Text that is markup already. Jinja2 leaves it as it is, and escapes all other text."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def join(parts: Iterable[str]) -> Markup:
    """Return pieces as one; plain text among them is escaped."""
    return Markup(
        "".join(one if isinstance(one, Markup) else escape(one, quote=False) for one in parts)
    )


def tag(name: str, *children: str, **attributes: object) -> Markup:
    """Return an element; text inside is escaped, and None leaves an attribute out."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_plain(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = join(children)
    return Markup(f"<{name}{said}>{inside}</{name}>" if inside else f"<{name}{said}/>")


def _plain(value: object) -> str:
    return _short(value) if isinstance(value, (int, float)) else escape(str(value))


def _short(value: float) -> str:
    text = f"{value:.1f}"
    text = text[:-2] if text.endswith(".0") else text
    return "0" if text == "-0" else text


def path(points: Iterable[tuple[float, float]], *, closed: bool = False) -> str:
    """Return the ``d`` of a line through points, in pixels."""
    text = "L".join(f"{_short(x)} {_short(y)}" for x, y in points)
    return f"M{text}{'Z' if closed else ''}" if text else ""


def _hint(text: str) -> list[Markup]:
    """Return what a pointer resting on an element shows."""
    return [tag("title", text)] if text else []


def outline(
    edges: Sequence[float], heights: Sequence[float], x: Scale, y: Scale
) -> list[tuple[float, float]]:
    """Return the points of a histogram's outline, in pixels."""
    points = [(x(edges[0]), y(0))]
    for (left, right), height in zip(pairwise(edges), heights, strict=True):
        points += [(x(left), y(height)), (x(right), y(height))]
    return [*points, (x(edges[-1]), y(0))]


def line(x1: float, y1: float, x2: float, y2: float, kind: str, hint: str = "") -> Markup:
    """Return a straight line of a class."""
    return tag("line", *_hint(hint), x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def rect(
    x: float, y: float, width: float, height: float, kind: str | None, hint: str = ""
) -> Markup:
    """Return a rectangle of a class."""
    return tag("rect", *_hint(hint), x=x, y=y, width=width, height=height, class_=kind)


def dot(x: float, y: float, radius: float, kind: str, hint: str = "") -> Markup:
    """Return a circle of a class."""
    return tag("circle", *_hint(hint), cx=x, cy=y, r=radius, class_=kind)


def curve(
    points: Iterable[tuple[float, float]], kind: str, hint: str = "", *, closed: bool = False
) -> Markup:
    """Return a line of a class through points, in pixels."""
    return tag("path", *_hint(hint), d=path(points, closed=closed), class_=kind)


def label(
    x: float, y: float, text: str, kind: str = "", *, anchor: str | None = None, hint: str = ""
) -> Markup:
    """Return a text at a place."""
    return tag("text", *_hint(hint), text, x=x, y=y, class_=kind or None, text_anchor=anchor)


def drawing(
    key: str, width: float, height: float, title: str, says: str, parts: Iterable[str]
) -> Markup:
    """Return a picture that a screen reader can name and describe."""
    return tag(
        "svg",
        tag("title", title, id=f"{key}-t"),
        tag("desc", says, id=f"{key}-d"),
        *parts,
        viewBox=f"0 0 {_short(width)} {_short(height)}",
        role="img",
        id=key,
        aria_labelledby=f"{key}-t {key}-d",
        class_="chart",
    )


@dataclass(frozen=True)
class Scale:
    """A straight map from values to pixels."""

    low: float
    high: float
    start: float  # their pixels; all values of a range of no width stand in the middle
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        width = self.high - self.low
        if not width > 0:
            return (self.start + self.end) / 2
        return self.start + (value - self.low) / width * (self.end - self.start)

    def clip(self, value: float) -> float:
        """Return the pixel of a value, or of the nearer end of the scale."""
        return self(min(max(value, self.low), self.high))


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Return round numbers from ``low`` to ``high``."""
    width = high - low
    if not (math.isfinite(width) and width > 0):
        return [low] if math.isfinite(low) else []
    size = 10.0 ** math.floor(math.log10(width / about))
    steps = [size * factor for factor in (1, 2, 2.5, 5, 10)]
    step = min(steps, key=lambda one: abs(math.log(width / one / about)))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(at * step, 12 - math.floor(math.log10(step))) for at in range(first, last + 1)]


def amounts(scale: Scale, about: int = 4) -> list[tuple[float, str]]:
    """Return round numbers on a scale, and how they are written."""
    return [(value, amount(value)) for value in ticks(scale.low, scale.high, about)]


def apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move labels so that none covers another, each as little as it takes."""
    order = sorted(range(len(wanted)), key=lambda at: wanted[at])
    placed = list(wanted)
    floor = low
    for at in order:
        floor = placed[at] = max(placed[at], floor)
        floor += gap
    ceiling = high
    for at in reversed(order):
        ceiling = placed[at] = min(placed[at], ceiling)
        ceiling -= gap
    return placed


def bottom_ticks(x: Scale, y: float, marks: Marks) -> list[Markup]:
    """Draw ticks below a height; a label that would touch the one before is left out."""
    parts: list[Markup] = []
    left, right = sorted((x.start, x.end))
    taken = -math.inf
    for value, text in sorted(marks, key=lambda mark: x(mark[0])):
        half = LETTER * len(text) / 2
        middle = min(max(x(value), left - 3 + half), right + 3 - half)  # inside the picture
        if middle - half < taken + APART:
            continue
        taken = middle + half
        parts.append(line(x(value), y, x(value), y + 4, "axis"))
        parts.append(label(middle, y + 16, text, "tick", anchor="middle"))
    return parts


def bottom_axis(x: Scale, y: float, marks: Marks, title: str = "") -> list[Markup]:
    """Draw a horizontal axis with ticks, and its title below the end to which values rise."""
    parts = [line(x.start, y, x.end, y, "axis"), *bottom_ticks(x, y, marks)]
    if title and x.start < x.end:
        parts.append(label(x.end, y + 34, f"{title} \N{RIGHTWARDS ARROW}", "note", anchor="end"))
    elif title:
        parts.append(label(x.end, y + 34, f"\N{LEFTWARDS ARROW} {title}", "note"))
    return parts


def left_axis(y: Scale, left: float, right: float, marks: Marks, title: str = "") -> list[Markup]:
    """Draw a line across the picture at each mark, its label on the left; the title on top."""
    parts = []
    for value, text in marks:
        parts.append(line(left, y(value), right, y(value), "grid"))
        parts.append(label(left - 6, y(value) + 4, text, "tick", anchor="end"))
    if title:
        top = min(y.start, y.end) - 8
        parts.append(label(left, top, f"\N{UPWARDS ARROW} {title}", "note"))
    return parts
