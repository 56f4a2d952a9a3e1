"""The grammar of our pictures: elements, scales and ticks. Nothing here knows what is drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Markup", "Scale", "apart", "drawing", "join", "label", "line", "path", "tag", "ticks"]


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
    """Return an element.

    Parameters
    ----------
    name : str
        Its name.
    *children : str
        What it holds; text is escaped, markup is not.
    **attributes : object
        Numbers are rounded to a tenth; None leaves an attribute out; ``font_size`` is written
        ``font-size`` and ``class_`` is ``class``.

    Returns
    -------
    Markup
        The element.
    """
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


def line(x1: float, y1: float, x2: float, y2: float, kind: str, hint: str = "") -> Markup:
    """Return a straight line of a class."""
    inside = [tag("title", hint)] if hint else []
    return tag("line", *inside, x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def label(
    x: float, y: float, text: str, kind: str = "", *, anchor: str | None = None, hint: str = ""
) -> Markup:
    """Return a text at a place; ``hint`` is what a pointer resting on it shows."""
    inside = [tag("title", hint)] if hint else []
    return tag("text", *inside, text, x=x, y=y, class_=kind or None, text_anchor=anchor)


def drawing(
    key: str, width: float, height: float, title: str, says: str, parts: Iterable[str]
) -> Markup:
    """Return a picture that a screen reader can name and describe.

    Parameters
    ----------
    key : str
        Unique on the page; letters, digits and dashes.
    width, height : float
        Of the drawing, in pixels of its own; the page scales it.
    title, says : str
        What it is, and what it shows, in words.
    parts : iterable of str
        What is drawn.

    Returns
    -------
    Markup
        The ``svg`` element.
    """
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
    """A straight map from values to pixels.

    Attributes
    ----------
    low, high : float
        Values.
    start, end : float
        Their pixels; a range of no width is widened.
    """

    low: float
    high: float
    start: float
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
    """Return round numbers from ``low`` to ``high``.

    Parameters
    ----------
    low, high : float
        Ends.
    about : int
        How many are wanted.

    Returns
    -------
    list of float
        In order; both ends may be missing.

    Examples
    --------
    >>> ticks(0, 1, 5)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    width = high - low
    if not (math.isfinite(width) and width > 0):
        return [low] if math.isfinite(low) else []
    size = 10.0 ** math.floor(math.log10(width / about))
    steps = [size * factor for factor in (1, 2, 2.5, 5, 10)]
    step = min(steps, key=lambda one: abs(math.log(width / one / about)))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(at * step, 12 - math.floor(math.log10(step))) for at in range(first, last + 1)]


def apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move labels so that none covers another, each as little as it takes.

    Parameters
    ----------
    wanted : sequence of float
        Where they would like to stand.
    gap : float
        Least distance between two.
    low, high : float
        Ends of the room they have.

    Returns
    -------
    list of float
        Where they stand, in the order given.

    Examples
    --------
    >>> apart([50, 52, 90], 12, 0, 100)
    [50, 62, 90]
    """
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
