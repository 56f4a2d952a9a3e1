"""Maps of how strongly columns are associated, and where the rows of one pair lie."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vicinal.page.format import distinct, number
from vicinal.page.svg import Markup, Scale, bottom_axis, drawing, label, rect, tag
from vicinal.page.times import moment_of, time_ticks
from vicinal.report.fidelity.cells import coarse_edges

if TYPE_CHECKING:
    from vicinal.report.fidelity.cells import PairCells
    from vicinal.report.fidelity.columns import Marginal

#: Shades on each side of zero.
SHADES = 8
#: Up to so many columns every row and cell is named, and the value printed.
NAMED = 20

Matrix = Sequence[Sequence[float]]


def by_association(values: Matrix) -> list[int]:
    """Return the order of columns in which each stands beside one it is associated with."""
    size = len(values)
    strength = [
        [abs(one) if math.isfinite(one) and i != j else 0.0 for j, one in enumerate(row)]
        for i, row in enumerate(values)
    ]
    order = [max(range(size), key=lambda at: sum(strength[at]))] if size else []
    while len(order) < size:
        ends = [(strength[end][at], -at, end) for end in (order[0], order[-1])
                for at in range(size) if at not in order]  # fmt: skip
        _, at, end = max(ends)
        order.insert(0 if end == order[0] and len(order) > 1 else len(order), -at)
    return order


def _shade(value: float, reach: float) -> int:
    return round(max(-1.0, min(1.0, value / reach)) * SHADES)


def _shade_class(shade: int) -> str:
    return f"c{'n' if shade < 0 else 'p'}{abs(shade)}"


def heat_map(
    key: str,
    title: str,
    names: Sequence[str],
    values: Matrix,
    *,
    reach: float = 1.0,
    links: Mapping[tuple[str, str], str] | None = None,
) -> Markup:
    """Draw a square matrix; NaN and the diagonal stay empty, ``reach`` gets the deepest color."""
    named = len(names) <= NAMED
    side = 108.0 if named else 2.0
    size = (520.0 - side) / max(len(names), 4)
    end = side + size * len(names)
    cells = [
        (row, column, value)
        for row, line in enumerate(values)
        for column, value in enumerate(line)
        if row != column and math.isfinite(value)
    ]
    parts: list[str] = [rect(side, side, end - side, end - side, "empty")]
    if named:
        parts.append(_named_cells(cells, names, (side, size), reach, links or {}))
        parts += _names(names, side, size)
    else:
        parts.append(_strokes(cells, side, size, reach))
    said = f"Matrix of {len(names)} columns; deep colors are strong associations."
    return drawing(key, end + 2, end + 2, title, said, parts)


Cells = Sequence[tuple[int, int, float]]  # row, column, value


def _strokes(cells: Cells, side: float, size: float, reach: float) -> Markup:
    """Draw the cells of one shade as one path, one stroke each, which keeps large maps small."""
    shades: dict[int, list[str]] = {}
    for row, column, value in cells:
        if shade := _shade(value, reach):  # in units of a cell
            shades.setdefault(shade, []).append(f"M{column} {row}h.96")
    return tag(
        "g",
        *(tag("path", d="".join(d), class_=_shade_class(s)) for s, d in sorted(shades.items())),
        class_="cells",
        transform=f"translate({side:g} {side + size / 2:.2f}) scale({size:.3f})",
    )


def _named_cells(
    cells: Cells,
    names: Sequence[str],
    place: tuple[float, float],
    reach: float,
    links: Mapping[tuple[str, str], str],
) -> Markup:
    side, size = place
    found: list[Markup] = []
    for row, column, value in cells:
        x, y = side + column * size, side + row * size
        kind = _shade_class(_shade(value, reach))
        said = f"{names[row]} and {names[column]}: {number(value, 2)}"
        text = number(value, 2).replace("0.", ".")
        cell = [
            rect(x, y, size - 0.6, size - 0.6, kind, said),
            label(x + size / 2, y + size / 2 + 3.5, text, "inside", anchor="middle"),
        ]
        link = links.get((names[row], names[column]))
        # one way to each pair is enough for the keyboard
        tab = None if row > column else "-1"
        found += cell if link is None else [tag("a", *cell, href=link, tabindex=tab)]
    return tag("g", *found, class_="named")


def _names(names: Sequence[str], side: float, size: float) -> list[Markup]:
    parts = []
    for at, (name, text) in enumerate(zip(names, distinct(names, 15), strict=True)):
        middle = side + (at + 0.5) * size + 3.5
        parts.append(label(side - 4, middle, text, "name", anchor="end", hint=name))
        turned = f"translate({middle:.1f} {side - 4:.1f}) rotate(-90)"
        parts.append(tag("text", tag("title", name), text, class_="name", transform=turned))
    return parts


def scale_bar(key: str, reach: float, *, named: bool) -> Markup:
    """Draw what the shades of a heat map mean, from ``-reach`` to ``reach``."""
    step = 12.0
    long = (2 * SHADES + 1) * step
    shades = [
        rect(2 + (shade + SHADES) * step, 2, step, 10, _shade_class(shade))
        for shade in range(-SHADES, SHADES + 1)
    ]
    parts: list[str] = [
        tag("g", *shades, class_="named" if named else None),
        rect(2, 2, long, 10, "frame"),
        label(2, 25, number(-reach, 2), "tick"),
        label(2 + long / 2, 25, "0", "tick", anchor="middle"),
        label(2 + long, 25, number(reach, 2), "tick", anchor="end"),
    ]
    return drawing(key, 4 + long, 30, "Scale", f"From {-reach:g} to {reach:g}.", parts)


def pair_picture(key: str, found: PairCells, across: Marginal, down: Marginal) -> Markup:
    """Draw where the rows lie by two columns, the real ones on the left; deep is crowded."""
    wide, high, side = 190.0, 12.0 * len(found.real), 104.0
    high = min(max(high, 90.0), 190.0)
    every = (value for part in (found.real, found.synthetic) for row in part for value in row)
    top = max((value for value in every if value > 0), default=1.0)
    parts: list[str] = []
    for at, (part, title) in enumerate(((found.real, "real"), (found.synthetic, "synthetic"))):
        left = side + at * (wide + 24)
        shades: dict[int, list[str]] = {}
        for row, line in enumerate(part):
            for column, value in enumerate(line):
                # of the root, or a common cell would leave all others pale
                if shade := round(math.sqrt(value / top) * SHADES) if value > 0 else 0:
                    shades.setdefault(shade, []).append(f"M{column} {row}h1v1h-1z")
        scale = f"{wide / max(len(part[0]), 1):.3f} {high / len(part):.3f}"
        parts += [
            rect(left, 20, wide, high, "empty"),
            label(left, 13, title, "head"),
            tag(
                "g",
                *(tag("path", d="".join(d), class_=f"q{s}") for s, d in sorted(shades.items())),
                class_="made-cells" if at else "real-cells",
                transform=f"translate({left:g} 20) scale({scale})",
            ),
            *_axis_across(across, Scale(0, len(part[0]), left, left + wide), 20 + high),
        ]
    parts += _axis_down(down, Scale(0, len(found.real), 20, 20 + high), side - 6)
    said = "Where rows lie by both columns; deep cells are crowded, on one scale for both tables."
    title = f"{found.first} and {found.second}"
    below = 60.0 if across.labels else 24.0
    return drawing(key, side + 2 * wide + 28, 20 + high + below, title, said, parts)


def _ticks(marginal: Marginal) -> list[tuple[float, str]]:
    """Return where on an axis of bars round values lie, and how they are written."""
    edges = coarse_edges(marginal)
    span = edges[-1] - edges[0]
    if not span > 0:
        return [(0.5, moment_of(edges[0], marginal.unit))]
    found = []
    for value in time_ticks(edges[0], edges[-1], marginal.unit, 3):
        at = max(i for i, edge in enumerate(edges[:-1]) if edge <= value)
        inside = (value - edges[at]) / (edges[at + 1] - edges[at])
        found.append((at + inside, moment_of(value, marginal.unit, span)))
    return found


def _axis_across(marginal: Marginal, x: Scale, y: float) -> list[Markup]:
    if not marginal.labels:
        return bottom_axis(x, y, _ticks(marginal))
    parts = []
    for at, text in enumerate(distinct(marginal.labels, 9)):
        turned = f"translate({x(at + 0.5) + 3:.1f} {y + 5:.1f}) rotate(90)"
        hint = tag("title", marginal.labels[at])
        parts.append(tag("text", hint, text, class_="tick", transform=turned))
    return parts


def _axis_down(marginal: Marginal, y: Scale, right: float) -> list[Markup]:
    if marginal.labels:
        texts = distinct(marginal.labels, 15)
        marks = [(at + 0.5, text) for at, text in enumerate(texts)]
    else:
        marks = _ticks(marginal)
    return [label(right, y(at) + 3.5, text, "tick", anchor="end") for at, text in marks]
