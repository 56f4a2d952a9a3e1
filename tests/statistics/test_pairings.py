"""Partners are who they should be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vicinal import LocalPermutation, Permutation, Random, WithinGroup, make_plan

FALSE_ALARM = 1e-6


def passes(pairing, n_rows, number, seed=0, rows=None):
    rows = n_rows if rows is None else rows
    plan = make_plan(rows, n_rows * number, pairing=pairing, random_state=seed)
    return plan.right.reshape(number, n_rows)


def chi_square(partners, candidates):
    """Return p-value of partners being uniform over the candidates."""
    counts = np.array([(partners == one).sum() for one in candidates])
    assert counts.sum() == len(partners), "a partner that is no candidate"
    return stats.chisquare(counts).pvalue


@pytest.mark.parametrize("n_rows", [128, 200, 257])
def test_two_level_partner_of_any_row_is_uniform_over_all_rows(n_rows):
    drawn = passes(Permutation(blocks=True), n_rows, 40 * n_rows)
    rows = [0, 1, 63, 64, 127, n_rows - 1]
    assert (np.sort(drawn[:50], axis=1) == np.arange(n_rows)).all()
    for row in rows:
        assert chi_square(drawn[:, row], range(n_rows)) > FALSE_ALARM / len(rows) / 3


@pytest.mark.parametrize("n_rows", [128, 200])
def test_two_level_partner_over_independent_seeds(n_rows):
    pairing = Permutation(blocks=True)
    seeds = 30 * n_rows
    drawn = np.array([pairing.pair(n_rows, seed)[[5, 70]] for seed in range(seeds)])
    for column in drawn.T:
        assert chi_square(column, range(n_rows)) > FALSE_ALARM / 4


def test_two_level_cross_moments_are_unbiased_and_vary_as_documented(z_limit):
    # sorted rows are the worst case: neighbors are alike
    n_rows, number = 4096, 3000
    x = np.sort(np.random.default_rng(0).normal(size=n_rows))
    x = (x - x.mean()) / x.std()
    ordinary = (x * x[passes(Permutation(blocks=False), n_rows, number)]).mean(axis=1)
    blocks = (x * x[passes(Permutation(blocks=True), n_rows, number)]).mean(axis=1)
    expected = {"ordinary": -1 / (n_rows - 1), "blocks": 0.0}
    for name, moments in (("ordinary", ordinary), ("blocks", blocks)):
        error = moments.std() / np.sqrt(number)
        assert abs(moments.mean() - expected[name]) < z_limit(2) * error
    ratio = blocks.var() / ordinary.var()
    # at most 64 fold, up to the chance of two estimated variances (relative SE sqrt(2 / number))
    assert 1 < ratio < 64 * (1 + z_limit() * 2 / np.sqrt(number))


def test_two_level_on_rows_in_random_order_is_as_good_as_ordinary():
    n_rows, number = 4096, 3000
    x = np.random.default_rng(1).normal(size=n_rows)
    x = (x - x.mean()) / x.std()
    ordinary = (x * x[passes(Permutation(blocks=False), n_rows, number)]).mean(axis=1)
    blocks = (x * x[passes(Permutation(blocks=True), n_rows, number)]).mean(axis=1)
    # expected ratio 1: block sums are as random as the rows; 2 would already be a doubled error
    assert blocks.var() / ordinary.var() < 2


@pytest.mark.parametrize("n_rows", [2, 3, 40, 5000])
def test_ordinary_permutation_is_uniform_over_the_other_rows(n_rows):
    number = 100 * min(n_rows, 40)
    if n_rows > 40:
        number = 400
    drawn = passes(Permutation(), n_rows, number)
    assert (drawn != np.arange(n_rows)).all(), "a row never mixes with itself"
    if n_rows == 2:
        assert (drawn == [1, 0]).all()
    elif n_rows <= 40:
        for row in (0, n_rows - 1):
            others = [one for one in range(n_rows) if one != row]
            assert chi_square(drawn[:, row], others) > FALSE_ALARM / 8
    else:
        bins = (drawn.ravel() - np.tile(np.arange(n_rows), number)) % n_rows * 20 // n_rows
        assert (
            stats.chisquare(
                np.bincount(bins),
                np.bincount(np.arange(1, n_rows) * 20 // n_rows) * (bins.size / (n_rows - 1)),
            ).pvalue
            > FALSE_ALARM
        )


def test_passes_are_independent():
    drawn = passes(Permutation(), 30, 60_000)
    pairs = drawn[:-1, 4] * 30 + drawn[1:, 4]
    others = [one for one in range(30) if one != 4]
    expected = [a * 30 + b for a in others for b in others]
    assert chi_square(pairs[::2], expected) > FALSE_ALARM


def test_every_cycle_is_equally_likely():
    drawn = passes(Permutation(), 4, 60_000)
    cycles, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(cycles) == 6
    assert stats.chisquare(counts).pvalue > FALSE_ALARM


def test_random_partner_is_uniform():
    drawn = passes(Random(), 50, 20_000)
    for row in (0, 49):
        assert chi_square(drawn[:, row], range(50)) > FALSE_ALARM / 2


def test_group_partner_is_uniform_over_the_others_of_the_group():
    groups = np.array([0] * 5 + [1] * 7 + [2] * 2)
    drawn = passes(WithinGroup(groups), 14, 20_000)
    assert (groups[drawn] == groups).all()
    for row in (0, 4, 8):
        others = [one for one in np.flatnonzero(groups == groups[row]) if one != row]
        assert chi_square(drawn[:, row], others) > FALSE_ALARM / 4


def test_last_pass_is_a_random_subset():
    chosen = np.concatenate(
        [make_plan(20, 27, random_state=seed).left[20:] for seed in range(3000)]
    )
    assert chi_square(chosen, range(20)) > FALSE_ALARM


def test_local_partners_share_a_leaf():
    X = np.random.default_rng(0).normal(size=(3000, 2))
    drawn = passes(LocalPermutation(30), 3000, 200, rows=X)
    reach = [len(np.unique(drawn[:, row])) for row in range(0, 3000, 100)]
    assert max(reach) <= 29
