"""Maps of how strongly columns are associated."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vicinal.page.format import number, short
from vicinal.page.svg import Markup, drawing, label, rect, tag

#: Shades on each side of zero.
SHADES = 8
#: Up to so many columns every row and cell is named in a small map.
NAMED = 16


def _shade(value: float, reach: float) -> int:
    return round(max(-1.0, min(1.0, value / reach)) * SHADES)


def _shade_class(shade: int) -> str:
    return f"c{'n' if shade < 0 else 'p'}{abs(shade)}"


def heat_map(
    key: str,
    title: str,
    names: Sequence[str],
    values: Sequence[Sequence[float]],
    *,
    reach: float = 1.0,
    named: bool = True,
    large: bool = False,
) -> Markup:
    """Draw a square matrix; NaN and the diagonal stay empty, ``reach`` gets the deepest color."""
    width = 720.0 if large else 340.0
    side = (124.0 if large else 94.0) if named else 2.0
    size = min((width - side) / max(len(names), 1), 30.0 if large else 40.0)
    end = side + size * len(names)
    cells = [
        (row, column, value)
        for row, line in enumerate(values)
        for column, value in enumerate(line)
        if row != column and math.isfinite(value)
    ]
    parts: list[str] = [rect(side, side, end - side, end - side, "empty")]
    if len(names) > NAMED:
        parts.append(_strokes(cells, side, size, reach))
    else:
        parts += _hinted_cells(cells, names, side, size, reach)
    if named:
        parts += _names(names, side, size, 18 if large else 12)
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


def _hinted_cells(
    cells: Cells, names: Sequence[str], side: float, size: float, reach: float
) -> list[Markup]:
    edge = f"{size - 0.6:.1f}"
    return [
        tag(
            "path",
            tag("title", f"{names[row]} and {names[column]}: {number(value, 2)}"),
            d=f"M{side + column * size:.1f} {side + row * size:.1f}h{edge}v{edge}h-{edge}z",
            class_=_shade_class(_shade(value, reach)),
        )
        for row, column, value in cells
    ]


def _names(names: Sequence[str], side: float, size: float, letters: int) -> list[Markup]:
    parts = []
    for at, name in enumerate(names):
        middle = side + (at + 0.5) * size + 3.5
        text = short(name, letters)
        parts.append(label(side - 4, middle, text, "name", anchor="end", hint=name))
        turned = f"translate({middle:.1f} {side - 4:.1f}) rotate(-90)"
        parts.append(tag("text", tag("title", name), text, class_="name", transform=turned))
    return parts


def scale_bar(key: str, reach: float) -> Markup:
    """Draw what the shades of a heat map mean, from ``-reach`` to ``reach``."""
    step = 12.0
    long = (2 * SHADES + 1) * step
    parts: list[str] = [
        *(
            rect(2 + (shade + SHADES) * step, 2, step, 10, _shade_class(shade))
            for shade in range(-SHADES, SHADES + 1)
        ),
        rect(2, 2, long, 10, "frame"),
        label(2, 25, number(-reach, 2), "tick"),
        label(2 + long / 2, 25, "0", "tick", anchor="middle"),
        label(2 + long, 25, number(reach, 2), "tick", anchor="end"),
    ]
    return drawing(key, 4 + long, 30, "Scale", f"From {-reach:g} to {reach:g}.", parts)
