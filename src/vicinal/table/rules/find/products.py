"""Columns that are the product or the quotient of two others."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from vicinal._types import Floats
from vicinal.table.numbers import decimals_of
from vicinal.table.rules.find.evidence import FEW, LEAST_LEVELS, LEAST_ROWS, Found
from vicinal.table.rules.grammar import formula
from vicinal.table.rules.kinds import Rule
from vicinal.table.rules.rounding import half_a_unit


def find_products(found: Found) -> Iterator[Rule]:
    """Look for ``c = a * b`` and ``c = a / b``, up to the rounding of ``c``."""
    names = [name for name in found.plain if name not in found.settled]
    if not 3 <= len(names) <= FEW:
        return
    rows = found.complete(names)
    if len(rows) < LEAST_ROWS:
        return
    tried = rows[np.linspace(0, len(rows) - 1, 64).astype(int)]
    values = [found.few.floats(name)[0] for name in names]
    places = [decimals_of(one[rows]) for one in values]
    matrix = np.stack([one[tried] for one in values])
    slack = np.array([half_a_unit(one) for one in places])
    slack += 1e-9 * np.abs(matrix).max(axis=1)
    few = np.array([found.levels(name) <= LEAST_LEVELS for name in names])
    slack[few | (slack > 0.05 * matrix.std(axis=1))] = -1.0  # anything rounds to so few values
    for at, first, sign, second in _matching(matrix, slack):
        name, pair = names[at], (names[first], names[second])
        if name in pair or not found.free(name):
            continue
        if isinstance(sign, ast.Div) and pair[0] in found.avoid:
            continue  # a rounded product that may not be settled, the wrong way round
        node = ast.BinOp(ast.Name(pair[0]), sign, ast.Name(pair[1]))
        yield formula("product", name, pair, node, places[at])


def _matching(matrix: Floats, slack: Floats) -> Iterator[tuple[int, int, ast.operator, int]]:
    """Give rows c, a, sign and b of a matrix with c = a * b or c = a / b, up to the slack of c."""
    for a, b in combinations(range(len(matrix)), 2):
        x, y = matrix[a], matrix[b]
        with np.errstate(divide="ignore", invalid="ignore"):
            made = [(a, ast.Mult(), b, x * y), (a, ast.Div(), b, x / y), (b, ast.Div(), a, y / x)]
        for left, sign, right, told in made:
            if np.isfinite(told).all() and np.ptp(told):
                for c in np.flatnonzero((np.abs(matrix - told) <= slack[:, None]).all(axis=1)):
                    yield int(c), left, sign, right
