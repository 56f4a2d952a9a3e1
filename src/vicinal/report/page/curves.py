"""Charts of distances, of many generations, and of settings side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from vicinal.page.format import amount, estimate, number, short
from vicinal.page.svg import (
    LETTER,
    Markup,
    Scale,
    amounts,
    apart,
    bottom_axis,
    curve,
    dot,
    drawing,
    label,
    left_axis,
    line,
    rect,
)

if TYPE_CHECKING:
    from vicinal.report.privacy.measure import DistanceCurves
    from vicinal.report.tune.measure import Setting, TuningResult

#: Colors that curves of different laws take turns with.
COLORS = 8
#: Of a numbered spot.
RADIUS = 9.0

#: Left, top, right and bottom, in pixels.
Box = tuple[float, float, float, float]


def distance_curves(key: str, curves: DistanceCurves, *, split: bool = False) -> Markup:
    """Draw distances to the closest record as three cumulative curves."""
    # where the hold-out was split off rows that the generator had seen, real rows are compared with
    # the other real rows
    width, height = 420.0, 270.0
    lines = [
        ("real to other real" if split else "hold-out to training", "holdout_train", "real line"),
        ("synthetic to hold-out", "synthetic_holdout", "made dashed line"),
        ("synthetic to training", "synthetic_train", "made line"),
    ]
    known = {
        name: _finite(zip(getattr(curves, field), curves.levels, strict=False))
        for name, field, _ in lines
    }
    # the longest distances would squeeze everything else
    reach = [q for points in known.values() for q, level in points if level <= 0.985]
    x = Scale(0, max([*reach, 1e-9]), 40, width - 10)
    y = Scale(0, 1, height - 40, 10)
    parts: list[str] = [
        *left_axis(y, 40, width - 10, [(at / 4, f"{at * 25} %") for at in range(5)]),
        *bottom_axis(x, y(0), amounts(x, 5), "distance to the closest row"),
    ]
    drawn: list[tuple[float, float]] = []
    for name, _, kind in lines:
        points = [(x(max(q, 0)), y(level)) for q, level in known[name] if q <= x.high]
        drawn += points
        parts.append(curve(points, kind, name))
    parts += _legend([(name, kind) for name, _, kind in lines[::-1]], drawn, y(0))
    middle = len(curves.levels) // 2
    halves = [(name, getattr(curves, field)) for name, field, _ in lines]
    said = "; ".join(f"{name}: half within {amount(q[middle])}" for name, q in halves if q)
    return drawing(key, width, height, "Distance to the closest row", f"{said}.", parts)


def _finite(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(one, other) for one, other in points if math.isfinite(one + other)]


def _legend(
    names: Sequence[tuple[str, str]], drawn: Sequence[tuple[float, float]], base: float
) -> list[Markup]:
    """Name the curves in the emptier of the two corners that cumulative curves leave free."""

    def covered(corner: tuple[float, float]) -> int:
        left, top = corner
        return sum(left <= x <= left + 160 and top - 9 <= y <= top + 49 for x, y in drawn)

    left, y = min(((250.0, base - 62), (46.0, 24.0)), key=covered)
    parts = []
    for name, kind in names:
        parts.append(rect(left, y - 9, 160, 18, "paper"))
        parts.append(line(left + 6, y, left + 30, y, kind))
        parts.append(label(left + 36, y + 4, name, "name"))
        y += 20
    return parts


class Curve(NamedTuple):
    """A curve over generations, with what theory expects of it."""

    name: str
    values: tuple[float, ...]
    theory: tuple[float, ...] = ()  # empty where theory says nothing


def curve_panel(
    key: str,
    title: str,
    curves: Sequence[Curve],
    *,
    low: float | None = None,
    high: float | None = None,
) -> Markup:
    """Draw measured curves whole and those of theory dashed, each named at its end."""
    width, height, right = 420.0, 240.0, 272.0
    last = max((len(c.values) for c in curves), default=1) - 1
    y = _reaching(curves, low, high, height - 40)
    x = Scale(0, max(last, 1), 44, right)
    rounds = [(at, said) for at, said in amounts(x, 5) if at == int(at)]
    parts: list[str] = [
        *left_axis(y, 44, right, amounts(y)),
        *bottom_axis(x, y.start, rounds, "generations"),
    ]
    ends = []
    for at, one in enumerate(curves):
        law = f"law law{at % COLORS}"
        if expected := _finite(enumerate(one.theory)):
            parts.append(curve([(x(g), y(v)) for g, v in expected], f"{law} theory"))
        known = _finite(enumerate(one.values))
        if not known:
            continue
        points, value = [(x(g), y(v)) for g, v in known], known[-1][1]
        parts.append(curve(points, law, f"{one.name}: {amount(value)} after {last} generations"))
        parts.append(dot(*points[-1], 3, f"{law} end"))
        ends.append((points[-1], one.name, value, law))
    places = apart([end[0][1] for end in ends], 15, 16, height - 44)
    for (point, name, value, law), place in zip(ends, places, strict=True):
        parts.append(line(point[0] + 4, point[1], right + 12, place, f"{law} leader"))
        text = f"{short(name, 12)} {number(value, 2)}"
        parts.append(label(right + 15, place + 4, text, f"{law} name", hint=name))
    said = "; ".join(f"{name} ends at {amount(value)}" for _, name, value, _ in ends)
    return drawing(key, width, height, title, f"{said}.", parts)


def _reaching(
    curves: Sequence[Curve], low: float | None, high: float | None, bottom: float
) -> Scale:
    """Return a vertical scale that reaches all values and both ends asked for."""
    reached = [one for c in curves for one in (*c.values, *c.theory) if math.isfinite(one)]
    reached += [end for end in (low, high) if end is not None]
    least, most = min(reached, default=0.0), max(reached, default=1.0)
    if not most > least:
        least, most = least - 0.5, most + 0.5
    return Scale(least, most, bottom, 12)


def pareto_scatter(key: str, found: TuningResult) -> Markup:
    """Draw fidelity against DCR share, numbered in order; a line joins the Pareto front."""
    width, height, limit = 420.0, 360.0, found.limit
    seen = [
        (at, one)
        for at, one in enumerate(found.settings, 1)
        if math.isfinite(one.dcr_share.value + one.fidelity.value)
    ]
    x = _roomy([*(one.dcr_share.value for _, one in seen), limit], 44, width - 14)
    y = _roomy([one.fidelity.value for _, one in seen], height - 40, 20)
    joined = [(x(a), y(b)) for a, b in _best_of_both([one for _, one in seen])]
    parts: list[str] = [
        *left_axis(y, 44, width - 14, amounts(y, 5), "fidelity"),
        *bottom_axis(x, y.start, amounts(x, 5), "DCR share"),
        rect(44, 20, x(limit) - 44, y.start - 20, "band"),
        line(x(limit), 20, x(limit), y.start, "guide"),
        label(x(limit) + 4, y.start - 6, f"limit {amount(limit)}", "note"),
    ]
    if len(joined) > 1:
        parts.append(curve(joined, "front"))
    # the recommended one last, so that it lies on top, and named first
    chosen = found.best
    order = sorted(seen, key=lambda one: (one[1] is chosen, one[1].on_pareto_front))
    spots = [(x(one.dcr_share.value), y(one.fidelity.value)) for _, one in order]
    names = []
    for place, (at, one) in enumerate(order):
        hidden = any(math.dist(spots[place], other) < RADIUS for other in spots[place + 1 :])
        parts += _spot(at, one, one is chosen, x, y, numbered=not hidden)
        names.append(f"{at} {one.name}" if hidden else one.name)
    lines = [reach for _, one in order for reach in _reach(one, x, y)]
    lines += [(x(limit), 20, x(limit), y.start), (x(limit), y.start - 18, x(limit) + 66, y.start)]
    lines += _along(joined)
    parts += _names(spots[::-1], names[::-1], lines, (48.0, 14.0, width - 4, y.start - 4))
    said = f"{len(seen)} settings; no other is better in both than {len(joined)} of them."
    return drawing(key, width, height, "Fidelity against DCR share", said, parts)


def _best_of_both(settings: Sequence[Setting]) -> list[tuple[float, float]]:
    """Return DCR share and fidelity where no other setting is better in both, rising."""
    joined: list[tuple[float, float]] = []
    for share, less in sorted((one.dcr_share.value, -one.fidelity.value) for one in settings):
        if not joined or -less > joined[-1][1]:
            joined.append((share, -less))
    return joined


def _along(points: Sequence[tuple[float, float]]) -> list[Box]:
    """Return the line through points as many small boxes."""
    found = []
    for (a, b), (c, d) in pairwise(points):
        found += [(a + s / 40 * (c - a), b + s / 40 * (d - b)) * 2 for s in range(41)]
    return found


def _names(
    spots: Sequence[tuple[float, float]], names: Sequence[str], lines: Sequence[Box], frame: Box
) -> list[Markup]:
    """Name spots where there is room, the first ones first, with a line to those farther off."""
    taken = [(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS) for x, y in spots]
    turns = [at * math.pi / 8 for at in (0, 8, 4, 12, 1, 15, 7, 9, 2, 14, 6, 10, 3, 13, 5, 11)]
    places = [(far, turn) for far in (14, 26, 38, 52, 68, 86, 106, 130, 160) for turn in turns]
    parts = []
    for (x, y), name in zip(spots, names, strict=True):
        text = short(name, 36)
        wide = 1.08 * LETTER * len(text)
        for far, turn in places:
            along = math.cos(turn)
            end = (x + far * along, y + far * math.sin(turn))
            left = end[0] - wide * (0.0 if along > 0.1 else 1.0 if along < -0.1 else 0.5)
            box = (left, end[1] - 7, left + wide, end[1] + 7)
            if _inside(box, frame) and not any(_meet(box, one) for one in (*taken, *lines)):
                taken.append(box)
                if far > 14:
                    start = (x + RADIUS * along, y + RADIUS * math.sin(turn))
                    parts.append(line(*start, *end, "reach"))
                parts.append(label(left, end[1] + 4, text, "note named", hint=name))
                break
    return parts


def _inside(box: Box, frame: Box) -> bool:
    return frame[0] <= box[0] and frame[1] <= box[1] and box[2] <= frame[2] and box[3] <= frame[3]


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _roomy(values: Sequence[float], start: float, end: float) -> Scale:
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = max(0.08 * (high - low), 0.005)
    return Scale(low - margin, high + margin, start, end)


def _reach(one: Setting, x: Scale, y: Scale) -> list[Box]:
    """Return the intervals of a setting as lines, across first."""
    share, fidelity = one.dcr_share, one.fidelity
    across, up = x(share.value), y(fidelity.value)
    found = []
    if math.isfinite(share.low + share.high):
        found.append((x.clip(share.low), up, x.clip(share.high), up))
    if math.isfinite(fidelity.low + fidelity.high):
        found.append((across, y.clip(fidelity.high), across, y.clip(fidelity.low)))
    return found


def _spot(
    at: int, one: Setting, chosen: bool, x: Scale, y: Scale, *, numbered: bool
) -> list[Markup]:
    share, fidelity = one.dcr_share, one.fidelity
    across, up = x(share.value), y(fidelity.value)
    kind = "chosen" if chosen else "on" if one.on_pareto_front else "off"
    said = f"{at} {one.name}: fidelity {estimate(fidelity)}, DCR share {estimate(share)}"
    parts = [line(*ends, f"{kind} reach") for ends in _reach(one, x, y)]
    if chosen:
        parts.append(dot(across, up, 13, "ring"))
    parts.append(dot(across, up, RADIUS, f"{kind} spot", said))
    if numbered:
        parts.append(label(across, up + 3.8, str(at), f"{kind} inside", anchor="middle", hint=said))
    return parts
