"""Judges that do not know the parents."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.text.augment.label_check import NeighborJudge
from vicinal.text.augment.leave_parents_out import RIDGES, LinearJudge, MeanJudge


def points(seed, n=30, d=6, n_classes=3):
    rng = np.random.default_rng(seed)
    codes = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)])
    middles = 2 * rng.normal(size=(n_classes, d))
    return middles[codes] + rng.normal(size=(n, d)), codes, rng


def fitted_without(check, real, codes, n_classes, asked, left_out, ridge):
    """Solve the weighted ridge regression again, without rows."""
    rest = np.setdiff1d(np.arange(len(real)), left_out)
    sizes = np.bincount(codes, minlength=n_classes)
    weights = len(codes) / (n_classes * sizes[codes[rest]])
    rows = check._rows(real[rest])
    gram = (rows * weights[:, None]).T @ rows + ridge * np.eye(rows.shape[1])
    return check._rows(asked) @ np.linalg.solve(
        gram, (rows * weights[:, None]).T @ np.eye(n_classes)[codes[rest]]
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(30, 6), (12, 40)]))
def test_scores_are_those_of_a_fit_without_the_parents(seed, shape):
    real, codes, rng = points(seed, *shape)
    check = LinearJudge(real, codes, 3)
    ridge = next(one for one in RIDGES if np.array_equal(check._shrink(one)[0], check._shrunk[0]))
    asked = rng.normal(size=(6, shape[1]))
    parents = rng.integers(-1, len(real), (6, 2))
    parents[0], parents[1] = (3, 3), (-1, -1)
    found = check.scores(asked, parents)
    for at in range(6):
        left_out = np.unique(parents[at][parents[at] >= 0])
        wanted = fitted_without(check, real, codes, 3, asked[[at]], left_out, ridge)
        np.testing.assert_allclose(found[at], wanted[0], atol=1e-8)


def test_probabilities_tell_classes_apart():
    real, codes, _ = points(0, 90)
    other, theirs, _ = points(0, 90)
    found = LinearJudge(real, codes, 3)([], other, None)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert np.mean(found.argmax(axis=1) == theirs) > 0.9


def test_a_label_does_not_confirm_itself():
    # one row of a wrong class, alone there: with it its place is of that class, without it not
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], 20)
    real = rng.normal(size=(40, 60)) + 4 * codes[:, None] / np.sqrt(60)
    real[0] = real[codes == 1].mean(axis=0) + rng.normal(size=60)
    check = LinearJudge(real, codes, 2)
    at = real[[0]]
    assert check([], at, np.array([[0, 5]]))[0, 1] > check([], at, np.array([[5, 6]]))[0, 1]


def test_both_is_the_mean():
    real, codes, rng = points(3)
    asked, parents = rng.normal(size=(5, 6)), rng.integers(0, 30, (5, 2))
    near = NeighborJudge(real, codes, 3, 4)([], asked, parents)
    linear = LinearJudge(real, codes, 3)([], asked, parents)
    both = MeanJudge(real, codes, 3, 4)([], asked, parents)
    np.testing.assert_allclose(both, (near + linear) / 2)


@pytest.mark.parametrize(
    ("real", "codes", "n_classes"),
    [
        (np.array([[1.0, 0.0], [0.0, 1.0]]), [0, 1], 2),
        (np.ones((4, 3)), [0, 1, 0, 1], 2),
        (np.zeros((3, 2)), [0, 1, 2], 3),
        (np.eye(4), [0, 0, 0, 0], 1),
        (np.eye(4), [0, 0, 2, 2], 4),
    ],
    ids=["two texts", "one point", "no length", "one class", "classes without texts"],
)
def test_small_and_degenerate(real, codes, n_classes):
    check = MeanJudge(real, np.array(codes), n_classes, 3)
    found = check([], real, np.array([[0, 1]] * len(real)))
    assert found.shape == (len(real), n_classes)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)
