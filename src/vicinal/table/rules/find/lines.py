"""Columns that are a factor of another and a constant: ``b = factor * a + constant``."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from vicinal._types import Floats
from vicinal.table.rules.find.evidence import LEAST_LEVELS, LEAST_ROWS, Found
from vicinal.table.rules.grammar import formula, written
from vicinal.table.rules.kinds import Formula, Rule
from vicinal.table.rules.rounding import half_a_unit, shortest, slack_of


def find_lines(
    found: Found, names: Sequence[str], places: Sequence[int | None], exact: bool
) -> Iterator[Rule]:
    """Look for ``b = factor * a + constant``, exact or up to rounding: units, ages, taxes."""
    kept = [None] * len(names) if exact else places
    wide = [at for at, name in enumerate(names) if found.levels(name) >= LEAST_LEVELS]
    units = np.array([half_a_unit(kept[at]) for at in wide])
    for at, to in _on_lines(found, [names[at] for at in wide], units):
        first, second = names[wide[at]], names[wide[to]]
        if not found.free(second) or second in found.settled.get(first, ()):
            continue
        (x, x_gone), (y, y_gone) = found.few.floats(first), found.few.floats(second)
        if exact and (x_gone & ~y_gone).any() and not (y_gone & ~x_gone).any():
            continue  # what is held less often follows from what is held more often
        held = np.flatnonzero(~x_gone & ~y_gone)
        levels = min(len(np.unique(one[held])) for one in (x, y))
        if len(held) < LEAST_ROWS or levels < LEAST_LEVELS:
            continue
        if _on_a_line(x[held[:32]], y[held[:32]], float(units[to])):
            rule = _line_between(found, first, second, kept[wide[to]])
            if rule is not None:
                yield replace(rule, decimals=places[wide[to]])


def _line_between(found: Found, first: str, second: str, places: int | None) -> Formula | None:
    """Return the rule that one column is a factor of another, and a constant, if rows keep it."""
    for frame in (found.few, found.frame):  # few rows may fit more than one factor
        (x, x_gone), (y, y_gone) = frame.floats(first), frame.floats(second)
        held = ~x_gone & ~y_gone
        node = _shortest_line(first, x[held], y[held], places)
        if node is None:
            return None
        rule = formula("sum", second, (first,), node, places)
        if not rule.broken(found.frame).any():
            return rule
    return None


def _shortest_line(name: str, x: Floats, y: Floats, places: int | None) -> ast.expr | None:
    """Return the line through all points that is written shortest, if there is one."""
    slack = slack_of(y, places)
    if np.ptp(y) < LEAST_LEVELS * slack.max():
        return None  # anything rounds to so little
    nodes, middle = [], x - x.mean()
    through_zero, slope = x @ y / (x @ x), middle @ (y - y.mean()) / (middle @ middle)
    for ratio, write in product((through_zero, slope), (_line, _quotient)):
        divides = write is _quotient
        for factor in _near(
            float(1 / ratio if divides else ratio) if ratio > 0 or not divides else 0.0
        ):
            rest = y - (x / factor if divides else factor * x)
            low, high = float((rest - slack).max()), float((rest + slack).min())
            if low <= high and (ratio is slope or low <= 0 <= high):
                nodes.append(write(name, factor, low, high))
                break
    return min(nodes, key=lambda node: len(written(node)), default=None)


def _near(value: float) -> list[float]:
    """Return the decimals nearest to a number, the shortest first, and the number itself."""
    return [*(float(f"{value:.{digits}g}") for digits in range(1, 13)), value] if value else []


def _on_lines(found: Found, names: Sequence[str], units: Floats) -> Iterator[tuple[int, int]]:
    """Give ordered pairs of columns whose first rows may lie on one line."""
    if len(names) < 2:
        return
    both = [found.few.floats(name) for name in names]
    values = np.stack([np.where(gone, np.nan, one)[:32] for one, gone in both])  # (n, 32)
    slack = 4 * units + 1e-9 * np.fmax.reduce(np.abs(values), axis=1, initial=0.0)
    for at, x in enumerate(values):
        held = np.flatnonzero(~np.isnan(x))
        if not len(held):
            yield from ((at, to) for to in range(len(names)) if to != at)
            continue
        low, high = held[np.argmin(x[held])], held[np.argmax(x[held])]
        with np.errstate(divide="ignore", invalid="ignore"):
            slopes = (values[:, high] - values[:, low]) / (x[high] - x[low])
            near = np.arange(len(values))
            for first in (4, 32):  # most columns are known to be on no line by a few rows
                steps = (x - x[low])[:first]
                away = np.abs(
                    values[near, :first] - values[near, low, None] - slopes[near, None] * steps
                )
                # also where nothing is known
                near = near[~(np.fmax.reduce(away, axis=1) > slack[near])]
        yield from ((at, int(to)) for to in near if to != at)


def _on_a_line(x: Floats, y: Floats, unit: float) -> bool:
    """Tell whether a few points may lie on one line, up to rounding."""
    low, high = int(np.argmin(x)), int(np.argmax(x))
    if x[low] == x[high]:
        return True
    slope = (y[high] - y[low]) / (x[high] - x[low])
    away = np.abs(y - y[low] - slope * (x - x[low])).max()
    return bool(away <= 4 * unit + 1e-9 * np.abs(y).max())


def _line(name: str, factor: float, low: float, high: float) -> ast.expr:
    """Return a factor of a column and the shortest constant between two numbers."""
    constant = shortest(low, high)
    taken = factor == -1 or (factor < 0 < constant)
    size = abs(factor) if taken else factor
    node: ast.expr = ast.Name(name)
    node = node if size == 1 else ast.BinOp(number(size), ast.Mult(), node)
    if taken:
        return ast.BinOp(number(constant), ast.Sub(), node)
    return plus(node, constant)


def _quotient(name: str, divisor: float, low: float, high: float) -> ast.expr:
    """Return a column and a constant, divided, or a line where that is as short."""
    factor = float(f"{1 / divisor:.4g}")
    if abs(factor * divisor - 1) < 1e-15:
        return _line(name, factor, low, high)
    top = plus(ast.Name(name), shortest(low * divisor, high * divisor))
    return ast.BinOp(top, ast.Div(), number(divisor))


def plus(node: ast.expr, constant: float) -> ast.expr:
    """Return an expression and a constant, added or taken from it."""
    if not constant:
        return node
    sign = ast.Add() if constant > 0 else ast.Sub()
    return ast.BinOp(node, sign, number(abs(constant)))


def number(value: float) -> ast.Constant:
    """Return a number as it is written in a rule."""
    return ast.Constant(int(value) if float(value).is_integer() else value)
