"""The quick comparison, against SciPy and numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vicinal.report import compare
from vicinal.report.fidelity._kernels import largest_gap

samples = st.lists(st.integers(-5, 5), min_size=1, max_size=40).map(np.array)


@given(samples, samples)
def test_largest_gap_is_the_distance_of_scipy_s_test(first, second):
    expected = stats.ks_2samp(first, second, method="asymp").statistic
    assert largest_gap(np.sort(first), np.sort(second)) == pytest.approx(expected, abs=1e-12)


def test_categories_by_hand():
    real = pa.table({"c": ["a", "a", "b", "c"]})
    synthetic = pa.table({"c": ["a", "b", "b", "d"]})
    # |.5 - .25| + |.25 - .5| + |.25 - 0| + |0 - .25| = 1, half of it is the distance
    assert compare(real, synthetic).columns[0].score == pytest.approx(0.5)


def test_a_table_is_like_itself():
    rng = np.random.default_rng(0)
    table = pa.table(
        {"x": rng.normal(size=300), "n": rng.poisson(20, 300), "c": rng.choice(["a", "b"], 300)}
    )
    found = compare(table, table)
    assert found.score == 1.0
    assert found.correlation_error == 0.0
    assert found.rows == (300, 300)


def test_correlations_are_spearman_s_where_both_are_there():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 2)) @ [[1, 0.8], [0, 0.6]]
    holes = x.copy()
    holes[rng.random(400) < 0.2, 0] = np.nan
    real = pa.table({"a": holes[:, 0], "b": holes[:, 1]})
    synthetic = pa.table({"a": x[:, 0], "b": -x[:, 1]})
    kept = ~np.isnan(holes[:, 0])
    expected = stats.spearmanr(*holes[kept].T).statistic + stats.spearmanr(*x.T).statistic
    assert compare(real, synthetic).correlation_error == pytest.approx(abs(expected), abs=1e-12)


def test_missing_values_count_apart():
    real = pa.table({"x": [1.0, 2.0, None, math.nan]})
    synthetic = pa.table({"x": [1.0, 2.0, 1.0, 2.0]})
    column = compare(real, synthetic).columns[0]
    assert column.missing == (0.5, 0.0)
    assert column.score == 1.0


def test_all_missing_has_nothing_to_compare():
    real = pa.table({"x": pa.array([None, None], pa.float64()), "y": ["a", "b"]})
    found = compare(real, real)
    assert math.isnan(found.columns[0].score)
    assert found.score == 1.0
    assert "none to compare" in found.summary()


def test_identifiers_and_text_are_not_compared():
    real = pa.table({"id": range(100), "x": np.arange(100) % 7})
    assert [column.name for column in compare(real, real).columns] == ["x"]


@pytest.mark.parametrize(
    ("synthetic", "said"),
    [
        (pa.table({"x": [1.0], "z": [2.0]}), "columns that the real one has not: z"),
        (pa.table({"x": ["1"]}), "'x' is double in the real table and string"),
    ],
)
def test_tables_that_do_not_match(synthetic, said):
    with pytest.raises(ValueError, match=said):
        compare(pa.table({"x": [1.0, 2.0]}), synthetic)


def test_categories_that_are_gone_are_named():
    rng = np.random.default_rng(0)
    real = pa.table({"country": [*rng.choice(["DE", "FR"], 98), "LI", "LI"], "x": range(100)})
    made = real.slice(0, 98)
    said = "Some categories of country are in no synthetic row: rare ones are replaced."
    assert said in compare(real, made).notes()
    assert said not in compare(real, real).notes()
