"""Neighbors that are drawn as often as each other."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.pairing.balance import TOLERANCE, FairNeighbors
from vicinal.pairing.neighbors import nearest_rows


def chances(fair):
    """How often each row is drawn by each: hand-made from the cumulative chances."""
    near, steps = fair.near, np.diff(fair._cumulative, axis=1, prepend=0.0).astype(float)
    total = np.zeros((len(near), len(near)))
    for row, (where, step) in enumerate(zip(near, steps, strict=True)):
        np.add.at(total[row], where, step)
        total[row, row] += 1.0 - fair._cumulative[row, -1]
    return total


@pytest.mark.parametrize("k", [1, 3, 20])
@pytest.mark.parametrize("n", [2, 10, 300])
def test_rows_are_drawn_evenly(n, k):
    x = np.random.default_rng(0).standard_t(3, size=(n, 3))
    fair = FairNeighbors(nearest_rows(x, k))
    total = chances(fair)
    np.testing.assert_allclose(total.sum(axis=1), 1.0, atol=1e-5)
    assert np.abs(total.sum(axis=0) - 1).max() <= fair.error + 1e-4
    assert fair.error < TOLERANCE or k == 1  # one neighbor is too few to balance


def test_evenly_drawn_neighbors_are_not_without_balance():
    x = np.random.default_rng(0).standard_t(3, size=(300, 3))
    drawn = np.bincount(nearest_rows(x, 20).ravel(), minlength=300) / 20
    assert np.abs(drawn - 1).max() > 0.5


def test_draws_follow_the_chances(z_limit):
    x = np.random.default_rng(1).normal(size=(6, 2))
    fair = FairNeighbors(nearest_rows(x, 3))
    left = np.repeat(np.arange(6), 50_000)
    drawn = fair.draw(left, 2, np.random.default_rng(2))
    assert drawn.shape == (300_000, 2)
    share = chances(fair)
    for row in range(6):
        seen = np.bincount(drawn[left == row].ravel(), minlength=6) / 100_000
        error = np.sqrt(share[row] * (1 - share[row]) / 100_000) + 1e-9
        assert (np.abs(seen - share[row]) < z_limit(36) * error + 1e-6).all()


def test_a_row_alone_draws_itself():
    fair = FairNeighbors(nearest_rows(np.zeros((1, 2)), 4))
    assert fair.draw(np.zeros(5, int), 3, np.random.default_rng(0)).tolist() == [[0] * 3] * 5


@pytest.mark.parametrize(("n", "k"), [(1, 3), (5, 2), (300, 20)])
def test_alias_tables_hold_the_same_chances(n, k):
    x = np.random.default_rng(0).standard_t(3, size=(n, 3))
    fair = FairNeighbors(nearest_rows(x, k))
    chance, other = fair.alias()
    steps = np.diff(np.column_stack([np.zeros(n), fair._cumulative.astype(float), np.ones(n)]))
    found = np.zeros((n, k + 1))
    for row in range(n):
        found[row] += chance[row] / (k + 1)
        np.add.at(found[row], other[row], (1.0 - chance[row]) / (k + 1))
    np.testing.assert_allclose(found, steps, atol=1e-6)
