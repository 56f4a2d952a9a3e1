"""Lines and planes: what two and three parents give away, and what they do not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vicinal import EpBeta, Nearest, Permutation, SphereWeights, make_plan
from vicinal.report.privacy.lines import reconstruct_rows, reconstruction_attack
from vicinal.report.tables import align


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).normal(size=(60, 6))


def attacked(train, made, hold):
    train, made, hold = (pd.DataFrame(one).add_prefix("x") for one in (train, made, hold))
    return reconstruction_attack(align(train, made, hold), np.random.default_rng(0))


def mixed(rows, law, pairing, ratio):
    plan = make_plan(rows, ratio * len(rows), weights=law, pairing=pairing, random_state=0)
    return plan.apply(rows)


def test_three_lines_through_two_shared_parents_meet_there():
    corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    shares = np.array([0.2, 0.45, 0.7])[:, None]
    lines = [shares * corners[0] + (1 - shares) * corners[at] for at in (1, 2, 3)]
    points, n_lines, _ = reconstruct_rows(np.concatenate(lines), 1e-6, np.random.default_rng(0))
    assert n_lines == 3
    np.testing.assert_allclose(points, [[0, 0, 0]], atol=1e-6)


@pytest.mark.parametrize(("rounded", "precision"), [(False, 0.95), (True, 0.5)])
def test_near_partners_of_two_give_training_rows_away(rows, rounded, precision):
    made = mixed(rows[:40], EpBeta(), Nearest(3), 8)
    made = np.round(made, 4) if rounded else made
    found = attacked(rows[:40], made, rows[40:])
    assert found.n_lines > 10
    assert found.precision.value > precision
    assert found.recall.value > 0.8
    assert found.precision_holdout.value == found.recall_holdout.value == 0.0


def test_planes_find_near_partners_of_three(rows):
    found = attacked(rows[:40], mixed(rows[:40], SphereWeights(3), Nearest(3), 12), rows[40:])
    assert found.n_planes > 10
    assert found.precision.value > 0.9
    assert found.recall.value > 0.3


def test_any_three_partners_and_independent_rows_show_nothing(rows):
    for made in (
        mixed(rows[:40], SphereWeights(3), Permutation(), 8),
        np.random.default_rng(1).normal(size=(300, 6)),
    ):
        found = attacked(rows[:40], made, rows[40:])
        assert found.n_points == 0
        assert found.recall.value == 0.0


def test_too_few_or_too_coarse_columns_say_nothing(rows):
    made = mixed(rows[:40], EpBeta(), Nearest(3), 8)
    for few in (slice(2), slice(None)):
        one = made[:, few] if few.stop else np.round(made * 3)
        found = attacked(rows[:40, few], one, rows[40:, few])
        assert np.isnan(found.recall.value)
