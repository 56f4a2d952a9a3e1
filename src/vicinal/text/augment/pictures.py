"""Pictures of ratios, and maps of embeddings.

Ratios run the same way everywhere: the left parent, weight 1, is on the left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np

from vicinal._types import Floats
from vicinal.page.format import number, share
from vicinal.page.svg import (
    Markup,
    Scale,
    amounts,
    bottom_axis,
    curve,
    dot,
    drawing,
    label,
    left_axis,
    line,
    outline,
    rect,
    tag,
)

#: Dots of a chart; more rows are thinned out evenly.
DRAWN = 600
#: Measured ratios are drawn as far as this beyond the parents; those farther off at the rim.
BEYOND = 0.5
#: Bins of a histogram between one parent and the other.
BINS = 20
#: Size of a map, and what stays free at its rim.
MAP_WIDTH, MAP_HEIGHT, RIM = 440.0, 380.0, 12.0

Pixels = list[tuple[float, float]]


def ruler(key: str, lam: float, lam_measured: float) -> Markup:
    """Draw one ratio between two parents, the left one on the left."""
    # a stroke is the weight asked for, a dot the weight measured
    width, height, middle = 220.0, 20.0, 10.0
    x = Scale(-0.12, 1.12, width - 5.84, 5.84)  # parents 26 pixels within
    parts: list[str] = [
        line(x(1), middle, x(0), middle, "axis"),
        *(line(x(end), middle - 4, x(end), middle + 4, "axis") for end in (1.0, 0.0)),
        line(x.clip(lam), middle - 8, x.clip(lam), middle + 8, "asked"),
    ]
    if math.isfinite(lam_measured):
        parts.append(dot(x.clip(lam_measured), middle, 5, "made dot"))
    said = f"asked {number(lam, 2)}, measured {number(lam_measured, 2)}."
    return drawing(key, width, height, "Weight of the left sentence", said, parts)


def ratio_chart(key: str, lam: Floats, lam_measured: Floats, *, joined: bool = False) -> Markup:
    """Draw measured against asked ratios (n,) as dots, beside the diagonal on which they agree."""
    width, height = 420.0, 300.0
    known = np.isfinite(lam) & np.isfinite(lam_measured)
    asked, measured = lam[known], lam_measured[known]
    low, high = _reach(np.concatenate([asked, measured]))
    x, y = Scale(low, high, width - 14, 44), Scale(low, high, height - 44, 22)
    marks = amounts(x, 5)
    parts: list[str] = [
        *left_axis(y, 44, width - 14, marks, "measured"),
        *bottom_axis(x, height - 44, marks, "asked"),
        line(x(low), y(low), x(high), y(high), "diagonal"),
    ]
    step = max(1, -(-len(asked) // DRAWN))
    pairs = zip(asked[::step].tolist(), measured[::step].tolist(), strict=True)
    points = [(x.clip(a), y.clip(m)) for a, m in pairs]
    if joined and len(points) > 1:
        parts.append(curve(points, "made line"))
    kind = "made dot" if joined or len(points) <= 60 else "made soft dot"
    size = 4.5 if len(points) <= 60 else 2.5
    parts += [dot(a, b, size, kind) for a, b in points]
    off = float(np.abs(asked - measured).mean()) if len(asked) else math.nan
    said = f"{len(asked):,} sentences; measured and asked differ by {number(off, 2)} on average."
    return drawing(key, width, height, "Measured against asked ratio", said, parts)


def ratio_histogram(key: str, lam: Floats, lam_measured: Floats) -> Markup:
    """Draw the histograms of asked and measured ratios (n,): an area and a line."""
    # what lies beyond the rim is in the last bins
    width, height = 420.0, 230.0
    low, high = _reach(np.concatenate([lam, lam_measured]))
    low, high = math.floor(low * BINS) / BINS, math.ceil(high * BINS) / BINS
    edges = np.linspace(low, high, round((high - low) * BINS) + 1).tolist()
    clipped = (one[np.isfinite(one)].clip(low, high) for one in (lam, lam_measured))
    shares = [(np.histogram(one, edges)[0] / max(len(one), 1)).tolist() for one in clipped]
    x = Scale(low, high, width - 10, 10)
    y = Scale(0.0, max(*shares[0], *shares[1], 1e-12), height - 34, 30)
    base = y(0)
    parts: list[str] = [
        rect(x(1), 24, x(0) - x(1), base - 24, "band"),
        label(x(1), 14, "left parent", "note"),
        label(x(0), 14, "right parent", "note", anchor="end"),
        curve(outline(edges, shares[0], x, y), "real area", closed=True),
        curve(outline(edges, shares[1], x, y), "made line"),
        *bottom_axis(x, base, amounts(x, 6)),
    ]
    for at, (start, end) in enumerate(pairwise(edges)):
        said = (
            f"{number(start, 2)} to {number(end, 2)}: asked {share(shares[0][at])}, "
            f"measured {share(shares[1][at])}"
        )
        parts.append(rect(x(end), 24, x(start) - x(end), base - 24, "hit", said))
    said = "Histograms of the ratios: asked as an area, measured as a line."
    return drawing(key, width, height, "Asked and measured ratios", said, parts)


def map_pixels(places: Floats) -> Callable[[Floats], Pixels]:
    """Return what turns places of a plane into pixels of a map that holds those given (n, 2)."""
    low, high = places.min(axis=0), places.max(axis=0)
    # one unit is as long across as up
    step = max((high - low) / [MAP_WIDTH - 2 * RIM, MAP_HEIGHT - 2 * RIM])
    half = np.array([MAP_WIDTH, MAP_HEIGHT]) / 2 * (step or 1.0)
    middle = (low + high) / 2
    x = Scale(middle[0] - half[0], middle[0] + half[0], 0, MAP_WIDTH)
    y = Scale(middle[1] - half[1], middle[1] + half[1], MAP_HEIGHT, 0)
    return lambda found: [(round(x(a), 1), round(y(b), 1)) for a, b in found.tolist()]


def map_dots(points: Pixels, kind: str, key: str | None = None) -> Markup:
    """Draw the dots of a map, as a group of a name."""
    return tag("g", *(dot(a, b, 3, f"{kind} dot") for a, b in points), id=key)


def map_drawing(says: str, parts: Iterable[str]) -> Markup:
    """Draw a map of texts and sentences."""
    return drawing("map", MAP_WIDTH, MAP_HEIGHT, "Map of texts and sentences", says, parts)


def _reach(values: Floats) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    return max(min(low, 0.0), -BEYOND), min(max(high, 1.0), 1 + BEYOND)
