"""Singling out: a description, read off the synthetic table, that fits one person alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from vicinal._stats import Estimate
from vicinal.report.privacy.risk import Attack
from vicinal.report.tables import Part, Tables

#: Descriptions that are tried for each one that is wanted, and cells that may be looked at.
TRIES, CELLS = 10, 10**9


class _Condition(NamedTuple):
    column: int  # numbers first, then categories
    sign: str  # "=", "<" (at most) or ">" (at least)
    value: float  # a number or a code; NaN means missing

    def met(self, part: Part) -> Any:
        n_numeric = part.numbers.shape[1]
        if self.column >= n_numeric:
            return part.codes[:, self.column - n_numeric] == self.value
        values = part.numbers[:, self.column]
        if np.isnan(self.value):
            return np.isnan(values)
        if self.sign == "=":
            return values == self.value
        return values <= self.value if self.sign == "<" else values >= self.value


def singling_out(
    tables: Tables, n_columns: int, n_attacks: int, rng: np.random.Generator
) -> Attack:
    """Count descriptions of one synthetic row alone that fit exactly one real row."""
    size = min(len(tables.real), len(tables.unseen))  # a chance hit depends on how many there are
    sides = tables.real.drawn(size, rng), tables.unseen.drawn(size, rng)
    n_attacks = min(n_attacks, max(CELLS // (n_columns * (2 + TRIES) * size), 100))
    if n_columns == 1:
        wanted = [[one] for one in _alone(tables.synthetic)]
        wanted = [wanted[at] for at in rng.permutation(len(wanted))[:n_attacks]]
    else:
        wanted = _descriptions(tables.synthetic, n_columns, n_attacks, rng)
    hits = [sum(_matches(one, side) == 1 for one in wanted) for side in sides]
    many = "one column" if n_columns == 1 else f"{n_columns} columns"
    says = (
        f"The attacker takes a description by {many} that fits one synthetic row alone "
        f"({len(wanted):,} of them), and wins where it fits exactly one real row."
    )
    name = f"Singling out, {many}"
    success, control = (Estimate.of_share(one, len(wanted)) for one in hits)
    return Attack(name, success, control, says)


def _matches(wanted: list[_Condition], part: Part) -> int:
    met = wanted[0].met(part)
    for one in wanted[1:]:
        met = met & one.met(part)
    return int(np.count_nonzero(met))


def _alone(made: Part) -> list[_Condition]:
    """Return descriptions by one column: values of one row alone, and both ends."""
    found = []
    n_numeric = made.numbers.shape[1]
    for at, column in enumerate((*made.numbers.T, *made.codes.T)):
        if at < n_numeric and np.isnan(column).sum() == 1:
            found.append(_Condition(at, "=", np.nan))
        values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
        found += [_Condition(at, "=", float(one)) for one in values[counts == 1]]
        if at < n_numeric and len(values):
            ends = zip("<>", (values[0], values[-1]), strict=True)
            found += [_Condition(at, sign, float(one)) for sign, one in ends]
    return found


def _descriptions(
    made: Part, n_columns: int, count: int, rng: np.random.Generator
) -> list[list[_Condition]]:
    """Return descriptions of synthetic rows by random columns: numbers by the nearer end."""
    n_numeric = made.numbers.shape[1]
    middle = [
        np.median(values) if len(values := one[~np.isnan(one)]) else np.nan
        for one in made.numbers.T
    ]
    width, found = n_numeric + made.codes.shape[1], []
    for _ in range(TRIES * count):
        row, conditions = rng.integers(len(made)), []
        for at in rng.choice(width, n_columns, replace=False).tolist():
            if at < n_numeric:
                value = float(made.numbers[row, at])
                conditions.append(_Condition(at, ">" if value >= middle[at] else "<", value))
            else:
                conditions.append(_Condition(at, "=", float(made.codes[row, at - n_numeric])))
        if _matches(conditions, made) == 1:
            found.append(conditions)
            if len(found) == count:
                break
    return found
