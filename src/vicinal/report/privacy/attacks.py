"""Attacks on a synthetic table by the names that regulators use, each beside a control.

The control are rows that the generator never saw: what works as well on them is knowledge about
people in general, what works better on training rows is a leak.
"""

from __future__ import annotations

import math

import numpy as np

from vicinal.report.privacy.inference import attribute_inference
from vicinal.report.privacy.lines import reconstruction_attack
from vicinal.report.privacy.linkability import linkability
from vicinal.report.privacy.risk import Attack
from vicinal.report.privacy.singling_out import singling_out
from vicinal.report.privacy.values import exact_values
from vicinal.report.tables import FEW_ROWS, Tables

#: Attacks of each kind, at most.
N_ATTACKS = 1_000
#: Columns of a description that singles out, besides one.
MANY = 4


def run_attacks(
    tables: Tables, rng: np.random.Generator, n_attacks: int = N_ATTACKS
) -> tuple[Attack, ...]:
    """Attack training and hold-out rows alike, as many of each; too few rows are not attacked."""
    holdout = tables.holdout
    if holdout is None or min(len(tables.real), len(holdout)) < FEW_ROWS:
        return ()
    found = [exact_values(tables)]
    tables, _ = tables.narrowed()
    found.append(singling_out(tables, 1, n_attacks, rng))
    n_columns = len(tables.numeric) + len(tables.categorical)
    if n_columns > 1:
        found.append(singling_out(tables, min(MANY, n_columns), n_attacks, rng))
        found.append(linkability(tables, n_attacks, rng))
        found.append(attribute_inference(tables, n_attacks, rng))
    found.append(reconstruction_attack(tables, rng).attack)
    return tuple(one for one in found if not math.isnan(one.success.value))
