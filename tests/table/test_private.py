"""Differential privacy: the bound on one row's effect, the budget, and what may not be read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from vicinal.table import PrivateSynthesizer, private

DOMAIN = {"x": (0, 100), "f": (-1.0, 1.0), "c": ["a", "b", "c"], "y": ["no", "yes"]}


def people(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.3
    x = np.clip(rng.normal(40 + 20 * y, 10, n).round(), 0, 100).astype(int)
    f = np.clip((x - 50) / 60 + rng.normal(0, 0.2, n), -1, 1)
    c = np.where(x > 60, "a", rng.choice(["b", "c"], n))
    return pd.DataFrame({"x": x, "f": f, "c": c, "y": np.where(y, "yes", "no"), "left out": 1})


def test_delta_is_that_of_the_privacy_profile():
    # by integration of the hockey-stick divergence of two normals
    for mu, epsilon in ((0.3, 0.5), (1.0, 1.0), (3.0, 2.0)):
        grid = np.linspace(-12, 12, 400_001)
        excess = norm.pdf(grid, mu) - np.exp(epsilon) * norm.pdf(grid)
        told = np.maximum(excess, 0).sum() * (grid[1] - grid[0])
        assert private.gaussian_delta(epsilon, mu) == pytest.approx(told, rel=1e-4)


@pytest.mark.parametrize("epsilon", [0.01, 1.0, 30.0])
def test_the_whole_budget_is_spent_and_no_more(epsilon):
    made = PrivateSynthesizer(epsilon, DOMAIN, delta=1e-6, target="y", random_state=0).fit(people())
    assert made.mu_**2 == pytest.approx(sum(mu**2 for mu in made.spent_.values()))
    assert private.gaussian_delta(epsilon, made.mu_) == pytest.approx(1e-6, rel=1e-3)
    assert private.gaussian_delta(epsilon, made.mu_) <= 1e-6 * (1 + 1e-7)


rows = st.lists(st.lists(st.floats(-5, 5), min_size=4, max_size=4), min_size=3, max_size=6).map(
    np.array
)


@settings(max_examples=60, deadline=None)
@given(rows, st.lists(st.floats(-5, 5), min_size=4, max_size=4))
def test_one_row_moves_the_second_moment_by_no_more_than_the_noise_is_for(scores, other):
    neighbor = scores.copy()
    neighbor[0] = other
    silent = np.random.default_rng(0)
    one, two = (private._second_moment(part, 1e15, silent) for part in (scores, neighbor))
    limit = np.sqrt(2) * 1.2**2 * scores.shape[1] / len(scores)
    assert np.linalg.norm(one - two) <= limit * (1 + 1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_one_row_moves_one_count_in_each_column_down_and_one_up(seed):
    table = people(30, seed)
    neighbor = table.copy()
    neighbor.iloc[0] = [*people(1, seed + 1).iloc[0]]
    neighbor.loc[1:, "f"] = table.loc[1:, "f"]
    maker = PrivateSynthesizer(1.0, DOMAIN)
    moved = 0.0
    for coder in maker._coders(pa.Table.from_pandas(table)):
        one, two = (
            np.bincount(coder.cells(pa.Table.from_pandas(part)[coder.name]), minlength=40)
            for part in (table, neighbor)
        )
        moved += float(((one - two) ** 2).sum())
    assert moved <= 2 * len(DOMAIN)


def test_noise_is_as_large_as_it_must_be():
    table = np.zeros((100, 3))
    drawn = np.array(
        [private._second_moment(table, 0.5, np.random.default_rng(s)) for s in range(2000)]
    )
    wanted = np.sqrt(2) * 1.2**2 * 3 / 100 / 0.5
    assert drawn[:, 0, 0].std() == pytest.approx(wanted, rel=0.08)  # 5 standard errors
    assert drawn[:, 0, 1].std() == pytest.approx(wanted / np.sqrt(2), rel=0.08)
    np.testing.assert_array_equal(drawn[:, 0, 1], drawn[:, 1, 0])


def test_structure_stays_where_there_is_budget():
    table = people(5000)
    made = PrivateSynthesizer(10.0, DOMAIN, target="y", random_state=1).fit(table).sample()
    assert list(made) == list(DOMAIN)
    assert isinstance(made, pd.DataFrame)
    assert len(made) == 5000
    for name in ("x", "f"):
        assert made[name].mean() == pytest.approx(table[name].mean(), abs=0.1 * table[name].std())
    assert made[["x", "f"]].corr().iloc[0, 1] > 0.6
    gap = made.groupby("y")["x"].mean()
    assert gap["yes"] - gap["no"] > 12


def test_only_the_domain_is_ever_written():
    table = people(500)
    table.loc[0, ["x", "c"]] = [10**9, "secret"]
    made = PrivateSynthesizer(50.0, DOMAIN, random_state=0).fit(table).sample(20_000)
    assert made["x"].dropna().between(0, 100).all()
    assert set(made["c"].dropna()) <= {"a", "b", "c"}


def test_types_and_libraries_come_back():
    polars = pytest.importorskip("polars")
    table = pa.table(
        {
            "d": pa.array(pd.date_range("2020-01-01", periods=300).date),
            "b": pa.array([True, False, None] * 100),
        }
    )
    domain = {"d": tuple(pd.to_datetime(["2020-01-01", "2021-01-01"]).date), "b": [False, True]}
    made = PrivateSynthesizer(5.0, domain, random_state=0).fit(table).sample(50)
    assert made.schema == table.schema
    again = PrivateSynthesizer(5.0, domain, random_state=0).fit(polars.from_arrow(table)).sample(50)
    assert isinstance(again, polars.DataFrame)


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"epsilon": 0}, "epsilon"),
        ({"epsilon": -1.0}, "epsilon"),
        ({"epsilon": float("nan")}, "epsilon"),
        ({"epsilon": float("inf")}, "epsilon"),
        ({"delta": 1 / 2000}, "delta"),
        ({"delta": 0.0}, "delta"),
        ({"domain": {"nothing": (0, 1)}}, "domain"),
        ({"domain": {"x": (100, 0)}}, "lowest, highest"),
        ({"domain": {"x": (0, float("nan"))}}, "lowest, highest"),
        ({"domain": {"c": ["a"]}}, "two or more"),
        ({"domain": {"c": ["a", "a"]}}, "distinct"),
        ({"target": "x"}, "category"),
        ({"target": "left out"}, "target"),
    ],
)
def test_bad_input(changed, match):
    told = {"epsilon": 1.0, "domain": DOMAIN} | changed
    with pytest.raises(ValueError, match=match):
        PrivateSynthesizer(**told).fit(people())
