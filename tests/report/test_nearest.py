"""Nearest rows against brute force, scikit-learn and numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal._stats import Estimate
from vicinal.report.privacy.dcr import dcr_share, dcr_shares, effective_rows
from vicinal.report.privacy.nearest import (
    LEAF_ROWS,
    Found,
    Index,
    Points,
    Space,
)
from vicinal.report.tables import Part, Tables, align


def mixed(rng, n, d, k, levels=4, holes=0.1, grid=None):
    """Rows of a table with gaps; on a grid, many are equally far apart."""
    numbers = rng.normal(size=(n, d)) if grid is None else rng.integers(0, grid, (n, d)) * 1.0
    numbers[rng.random((n, d)) < holes] = np.nan
    codes = rng.integers(-1, levels, (n, k)).astype(np.int32)
    return Part(np.asfortranarray(numbers), np.asfortranarray(codes))


def tables_of(real, synthetic, holdout, levels=4):
    d, k = real.numbers.shape[1], real.codes.shape[1]
    return Tables(
        (),
        tuple(f"x{i}" for i in range(d)),
        tuple(f"c{i}" for i in range(k)),
        tuple(tuple(range(levels)) for _ in range(k)),
        real,
        synthetic,
        holdout,
    )


def brute(queries, points, squared, mismatch):
    """Return all sums over columns, in the order and precision that are promised."""
    total = np.zeros((len(queries.numbers), len(points.numbers)), np.float32)
    for c in range(queries.numbers.shape[1]):
        gap = np.abs(queries.numbers[:, c, None] - points.numbers[None, :, c])
        total += gap * gap if squared else np.minimum(gap, np.float32(1))
    for c in range(queries.codes.shape[1]):
        total += np.float32(mismatch) * (queries.codes[:, c, None] != points.codes[None, :, c])
    return total


@pytest.mark.parametrize("metric", ["gower", "euclidean"])
@pytest.mark.parametrize(
    ("d", "k", "levels", "grid"),
    [(3, 2, 4, None), (6, 0, 4, None), (0, 5, 90, None), (2, 3, 300, 3), (1, 0, 4, 2)],
)
def test_neighbors_are_those_of_brute_force(metric, d, k, levels, grid):
    rng = np.random.default_rng([d, k])
    parts = [mixed(rng, n, d, k, levels, grid=grid) for n in (1500, 200, 400)]
    space = Space(tables_of(*parts, levels=levels), metric)
    reference, queries = space.points(parts[0]), space.points(parts[1])
    index = Index(space, reference)
    found = index.search(queries, second=True)
    sums = brute(queries, reference, space.squared, space.mismatch)
    ordered = np.sort(sums, axis=1)
    np.testing.assert_array_equal(found.distance, space.finished(ordered[:, 0]))
    np.testing.assert_array_equal(found.second, space.finished(ordered[:, 1]))
    np.testing.assert_array_equal(found.ties, (sums == ordered[:, :1]).sum(axis=1))
    np.testing.assert_array_equal(sums[np.arange(200), found.rows], ordered[:, 0])

    alone = index.search(reference.take(np.arange(200)), skip=np.arange(200), second=True)
    sums = brute(reference.take(np.arange(200)), reference, space.squared, space.mismatch)
    sums[np.arange(200), np.arange(200)] = np.inf
    ordered = np.sort(sums, axis=1)
    np.testing.assert_array_equal(alone.distance, space.finished(ordered[:, 0]))
    np.testing.assert_array_equal(alone.second, space.finished(ordered[:, 1]))
    assert (alone.rows != np.arange(200)).all()


def test_euclidean_is_scikit_learn_s():
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rng = np.random.default_rng(3)
    parts = [mixed(rng, n, 4, 3, holes=0) for n in (900, 150, 700)]
    space = Space(tables_of(*parts), "euclidean")
    found = Index(space, space.points(parts[0])).search(space.points(parts[1]), second=True)
    pooled = [
        np.concatenate([getattr(parts[at], of) for at in (0, 2)]) for of in ("numbers", "codes")
    ]
    scaler, encoder = StandardScaler().fit(pooled[0]), OneHotEncoder().fit(pooled[1])
    wide = [
        np.hstack([scaler.transform(p.numbers), encoder.transform(p.codes).toarray()])
        for p in parts[:2]
    ]
    expected, _ = NearestNeighbors(n_neighbors=2).fit(wide[0]).kneighbors(wide[1])
    np.testing.assert_allclose(found.distance, expected[:, 0], rtol=2e-5)
    np.testing.assert_allclose(found.second, expected[:, 1], rtol=2e-5)


cells = st.one_of(st.just(math.nan), st.integers(0, 3).map(float), st.floats(-1e300, 1e300))


@given(
    real=st.lists(st.tuples(cells, cells, st.integers(-1, 2)), min_size=1, max_size=30),
    asked=st.lists(st.tuples(cells, cells, st.integers(-1, 2)), min_size=1, max_size=5),
    metric=st.sampled_from(["gower", "euclidean"]),
)
def test_any_table_agrees_with_brute_force(real, asked, metric):
    parts = [
        Part(np.array([r[:2] for r in rows]), np.array([r[2:] for r in rows], np.int32))
        for rows in (real, asked)
    ]
    space = Space(tables_of(*parts, parts[0], levels=3), metric)
    points, queries = (space.points(part) for part in parts)
    found = Index(space, points).search(queries)
    with np.errstate(over="ignore"):
        sums = brute(queries, points, space.squared, space.mismatch)
    np.testing.assert_array_equal(found.distance, space.finished(sums.min(axis=1)))
    same = Index(space, points).search(points)
    assert (same.distance == 0).all()


def test_gower_by_hand():
    real = pa.table({"x": [0.0, 10.0, None], "c": ["a", "b", None]})
    other = pa.table({"x": [4.0, None, 20.0], "c": ["a", "b", None]})
    with pytest.warns(UserWarning, match="Fewer than 50"):
        tables = align(real, other)
    space = Space(tables)
    index = Index(space, space.points(tables.real))
    found = index.search(space.points(tables.synthetic), second=True)
    # 4 of a range of 10 and the same category; the same category, or the same gap; the same gap,
    # and 10 too far, which is the whole range
    np.testing.assert_allclose(found.distance, [0.4 / 2, 1 / 2, 1 / 2], rtol=1e-6)
    # 6 of 10 and another category; the same gap and another category, which is as near; ...
    np.testing.assert_allclose(found.second, [1.6 / 2, 1 / 2, 2 / 2], rtol=1e-6)
    assert found.ties.tolist() == [1, 2, 1]


def test_one_outlier_does_not_blind_gower():
    x = np.linspace(0, 1, 1000)
    x[-1] = 1e9
    tables = align(pa.table({"x": x}), pa.table({"x": [0.25, 0.75] * 50}))
    space = Space(tables)
    far = Index(space, space.points(tables.synthetic.take(slice(0, 1))))
    found = far.search(space.points(tables.synthetic.take(slice(1, 2))))
    assert found.distance[0] == pytest.approx(0.5, abs=0.01)


def test_a_column_of_nearly_all_zeros_has_its_full_range():
    x = np.zeros(1000)
    x[:3] = [5.0, 8.0, 10.0]
    tables = align(pa.table({"x": x}), pa.table({"x": [2.0] * 60}))
    space = Space(tables)
    found = Index(space, space.points(tables.real)).search(space.points(tables.synthetic))
    np.testing.assert_allclose(found.distance, 0.2, rtol=1e-6)


def test_scales_do_not_know_training_from_hold_out():
    rng = np.random.default_rng(4)
    parts = [mixed(rng, n, 3, 1) for n in (300, 50, 80)]
    for metric in ("gower", "euclidean"):
        one = Space(tables_of(*parts), metric).points(parts[1])
        other = Space(tables_of(parts[2], parts[1], parts[0]), metric).points(parts[1])
        np.testing.assert_allclose(one.numbers, other.numbers, rtol=1e-6)


def test_threads_do_not_matter(monkeypatch):
    rng = np.random.default_rng(5)
    parts = [mixed(rng, n, 3, 2) for n in (2000, 1000, 10)]
    space = Space(tables_of(*parts))
    found = []
    for threads in (1, 4):
        monkeypatch.setattr("vicinal._threads.n_threads", lambda n=threads: n)
        found.append(Index(space, space.points(parts[0])).search(space.points(parts[1])))
    for name in ("distance", "rows", "ties", "work"):
        np.testing.assert_array_equal(getattr(found[0], name), getattr(found[1], name))


def test_near_rows_are_found_without_looking_at_all():
    rng = np.random.default_rng(6)
    parts = [mixed(rng, n, 4, 3, holes=0) for n in (20_000, 200, 10)]
    space = Space(tables_of(*parts))
    found = Index(space, space.points(parts[0])).search(space.points(parts[1]))
    assert found.work.mean() < 0.2 * 20_000 * 7


def test_equal_rows_fill_one_large_leaf_or_several():
    for n in (1, LEAF_ROWS + 1, 40 * LEAF_ROWS):
        part = Part(np.zeros((n, 2)), np.zeros((n, 1), np.int32))
        space = Space(tables_of(part, part, part))
        index = Index(space, space.points(part))
        found = index.search(space.points(part.take(slice(0, 1))))
        assert (found.distance[0], found.ties[0]) == (0, n)


def test_no_reference_row_left():
    part = Part(np.zeros((1, 1)), np.zeros((1, 0), np.int32))
    space = Space(tables_of(part, part, part))
    points = space.points(part)
    found = Index(space, points).search(points, skip=np.array([0]), second=True)
    assert (found.distance[0], found.second[0], found.rows[0]) == (math.inf, math.inf, -1)
    empty = Points(points.numbers[:0], points.codes[:0])
    assert Index(space, empty).search(points).rows.tolist() == [-1]
    assert len(Index(space, points).search(empty).rows) == 0


def test_metric_is_checked():
    part = Part(np.zeros((1, 1)), np.zeros((1, 0), np.int32))
    with pytest.raises(ValueError, match=r"metric must be one of .* Did you mean 'gower'"):
        Space(tables_of(part, part, part), "gowr")


# shares


def found(distance, rows, ties=None):
    n = len(distance)
    ones = np.ones(n, np.int64)
    return Found(
        np.array(distance, float),
        np.full(n, np.nan),
        np.array(rows, np.int64),
        ones if ties is None else np.array(ties, np.int64),
        ones,
    )


def test_effective_rows_by_hand():
    assert effective_rows(np.array([3, 1, 4, 2])) == 4
    assert effective_rows(np.array([7, 7, 7, 7])) == 1  # all share one neighbor
    assert effective_rows(np.array([1, 1, 2])) == pytest.approx(9 / 5)
    # ten rows equally near vary ten times less; but not less than the queries themselves
    assert effective_rows(np.array([1, 1, 1, 1]), np.full(4, 2)) == 2
    assert effective_rows(np.array([1, 1, 1, 1]), np.full(4, 10)) == 4
    assert effective_rows(np.array([], np.int64)) == 0
    # half of four rows are training rows: of one, two thirds, and another, one third, the share
    # of training rows is 0, 1/3, 2/3 or 1 with probabilities 1/6, 1/3, 1/3, 1/6
    variance = (0.25 + 0.25) / 6 + 2 * (1 / 6) ** 2 / 3
    assert effective_rows(np.array([1, 1, 2]), total=4) == pytest.approx(0.25 / variance)


def test_dcr_share_by_hand():
    train, holdout = (
        found([1, 3, 2, 2], [0, 1, 2, 3], [1, 1, 1, 3]),
        found([2, 1, 2, 2], [0, 1, 2, 3]),
    )
    # nearer, farther, one of two, three of four
    assert dcr_share(train, holdout, 10, 10).value == pytest.approx((1 + 0 + 0.5 + 0.75) / 4)
    # with three training rows to one hold-out row, 0.75 is ideal; (2.25 / 4 = 0.5625) / 0.75 / 2
    assert dcr_share(train, holdout, 30, 10).value == pytest.approx(0.375)
    # with one to three, 0.25 is
    expected = 0.5 + 0.5 * (0.5625 - 0.25) / 0.75
    assert dcr_share(train, holdout, 10, 30).value == pytest.approx(expected)


def test_dcr_share_of_many_queries_is_wilson_s():
    n = 100
    train = found([0] * 60 + [1] * 40, range(n))
    holdout = found([1] * 60 + [0] * 40, range(n))
    expected = Estimate.of_share(60, n)
    got = dcr_share(train, holdout, 500, 500)
    assert (got.value, got.low, got.high) == pytest.approx((0.6, expected.low, expected.high))


def drawn(rng, n, kind):
    """Rows of one distribution: of numbers, of few categories, or of both."""
    columns = {}
    if kind != "categories":
        x = rng.normal(size=(n, 3)) @ [[1, 0.5, 0], [0, 1, 0.3], [0, 0, 1]]
        columns |= {f"x{i}": x[:, i] for i in range(3)}
    if kind != "numbers":
        columns |= {f"c{i}": rng.choice(list("abcd"), n, p=[0.6, 0.2, 0.1, 0.1]) for i in range(3)}
    return pa.table(columns)


@pytest.mark.parametrize("sizes", [(1000, 1000), (2000, 500), (300, 1500)])
@pytest.mark.parametrize("kind", ["numbers", "categories", "both"])
def test_fresh_rows_are_as_near_to_either_part(sizes, kind, z_limit):
    """Without copying, the share is 0.5 but for chance, whatever the sizes and the ties."""
    rng = np.random.default_rng([*sizes, len(kind)])
    real, holdout, fresh = (drawn(rng, n, kind) for n in (*sizes, 5000))
    ideal = sizes[0] / sum(sizes)
    for got in dcr_shares(align(real, fresh, holdout)).values():
        raw, low, high = (
            2 * ideal * p if p < 0.5 else ideal + (2 * p - 1) * (1 - ideal)
            for p in (got.value, got.low, got.high)
        )
        error = max(raw - low, high - raw) / 1.96  # for 18 cases at once
        assert abs(raw - ideal) < z_limit(18) * error


def test_the_interval_holds_as_often_as_it_says():
    """Queries share neighbors; an interval that took them for independent would be too short."""
    rng = np.random.default_rng(11)
    repeats, held = 400, 0
    for _ in range(repeats):
        rows = rng.normal(size=(1260, 2))
        parts = [
            Part(part, np.zeros((len(part), 0), np.int32)) for part in np.split(rows, [30, 60])
        ]
        tables = tables_of(parts[0], parts[2], parts[1])
        got = dcr_shares(tables, metrics=["gower"])["gower"]
        held += got.low <= 0.5 <= got.high
    # 95 % less five standard errors of a share of 400
    assert held / repeats > 0.95 - 5 * math.sqrt(0.95 * 0.05 / repeats)


@pytest.mark.parametrize("sizes", [(1000, 1000), (2000, 500)])
def test_copies_and_noisy_copies_are_closer(sizes):
    rng = np.random.default_rng(8)
    real, holdout = (drawn(rng, n, "both") for n in sizes)
    for noise in (0.0, 0.01):
        made = real.take(rng.integers(0, len(real), 1000)).to_pandas()
        made["x0"] += noise * rng.normal(size=1000)
        for got in dcr_shares(align(real, made, holdout)).values():
            assert got.low > 0.9


def test_rows_are_drawn_by_the_generator():
    rng = np.random.default_rng(9)
    tables = align(*(drawn(rng, n, "both") for n in (300, 800, 300)))
    one, two, other = (
        dcr_shares(tables, max_rows=200, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert one == two != other


def test_a_hold_out_is_needed():
    table = pa.table({"x": np.arange(60.0)})
    with pytest.raises(ValueError, match="no hold-out"):
        dcr_shares(align(table, table))
