"""Columns and pairs against SciPy, pandas and numbers worked out by hand; and their edges."""

from __future__ import annotations

import dataclasses
import json
import math
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats.contingency import association

from vicinal.report.fidelity import pairs
from vicinal.report.fidelity.correlation import correlations, pair_moments
from vicinal.report.fidelity.measure import measure_fidelity
from vicinal.report.tables import align


def measured(real, synthetic, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Fewer than", UserWarning)
        tables = align(pa.table(real), pa.table(synthetic))
    return measure_fidelity(tables, two_sample=False, **options)


def pair_of(found, measure):
    return next(pair for pair in found.pairs if pair.measure == measure)


def test_coverage_by_hand():
    found = measured(
        {"x": [0.0, 10.0, 5.0], "c": ["a", "b", "c"]},
        {"x": [2.0, 8.0, 99.0], "c": ["a", "z", "a"]},
    )
    x, c = found.columns
    assert x.coverage == pytest.approx(0.8)  # reaches from 2 to 10 and beyond
    assert c.coverage == pytest.approx(1 / 3)


def test_contingency_by_hand():
    real = {"a": ["x", "x", "y", "y"], "b": ["u", "u", "v", "v"]}
    synthetic = {"a": ["x", "x", "y", "y"], "b": ["u", "v", "u", "v"]}
    pair = pair_of(measured(real, synthetic), "contingency")
    assert (pair.real, pair.synthetic) == pytest.approx((1.0, 0.0))
    assert pair.score == pytest.approx(0.5)  # a half and two quarters too much, two too few
    assert pair.counted


def test_correlation_ratio_by_hand():
    # groups (1, 3), (5, 7): between 16, total 20; 1 - (4 / 2) / (20 / 3) = 0.7
    pair = pair_of(
        measured(
            {"x": [1.0, 3, 5, 7], "c": list("aabb")}, {"x": [1.0, 5, 3, 7], "c": list("aabb")}
        ),
        "correlation ratio",
    )
    assert pair.real == pytest.approx(math.sqrt(0.7))
    assert pair.synthetic == 0.0  # explains 4 of 20, less than by chance
    assert pair.score == pytest.approx(1 - math.sqrt(0.7))


codes = st.lists(st.integers(-1, 4), min_size=4, max_size=60)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=4, max_size=80))
def test_cramers_v_is_scipy_s(rows):
    first, second = np.array(rows, np.int32).T
    table = pd.crosstab(first, second).to_numpy()
    at, beside = np.nonzero(table)
    found = pairs.plain_v((at, beside, table[at, beside].astype(float)))
    if min(table.shape) < 2:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(association(table, method="cramer"), abs=1e-9)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 60), st.booleans(), st.booleans())
def test_correlations_are_pandas_own(seed, n, gaps, ties):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)) @ rng.normal(size=(4, 4)) * 10.0 ** rng.integers(-5, 6, 4) + 7
    if ties:
        x[:, 1:3] = rng.integers(0, 4, (n, 2))
    if gaps:
        x[rng.random((n, 4)) < 0.3] = np.nan
    x[0] = 1.0  # no column without a value
    frame = pd.DataFrame(x, columns=list("abcd"))
    found = measured(frame.to_dict("list"), frame.to_dict("list"))
    for measure in ("pearson", "spearman"):
        theirs = frame.corr(measure)
        for pair in found.pairs:
            if pair.measure != measure:
                continue
            kept = frame[[pair.first, pair.second]].dropna()
            expected = theirs.loc[pair.first, pair.second]
            if len(kept) < 2 or (kept.nunique() == 1).any():
                continue
            assert pair.real == pytest.approx(expected, abs=1e-8)
            assert pair.real == pair.synthetic


def test_pair_moments_of_whole_and_gappy_columns_agree():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 3)) + 50
    whole, chunked = pair_moments(x), pair_moments(x, chunk_rows=700)
    gappy = pair_moments(np.vstack([x, [np.nan, 3.0, np.nan]]))
    for name in ("covariance", "squares", "fourth"):
        np.testing.assert_allclose(getattr(chunked, name), getattr(whole, name), rtol=1e-12)
    np.testing.assert_allclose(gappy.covariance[0, 2], whole.covariance[0, 2], rtol=1e-12)
    z = (x - x.mean(0)) / x.std(0)
    np.testing.assert_allclose(whole.fourth[0, 1], (z[:, 0] ** 2 * z[:, 1] ** 2).mean())
    np.testing.assert_allclose(correlations(x), np.corrcoef(x.T), rtol=1e-9)


def test_many_levels_are_counted_by_sorting_with_the_same_result(monkeypatch):
    rng = np.random.default_rng(0)
    real, synthetic = (
        {name: rng.integers(0, 300, 900).astype(str) for name in "ab"} for _ in range(2)
    )
    dense = measured(real, synthetic).pairs[0]
    monkeypatch.setattr(pairs, "DENSE_CELLS", 10)
    sparse = measured(real, synthetic).pairs[0]
    assert dataclasses.astuple(dense) == dataclasses.astuple(sparse)
    frames = [pd.DataFrame(one).value_counts(normalize=True) for one in (real, synthetic)]
    expected = 1 - frames[0].sub(frames[1], fill_value=0).abs().sum() / 2
    assert dense.score == pytest.approx(expected)


def test_rows_are_drawn_where_there_are_too_many_pairs(monkeypatch):
    rng = np.random.default_rng(0)
    table = {
        "x": rng.normal(size=4000),
        "c": rng.choice(list("abc"), 4000),
        "d": rng.choice(list("uv"), 4000),
    }
    whole = measured(table, table)
    assert whole.sampled == ""
    monkeypatch.setattr(pairs, "PAIR_ROWS", 100)
    monkeypatch.setattr(pairs, "DRAWN_ROWS", 2000)
    drawn = measured(table, table, random_state=1)
    assert "2,000 rows drawn" in drawn.sampled
    # two draws of 2,000 from the same 4,000 rows, six cells: far below one in ten apart
    assert 0.9 < pair_of(drawn, "contingency").score < 1.0
    assert measured(table, table, random_state=1) == drawn or math.isnan(drawn.pair_score)


def test_marginals_add_up_and_keep_their_order():
    rng = np.random.default_rng(0)
    real = {
        "x": rng.normal(size=2000),
        "n": rng.poisson(4, 2000),
        "big": rng.integers(0, 10_000, 2000),
        "c": rng.choice([f"level {i:02}" for i in range(30)], 2000),
        "when": pa.array(rng.integers(0, 10**9, 2000), pa.timestamp("s")),
        "same": np.full(2000, 2.5),
    }
    found = measured(real, {**real, "x": rng.normal(size=2000) * 3})
    for column in found.columns:
        bars = column.marginal
        assert sum(bars.real) == pytest.approx(1)
        assert sum(bars.synthetic) == pytest.approx(1)
        assert len(bars.real) == len(bars.synthetic) == max(len(bars.labels), len(bars.edges) - 1)
        assert all(np.diff(bars.edges) > 0)
        assert len(bars.real) <= 31
    by_name = {column.name: column.marginal for column in found.columns}
    assert by_name["c"].labels[-1] == "other"
    assert len(by_name["c"].labels) == 13
    assert list(by_name["c"].real[:12]) == sorted(by_name["c"].real[:12], reverse=True)
    assert by_name["when"].unit == "timestamp[s]"
    assert by_name["x"].unit == ""
    assert by_name["n"].edges[0] % 1 == 0.5  # a bar for each whole number
    x, edges = np.asarray(real["x"]), by_name["x"].edges
    inner = np.histogram(x, edges)[0][1:-1] / 2000
    np.testing.assert_allclose(by_name["x"].real[1:-1], inner, atol=1 / 2000)


def test_the_last_bits_of_a_number_do_not_count():
    rng = np.random.default_rng(0)
    x = rng.choice([0.1, 0.3, 0.7], 500)
    found = measured({"x": x}, {"x": x * 0.7 + x * 0.3})
    assert (x * 0.7 + x * 0.3 != x).any()
    assert found.columns[0].score == 1.0


def test_association_shows_the_columns_furthest_off(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5)).cumsum(axis=1)
    y = x.copy()
    y[:, 3] = rng.permutation(y[:, 3])
    monkeypatch.setattr(pairs, "SHOWN_COLUMNS", 3)
    found = measured(dict(zip("abcde", x.T, strict=True)), dict(zip("abcde", y.T, strict=True)))
    shown = found.association
    assert shown.left_out == 2
    assert "d" in shown.names
    assert list(shown.names) == sorted(shown.names)
    at = shown.names.index("d")
    rho = stats.spearmanr(x[:, 3], x[:, "abcde".index(shown.names[at - 1])]).statistic
    assert shown.real[at][at - 1] == pytest.approx(rho)
    assert shown.real[at][at] == 1.0


def test_independent_categories_have_no_association_however_many_levels():
    rng = np.random.default_rng(0)
    table = {
        "a": rng.integers(0, 40, 2000).astype(str),
        "b": rng.integers(0, 40, 2000).astype(str),
        "x": rng.normal(size=2000),
    }
    found = measured(table, table)
    assert pair_of(found, "contingency").real > 0.1  # as it is defined, and as SDMetrics counts
    # corrected: expected 0; V**2 has standard deviation sqrt(2 * 39 * 39) / (2000 * 39) = 0.0007
    assert found.association.real[0][1] < math.sqrt(5 * 0.0007)


EDGES = {
    "constants": ({"x": [1.0] * 60, "y": [2] * 60}, {"x": [1.0] * 60, "y": [3] * 60}),
    "no number": (
        {"c": list("ab") * 30, "d": list("aab") * 20},
        {"c": list("ab") * 30, "d": list("abb") * 20},
    ),
    "no category": ({"x": range(0, 120, 2)}, {"x": range(60)}),
    "one row": ({"x": [1.0], "c": ["a"]}, {"x": [2.0], "c": ["b"]}),
    "all missing in one": (
        {"x": np.arange(60.0), "y": np.arange(60.0) ** 2, "c": list("ab") * 30},
        {"x": [math.nan] * 60, "y": np.arange(60.0), "c": pa.nulls(60, pa.string())},
    ),
    "all missing in both": ({"x": [math.nan] * 60, "c": list("ab") * 30},) * 2,
    "unseen categories": (
        {"c": list("ab") * 30, "x": np.arange(60.0)},
        {"c": list("yz") * 30, "x": np.arange(60.0)},
    ),
    "huge numbers": ({"x": np.linspace(-1e300, 1e300, 60), "y": np.arange(60.0)},) * 2,
    "tiny numbers": ({"x": np.linspace(-1e-300, 1e-300, 60), "y": np.arange(60.0)},) * 2,
    "large offset": ({"x": 1e9 + np.arange(60.0) / 100, "y": np.arange(60.0)},) * 2,
}


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("edge", EDGES)
def test_edges(edge):
    real, synthetic = EDGES[edge]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Fewer than", UserWarning)
        tables = align(pa.table(real), pa.table(synthetic))
    found = measure_fidelity(tables, random_state=0)
    assert len(found.columns) == len(real)
    assert found.summary()
    text = json.dumps(dataclasses.asdict(found))
    assert "Infinity" not in text
    for pair in found.pairs:
        assert math.isnan(pair.score) or 0.0 <= pair.score <= 1.0
    for column in found.columns:
        assert math.isnan(column.score) or 0.0 <= column.score <= 1.0
    if real is synthetic:
        assert found.score == 1.0
        assert not found.moments.flagged
        assert math.isnan(found.quality) or found.quality == 1.0


def test_edge_figures():
    found = measured(*EDGES["unseen categories"])
    assert found.columns[0].score == 0.0
    assert found.columns[0].coverage == 0.0
    assert pair_of(found, "contingency").score == 0.0
    found = measured(*EDGES["constants"])
    assert [column.score for column in found.columns] == [1.0, 0.0]
    assert math.isnan(found.pair_score)
    assert found.quality == found.score == 0.5
    flagged = {figure.name for figure in found.moments.flagged}
    assert flagged == {"mean of y"}
    found = measured(*EDGES["all missing in one"])
    assert [column.missing for column in found.columns] == [(0, 1), (0, 0), (0, 1)]
    assert math.isnan(found.columns[0].score)
    assert found.columns[0].missing_score == 0.0
    assert found.correlation_error == pytest.approx(1)  # one that only the real table has


def test_same_figures_on_any_number_of_threads(monkeypatch):
    rng = np.random.default_rng(0)
    table = {
        "x": rng.normal(size=(300)),
        "y": rng.normal(size=300),
        "c": rng.choice(["a", "b"], 300),
    }
    other = {**table, "x": rng.normal(size=300)}
    several = dataclasses.asdict(measured(table, other, random_state=0))
    monkeypatch.setattr("vicinal._threads.n_threads", lambda: 1)
    single = dataclasses.asdict(measured(table, other, random_state=0))
    assert json.dumps(single) == json.dumps(several)


def test_huge_numbers_next_to_each_other():
    huge = np.where(np.arange(60) % 2, 1e20, np.nextafter(1e20, 2e20))
    table = pa.table({"huge": huge, "city": ["a", "b"] * 30})
    found = measure_fidelity(align(table, table), two_sample=False, random_state=0)
    (pair,) = (one for one in found.pairs if one.measure == "contingency")
    assert pair.score == 1
    assert pair.real == pytest.approx(1)  # the two numbers stay apart


def test_a_column_that_became_constant_is_among_those_shown():
    rng = np.random.default_rng(0)
    wide = {f"x{at}": rng.normal(size=300) for at in range(pairs.SHOWN_COLUMNS + 5)}
    wide |= {"a": wide["x0"], "b": wide["x0"] + 0.1 * rng.normal(size=300)}
    other = {name: rng.permutation(column) for name, column in wide.items()} | {"b": np.ones(300)}
    tables = align(pa.table(wide), pa.table(other))
    found = measure_fidelity(tables, random_state=0, two_sample=False).association
    assert {"a", "b"} <= set(found.names)
