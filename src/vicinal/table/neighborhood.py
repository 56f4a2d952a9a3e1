"""Which rows lie near each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal._threads import for_chunks
from vicinal._types import Array, Floats, Floats32, Indices, Ints
from vicinal.pairing.neighbors import kd_leaves, nearest_rows
from vicinal.table.categories import Codes, common_levels

#: Neighbors are not fewer than this where they are a share of the rows that may mix.
NEAR_LEAST = 5
#: Levels of a category that get an axis of their own where nearness is measured, and such axes
#: of all categories together.
NEAR_LEVELS = 40
NEAR_LEVELS_IN_ALL = 256
#: Axes that nearness is measured along, at most; more are projected on the widest ...
NEAR_AXES = 32
#: ... found from about this many rows.
AXES_ROWS = 20_000
#: Rows whose points are found at once.
SPACE_ROWS = 4096
#: Rows that stand together in memory where near rows are visited one after the other.
TOGETHER = 256
#: Noise on every axis. It decides between rows that are equally near at random, and not by the
#: order of rows or the last bit of a sum, which another number of threads may change.
JITTER = 1e-3

#: Trees that find what tells of the target, rows that they learn from, and least rows in a leaf.
TREES = 30
TREE_ROWS = 5_000
LEAF_ROWS = 5


def neighbors_in_groups(
    space: Floats32,
    groups: Indices | None,
    most: int,
    share: float,
) -> npt.NDArray[np.int32]:
    """Return neighbors of each row in its own group: a share of it, ``NEAR_LEAST`` to ``most``."""
    groups = np.zeros(len(space), np.uint8) if groups is None else groups
    counts = np.maximum(np.ceil(np.bincount(groups) * share), NEAR_LEAST).astype(int)
    counts = np.minimum(counts, most)
    near = np.empty((len(space), int(counts.max())), np.int32)
    # groups of one count are searched at once; fewer neighbors are repeated to fill the row
    for count in np.unique(counts):
        rows = np.flatnonzero(counts[groups] == count)
        found = nearest_rows(space[rows], int(count), groups=groups[rows])
        near[rows, :count] = rows[found]
        for at in range(count, near.shape[1]):
            near[rows, at] = near[rows, at - count]
    return near


def side_by_side(space: Floats32) -> Ints:
    """Return all rows in an order in which near ones stand together."""
    return np.argsort(kd_leaves(space, TOGETHER), kind="stable")


def row_space(
    scores: npt.NDArray[np.floating[Any]],
    categories: Sequence[Codes],
    rng: np.random.Generator,
    stretch: Sequence[float] | None = None,
) -> Floats32:
    """Return rows as points: standardized scores, and an axis for each common level."""
    # more than NEAR_AXES axes are projected on their widest directions; memory for the level axes
    # is never taken for all rows at once
    n_rows = len(scores)
    largest = np.abs(scores).max(axis=0, initial=0.0).astype(np.float64)
    largest[largest == 0] = 1.0
    spread = (scores / largest).std(axis=0)  # squares of huge numbers would overflow
    scale = 1.0 / np.where(spread > 0, spread, 1.0) / largest
    share = max(1, min(NEAR_LEVELS, NEAR_LEVELS_IN_ALL // max(len(categories), 1)))
    # place of each level among the axes of its column; -1 for none
    kept = [codes for codes in categories if codes.max() > 0]
    places = [common_levels(codes, share) for codes in kept]
    sizes = [scores.shape[1], *(int(place.max()) + 1 for place in places)]
    starts = np.cumsum([0, *sizes])
    factors = np.ones(len(kept))
    if stretch is not None:
        scale *= np.asarray(stretch[: scores.shape[1]], float)
        pairs = zip(categories, stretch[scores.shape[1] :], strict=True)
        factors = np.array([factor for codes, factor in pairs if codes.max() > 0])
    axes = _widest(scores, scale, kept, factors, places, starts)
    if not axes.shape[1]:  # all rows are alike
        return JITTER * rng.standard_normal((n_rows, 1), np.float32)
    space = np.zeros((n_rows, axes.shape[1]), np.float32)
    of_levels = []  # the point that each level adds
    for factor, place, start in zip(factors, places, starts[1:], strict=False):
        points = np.zeros((len(place), axes.shape[1]), np.float32)
        points[place >= 0] = np.float32(factor) * axes[start + place[place >= 0]]
        of_levels.append(points)

    def fill(first: int, last: int) -> None:
        # summed column by column: no sum depends on how a matrix product is cut up
        some = space[first:last]
        for at in range(scores.shape[1]):
            weighted = np.flatnonzero(axes[at])
            column = (scale[at] * scores[first:last, at]).astype(np.float32)
            some[:, weighted] += column[:, None] * axes[at, weighted]
        for codes, points in zip(kept, of_levels, strict=True):
            some += points[codes[first:last]]

    for_chunks(fill, n_rows, SPACE_ROWS)
    space += JITTER * rng.standard_normal(space.shape, np.float32)
    return space


def _widest(
    scores: npt.NDArray[np.floating[Any]],
    scale: Floats,
    categories: Sequence[Codes],
    factors: Floats,
    places: Sequence[Ints],
    starts: Ints,
) -> Floats32:
    """Return the directions of largest variance, shape (n_columns, at most NEAR_AXES)."""
    total = int(starts[-1])
    if total <= NEAR_AXES:
        return np.eye(total, dtype=np.float32)
    sample = slice(None, None, max(1, len(scores) // AXES_ROWS))
    points = np.zeros((len(scores[sample]), total), np.float32)
    points[:, : scores.shape[1]] = scores[sample] * scale
    rows = np.arange(len(points))
    for codes, factor, place, start in zip(categories, factors, places, starts[1:], strict=False):
        at = place[codes[sample]]
        points[rows[at >= 0], start + at[at >= 0]] = factor
    points -= points.mean(axis=0)
    whole = points.astype(np.float64)
    if len(whole) < total:  # of few rows: the same directions, by way of the smaller matrix
        axes = whole.T @ np.linalg.eigh(whole @ whole.T)[1][:, -NEAR_AXES:]
        lengths = np.linalg.norm(axes, axis=0)
        known = lengths > 1e-6 * lengths.max(initial=0.0)
        axes = axes[:, known] / lengths[known]
    else:
        axes = np.linalg.eigh(whole.T @ whole)[1]
    # rounded, so that the last bits of a matrix product decide nothing
    found: Floats32 = np.round(axes[:, : -NEAR_AXES - 1 : -1], 6).astype(np.float32)
    return found


# what tells of the target counts more


def stretches(
    scores: Array,
    names: Sequence[str],
    categories: Mapping[str, Codes],
    target: Array,
    target_name: str,
    focus: float,
) -> list[float] | None:
    """Return by how much to stretch each number and category, for :func:`row_space`."""
    numbers = [at for at, name in enumerate(names) if name != target_name]
    others = [name for name in categories if name != target_name]
    if not numbers and not others:
        return None
    shares = relevance(scores[:, numbers], [categories[name] for name in others], target)
    told = dict(zip([*(names[at] for at in numbers), *others], shares, strict=True))
    return [
        float(np.sqrt(1.0 + focus * len(told) * told[name])) if name in told else 1.0
        for name in (*names, *categories)
    ]


def relevance(scores: Array, categories: Sequence[Codes], target: Array) -> Floats:
    """Return the share of each number and category in a forest's prediction of the target."""
    # shares depend neither on threads nor on global state; all alike where nothing is said of the
    # target
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    few = slice(None, None, max(1, -(-len(target) // TREE_ROWS)))
    design = np.column_stack(
        [scores[few].astype(np.float32), *(codes[few] for codes in categories)]
    )
    numeric = target.dtype.kind == "f"
    forest = (ExtraTreesRegressor if numeric else ExtraTreesClassifier)(
        n_estimators=TREES, min_samples_leaf=LEAF_ROWS, max_features=0.7, random_state=0
    )
    shares: Floats = forest.fit(design, target[few]).feature_importances_
    total = shares.sum()
    return shares / total if total > 0 else np.full(len(shares), 1.0 / max(len(shares), 1))
