"""Reliability curves: how often a classifier is right where it is so sure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vicinal.page.format import share
from vicinal.page.svg import Markup, Scale, bottom_axis, curve, dot, drawing, left_axis, line

Curve = Sequence[tuple[float, float, int]]


def reliability_chart(
    key: str, name: str, plain: Sequence[Curve], scaled: Sequence[Curve]
) -> Markup:
    """Draw accuracy against confidence, as it is (dots) and after temperature scaling (a line)."""
    width, height = 260.0, 250.0
    x, y = Scale(0, 1, 44, width - 12), Scale(0, 1, height - 40, 14)
    marks = [(at / 4, share(at / 4, 0)) for at in range(5)]
    parts: list[str] = [
        *left_axis(y, 44, width - 12, marks),
        *bottom_axis(x, y(0), marks, "confidence"),
        line(x(0), y(0), x(1), y(1), "diagonal"),
        curve([(x(sure), y(right)) for sure, right in _joined(scaled)], "law law0 theory"),
    ]
    for sure, right in _joined(plain):
        said = f"{share(sure)} sure, {share(right)} right"
        parts.append(dot(x(sure), y(right), 3.5, "made dot", said))
    says = "Accuracy against confidence; on the diagonal a classifier is as often right as sure."
    return drawing(key, width, height, f"Reliability of {name}", says, parts)


def _joined(curves: Sequence[Curve]) -> list[tuple[float, float]]:
    size = min(map(len, curves), default=0)
    found = np.array([[one[at] for at in range(size)] for one in curves])  # (seeds, bins, 3)
    if not size:
        return []
    weight = found[..., 2] / found[..., 2].sum(axis=0)
    return [tuple((found[:, at, :2] * weight[:, at, None]).sum(axis=0)) for at in range(size)]
