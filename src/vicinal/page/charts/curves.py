"""Curves: distances, what many generations do, and the front of settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vicinal.page.format import amount, estimate, number, short
from vicinal.page.svg import Markup, Scale, apart, drawing, label, line, path, tag, ticks

if TYPE_CHECKING:
    from vicinal._stats import Estimate
    from vicinal.report.privacy.measure import DistanceCurves

__all__ = ["Curve", "Spot", "curve_panel", "distance_curves", "front_scatter"]


def distance_curves(key: str, curves: DistanceCurves, *, split: bool = False) -> Markup:
    """Draw how far rows lie from the closest record.

    Parameters
    ----------
    key : str
        Unique on the page.
    curves : DistanceCurves
        Quantiles of three distances.
    split : bool, default False
        Whether the hold-out was split off rows that the generator had seen, so that real rows
        are compared with the other real rows.

    Returns
    -------
    Markup
        Three cumulative curves.
    """
    width, height = 420.0, 270.0
    levels = curves.levels
    others = "real to other real" if split else "hold-out to training"
    lines = [
        (others, curves.holdout_train, "real line"),
        ("synthetic to hold-out", curves.synthetic_holdout, "made dashed line"),
        ("synthetic to training", curves.synthetic_train, "made line"),
    ]
    # the longest distances would squeeze everything else
    reach = [
        quantile
        for _, quantiles, _ in lines
        for level, quantile in zip(levels, quantiles, strict=False)
        if level <= 0.985 and math.isfinite(quantile)
    ]
    x = Scale(0, max([*reach, 1e-9]), 40, width - 10)
    y = Scale(0, 1, height - 40, 10)
    parts: list[str] = []
    for at in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(line(40, y(at), width - 10, y(at), "grid"))
        parts.append(label(34, y(at) + 4, f"{at * 100:.0f} %", "tick", anchor="end"))
    for at in ticks(0, x.high, 5):
        parts.append(line(x(at), y(0), x(at), y(0) + 4, "axis"))
        parts.append(label(x(at), y(0) + 16, amount(at), "tick", anchor="middle"))
    parts.append(line(40, y(0), width - 10, y(0), "axis"))
    parts.append(
        label(width - 10, height - 6, "distance to the closest row →", "note", anchor="end")
    )
    drawn: list[tuple[float, float]] = []
    for name, quantiles, kind in lines:
        points = []
        for level, quantile in zip(levels, quantiles, strict=False):
            if math.isfinite(quantile):
                if quantile > x.high:
                    break
                points.append((x(max(quantile, 0)), y(level)))
        drawn += points
        parts.append(tag("path", tag("title", name), d=path(points), class_=kind))
    # cumulative curves leave two corners empty, as a rule the lower right one
    corners = ((250.0, y(0) - 62), (46.0, 24.0))
    left, top = min(corners, key=lambda at: _inside(drawn, at[0], at[1] - 9, 160, 58))
    for at, (name, _, kind) in enumerate(lines[::-1]):
        place = top + 20 * at
        parts.append(tag("rect", x=left, y=place - 9, width=160, height=18, class_="paper"))
        parts.append(line(left + 6, place, left + 30, place, kind))
        parts.append(label(left + 36, place + 4, name, "name"))
    middle = len(levels) // 2
    said = "; ".join(
        f"{name}: half within {amount(quantiles[middle])}"
        for name, quantiles, _ in lines
        if quantiles
    )
    return drawing(key, width, height, "Distance to the closest row", f"{said}.", parts)


def _inside(
    points: Sequence[tuple[float, float]], left: float, top: float, width: float, height: float
) -> int:
    """Return how many points lie in a box."""
    return sum(left <= x <= left + width and top <= y <= top + height for x, y in points)


@dataclass(frozen=True)
class Curve:
    """A curve over generations, with what theory expects of it.

    Attributes
    ----------
    name : str
        The law.
    values : tuple of float
        Measured.
    theory : tuple of float
        Expected; empty where theory says nothing.
    """

    name: str
    values: tuple[float, ...]
    theory: tuple[float, ...] = ()


def curve_panel(
    key: str,
    title: str,
    curves: Sequence[Curve],
    *,
    low: float | None = None,
    high: float | None = None,
) -> Markup:
    """Draw curves over generations, each named at its end.

    Parameters
    ----------
    key, title : str
        Unique on the page; what is drawn.
    curves : sequence of Curve
        At most eight are told apart by color and mark.
    low, high : float, optional
        Values that the axis must reach.

    Returns
    -------
    Markup
        Measured curves are whole, those of theory dashed.
    """
    width, height, right = 420.0, 240.0, 272.0
    known = [one for c in curves for one in (*c.values, *c.theory) if math.isfinite(one)]
    bounds = [*known, *(one for one in (low, high) if one is not None)] or [0.0, 1.0]
    bottom, top = min(bounds), max(bounds)
    if not top > bottom:
        bottom, top = bottom - 0.5, top + 0.5
    y = Scale(bottom, top, height - 34, 12)
    last = max((len(c.values) for c in curves), default=1) - 1
    x = Scale(0, max(last, 1), 44, right)
    parts: list[str] = []
    for at in ticks(bottom, top, 4):
        parts.append(line(44, y(at), right, y(at), "grid"))
        parts.append(label(38, y(at) + 4, amount(at), "tick", anchor="end"))
    parts += [
        label(x(at), height - 18, amount(at), "tick", anchor="middle")
        for at in ticks(0, max(last, 1), 5)
        if at == int(at)
    ]
    parts.append(label(right, height - 4, "generations →", "note", anchor="end"))
    ends = []
    for at, curve in enumerate(curves):
        law = f"law law{at % 8}"
        expected = [(x(g), y(v)) for g, v in enumerate(curve.theory) if math.isfinite(v)]
        if expected:
            parts.append(tag("path", d=path(expected), class_=f"{law} theory"))
        points = [(x(g), y(v)) for g, v in enumerate(curve.values) if math.isfinite(v)]
        if not points:
            continue
        said = f"{curve.name}: {amount(_last(curve.values))} after {last} generations"
        parts.append(tag("path", tag("title", said), d=path(points), class_=law))
        parts.append(tag("circle", cx=points[-1][0], cy=points[-1][1], r=3, class_=f"{law} end"))
        ends.append((points[-1], curve, law))
    places = apart([point[1] for point, _, _ in ends], 15, 16, height - 38)
    for (point, curve, law), place in zip(ends, places, strict=True):
        parts.append(line(point[0] + 4, point[1], right + 12, place, f"{law} leader"))
        text = f"{short(curve.name, 12)} {number(_last(curve.values), 2)}"
        parts.append(label(right + 15, place + 4, text, f"{law} name", hint=curve.name))
    said = "; ".join(f"{c.name} ends at {amount(_last(c.values))}" for _, c, _ in ends)
    return drawing(key, width, height, title, f"{said}.", parts)


def _last(values: Sequence[float]) -> float:
    return next((one for one in reversed(values) if math.isfinite(one)), math.nan)


@dataclass(frozen=True)
class Spot:
    """A setting on the front.

    Attributes
    ----------
    name : str
        The setting.
    x, y : Estimate
        Closer and fidelity.
    on_front, chosen : bool
        Whether no other is better in everything, and whether it is recommended.
    """

    name: str
    x: Estimate
    y: Estimate
    on_front: bool
    chosen: bool


def front_scatter(key: str, spots: Sequence[Spot], limit: float) -> Markup:
    """Draw fidelity against closeness.

    Parameters
    ----------
    key : str
        Unique on the page.
    spots : sequence of Spot
        Settings, numbered in this order.
    limit : float
        Largest closeness that is accepted; NaN without one.

    Returns
    -------
    Markup
        Up and to the left is better; the line joins what nothing else beats in both.
    """
    width, height = 420.0, 330.0
    seen = [(at, s) for at, s in enumerate(spots, 1) if math.isfinite(s.x.value + s.y.value)]
    xs = [s.x.value for _, s in seen] + ([limit] if math.isfinite(limit) else [])
    ys = [s.y.value for _, s in seen]
    x = _roomy(xs, 44, width - 14)
    y = _roomy(ys, height - 40, 20)
    parts: list[str] = []
    for at in ticks(y.low, y.high, 5):
        parts.append(line(44, y(at), width - 14, y(at), "grid"))
        parts.append(label(38, y(at) + 4, amount(at), "tick", anchor="end"))
    for at in ticks(x.low, x.high, 5):
        parts.append(label(x(at), height - 24, amount(at), "tick", anchor="middle"))
        parts.append(line(x(at), y.start, x(at), y.start + 4, "axis"))
    parts.append(line(44, y.start, width - 14, y.start, "axis"))
    said = "share closer to training rows →"
    parts.append(label(width - 14, height - 6, said, "note", anchor="end"))
    parts.append(label(44, 12, "↑ fidelity", "note"))
    if math.isfinite(limit):
        inside = x(limit) - 44
        parts.append(tag("rect", x=44, y=20, width=inside, height=y.start - 20, class_="band"))
        parts.append(line(x(limit), 20, x(limit), y.start, "guide"))
        parts.append(label(x(limit) + 4, y.start - 6, f"limit {amount(limit)}", "note"))
    joined: list[tuple[float, float]] = []
    places = ((s.x.value, s.y.value) for _, s in seen)
    for across, up in sorted(places, key=lambda place: (place[0], -place[1])):
        if not joined or up > joined[-1][1]:
            joined.append((across, up))
    if len(joined) > 1:
        parts.append(tag("path", d=path([(x(a), y(b)) for a, b in joined]), class_="front"))
    for at, spot in sorted(seen, key=lambda one: (one[1].chosen, one[1].on_front)):
        parts += _spot(at, spot, x, y)
    said = f"{len(seen)} settings; no other is better in both than {len(joined)} of them."
    return drawing(key, width, height, "Fidelity against closeness", said, parts)


def _roomy(values: Sequence[float], start: float, end: float) -> Scale:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    margin = max(0.08 * (high - low), 0.005)
    return Scale(low - margin, high + margin, start, end)


def _spot(at: int, spot: Spot, x: Scale, y: Scale) -> list[Markup]:
    across, up = x(spot.x.value), y(spot.y.value)
    said = f"{at} {spot.name}: fidelity {estimate(spot.y)}, closer {estimate(spot.x)}"
    kind = "chosen" if spot.chosen else "on" if spot.on_front else "off"
    parts = []
    if math.isfinite(spot.x.low) and math.isfinite(spot.x.high):
        ends = x.clip(spot.x.low), x.clip(spot.x.high)
        parts.append(line(ends[0], up, ends[1], up, f"{kind} reach"))
    if math.isfinite(spot.y.low) and math.isfinite(spot.y.high):
        parts.append(line(across, y.clip(spot.y.low), across, y.clip(spot.y.high), f"{kind} reach"))
    if spot.chosen:
        parts.append(tag("circle", cx=across, cy=up, r=13, class_="ring"))
    parts.append(tag("circle", tag("title", said), cx=across, cy=up, r=9, class_=f"{kind} spot"))
    parts.append(label(across, up + 3.8, str(at), f"{kind} inside", anchor="middle", hint=said))
    return parts
