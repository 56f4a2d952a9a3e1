"""Attribute inference: what a person's other columns, and the synthetic table, tell of one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vicinal._stats import Estimate
from vicinal._types import Bools, Ints
from vicinal.report.privacy.linkability import some_columns
from vicinal.report.privacy.nearest import Index, Space
from vicinal.report.privacy.risk import Attack, residual_risk
from vicinal.report.tables import Part, Tables

#: Columns that are guessed, at most; of wider tables as many are drawn.
MOST_SECRETS = 20
#: A number is guessed where it is this near, as a share of the guess; a date, of the range.
TOLERANCE, OF_RANGE = 0.05, 0.01


def attribute_inference(
    tables: Tables,
    n_attacks: int,
    rng: np.random.Generator,
    secrets: Sequence[int] | None = None,
) -> Attack:
    """Guess each column of a row from the synthetic row that is nearest in all others."""
    space, names = Space(tables), (*tables.numeric, *tables.categorical)
    if secrets is None:
        secrets = np.sort(rng.permutation(len(names))[:MOST_SECRETS]).tolist()
    made = space.points(tables.synthetic)
    parts = [part.drawn(n_attacks, rng) for part in (tables.real, tables.unseen)]
    right = [np.zeros((len(part), len(secrets)), bool) for part in parts]
    for at, secret in enumerate(secrets):
        others = [one for one in range(len(names)) if one != secret]
        index = Index(space, some_columns(made, others))
        for side, part in enumerate(parts):
            rows = index.search(some_columns(space.points(part), others)).rows
            right[side][:, at] = _guessed(tables, part, rows, secret)
    success, control = map(_share, right)
    # of one column alone intervals are Bonferroni's: they hold for all columns at once
    alone = [
        tuple(_share(one[:, [at]], looks=len(secrets)) for one in right)
        for at in range(len(secrets))
    ]
    risks = [residual_risk(*one) for one in alone]
    worst = max(range(len(secrets)), key=lambda at: np.nan_to_num(risks[at].low))
    said = f"Worst of {len(secrets)}: {names[secrets[worst]]}, risk {risks[worst]}."
    what = "mean over columns"
    if risks[worst].low > max(residual_risk(success, control).low, 0.0):
        (success, control), what = alone[worst], "of the column where it is surest"
    says = (
        "The attacker knows all columns of a person but one and takes that one from the nearest "
        f"synthetic row; {what}. {said}"
    )
    return Attack("Attribute inference", success, control, says)


def _guessed(tables: Tables, part: Part, rows: Ints, secret: int) -> Bools:
    """Tell for which rows the secret is that of the nearest synthetic row, or close to it."""
    n_numeric = len(tables.numeric)
    if secret >= n_numeric:
        column = secret - n_numeric
        same: Bools = part.codes[:, column] == tables.synthetic.codes[rows, column]
        return same
    truth, guess = part.numbers[:, secret], tables.synthetic.numbers[rows, secret]
    kind = next(one.kind for one in tables.columns if one.name == tables.numeric[secret])
    reach = TOLERANCE * np.abs(guess)
    if kind in {"datetime", "date", "time", "duration"}:
        known = np.append(truth, guess)
        known = known[np.isfinite(known)]
        reach = np.full(len(guess), OF_RANGE * (np.ptp(known) if len(known) else 0.0))
    both = np.isnan(truth) & np.isnan(guess)
    near: Bools = both | (np.abs(truth - guess) <= reach)
    return near


def _share(right: Bools, looks: int = 1) -> Estimate:
    """Return the share of right guesses; guesses about one row are not independent."""
    each = right.mean(axis=1)
    value, variance = float(each.mean()), float(each.var())
    worth = len(each)
    if right.shape[1] > 1 and variance > 0:
        worth = int(min(worth * value * (1 - value) / variance, right.size))
    return Estimate.of_share(value * worth, worth, looks)
