"""Membership by density ratio: where synthetic rows are denser than real ones are."""

from __future__ import annotations

import numpy as np

from vicinal._types import Floats
from vicinal.report.privacy.nearest import Index, Space
from vicinal.report.tables import Tables

#: Rows of each side that are asked.
MOST_ASKED = 5_000
#: Added to distances, so that a copy has a finite score.
LEAST = 1e-6


def log_ratio(to_reference: Floats, to_synthetic: Floats) -> Floats:
    """Return how much denser synthetic rows are at a row than reference rows, as a logarithm."""
    return np.log(to_reference + LEAST) - np.log(to_synthetic + LEAST)


def density_attack(tables: Tables, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return scores of training and of unseen rows, the higher, the likelier a member."""
    # half of the hold-out is the attacker's reference; the other half stands for those who were not
    # in the data
    order = rng.permutation(len(tables.unseen))
    half = len(order) // 2
    space = Space(tables)
    reference = Index(space, space.points(tables.unseen.take(np.sort(order[:half]))))
    made = Index(space, space.points(tables.synthetic))
    asked = (
        tables.real.drawn(MOST_ASKED, rng),
        tables.unseen.take(np.sort(order[half:])).drawn(MOST_ASKED, rng),
    )
    found = [
        log_ratio(*(index.search(space.points(part)).distance for index in (reference, made)))
        for part in asked
    ]
    return found[0], found[1]
