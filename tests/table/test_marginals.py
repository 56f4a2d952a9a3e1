"""Numbers behind columns, scores of numbers, and the way back."""

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.table.marginals import STEP_VALUES, NormalScores, RawValues, fill_missing
from vicinal.table.numbers import are_fillers, from_numbers, number_limits, to_floats, to_numbers

D = decimal.Decimal
NOW = datetime.datetime(2024, 2, 29, 12, 30, 15, 123456)
COLUMNS = [
    pa.array([2**63 - 1, -(2**63), None, 2**53 + 1]),
    pa.array([2**64 - 1, 0, None, 2**53 + 1], pa.uint64()),
    pa.array([255, 0, None, 7], pa.uint8()),
    pa.array([D("99.99"), D("-0.01"), None, D("1.50")], pa.decimal128(4, 2)),
    pa.array([D(10**17 + 1), D(-(10**17)), None, D(1)], pa.decimal128(38, 0)),
    pa.array([D("1.5"), None, D("-7.1"), D("0")], pa.decimal256(60, 3)),
    pa.array([NOW, None, NOW, NOW], pa.timestamp("us", "Asia/Kolkata")),
    pa.array([1_700_000_000_123_456_789, None, 1, -1], pa.timestamp("ns")),
    pa.array([NOW.date(), None, NOW.date(), NOW.date()]),
    pa.array([NOW.date(), None, NOW.date(), NOW.date()], pa.date64()),
    pa.array([NOW.time(), None, NOW.time(), NOW.time()], pa.time64("us")),
    pa.array([1, None, 86_399, 0], pa.time32("s")),
    pa.array([1, None, -(2**62) - 1, 0], pa.duration("ns")),
    pa.array([0.1, None, -1e300, 5e-324]),
    pa.array([0.1, None, 3.4e38, 1e-45], pa.float32()),
]


@pytest.mark.parametrize("values", COLUMNS, ids=lambda a: str(a.type))
def test_there_and_back(values):
    for column in (pa.chunked_array([values]), pa.chunked_array([values[:1], values[1:]])):
        numbers, missing = to_numbers(column, "x")
        assert from_numbers(numbers, missing, values.type).equals(values)
        assert not numbers[missing].any() or values.type == pa.uint64()
        low, high = number_limits(values.type, numbers)
        assert low <= numbers.min()
        assert numbers.max() <= high


def test_sliced_decimals():
    values = pa.array([D(i) for i in range(9)], pa.decimal128(9, 2))[3:7]
    assert to_numbers(pa.chunked_array([values]), "x")[0].tolist() == [300, 400, 500, 600]


def test_order_of_uint64():
    values = pa.chunked_array([pa.array([0, 2**63 - 1, 2**63, 2**64 - 1], pa.uint64())])
    numbers, _ = to_numbers(values, "x")
    assert (np.diff(numbers.astype(object)) > 0).all()
    np.testing.assert_allclose(to_floats(values, "x")[0], [0.0, 2.0**63, 2.0**63, 2.0**64])


def test_floats_of_decimals_are_their_values():
    values = pa.chunked_array([pa.array([D("1.25"), D("-3.50")], pa.decimal128(9, 2))])
    assert to_floats(values, "x")[0].tolist() == [1.25, -3.5]


def test_nan_and_null():
    values = pa.chunked_array([pa.array([1.0, np.nan, None])])
    numbers, missing = to_numbers(values, "x")
    assert missing.tolist() == [False, True, True]
    back = from_numbers(numbers, np.array([0, 0, 1], bool), pa.float64(), np.array([0, 1, 0], bool))
    assert back.null_count == 1
    assert np.isnan(back[1].as_py())


def test_infinity_names_the_column():
    with pytest.raises(ValueError, match=r"'speed' holds infinity \(row 1\).*Replace it by"):
        to_numbers(pa.chunked_array([pa.array([1.0, -np.inf])]), "speed")


# normal scores


def scored(numbers, missing=None, seed=0):
    numbers = np.asarray(numbers)
    missing = np.zeros(len(numbers), bool) if missing is None else missing
    scale = NormalScores(numbers, missing, np.random.default_rng(seed))
    return scale, scale.scores


@given(
    st.one_of(
        st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=60),
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60),
    ),
    st.integers(0, 5),
)
def test_few_values_come_back_exactly(values, seed):
    scale, scores = scored(np.array(values), seed=seed)
    scale.calibrate(scores)
    mixed = np.random.default_rng(seed).normal(size=200).astype(np.float32)
    back = scale.decode(mixed)
    assert back.dtype == np.array(values).dtype
    assert set(back.tolist()) <= set(values)


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).integers(-(2**63), 2**63 - 1, 5000),
        2**62 + np.random.default_rng(0).integers(0, 10**6, 5000),
        np.random.default_rng(0).normal(size=5000),
        np.random.default_rng(0).normal(size=5000) * 1e307,
        np.random.default_rng(0).normal(size=50_000).round(3),
        np.where(np.arange(20_000) % 3 == 0, 0.0, np.random.default_rng(0).normal(size=20_000)),
    ],
    ids=["whole int64", "big", "floats", "huge", "rounded", "atom"],
)
def test_many_values_keep_range_and_distribution(values, dkw_limit):
    assert len(np.unique(values)) > STEP_VALUES
    scale, scores = scored(values)
    scale.calibrate(scores)
    back = scale.decode(scores)
    assert values.min() <= back.min()
    assert back.max() <= values.max()
    # a level of the 2,048 each way, and calibration by the scores themselves
    points = np.concatenate([values, back])
    gap = [np.searchsorted(np.sort(one), points, side="right") for one in (values, back)]
    assert np.abs(gap[0] - gap[1]).max() / len(values) < 2 / 2048
    if np.abs(values.astype(float)).max() < 10 and np.array_equal(values.round(3), values):
        np.testing.assert_array_equal(back, back.round(3))
    if (values == 0).mean() > 0.1:
        assert abs((back == 0).mean() - (values == 0).mean()) < 0.001


@pytest.mark.parametrize("filler", ["1900-01-01", "9999-12-31"])
@pytest.mark.parametrize("kind", ["D", "s"])
@pytest.mark.parametrize(("rows", "min_count"), [(3, 5), (3, 1), (40, 5)])
def test_dates_that_stand_for_none_stay_apart(filler, kind, rows, min_count):
    rng = np.random.default_rng(0)
    size = 5000 if kind == "D" else 20_000
    dates = np.datetime64("2015-01-01", kind) + rng.integers(0, 2500, size) * (
        1 if kind == "D" else 86_399
    )
    dates[:rows] = np.datetime64(filler, kind)
    column = pa.chunked_array([dates])
    numbers, missing = to_numbers(column, "when")
    scale = NormalScores(numbers, missing, rng, min_count, kind=column.type)
    scale.calibrate(scale.scores)
    back = scale.decode(scale.scores)
    away = back == numbers[0]
    assert abs(int(away.sum()) - rows) <= 1
    assert back[~away].min() >= numbers[rows:].min()
    assert back[~away].max() <= numbers[rows:].max()


def test_dates_among_others_stand_for_themselves():
    births = np.arange(np.datetime64("1901-01-01"), np.datetime64("1999-01-01"), 50)
    days = np.concatenate([births, [np.datetime64("1900-01-01")]]).astype(np.int64)
    assert not are_fillers(days, pa.date32()).any()
    assert are_fillers(np.append(days, 2_932_896), pa.date32()).sum() == 1
    assert not are_fillers(np.append(days, 2_932_896), pa.int64()).any()


def test_scores_are_normal_quantiles_of_ranks():
    from scipy.special import ndtri

    _, scores = scored([30, 10, 20, 40])
    np.testing.assert_allclose(scores, ndtri([0.625, 0.125, 0.375, 0.875]), rtol=1e-6)


def test_a_column_of_gaps_can_be_decoded():
    scale, scores = scored(np.zeros(3), np.ones(3, bool))
    scale.calibrate(scores)
    assert scale.decode(np.zeros(2, np.float32)).tolist() == [0.0, 0.0]


# raw values


def raw(values, low=-(2**63), high=2**63 - 1, whole=False):
    values = np.asarray(values)
    scale = RawValues(values, np.zeros(len(values), bool), (low, high), whole)
    return scale, scale.scores


@given(st.lists(st.integers(-(2**52), 2**52), min_size=1), st.integers(-(2**62), 2**62))
def test_raw_integers_come_back_exactly(values, shift):
    scale, scores = raw(np.array(values) + shift)
    assert scale.decode(scores).tolist() == [value + shift for value in values]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_raw_integers_of_any_size_come_back_nearly(values):
    scale, scores = raw(np.array(values))
    for one, two in zip(scale.decode(scores).tolist(), values, strict=True):
        assert abs(one - two) <= 2**12


def test_raw_values_are_clipped_to_the_type():
    scale, scores = raw([250, 3, 100], 0, 255)
    assert scale.decode(scores * 100).tolist() == [255, 0, 100]
    scale, _ = raw([2**63 - 1, 2**63 - 5])
    high, low = scale.decode(np.array([1e30, -1e30])).tolist()
    assert 2**63 - 1 - high <= 1024  # the next float below
    assert low == -(2**63)


def test_raw_floats_said_to_be_integers_are_rounded():
    scale, scores = raw([1.2, 2.9], -1e300, 1e300, whole=True)
    assert scale.decode(scores).tolist() == [1.0, 3.0]


def test_limits_of_dates_are_those_of_the_calendar():
    day = pa.array([datetime.date.min, datetime.date.max])
    numbers, _ = to_numbers(pa.chunked_array([day]), "x")
    assert number_limits(pa.date32(), numbers[:0]) == tuple(numbers.tolist())
    moment = pa.array([datetime.datetime.min, datetime.datetime.max], pa.timestamp("us"))
    numbers, _ = to_numbers(pa.chunked_array([moment]), "x")
    assert number_limits(pa.timestamp("us"), numbers[:0]) == tuple(numbers.tolist())
    assert number_limits(pa.time32("ms"), numbers[:0]) == (0, 86_399_999)
    assert number_limits(pa.timestamp("ns"), numbers[:0])[0] == 1 - 2**63  # NumPy's NaT is -2**63


# gaps


@pytest.mark.parametrize("size", [1.0, 1e300])
def test_filled_scores_keep_moments(size, z_limit):
    rng = np.random.default_rng(0)
    n = 40_000
    x = rng.multivariate_normal([0, 0, 0], [[1, 0.8, 0], [0.8, 1, 0], [0, 0, 1]], n)
    missing = np.zeros(x.shape, bool)
    missing[:, 1] = x[:, 0] + rng.normal(size=n) > 0.5  # depends on what is seen
    holed = np.where(missing, 0.0, x * size)
    fill_missing(holed, missing, rng)
    kept = ~missing
    assert (holed[kept] == (x * size)[kept]).all()
    filled = holed / size
    for one, two, wanted in ((1, 1, 1.0), (0, 1, 0.8), (1, 2, 0.0)):
        product = filled[:, one] * filled[:, two]
        # the slope is estimated, too: twice the error
        assert abs(product.mean() - wanted) < 2 * z_limit(8) * product.std() / np.sqrt(n)


def test_filling_nothing_but_gaps():
    scores, missing = np.zeros((5, 2)), np.ones((5, 2), bool)
    fill_missing(scores, missing, np.random.default_rng(0))
    assert np.isfinite(scores).all()


def test_filling_many_columns_looks_at_the_most_correlated():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(500, 100))
    x[:, 99] = x[:, 3]
    missing = np.zeros(x.shape, bool)
    missing[::2, 99] = True
    holed = np.where(missing, 0.0, x)
    fill_missing(holed, missing, rng)
    assert np.corrcoef(holed[::2, 99], x[::2, 99])[0, 1] > 0.999
