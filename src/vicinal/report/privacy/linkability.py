"""Linkability: two records of one person, in other columns, brought together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vicinal._stats import Estimate
from vicinal._types import Bools
from vicinal.report.privacy.nearest import Index, Points, Space
from vicinal.report.privacy.risk import Attack
from vicinal.report.tables import Tables

#: Ways to part the columns, drawn at random.
SPLITS = 4


def some_columns(points: Points, columns: Sequence[int]) -> Points:
    """Return some columns, numbers first and then categories."""
    n_numeric = points.numbers.shape[1]
    numbers = [at for at in columns if at < n_numeric]
    codes = [at - n_numeric for at in columns if at >= n_numeric]
    return Points(
        np.ascontiguousarray(points.numbers[:, numbers]),
        np.ascontiguousarray(points.codes[:, codes]),
    )


def linkability(
    tables: Tables,
    n_attacks: int,
    rng: np.random.Generator,
    splits: Sequence[tuple[Sequence[int], Sequence[int]]] | None = None,
) -> Attack:
    """Count rows whose two halves have the same nearest synthetic row."""
    space = Space(tables)
    made = space.points(tables.synthetic)
    width = len(tables.numeric) + len(tables.categorical)
    if splits is None:
        orders = [rng.permutation(width).tolist() for _ in range(SPLITS)]
        splits = [(order[: width // 2], order[width // 2 :]) for order in orders]
    sides = [space.points(part.drawn(n_attacks, rng)) for part in (tables.real, tables.unseen)]
    linked: list[list[Bools]] = [[], []]
    for at, halves in enumerate(splits):
        indices = [Index(space, some_columns(made, half)) for half in halves]
        for side, targets in enumerate(sides):
            asked = targets.take(np.arange(at, len(targets.numbers), len(splits)))
            rows = [
                index.search(some_columns(asked, half)).rows
                for index, half in zip(indices, halves, strict=True)
            ]
            linked[side].append(rows[0] == rows[1])
    rates = [
        Estimate.of_share(int(sum(one.sum() for one in side)), sum(map(len, side)))
        for side in linked
    ]
    says = (
        "The attacker holds two records of a person, each with half of the columns, and wins where "
        "both have the same nearest synthetic row, which brings them together."
    )
    return Attack("Linkability", rates[0], rates[1], says)
