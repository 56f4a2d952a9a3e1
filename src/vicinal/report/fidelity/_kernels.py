"""Counting loops, compiled. Each goes through its rows once and holds no lock."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal._compiled import compiled
from vicinal._types import Floats

Codes = npt.NDArray[np.int32]


@compiled()
def largest_gap(first: Floats, second: Floats) -> float:
    """Return the largest gap between the distribution functions of two sorted samples."""
    at = after = 0
    gap = 0.0
    while at < len(first) and after < len(second):
        value = min(first[at], second[after])
        while at < len(first) and first[at] == value:
            at += 1
        while after < len(second) and second[after] == value:
            after += 1
        gap = max(gap, abs(at / len(first) - after / len(second)))
    return gap


@compiled()
def dense_ranks(order: npt.NDArray[np.intp], ordered: Floats, rows: Any, codes: Codes) -> int:
    """Write the place of each value among the distinct ones; return how many there are."""
    place = -1
    for at in range(len(ordered)):
        if at == 0 or ordered[at] != ordered[at - 1]:
            place += 1
        codes[rows[order[at]]] = place
    return place + 1


@compiled()
def count_cells(first: Codes, second: Codes, levels: int, width: int, counts: Any) -> None:
    """Count pairs of codes; a missing value is a last level of its own."""
    for row in range(len(first)):
        one, other = first[row], second[row]
        one = levels - 1 if one < 0 else one
        other = width - 1 if other < 0 else other
        counts[one * width + other] += 1


@compiled()
def group_sums(
    codes: Codes, values: Floats, center: float, scale: float, counts: Floats, sums: Floats
) -> float:
    """Add up standardized values for each code; return the sum of all their squares."""
    squares = 0.0
    for row in range(len(codes)):
        value = (values[row] - center) / scale
        if codes[row] >= 0 and not np.isnan(value):
            counts[codes[row]] += 1.0
            sums[codes[row]] += value
            squares += value * value
    return squares


@compiled()
def power_sums(values: Floats, center: float, scale: float, sums: Floats) -> None:
    """Add up the powers of the standardized values that are there, from the 0th on."""
    for row in range(len(values)):
        value = (values[row] - center) / scale
        if not np.isnan(value):
            power = 1.0
            for degree in range(len(sums)):
                sums[degree] += power
                power *= value


@compiled()
def rank_correlation(first: Codes, second: Codes, levels: int, width: int) -> float:
    """Return the rank correlation over the rows that miss neither value."""
    one, other = np.zeros(levels), np.zeros(width)
    kept = 0
    for row in range(len(first)):
        if first[row] >= 0 and second[row] >= 0:
            one[first[row]] += 1.0
            other[second[row]] += 1.0
            kept += 1
    if kept < 2:
        return np.nan
    variances = 1.0
    for counts in (one, other):
        before = 0.0
        variance = 0.0
        for level in range(len(counts)):
            here = counts[level]
            rank = before + here / 2.0 - kept / 2.0  # middle of the ties, centerd
            variance += here * rank * rank
            counts[level] = rank
            before += here
        variances *= variance
    if variances <= 0.0:
        return np.nan
    total = 0.0
    for row in range(len(first)):
        if first[row] >= 0 and second[row] >= 0:
            total += one[first[row]] * other[second[row]]
    return float(total / np.sqrt(variances))


@compiled()
def two_parents(rows: Floats, left: Any, right: Any, sums: Floats) -> None:
    """Add up ``left**a * right**b`` for each column, shape (5, 5, n_columns), a + b up to 4."""
    for at in range(len(left)):
        for column in range(rows.shape[1]):
            one, other = rows[left[at], column], rows[right[at], column]
            power = 1.0
            for a in range(5):
                product = power
                for b in range(5 - a):
                    sums[a, b, column] += product
                    product *= other
                power *= one


@compiled()
def many_parents(
    rows: Floats,
    parents: Any,
    second: Floats,
    third: Floats,
    fourth: Floats,
    totals: Floats,
    sums: Floats,
) -> None:
    """Add up the expected powers of mixes, shape (4, n_columns); keep each row's plain sum."""
    # the coefficients are mean weights over ordered choices of distinct parents, see
    # prediction._of_many; the sums over such choices follow from power sums
    k = parents.shape[1]
    for at in range(len(parents)):
        for column in range(rows.shape[1]):
            s1 = s2 = s3 = s4 = 0.0
            for place in range(k):
                x = rows[parents[at, place], column]
                square = x * x
                s1 += x
                s2 += square
                s3 += square * x
                s4 += square * square
            totals[at, column] = s1
            sums[0, column] += s1 / k
            sums[1, column] += second[0] * s2 + second[1] * (s1 * s1 - s2)
            sums[2, column] += (
                third[0] * s3
                + 3.0 * third[1] * (s2 * s1 - s3)
                + third[2] * (s1**3 - 3.0 * s1 * s2 + 2.0 * s3)
            )
            sums[3, column] += (
                fourth[0] * s4
                + 4.0 * fourth[1] * (s3 * s1 - s4)
                + 3.0 * fourth[2] * (s2 * s2 - s4)
                + 6.0 * fourth[3] * (s2 * s1 * s1 - s2 * s2 - 2.0 * s3 * s1 + 2.0 * s4)
                + fourth[4]
                * (s1**4 - 6.0 * s1 * s1 * s2 + 3.0 * s2 * s2 + 8.0 * s1 * s3 - 6.0 * s4)
            )
