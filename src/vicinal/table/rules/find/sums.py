"""Signed sums of two to five columns that are one constant: ``total = a + b - c``."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import combinations, product

import numpy as np

from vicinal._types import Bools, Floats
from vicinal.table.numbers import decimals_of
from vicinal.table.rules.find.evidence import FEW, LEAST_ROWS, Found
from vicinal.table.rules.find.groups import runs_of_flags
from vicinal.table.rules.find.lines import find_lines, number, plus
from vicinal.table.rules.grammar import formula
from vicinal.table.rules.kinds import Rule
from vicinal.table.rules.rounding import half_a_unit, shortest

_Part = tuple[tuple[int, ...], tuple[int, ...], Floats]  # columns, signs, hashes

#: Rows in which the terms of an identity have to move for it to count.
MOVING_ROWS = 20
#: So many flags are a one-hot group, not terms of sums.
MANY_FLAGS = 12


def find_sums(found: Found) -> Iterator[Rule]:
    """Look for signed sums of two to five columns that never change, the shortest first."""
    names = _summands(found)
    matrix = np.column_stack([found.few.floats(name)[0] for name in names]) if names else None
    if matrix is None or len(names) < 2:
        return
    places = [decimals_of(matrix[~found.few.floats(name)[1], at]) for at, name in enumerate(names)]
    # a total is exact where a share of it is rounded: both hold only if the total is the sum
    yield from find_lines(found, names, places, exact=True)
    yield from _totals(found, names, matrix, places)
    yield from find_lines(found, names, places, exact=False)


def _totals(
    found: Found, names: Sequence[str], matrix: Floats, places: Sequence[int | None]
) -> Iterator[Rule]:
    """Look for signed sums of three columns or more."""
    rows = found.complete(names)
    if len(names) > FEW:
        names, matrix, places = _spanned(names, matrix[rows], matrix, places)
    if len(rows) >= 2 * LEAST_ROWS and len(names) >= 3:
        yield from _signed(found, names, matrix[rows], places)


def _summands(found: Found) -> list[str]:
    """Return the columns that may be terms of a sum: flags only if there are few of them."""
    grouped = {name for run in runs_of_flags(found) for name in run}
    names = [name for name in found.plain if name not in found.settled and name not in grouped]
    names = [name for name in names if found.is_exact(name)]
    flags = [name for name in names if found.levels(name) == 2]
    return [name for name in names if len(flags) <= MANY_FLAGS or name not in flags]


def _spanned(
    names: Sequence[str], rows: Floats, matrix: Floats, places: Sequence[int | None]
) -> tuple[list[str], Floats, list[int | None]]:
    """Return the columns that some linear combination of the others equals, at most so many."""
    spread = rows.std(axis=0)
    used = np.flatnonzero(spread > 0)
    scaled = (rows[:, used] - rows[:, used].mean(axis=0)) / spread[used]
    if len(rows) <= len(used):
        return [], matrix[:, :0], []
    _, values, vectors = np.linalg.svd(scaled, full_matrices=False)
    null = vectors[values < 1e-3 * values[0]]
    weight = np.abs(null).max(axis=0) if len(null) else np.zeros(len(used))
    kept = used[np.argsort(-weight)[:FEW]][: int((weight > 1e-3).sum())]
    kept = np.sort(kept)
    return [names[at] for at in kept], matrix[:, kept], [places[at] for at in kept]


def _signed(
    found: Found, names: Sequence[str], matrix: Floats, places: Sequence[int | None]
) -> Iterator[Rule]:
    """Look for columns whose signed sum is one constant, by meeting in the middle."""
    # differences of rows take constants away; a random projection of 24 of them stands for the
    # columns, so that a sum of columns is a sum of numbers
    rng = np.random.default_rng(1)
    first = rng.integers(0, len(matrix), 24)
    second = rng.integers(0, len(matrix), 24)
    sides = matrix[first] - matrix[second]  # (24, n_columns)
    weights = rng.uniform(0.5, 1.5, (24, 2))
    hashes = sides.T @ weights  # (n_columns, 2): the second one tells near misses apart
    exact = 1e-9 * float(np.abs(hashes).max())
    # only a sum that has fewer places than its terms is rounded
    known = {one for one in places if one is not None}
    rounded = (
        float(weights.sum(axis=0).max() * 1.02 * 10.0 ** -min(known)) if len(known) > 1 else 0.0
    )
    singles: list[_Part] = [((at,), (1,), hashes[at]) for at in range(len(names))]
    pairs = _longer(singles, hashes)
    triples = _longer(pairs, hashes) if len(names) <= 30 else []
    taken: set[frozenset[int]] = set()
    ways = [(singles, pairs), (pairs, pairs), (pairs, triples)]
    for (left, right), slack in product(ways, (exact, exact + rounded) if rounded else (exact,)):
        for columns, signs in _meeting(left, right, slack):
            within = (part for n in range(3, len(columns) + 1) for part in combinations(columns, n))
            if any(frozenset(part) in taken for part in within):
                continue
            if not _is_constant(columns, signs, sides, places):
                continue
            rule = None
            settles = _settles_one(found, {names[at] for at in columns})
            if settles:  # known columns may have thousands of sums: none of them is worth a rule
                rule = _identity(found, names, columns, signs, sides, places)
            if rule is not None or not settles:
                taken.add(frozenset(columns))
            if rule is not None:
                yield rule


def _settles_one(found: Found, names: set[str]) -> bool:
    """Tell whether a rule may settle one of some columns by the others."""
    return any(
        found.free(name) and all(name not in found.behind.get(one, ()) for one in names)
        for name in names
    )


def _longer(parts: Sequence[_Part], hashes: Floats) -> list[_Part]:
    """Return sums of one column more: each later one added to each part, or taken from it."""
    return [
        ((*columns, at), (*signs, sign), value + sign * hashes[at])
        for columns, signs, value in parts
        for at in range(columns[-1] + 1, len(hashes))
        for sign in (1, -1)
    ]


def _meeting(
    left: Sequence[_Part], right: Sequence[_Part], slack: float
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Give columns and signs of two parts whose hashes cancel out."""
    if not left or not right:
        return
    values = np.array([one[2] for one in right])  # (n, 2)
    order = np.argsort(values[:, 0])
    ranked = values[order]
    for columns, signs, value in left:
        for flip in (1, -1):
            low, high = np.searchsorted(ranked[:, 0], flip * value[0] + np.array([-slack, slack]))
            if high - low > 200:
                continue  # hashes of columns that hardly move
            near = np.abs(ranked[low:high, 1] - flip * value[1]) <= slack
            for at in order[low:high][near]:
                others, other_signs, _ = right[at]
                if not set(columns) & set(others):
                    yield (*columns, *others), (*signs, *(-flip * sign for sign in other_signs))


def _identity(
    found: Found,
    names: Sequence[str],
    columns: tuple[int, ...],
    signs: tuple[int, ...],
    sides: Floats,
    places: Sequence[int | None],
) -> Rule | None:
    """Return the identity with the column in front that the others settle, if one may be."""
    held = _rows_of_constant(found, names, columns, signs, places)
    free = [a for a in _by_likeness_to_a_total(columns, signs, sides) if found.free(names[a])]
    if held is None or not free:
        return None
    target = free[0]
    name, sign = names[target], signs[columns.index(target)]
    parts = [(a, -s * sign) for a, s in zip(columns, signs, strict=True) if a != target]
    parts.sort(key=lambda one: (-one[1], one[0]))
    value = found.few.floats(name)[0]
    rest = sum(s * found.few.floats(names[a])[0] for a, s in parts)
    constant = float(np.median((value - rest)[held]))
    unit = 0.2 * half_a_unit(places[target])
    constant = shortest(constant - unit, constant + unit)
    node = _sum_of([(names[a], s) for a, s in parts], constant)
    return formula("sum", name, tuple(names[a] for a, _ in parts), node, places[target])


def _is_constant(
    columns: tuple[int, ...], signs: tuple[int, ...], sides: Floats, places: Sequence[int | None]
) -> bool:
    """Tell whether a signed sum is the same in a few rows, up to rounding."""
    total = sides[:, columns] @ np.array(signs)
    slack = 2 * _slack(columns, places) + 1e-9 * np.abs(sides[:, columns]).max()
    return bool(np.abs(total).max() <= slack)


def _slack(columns: tuple[int, ...], places: Sequence[int | None]) -> float:
    """Return how far rounding moves a sum of columns."""
    return sum(
        1e-9 if places[at] is None else 0.51 * 10.0 ** -int(places[at] or 0) for at in columns
    )


def _rows_of_constant(
    found: Found,
    names: Sequence[str],
    columns: tuple[int, ...],
    signs: tuple[int, ...],
    places: Sequence[int | None],
) -> Bools | None:
    """Return the rows in which a signed sum is known, if it is one constant up to rounding."""
    values = [found.few.floats(names[at]) for at in columns]
    held: Bools = ~np.logical_or.reduce([gone for _, gone in values])
    if held.sum() < LEAST_ROWS:
        return None
    whole = sum(sign * one[held] for sign, (one, _) in zip(signs, values, strict=True))
    largest = max(np.abs(one[held]).max() for one, _ in values)
    if np.ptp(whole) > 2 * _slack(columns, places) + 1e-9 * largest:
        return None
    moved = [np.count_nonzero(v[held] != _mode(v[held])) for v, _ in values]
    return held if min(moved) >= MOVING_ROWS else None


def _by_likeness_to_a_total(
    columns: tuple[int, ...], signs: tuple[int, ...], sides: Floats
) -> list[int]:
    """Return the columns, first the one whose sign differs from all others, then by size."""
    positive = [at for at, sign in zip(columns, signs, strict=True) if sign > 0]
    alone = positive if len(positive) == 1 else [a for a in columns if a not in positive]
    order = sorted(columns, key=lambda a: -float(np.abs(sides[:, a]).sum()))
    return list(dict.fromkeys([*alone, *order] if len(alone) == 1 else order))


def _sum_of(parts: Sequence[tuple[str, int]], constant: float) -> ast.expr:
    (name, sign), *others = parts
    node: ast.expr = ast.Name(name)
    if sign < 0:
        node = ast.BinOp(number(constant), ast.Sub(), node)
        constant = 0.0
    for name, sign in others:
        node = ast.BinOp(node, ast.Add() if sign > 0 else ast.Sub(), ast.Name(name))
    return plus(node, constant)


def _mode(values: Floats) -> float:
    found, counts = np.unique(values, return_counts=True)
    return float(found[counts.argmax()]) if len(found) else 0.0
