"""Two columns at once, common values apart, rare categories and groups: small known tables."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from vicinal.report import evaluate
from vicinal.report.fidelity.cells import coarse_edges
from vicinal.report.fidelity.columns import compare_columns
from vicinal.report.fidelity.groups import check_groups, compare_groups
from vicinal.report.fidelity.measure import measure_fidelity
from vicinal.report.tables import align

N = 400


def table(seed: int, *, flip: bool = False) -> pa.Table:
    """Return a table where sex and job go together, or against each other."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], N, p=[0.25, 0.75])
    job = np.where((sex == "f") != flip, "x", "y")
    gain = np.where(rng.random(N) < 0.6, 0.0, rng.uniform(100, 900, N).round(3))
    return pa.table({"sex": sex, "job": job, "gain": gain, "age": rng.integers(20, 90, N)})


@pytest.fixture(scope="module")
def both():
    return align(table(0), table(1, flip=True))


def test_cells_are_joint_shares(both):
    fidelity = measure_fidelity(both, random_state=0, two_sample=False)
    found = {(one.first, one.second): one for one in fidelity.cells}["sex", "job"]
    sex = np.array(table(0)["sex"])
    women = 5 * round(np.sum(sex == "f") / 5) / N  # rows to the nearest five
    # the commonest category is the first: men, and their job y
    assert found.real == ((round(1 - women, 5), 0.0), (0.0, round(women, 5)))
    made = np.array(found.synthetic)
    assert made[0, 0] == made[1, 1] == 0.0
    assert made.sum() == pytest.approx(1, abs=4 / N)
    for one in fidelity.cells:
        rows = N * np.array([one.real, one.synthetic])
        np.testing.assert_allclose(rows, 5 * np.rint(rows / 5), atol=0.01)
    # all of a table's six pairs are few
    assert len(fidelity.cells) == 6


def test_bins_of_a_pair_are_the_columns_own_merged(both):
    columns = {one.name: one for one in compare_columns(both)[0]}
    edges, merged = columns["age"].marginal.edges, coarse_edges(columns["age"].marginal)
    assert set(merged) <= set(edges)
    assert (merged[0], merged[-1]) == (edges[0], edges[-1])
    assert len(merged) - 1 <= 15


def test_a_common_value_stands_apart(both):
    columns = {one.name: one for one in compare_columns(both)[0]}
    marginal = columns["gain"].marginal
    value, real, made = marginal.spike
    gains = [np.array(table(seed)["gain"]) for seed in (0, 1)]
    assert value == 0
    assert [real, made] == [np.mean(one == 0) for one in gains]
    assert sum(marginal.real) == pytest.approx(1 - real)
    assert sum(marginal.synthetic) == pytest.approx(1 - made)
    assert marginal.edges[0] >= 100
    assert columns["age"].marginal.spike is None


def test_quantiles_and_no_ends(both):
    age = next(one for one in compare_columns(both)[0] if one.name == "age")
    levels, real, made = zip(*age.quantiles, strict=True)
    assert (levels[0], levels[3], levels[-1]) == (0.01, 0.5, 0.99)
    for side, seed in ((real, 0), (made, 1)):
        ages = np.sort(np.array(table(seed)["age"]))
        assert list(side) == [ages[round(level * (N - 1))] for level in levels]


@pytest.mark.filterwarnings("ignore:Fewer than 50")
def test_numbers_and_categories_of_few_rows_are_not_shown():
    rng = np.random.default_rng(0)
    cost = np.concatenate([rng.gamma(2, 1_000, 98).round(2), [98_765.43, 0.37]])
    disease = ["flu"] * 60 + ["cold"] * 35 + ["gout"] * 4 + ["Canary"]
    whole = np.concatenate([np.arange(99), [5_000]])
    real = pa.table({"cost": cost, "disease": disease, "whole": whole})
    found = {one.name: one for one in compare_columns(align(real, real))[0]}
    assert found["disease"].marginal.labels == ("flu", "cold", "rare")
    assert found["disease"].marginal.real == pytest.approx((0.6, 0.35, 0.05))
    for name, values in (("cost", cost), ("whole", whole)):
        edges, ordered = found[name].marginal.edges, np.sort(values)
        assert ordered[2] <= edges[0] + 0.5
        assert edges[-1] <= ordered[-3] + 1
    told = [value for _, *sides in found["cost"].quantiles for value in sides]
    assert not np.isin(told, cost).any()
    few = pa.table({"x": [1.0, 2.0, None, None, None, None], "y": list("aaaaab")})
    x, y = compare_columns(align(few, few))[0]
    assert (x.marginal, x.quantiles) == (None, ())
    assert np.isnan(x.mean[0])
    assert y.marginal.labels == ("a", "rare")
    assert y.score == x.score == 1.0


def test_rare_categories_are_counted():
    real = pa.table({"a": ["x"] * 990 + ["y"] * 6 + ["z"] * 4})
    made = pa.table({"a": ["x"] * 995 + ["y"] * 5})
    rare = compare_columns(align(real, made))[0][0].rare
    assert rare == (2, 1, 0.01, 0.005)
    assert compare_columns(align(real[:990], made))[0][0].rare is None


def test_groups_are_compared_one_by_one(both):
    found = {one.level: one for one in compare_groups(both, "sex")}
    assert found["m"].rows == tuple(int(np.sum(np.array(table(s)["sex"]) == "m")) for s in (0, 1))
    # within a group the job is always the other one
    assert found["m"].worst == "job, 0.000"
    assert found["m"].score < 0.7
    few = compare_groups(align(table(0), table(1)[:60]), "sex")
    assert [math.isnan(one.score) for one in few] == [False, True]


def test_groups_are_categories(both):
    with pytest.raises(ValueError, match="groups must name a category, and 'age' holds numbers"):
        check_groups(both, "age")
    with pytest.raises(ValueError, match="sexes"):
        evaluate(table(0), table(1), groups="sexes")
