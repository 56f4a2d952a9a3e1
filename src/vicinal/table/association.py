"""Which categories belong together, and which rows lie near each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "bundles",
    "codes_of",
    "common_levels",
    "cramers_v",
    "indicator_sets",
    "joint_codes",
    "row_space",
]

Codes = npt.NDArray[np.integer[Any]]

#: Inherited columns whose association (Cramer's V) is above this come from one parent ...
ASSOCIATED = 0.5
#: ... measured on about this many rows.
ASSOCIATION_ROWS = 20_000

#: Levels of a category that get an axis of their own where nearness is measured, and such axes
#: of all categories together.
NEAR_LEVELS = 40
NEAR_LEVELS_IN_ALL = 256
#: Axes that nearness is measured along, at most; more are projected on the widest ...
NEAR_AXES = 32
#: ... found from about this many rows.
AXES_ROWS = 20_000
#: Noise on every axis. It decides between rows that are equally near at random, and not by the
#: order of rows or the last bit of a sum, which another number of threads may change.
JITTER = 1e-3


def codes_of(values: pa.ChunkedArray | pa.Array) -> Codes:
    """Return codes from 0 in order of appearance, missing values with one of their own.

    Parameters
    ----------
    values : pyarrow.ChunkedArray or Array
        Of any type.

    Returns
    -------
    ndarray of int, shape (n_rows,)
        In the narrowest type.
    """
    plain = pa.chunked_array([values]) if isinstance(values, pa.Array) else values
    if pa.types.is_dictionary(plain.type):
        plain = plain.cast(plain.type.value_type)
    if pa.types.is_float16(plain.type):
        plain = plain.cast(pa.float32())
    encoded = pc.dictionary_encode(plain, null_encoding="encode").combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    codes: Codes = encoded.indices.to_numpy()
    return codes.astype(np.min_scalar_type(max(len(encoded.dictionary) - 1, 0)))


def indicator_sets(flags: Mapping[str, npt.NDArray[np.bool_]]) -> list[list[str]]:
    """Find columns that are the indicators of one category: exactly one is set in every row.

    Parameters
    ----------
    flags : mapping of str to ndarray of bool, shape (n_rows,)
        Columns of yes and no.

    Returns
    -------
    list of list of str
        Sets of two columns or more. Columns are tried in order, and each joins the first set
        whose columns it never meets.
    """
    sets: list[tuple[list[str], npt.NDArray[np.bool_]]] = []
    for name, flag in flags.items():
        for names, taken in sets:
            if not (taken & flag).any():
                names.append(name)
                taken |= flag
                break
        else:
            sets.append(([name], flag.copy()))
    return [names for names, taken in sets if len(names) > 1 and taken.all()]


def bundles(
    columns: Mapping[str, Codes],
    alone: Sequence[str] = (),
    together: Sequence[Sequence[str]] = (),
) -> list[list[str]]:
    """Join columns that depend on each other.

    Parameters
    ----------
    columns : mapping of str to ndarray of int, shape (n_rows,)
        Codes of the levels of each column, from 0.
    alone : sequence of str
        Columns that are not joined with any other.
    together : sequence of sequence of str
        Columns that are joined whatever their association.

    Returns
    -------
    list of list of str
        Each column once.
    """
    n_rows = len(next(iter(columns.values()), ()))
    step = max(1, n_rows // ASSOCIATION_ROWS)
    few = {name: _compact(codes[::step]) for name, codes in columns.items()}
    fellows = {name: set(names) for names in together for name in names}
    joined: list[list[str]] = []
    for name, codes in few.items():
        near = [
            bundle
            for bundle in joined
            if name not in alone
            and bundle[0] not in alone
            and (
                not fellows.get(name, set()).isdisjoint(bundle)
                or any(cramers_v(codes, few[other]) > ASSOCIATED for other in bundle)
            )
        ]
        joined = [bundle for bundle in joined if bundle not in near]
        joined.append([*(other for bundle in near for other in bundle), name])
    return joined


def _compact(codes: Codes) -> Codes:
    _, compact = np.unique(codes, return_inverse=True)
    return compact.astype(np.int64)


def cramers_v(first: Codes, second: Codes) -> float:
    """Return the association of two categories, from 0 to 1.

    Parameters
    ----------
    first, second : ndarray of int, shape (n_rows,)
        Codes from 0.

    Returns
    -------
    float
        Cramer's V with the bias correction for small samples. Time and memory grow with the
        number of rows, not with that of pairs of levels.

    References
    ----------
    Bergsma, "A bias-correction for Cramer's V and Tschuprow's T", Journal of the Korean
    Statistical Society, 2013.
    """
    n = len(first)
    width = int(second.max()) + 1
    flat = first.astype(np.int64) * width + second
    cells = (int(first.max()) + 1) * width
    if cells <= 4 * n:
        counts = np.bincount(flat, minlength=cells)
        cell = np.flatnonzero(counts)
        counts = counts[cell]
    else:
        cell, counts = np.unique(flat, return_counts=True)
    rows, columns = np.bincount(first), np.bincount(second)
    shape = np.array([np.count_nonzero(rows), np.count_nonzero(columns)])
    if shape.min() < 2:
        return 0.0
    # the sum over all cells of (observed - expected)**2 / expected, from the occupied ones
    expected = rows[cell // width] * columns[cell % width].astype(np.float64)
    phi = (counts.astype(np.float64) ** 2 / expected).sum() - 1.0
    phi -= (shape - 1.0).prod() / (n - 1)
    free = shape - (shape - 1.0) ** 2 / (n - 1)
    return float(np.sqrt(max(phi, 0.0) / max(free.min() - 1, 1e-9)))


def joint_codes(columns: Sequence[Codes]) -> npt.NDArray[np.int32]:
    """Return one code, from 0, for each combination of levels that occurs.

    Parameters
    ----------
    columns : sequence of ndarray of int, shape (n_rows,)
        At least one; codes from 0.

    Returns
    -------
    ndarray of int32, shape (n_rows,)
        Codes.
    """
    joint: Codes = columns[0].astype(np.int64)
    for codes in columns[1:]:
        joint = _compact(joint * (int(codes.max(initial=0)) + 1) + codes)
    return joint.astype(np.int32)


def common_levels(codes: Codes, most: int) -> npt.NDArray[np.int64]:
    """Give numbers to the most frequent levels of a category.

    Parameters
    ----------
    codes : ndarray of int, shape (n_rows,)
        Codes from 0.
    most : int
        Levels to number.

    Returns
    -------
    ndarray of int, shape (n_levels,)
        From 0 for the most frequent level on, -1 for a rare one.
    """
    counts = np.bincount(codes)
    place = np.full(len(counts), -1)
    common = np.argsort(-counts, kind="stable")[:most]
    place[common] = np.arange(len(common))
    return place


def row_space(
    scores: npt.NDArray[np.floating[Any]],
    categories: Sequence[Codes],
    rng: np.random.Generator,
    stretch: Sequence[float] | None = None,
) -> npt.NDArray[np.float32]:
    """Return rows as points: standardized scores, and an axis for each common level.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, n_mixed)
        Numbers.
    categories : sequence of ndarray of int, shape (n_rows,)
        Codes from 0 of the levels of each category.
    rng : numpy.random.Generator
        Decides between rows that are equally near.
    stretch : sequence of float, optional
        By how much to stretch the axes of each score and then of each category.

    Returns
    -------
    ndarray of float32, shape (n_rows, n_axes)
        At most ``NEAR_AXES`` axes; more are projected on their widest directions. Memory for the
        level axes is never taken for all rows at once.
    """
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
    space = np.zeros((n_rows, axes.shape[1]), np.float32)
    # summed column by column: no sum depends on how a matrix product is cut up
    for at in range(scores.shape[1]):
        weighted = np.flatnonzero(axes[at])
        column = (scale[at] * scores[:, at]).astype(np.float32)
        space[:, weighted] += column[:, None] * axes[at, weighted]
    for codes, factor, place, start in zip(kept, factors, places, starts[1:], strict=False):
        rows = np.zeros((len(place), axes.shape[1]), np.float32)
        rows[place >= 0] = np.float32(factor) * axes[start + place[place >= 0]]
        space += rows[codes]
    space += JITTER * rng.standard_normal(space.shape, np.float32)
    return space


def _widest(
    scores: npt.NDArray[np.floating[Any]],
    scale: npt.NDArray[np.float64],
    categories: Sequence[Codes],
    factors: npt.NDArray[np.float64],
    places: Sequence[npt.NDArray[np.int64]],
    starts: npt.NDArray[np.int64],
) -> npt.NDArray[np.float32]:
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
    _, axes = np.linalg.eigh(points.T.astype(np.float64) @ points)
    # rounded, so that the last bits of a matrix product decide nothing
    return np.round(axes[:, : -NEAR_AXES - 1 : -1], 6).astype(np.float32)
