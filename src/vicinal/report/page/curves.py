"""Charts of distances, of many generations, and of settings side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vicinal.page.format import amount, estimate, number, short
from vicinal.page.svg import (
    Markup,
    Scale,
    apart,
    bottom_axis,
    drawing,
    label,
    left_axis,
    line,
    path,
    tag,
    ticks,
)

if TYPE_CHECKING:
    from vicinal._stats import Estimate
    from vicinal.report.privacy.measure import DistanceCurves

__all__ = ["Curve", "Spot", "curve_panel", "distance_curves", "pareto_scatter"]

#: Colors that curves of different laws take turns with.
COLORS = 8


def _marks(values: Sequence[float]) -> list[tuple[float, str]]:
    return [(value, amount(value)) for value in values]


def distance_curves(key: str, curves: DistanceCurves, *, split: bool = False) -> Markup:
    """Draw distances to the closest record as three cumulative curves.

    ``split`` says that the hold-out was split off rows that the generator had seen, so that real
    rows are compared with the other real rows.
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
    shares = [(at, f"{at * 100:.0f} %") for at in (0.0, 0.25, 0.5, 0.75, 1.0)]
    parts: list[str] = [
        *left_axis(y, 40, width - 10, shares),
        *bottom_axis(x, y(0), _marks(ticks(0, x.high, 5)), "distance to the closest row"),
    ]
    drawn: list[tuple[float, float]] = []
    for name, quantiles, kind in lines:
        points = [
            (x(max(quantile, 0)), y(level))
            for level, quantile in zip(levels, quantiles, strict=False)
            if math.isfinite(quantile) and quantile <= x.high
        ]
        drawn += points
        parts.append(tag("path", tag("title", name), d=path(points), class_=kind))
    parts += _legend([(name, kind) for name, _, kind in lines[::-1]], drawn, y(0))
    middle = len(levels) // 2
    said = "; ".join(
        f"{name}: half within {amount(quantiles[middle])}"
        for name, quantiles, _ in lines
        if quantiles
    )
    return drawing(key, width, height, "Distance to the closest row", f"{said}.", parts)


def _legend(
    names: Sequence[tuple[str, str]], drawn: Sequence[tuple[float, float]], base: float
) -> list[Markup]:
    """Name the curves in the emptier of the two corners that cumulative curves leave free."""

    def covered(corner: tuple[float, float]) -> int:
        left, top = corner
        return sum(left <= x <= left + 160 and top - 9 <= y <= top + 49 for x, y in drawn)

    left, top = min(((250.0, base - 62), (46.0, 24.0)), key=covered)
    parts = []
    for at, (name, kind) in enumerate(names):
        y = top + 20 * at
        parts.append(tag("rect", x=left, y=y - 9, width=160, height=18, class_="paper"))
        parts.append(line(left + 6, y, left + 30, y, kind))
        parts.append(label(left + 36, y + 4, name, "name"))
    return parts


@dataclass(frozen=True)
class Curve:
    """A curve over generations, with what theory expects of it."""

    name: str
    values: tuple[float, ...]
    theory: tuple[float, ...] = ()  # empty where theory says nothing

    @property
    def last(self) -> float:
        """The last value that was measured."""
        return next((one for one in reversed(self.values) if math.isfinite(one)), math.nan)


def curve_panel(
    key: str,
    title: str,
    curves: Sequence[Curve],
    *,
    low: float | None = None,
    high: float | None = None,
) -> Markup:
    """Draw measured curves whole and those of theory dashed, each named at its end.

    ``low`` and ``high`` are values that the axis must reach.
    """
    width, height, right = 420.0, 240.0, 272.0
    last = max((len(c.values) for c in curves), default=1) - 1
    y = _reaching(curves, low, high, height - 40)
    x = Scale(0, max(last, 1), 44, right)
    rounds = [at for at in ticks(0, max(last, 1), 5) if at == int(at)]
    parts: list[str] = [
        *left_axis(y, 44, right, _marks(ticks(y.low, y.high, 4))),
        *bottom_axis(x, y.start, _marks(rounds), "generations"),
    ]
    ends = []
    for at, curve in enumerate(curves):
        law = f"law law{at % COLORS}"
        expected = [(x(g), y(v)) for g, v in enumerate(curve.theory) if math.isfinite(v)]
        if expected:
            parts.append(tag("path", d=path(expected), class_=f"{law} theory"))
        points = [(x(g), y(v)) for g, v in enumerate(curve.values) if math.isfinite(v)]
        if not points:
            continue
        said = f"{curve.name}: {amount(curve.last)} after {last} generations"
        parts.append(tag("path", tag("title", said), d=path(points), class_=law))
        parts.append(tag("circle", cx=points[-1][0], cy=points[-1][1], r=3, class_=f"{law} end"))
        ends.append((points[-1], curve, law))
    places = apart([point[1] for point, _, _ in ends], 15, 16, height - 44)
    for (point, curve, law), place in zip(ends, places, strict=True):
        parts.append(line(point[0] + 4, point[1], right + 12, place, f"{law} leader"))
        text = f"{short(curve.name, 12)} {number(curve.last, 2)}"
        parts.append(label(right + 15, place + 4, text, f"{law} name", hint=curve.name))
    said = "; ".join(f"{curve.name} ends at {amount(curve.last)}" for _, curve, _ in ends)
    return drawing(key, width, height, title, f"{said}.", parts)


def _reaching(
    curves: Sequence[Curve], low: float | None, high: float | None, bottom: float
) -> Scale:
    """Return a vertical scale that reaches all values and both ends asked for."""
    values = [one for c in curves for one in (*c.values, *c.theory) if math.isfinite(one)]
    values += [end for end in (low, high) if end is not None]
    least, most = (min(values), max(values)) if values else (0.0, 1.0)
    if not most > least:
        least, most = least - 0.5, most + 0.5
    return Scale(least, most, bottom, 12)


@dataclass(frozen=True)
class Spot:
    """A setting, by DCR share (x) and fidelity (y)."""

    name: str
    x: Estimate
    y: Estimate
    on_pareto_front: bool  # no other is better in everything
    chosen: bool  # it is recommended

    @property
    def kind(self) -> str:
        """Class of its marks."""
        return "chosen" if self.chosen else "on" if self.on_pareto_front else "off"


def pareto_scatter(key: str, spots: Sequence[Spot], limit: float) -> Markup:
    """Draw fidelity against DCR share, numbered in order; a line joins the Pareto front.

    ``limit`` is the largest share that is accepted; NaN without one.
    """
    width, height = 420.0, 330.0
    seen = [(at, s) for at, s in enumerate(spots, 1) if math.isfinite(s.x.value + s.y.value)]
    x = _roomy([*(s.x.value for _, s in seen), limit], 44, width - 14)
    y = _roomy([s.y.value for _, s in seen], height - 40, 20)
    parts: list[str] = [
        *left_axis(y, 44, width - 14, _marks(ticks(y.low, y.high, 5)), "fidelity"),
        *bottom_axis(x, y.start, _marks(ticks(x.low, x.high, 5)), "DCR share"),
    ]
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
    for at, spot in sorted(seen, key=lambda one: (one[1].chosen, one[1].on_pareto_front)):
        parts += _spot(at, spot, x, y)
    said = f"{len(seen)} settings; no other is better in both than {len(joined)} of them."
    return drawing(key, width, height, "Fidelity against DCR share", said, parts)


def _roomy(values: Sequence[float], start: float, end: float) -> Scale:
    known = [one for one in values if math.isfinite(one)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    margin = max(0.08 * (high - low), 0.005)
    return Scale(low - margin, high + margin, start, end)


def _spot(at: int, spot: Spot, x: Scale, y: Scale) -> list[Markup]:
    across, up, kind = x(spot.x.value), y(spot.y.value), spot.kind
    said = f"{at} {spot.name}: fidelity {estimate(spot.y)}, DCR share {estimate(spot.x)}"
    parts = []
    if math.isfinite(spot.x.low + spot.x.high):
        ends = x.clip(spot.x.low), x.clip(spot.x.high)
        parts.append(line(ends[0], up, ends[1], up, f"{kind} reach"))
    if math.isfinite(spot.y.low + spot.y.high):
        parts.append(line(across, y.clip(spot.y.low), across, y.clip(spot.y.high), f"{kind} reach"))
    if spot.chosen:
        parts.append(tag("circle", cx=across, cy=up, r=13, class_="ring"))
    parts.append(tag("circle", tag("title", said), cx=across, cy=up, r=9, class_=f"{kind} spot"))
    parts.append(label(across, up + 3.8, str(at), f"{kind} inside", anchor="middle", hint=said))
    return parts
