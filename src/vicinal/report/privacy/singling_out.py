"""Singling out: a description, read off the synthetic table, that fits one person alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from vicinal._compiled import compiled
from vicinal._stats import Estimate
from vicinal._types import Floats
from vicinal.report.privacy.risk import Attack
from vicinal.report.tables import Part, Tables

#: Descriptions that are tried for each one that is wanted, and cells that may be looked at.
TRIES, CELLS = 10, 10**9

# A description is an array with a line for each condition: the column, numbers first, then
# categories; the sign; and the value, a number or a code, where NaN means missing.
AT_MOST, EQUAL, AT_LEAST = -1.0, 0.0, 1.0


def singling_out(
    tables: Tables, n_columns: int, n_attacks: int, rng: np.random.Generator
) -> Attack:
    """Count descriptions of one synthetic row alone that fit exactly one real row."""
    size = min(len(tables.real), len(tables.unseen))  # a chance hit depends on how many there are
    sides = tables.real.drawn(size, rng), tables.unseen.drawn(size, rng)
    n_attacks = min(n_attacks, max(CELLS // (n_columns * (2 + TRIES) * size), 100))
    if n_columns == 1:
        wanted = [np.array([one]) for one in _alone(tables.synthetic)]
        wanted = [wanted[at] for at in rng.permutation(len(wanted))[:n_attacks]]
    else:
        wanted = _descriptions(tables.synthetic, n_columns, n_attacks, rng)
    hits = [sum(_fits_one(one, *cells) for one in wanted) for cells in map(_cells, sides)]
    many = "one column" if n_columns == 1 else f"{n_columns} columns"
    says = (
        f"The attacker takes a description by {many} that fits one synthetic row alone "
        f"({len(wanted):,} of them), and wins where it fits exactly one real row."
    )
    name = f"Singling out, {many}"
    success, control = (Estimate.of_share(one, len(wanted)) for one in hits)
    return Attack(name, success, control, says)


def _cells(part: Part) -> tuple[Any, Any]:
    """Return numbers and codes in the one layout that is compiled for."""
    return np.asfortranarray(part.numbers), np.asfortranarray(part.codes)


@compiled()
def _fits_one(wanted: Any, numbers: Any, codes: Any) -> Any:
    """Return whether exactly one row meets all conditions; the second that does ends the search."""
    n_numeric, found = numbers.shape[1], 0
    for row in range(len(numbers)):
        met = True
        for one in range(len(wanted)):
            column, sign, value = int(wanted[one, 0]), wanted[one, 1], wanted[one, 2]
            if column >= n_numeric:
                met = codes[row, column - n_numeric] == value
            else:
                own = numbers[row, column]
                if np.isnan(value):
                    met = np.isnan(own)
                elif sign == EQUAL:
                    met = own == value
                else:
                    met = own <= value if sign == AT_MOST else own >= value
            if not met:
                break
        if met:
            found += 1
            if found > 1:
                return False
    return found == 1


def _alone(made: Part) -> list[tuple[float, float, float]]:
    """Return conditions that values of one row alone meet, and both ends."""
    found: list[tuple[float, float, float]] = []
    n_numeric = made.numbers.shape[1]
    for at, column in enumerate((*made.numbers.T, *made.codes.T)):
        if at < n_numeric and np.isnan(column).sum() == 1:
            found.append((at, EQUAL, np.nan))
        values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
        found += [(at, EQUAL, float(one)) for one in values[counts == 1]]
        if at < n_numeric and len(values):
            found += [(at, AT_MOST, float(values[0])), (at, AT_LEAST, float(values[-1]))]
    return found


def _descriptions(made: Part, n_columns: int, count: int, rng: np.random.Generator) -> list[Floats]:
    """Return descriptions of synthetic rows by random columns: numbers by the nearer end."""
    numbers, codes = _cells(made)
    n_numeric = numbers.shape[1]
    middle = [
        np.median(values) if len(values := one[~np.isnan(one)]) else np.nan for one in numbers.T
    ]
    width, found = n_numeric + codes.shape[1], []
    for _ in range(TRIES * count):
        row, wanted = rng.integers(len(made)), np.empty((n_columns, 3))
        for line, at in enumerate(rng.choice(width, n_columns, replace=False).tolist()):
            if at < n_numeric:
                value = numbers[row, at]
                wanted[line] = at, AT_LEAST if value >= middle[at] else AT_MOST, value
            else:
                wanted[line] = at, EQUAL, codes[row, at - n_numeric]
        if _fits_one(wanted, numbers, codes):
            found.append(wanted)
            if len(found) == count:
                break
    return found
