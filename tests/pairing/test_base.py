"""The one interface of pairings: a pairing of a user's own, and what wraps it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from vicinal import (
    AcrossGroup,
    Farthest,
    LocalPermutation,
    Nearest,
    Pairing,
    Permutation,
    Random,
    SphereWeights,
    WithinGroup,
    make_plan,
)
from vicinal.learn import MixupAugmenter, MixupSampler

X = np.random.default_rng(0).normal(size=(90, 3))
GROUPS = np.arange(90) % 3


class NextRow(Pairing):
    def partners(self, X, rng):
        return (np.arange(X) + 1) % X


class Shuffled(Pairing):
    def partners(self, X, rng):
        return rng.permutation(X)


class NextOnFirstAxis(Pairing):
    needs_points = True

    def partners(self, X, rng):
        order = np.argsort(X[:, 0])
        partner = np.empty(len(X), np.int64)
        partner[order] = np.roll(order, 1)
        return partner


def test_one_method_makes_a_pairing():
    plan = make_plan(90, 200, pairing=NextRow(), weights=SphereWeights(3), random_state=0)
    np.testing.assert_array_equal(plan.parents[:90, 1], (np.arange(90) + 1) % 90)
    np.testing.assert_array_equal(plan.left[:180], np.tile(np.arange(90), 2))
    np.testing.assert_array_equal(plan.right, (plan.left + 1) % 90)
    assert plan.parents.dtype == np.int32


def test_it_is_seeded_and_drawn_anew_for_each_pass_and_parent():
    plans = [
        make_plan(90, 270, pairing=Shuffled(), weights=SphereWeights(3), random_state=seed)
        for seed in (1, 1, 2)
    ]
    assert plans[0] == plans[1]
    assert plans[0] != plans[2]
    drawn = plans[0].parents[:, 1:].T.reshape(6, 90)  # (parents x passes, rows)
    assert (np.sort(drawn, axis=1) == np.arange(90)).all()
    assert len(np.unique(drawn, axis=0)) == 6


def test_one_that_needs_points_sees_finite_floats():
    partners = NextOnFirstAxis().pair(X.astype(np.float32))
    order = np.argsort(X[:, 0])
    np.testing.assert_array_equal(partners[order], np.roll(order, 1))
    with pytest.raises(ValueError, match="NextOnFirstAxis looks at the rows: pass an array"):
        make_plan(90, pairing=NextOnFirstAxis())
    with pytest.raises(ValueError, match="NextOnFirstAxis needs finite numbers"):
        NextOnFirstAxis().pair(np.full((3, 2), np.nan))


def test_groups_and_estimators_take_it():
    partners = WithinGroup(GROUPS, NextOnFirstAxis()).pair(X, random_state=0)
    np.testing.assert_array_equal(GROUPS[partners], GROUPS)
    sampler = MixupSampler(pairing=NextOnFirstAxis(), random_state=0)
    y = (np.arange(90) < 20).astype(int)
    sampler.fit_resample(X, y)
    assert (y[sampler.plan_.parents] == 1).all()
    augmenter = MixupAugmenter(pairing=NextRow(), random_state=0)
    augmenter.fit_resample(X, X[:, 0])
    np.testing.assert_array_equal(augmenter.plan_.right, (augmenter.plan_.left + 1) % 90)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ([0, 1], r"Wrong.partners must return one row number for each of the 4 rows.*\(2,\)"),
        ([0.0, 1, 2, 3], "got float64"),
        ([0, 1, 2, 4], "numbers from 0 to 3, got 0 to 4"),
        ([0, 1, 2, -1], "got -1 to 2"),
    ],
)
def test_what_it_returns_is_checked(returned, message):
    class Wrong(Pairing):
        def partners(self, X, rng):
            return returned

    with pytest.raises(ValueError, match=message):
        Wrong().pair(4)


def test_a_pairing_without_a_method_says_what_is_missing():
    class Empty(Pairing):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty has no method partners\(X, rng\)"):
        Empty().pair(4)


def test_which_pairings_need_points():
    assert not Random().needs_points
    assert not Permutation().needs_points
    assert not WithinGroup(GROUPS).needs_points
    assert not AcrossGroup(GROUPS, Random()).needs_points
    assert LocalPermutation().needs_points
    assert Nearest(2, balanced=True).needs_points
    assert AcrossGroup(GROUPS, Nearest(2)).needs_points
    assert WithinGroup(GROUPS, WithinGroup(GROUPS, Farthest(0.1))).needs_points


def test_what_a_wrapper_hands_on():
    inner = Farthest(0.2, "euclidean", refresh=3)
    assert WithinGroup(GROUPS, inner).refresh == 3
    assert WithinGroup(GROUPS).refresh is Permutation().refresh is None
    partners = np.roll(np.arange(90), 1)
    cosine = WithinGroup(GROUPS, Farthest(0.2, "cosine"))
    np.testing.assert_array_equal(
        cosine.distances(X, partners), Farthest(0.2, "cosine").distances(X, partners)
    )
    expected = np.linalg.norm(X - X[partners], axis=1)
    np.testing.assert_allclose(AcrossGroup(GROUPS).distances(X, partners), expected)


def test_a_pairing_of_some_of_the_rows():
    rows = np.array([0, 3, 1, 4])
    assert Permutation().take(rows) == Permutation()
    taken = WithinGroup(GROUPS, Random()).take(rows)
    assert taken.pairing == Random()
    assert taken.groups.tolist() == [0, 0, 1, 1]
    with pytest.raises(ValueError, match=r"one label for each row, got shape \(2,\) and row 4"):
        AcrossGroup([0, 1]).take(rows)


def test_groups_within_groups():
    other = np.arange(90) // 45
    partners = WithinGroup(GROUPS, WithinGroup(other)).pair(90, random_state=0)
    np.testing.assert_array_equal(GROUPS[partners], GROUPS)
    np.testing.assert_array_equal(other[partners], other)


def test_sparse_rows_are_refused_with_a_way_out():
    X = sparse.csr_array(np.eye(4))
    with pytest.raises(ValueError, match=r"got csr_array. Pass a dense array, such as X.toarray"):
        Nearest(k=2).pair(X)
    with pytest.raises(ValueError, match=r"got csr_array. Pass a dense array"):
        make_plan(X, pairing=Nearest(k=2))
