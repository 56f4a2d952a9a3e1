"""Series of one length: gaps between steps are bridged, and short ones go on as near ones do."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal._types import Bools, Ints

#: Longer series among which the one is found that a short one goes on like.
DONORS = 500
#: Periods over which the slow course of one long series is averaged.
AROUND = 7

Series = npt.NDArray[np.floating[Any]]  # (n_entities, n_steps, n_columns)


def complete(series: Series, rng: np.random.Generator) -> None:
    """Fill what is NaN, in place, so that every entity can be a partner at every step."""
    # between two steps values run straight; after its last step an entity goes on as one that was
    # near until then, shifted by what a difference in level until then says of the level after
    there = ~np.isnan(series)
    seen = there.any(axis=2) * np.arange(1, series.shape[1] + 1)  # the number of each step
    lengths = seen.max(axis=1)
    _bridge(series, there)
    for length in np.unique(lengths)[::-1]:
        if length < series.shape[1]:
            _go_on(series, lengths, int(length), rng)


def _bridge(series: Series, there: Bools) -> None:
    """Fill gaps by straight lines, and ends by the value next to them."""
    steps = np.arange(series.shape[1])[None, :]
    usual = np.nan_to_num(np.nanmean(series, axis=(0, 1)) if there.any() else 0.0)
    rows = np.arange(len(series))[:, None]
    for column in range(series.shape[2]):
        known, values = there[:, :, column], series[:, :, column]
        if known.all():
            continue
        before = np.maximum.accumulate(np.where(known, steps, -1), axis=1)
        after = np.minimum.accumulate(np.where(known, steps, series.shape[1])[:, ::-1], axis=1)
        after = after[:, ::-1]
        low = np.where(before < 0, np.minimum(after, series.shape[1] - 1), before)
        high = np.where(after == series.shape[1], low, after)
        share = (steps - low) / np.maximum(high - low, 1)
        filled = values[rows, low] * (1 - share) + values[rows, high] * share
        filled[~known.any(axis=1)] = np.atleast_1d(usual)[column]
        series[:, :, column] = np.where(known, values, filled)


def _go_on(series: Series, lengths: Ints, length: int, rng: np.random.Generator) -> None:
    from scipy.spatial import cKDTree

    takers, donors = np.flatnonzero(lengths == length), np.flatnonzero(lengths > length)
    if not len(donors) or not length:
        return
    if len(donors) > DONORS:
        donors = rng.choice(donors, DONORS, replace=False)
    level = series[:, :length].mean(axis=1)
    last = series[:, length - 1]
    spread = np.maximum(level[donors].std(axis=0) + last[donors].std(axis=0), 1e-12)
    points = np.hstack([level, last]) / np.tile(spread, 2)
    _, nearest = cKDTree(points[donors]).query(points[takers])
    chosen = donors[nearest]
    later = series[donors, length:].mean(axis=1)
    early = level[donors] - level[donors].mean(axis=0)
    slope = (early * later).sum(axis=0) / np.maximum((early**2).sum(axis=0), 1e-12)
    shift = np.clip(slope, 0.0, 1.0) * (level[takers] - level[chosen])
    series[takers, length:] = series[chosen, length:] + shift[:, None, :]


def slow_course(series: Series) -> npt.NDArray[np.floating[Any]]:
    """Return the mean of the periods around each, shape (n_periods, n_columns)."""
    from scipy.ndimage import uniform_filter1d

    course: npt.NDArray[np.floating[Any]]
    course = uniform_filter1d(series.mean(axis=1), AROUND, axis=0, mode="nearest")
    return course
