"""What one pass keeps: summaries that merge, and a uniform sample of the rows."""

from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.table.stream.column_stats import NumberStats, ValueStats, stats_of
from vicinal.table.stream.reservoir import Reservoir, key_limit, row_ids, row_keys
from vicinal.table.stream.value_counts import DistinctSketch, ValueCounts, hash_numbers, hash_values


def look(values: pa.Array) -> NumberStats | ValueStats:
    found = stats_of(values.type, "x")
    found.add(pa.chunked_array([values]), "x", "here")
    return found


numbers = st.lists(
    st.one_of(st.none(), st.just(float("nan")), st.floats(-1e6, 1e6)), min_size=0, max_size=40
)


@given(numbers, numbers, numbers)
def test_looks_at_numbers_merge(a, b, c):
    parts = [pa.array(values, pa.float64()) for values in (a, b, c)]
    merged = look(parts[0])
    for part in parts[1:]:
        merged.merge(look(part))
    whole = look(pa.concat_arrays(parts))
    plain = np.array([x for x in a + b + c if x is not None and x == x])
    assert merged.n_rows == whole.n_rows == len(a + b + c)
    assert merged.n_values == whole.n_values == len(plain)
    assert (merged.low, merged.high) == (whole.low, whole.high)
    assert merged.counts.exact == whole.counts.exact
    assert merged.decimals == whole.decimals
    if len(plain):
        assert (merged.low, merged.high) == (plain.min(), plain.max())
        for one in (merged, whole):
            pivot, offset, variance = one.moments()
            assert pivot + offset == pytest.approx(plain.mean(), rel=1e-9, abs=1e-6)
            assert variance == pytest.approx(plain.var(), rel=1e-9, abs=1e-3)


@given(st.lists(st.sampled_from(["a", "bb", "ü", None]), max_size=30), st.integers(0, 30))
def test_looks_at_names_merge(values, cut):
    array = pa.array(values, pa.string())
    merged = look(array[:cut])
    merged.merge(look(array[cut:]))
    counts = {name: values.count(name) for name in set(values) - {None}}
    assert merged.counts.exact == counts
    assert merged.n_missing == values.count(None)
    assert merged.n_distinct == len(counts)


def test_moments_of_times_keep_their_last_digits():
    rng = np.random.default_rng(0)
    when = 1_700_000_000_000_000_000 + rng.integers(0, 1000, 5000)
    one, two = (look(pa.array(part, pa.timestamp("ns"))) for part in (when[:2000], when[2000:]))
    one.merge(two)
    pivot, offset, variance = one.moments()
    exact = when - pivot
    assert offset == pytest.approx(exact.mean(), rel=1e-12)
    assert variance == pytest.approx(exact.var(), rel=1e-9)


def test_decimal_places_are_those_of_every_value():
    assert look(pa.array([1.5, 2.25, 3.0])).decimals == 2
    assert look(pa.array([0.1, 0.2], pa.float32())).decimals == 1
    assert look(pa.array([1 / 3])).decimals is None
    one = look(pa.array([1.5]))
    one.merge(look(pa.array([1 / 3])))
    assert one.decimals is None


@pytest.mark.parametrize("kind", ["numbers", "names"])
def test_distinct_is_right_within_six_standard_errors(kind):
    n = 400_000
    sketch = DistinctSketch()
    if kind == "numbers":
        sketch.add(hash_numbers(np.arange(n) * 7919))
        sketch.add(hash_numbers(np.arange(n) * 7919))  # again: nothing new
    else:
        sketch.add(hash_values(pa.array([f"user {i}" for i in range(n)])))
    # thinning to one in 16: a binomial's spread, and HyperLogLog's 1.04 / sqrt(2^14)
    error = np.hypot(np.sqrt(15 / n), 1.04 / 128)
    assert abs(sketch.estimate() / n - 1) < 6 * error


def test_counts_go_over_to_a_sketch_that_merges_and_travels():
    counts, other = ValueCounts(most=100), ValueCounts(most=100)
    for at, one in enumerate((counts, other)):
        for batch in range(30):
            names = [f"rare {at} {batch} {i}" for i in range(50)] + ["often", "sometimes"]
            one.add(pa.array(names), np.array([1] * 50 + [40, 10]))
    counts.merge(pickle.loads(pickle.dumps(other)))
    assert counts.exact is None
    # thinning to one in 16: a binomial's spread
    assert abs(counts.n_distinct / 3002 - 1) < 6 * np.hypot(np.sqrt(15 / 3002), 1.04 / 128)


def test_few_distinct_values_are_counted_and_many_are_not():
    assert look(pa.array(np.arange(3000) % 700)).counts.exact == {
        i: 3000 // 700 + (i < 3000 % 700) for i in range(700)
    }
    assert look(pa.array(np.arange(3000.0))).counts.exact is None


# The reservoir


def sampled(cuts: list[int], n: int, size: int, salt: int, limit: int | None = None) -> pa.Table:
    total = None
    for start, stop in zip([0, *cuts], [*cuts, n], strict=True):
        part = Reservoir(size, key_limit(size, n) if limit is None else limit)
        for at in range(start, stop, 700):
            ids = row_ids(0, at, min(700, stop - at))
            part.add(pa.table({"x": ids.astype(np.int64)}), ids, row_keys(ids, salt))
        if total is None:
            total = part
        else:
            total.merge(part)
    return total.rows()[0]


@given(st.lists(st.integers(0, 9999), max_size=5), st.integers(0, 2**64 - 1))
@settings(max_examples=20)
def test_the_sample_does_not_depend_on_the_cut(cuts, salt):
    whole = sampled([], 10_000, 300, salt)
    assert whole.num_rows == 300
    assert sampled(sorted(cuts), 10_000, 300, salt).equals(whole)
    assert sampled(sorted(cuts), 10_000, 300, salt, limit=2**64 - 1).equals(whole)  # n unknown


def test_every_row_is_sampled_as_often_as_every_other(z_limit):
    """1500 samples of 20 of 100 rows, merged from parts of 10 and 90."""
    seen = np.zeros(100)
    pairs = 0
    for salt in np.random.default_rng(0).integers(0, 2**63, 1500):
        kept = sampled([10], 100, 20, int(salt))["x"].to_numpy()
        seen[kept] += 1
        pairs += {0, 99} <= set(kept.tolist())
    spread = np.sqrt(1500 * 0.2 * 0.8)
    assert np.abs(seen - 300).max() < z_limit(101) * spread
    # and without replacement: two rows together in 20/100 x 19/99 of the samples
    both = 20 / 100 * 19 / 99
    assert abs(pairs - 1500 * both) < z_limit(101) * np.sqrt(1500 * both * (1 - both))


def test_what_the_pool_size_means_for_a_correlation(z_limit):
    """Correlations of pools of m rows scatter with (1 - r^2) / sqrt(m), as docs/scale.md says."""
    rng = np.random.default_rng(0)
    n, m, rounds = 20_000, 500, 300
    x = rng.normal(size=n)
    rows = pa.table({"x": x, "y": 0.6 * x + 0.8 * rng.normal(size=n)})
    ids = row_ids(0, 0, n)
    r = np.corrcoef(rows["x"], rows["y"])[0, 1]
    found = []
    for salt in range(rounds):
        pool = Reservoir(m, key_limit(m, n))
        pool.add(rows, ids, row_keys(ids, salt))
        kept = pool.rows()[0]
        found.append(np.corrcoef(kept["x"], kept["y"])[0, 1])
    error = (1 - r * r) / np.sqrt(m) * np.sqrt(1 - m / n)  # without replacement
    assert abs(np.mean(found) - r) < z_limit(2) * error / np.sqrt(rounds) + 1 / m
    # a sample standard deviation has a relative error of 1 / sqrt(2 n)
    assert abs(np.std(found) / error - 1) < z_limit(2) / np.sqrt(2 * rounds) + 0.05
