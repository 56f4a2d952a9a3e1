"""Rows as embeddings are, and partners drawn for them many times."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal import make_plan


@pytest.fixture(scope="session")
def embeddings():
    """Return a maker of rows of various norms that are not centerd, as embeddings are."""

    def make(n_rows, n_features=8, seed=0, shift=0.3):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(n_rows, n_features)) + shift
        return X * rng.gamma(4.0, 1.0, size=(n_rows, 1))

    return make


@pytest.fixture(scope="session")
def drawn():
    """Draw partners for all rows, ``number`` times over."""

    def draw(pairing, X, number, seed=0):
        plan = make_plan(X, len(X) * number, pairing=pairing, random_state=seed)
        return plan.right.reshape(number, len(X))

    return draw
