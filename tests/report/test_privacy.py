"""Privacy figures: by hand, against scikit-learn, and on generators that are known to leak."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.report.privacy import measure as privacy
from vicinal.report.privacy.measure import attack_auc, measure_privacy
from vicinal.report.privacy.rare import rare_combinations
from vicinal.report.tables import Part, align, row_keys


def people(rng, n, kind="both"):
    """Rows of one distribution: of numbers, of few categories, or of both."""
    columns = {}
    if kind != "categories":
        x = rng.normal(size=(n, 3)) @ [[1, 0.5, 0], [0, 1, 0.3], [0, 0, 1]]
        columns |= {f"x{i}": x[:, i] for i in range(3)}
    if kind != "numbers":
        columns |= {
            f"c{i}": rng.choice(list("abcd"), n, p=[0.6, 0.2, 0.15, 0.05]) for i in range(3)
        }
    return pd.DataFrame(columns)


def measured(real, synthetic, holdout, **options):
    return measure_privacy(align(real, synthetic, holdout), holdout_is="given", **options)


def split(real, synthetic, seed=0):
    tables = align(real, synthetic).split(np.random.default_rng(seed))
    return measure_privacy(tables, holdout_is="split", random_state=0)


def few():
    """Ignore that a hand-made table has few rows."""
    return pytest.warns(UserWarning, match="Fewer than 50")


# by hand


def test_everything_by_hand():
    """Numbers on a line, whose range is 16: distances are differences over 16, and columns 2."""
    real = pa.table({"x": [0.0, 1.0, 4.0, 16.0], "c": list("aaab")})
    holdout = pa.table({"x": [0.5, 8.0], "c": list("ab")})
    made = pa.table({"x": [0.0, 4.5, 5.5, 15.0], "c": list("aaab")})
    with few():
        found = measured(real, made, holdout)
    assert found.rows == (4, 4, 2)
    assert (found.compared, found.sampled, found.overlap) == (4, "", 0)
    # to training rows: a copy; from 4; from 4; from 16
    train = np.array([0, 0.5, 1.5, 1]) / 32
    # to hold-out rows: three from 0.5, as 8 is of another category, which is 16 off; from 8
    hold = np.array([0.5, 4, 5, 7]) / 32
    curves = found.distances
    assert curves.synthetic_train == pytest.approx(np.quantile(train, curves.levels))
    assert curves.synthetic_holdout == pytest.approx(np.quantile(hold, curves.levels))
    # hold-out to training: from 0 and from 1; from 16
    assert curves.holdout_train == pytest.approx(np.quantile([0.5 / 32, 8 / 32], curves.levels))
    assert found.dcr_share.value == found.dcr_share_euclidean.value == 1.0
    # second-nearest training rows: 1; 1; 1; 4, which is 11 and a category off
    ratios = [0 / 1, 0.5 / 3.5, 1.5 / 4.5, 1 / 27]
    assert found.nndr[0].value == pytest.approx(np.median(ratios))
    # hold-out: 0 and 1 are equally near; 16 is 8 off, 4 is 4 and a category off
    assert found.nndr[1].value == pytest.approx((1 + 8 / 20) / 2)
    assert [one.value for one in found.copies] == [0.25, 0.0]
    # nearest 1 % of two hold-out rows is the nearest, 0.5 off; two synthetic rows are as near
    assert [one.value for one in found.near_duplicates] == [0.5, 0.5]
    # training rows 0, 4, 4 and 16 are 1, 3, 3 and 28 from their own nearest: no row is farther
    assert found.authenticity.value == 0.0
    assert found.authenticity_baseline.value == 0.0
    # training rows to synthetic: 0, 1, 0.5, 1; hold-out rows: 0.5, 7. Of 8 pairs the attacker wins
    # 4 against 7, 1 against 0.5, and half of one that is equal
    assert found.membership.value == pytest.approx(5.5 / 8)
    # two real rows have "b", so it is not rare
    assert math.isnan(found.rare_combinations[0].value)


def test_an_authentic_row_by_hand():
    real = pa.table({"x": [0.0, 1.0, 10.0]})
    made = pa.table({"x": [-2.0, 0.5, 8.0, 1.0]})  # 2 > 1; .5 < 1; 2 < 9; a copy
    with few():
        found = measured(real, made, pa.table({"x": [2.5]}))
    assert found.authenticity.value == 0.25
    assert found.authenticity_baseline.value == 1.0  # 1.5 from 1, which is 1 from 0
    assert math.isnan(found.rare_combinations[0].value)  # no category


def test_singled_out_rows_by_hand():
    """Five training and four hold-out rows have a town of their own; two and one turn up."""
    real = pa.table({"x": [0.0] * 3 + [1.0] * 3, "town": ["a", *"bcdef"]})
    holdout = pa.table({"x": [0.0] * 5, "town": ["a", *"ghij"]})
    made = pa.table({"x": [0.0] * 4, "town": list("abcg")})
    with few():
        tables = align(real, made, holdout, kinds={"town": "category", "x": "numeric"})
    found = measure_privacy(tables, holdout_is="given", random_state=0)
    assert [one.value for one in found.rare_combinations] == [2 / 5, 1 / 4]


def test_a_split_hold_out_by_hand():
    """Synthetic rows are compared with all real rows, real rows with all others."""
    real = pa.table({"x": [0.0, 1.0, 1.0, 3.0, 7.0, 12.0]})
    made = pa.table({"x": [1.0, 3.0, 5.5, 11.0]})
    with few():
        found = split(real, made)
    assert found.rows[1] == 4
    assert sorted(found.rows[::2]) == [2, 4]  # the two rows of 1 stay together
    assert [one.value for one in found.copies] == [0.5, 2 / 6]
    # own nearest of 1 (0), of 3 (2), of 7 (4), of 12 (5); only copies and nearer ones
    assert found.authenticity.value == 0.0
    # each beside the others, without itself: 0 is 1 from a 1, which is 0 from the other: farther.
    # A 1 is 0 from the other: not. 3 is 2 from a 1 (0), 7 is 4 from 3 (2), 12 is 5 from 7 (4)
    assert found.authenticity_baseline.value == pytest.approx(4 / 6)


def test_rare_combinations_by_hand():
    codes = np.array([[0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 1, -1], [0, 1, -1]], np.int32)
    made = np.array([[0, 2, 1], [2, 1, 0]], np.int32)
    rare, found, all_seen = rare_combinations(codes, made, (3, 3, 2), np.random.default_rng(0))
    # a 1 in the third column is rare, alone and with others; alone it turns up
    assert rare.tolist() == [False, False, True, False, False]
    assert found.tolist() == [False, False, True, False, False]
    assert all_seen
    assert not rare_combinations(codes, made[1:], (3, 3, 2), np.random.default_rng(0))[1].any()


@given(st.integers(1, 40), st.integers(1, 4), st.sampled_from([2, 60]), st.integers(0, 5))
def test_rare_combinations_by_counting(n, k, levels, seed):
    rng = np.random.default_rng(seed)
    real, made = rng.integers(-1, levels, (2, n, k)).astype(np.int32)
    rare, found, _ = rare_combinations(real, made, (levels,) * k, rng)
    expected = np.zeros((2, n), bool)
    for size in range(1, min(k, 3) + 1):
        for columns in itertools.combinations(range(k), size):
            seen, drawn = ([tuple(row) for row in codes[:, columns]] for codes in (real, made))
            alone = np.array([seen.count(row) == 1 for row in seen])
            expected |= [alone, alone & [row in drawn for row in seen]]
    np.testing.assert_array_equal([rare, found], expected)


def test_many_columns_are_drawn_from():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 40, (300, 30)).astype(np.int32)
    rare, found, all_seen = rare_combinations(codes, codes, (40,) * 30, np.random.default_rng(7))
    assert not all_seen
    assert rare.all()
    assert found.all()
    again = rare_combinations(codes, codes[:9], (40,) * 30, np.random.default_rng(7))
    assert again[1][:9].all()
    assert not again[1].all()


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, -0.0, 1.0, math.nan, 1e300]), st.integers(-1, 1)),
        min_size=1,
        max_size=30,
    )
)
def test_row_keys_are_equal_where_rows_are(rows):
    part = Part(np.array([[r[0], 2.0] for r in rows]), np.array([[r[1]] for r in rows], np.int32))
    keys = row_keys(part)
    same = [
        [(a[0] == b[0] or (a[0] != a[0] and b[0] != b[0])) and a[1] == b[1] for b in rows]
        for a in rows
    ]
    np.testing.assert_array_equal(keys[:, None] == keys, same)


def test_row_keys_do_not_collide_on_neat_numbers():
    grid = np.stack(np.meshgrid(np.arange(60.0), np.arange(60.0), [0.0, 1.0]), -1).reshape(-1, 3)
    codes = np.repeat(np.arange(2), [3600, 3600])[:, None].astype(np.int32)
    assert len(np.unique(row_keys(Part(grid, codes)))) == len(grid)


@settings(max_examples=25)  # scikit-learn's takes its time
@given(
    st.lists(st.integers(0, 6), min_size=2, max_size=30),
    st.lists(st.integers(0, 6), min_size=2, max_size=30),
)
def test_attack_is_scikit_learn_s_area(members, strangers):
    from sklearn.metrics import roc_auc_score

    got = attack_auc(np.array(members, float), np.array(strangers, float))
    truth = [1] * len(members) + [0] * len(strangers)
    assert got.value == pytest.approx(roc_auc_score(truth, -np.array(members + strangers)))
    assert 0 <= got.low <= got.value <= got.high <= 1


def test_attack_interval_by_hand():
    got = attack_auc(np.array([1.0, 3.0]), np.array([2.0, 4.0]))
    # members win 1 and 1/2 of pairs, strangers lose 1/2 and 1: variances 1/8, over 2 each
    half = 1.959963984540054 * math.sqrt(0.125 / 2 + 0.125 / 2)
    assert (got.value, got.low, got.high) == pytest.approx((0.75, 0.75 - half, 1.0))
    apart = attack_auc(np.zeros(20), np.ones(20))
    assert (apart.value, apart.high) == (1.0, 1.0)
    assert apart.low == pytest.approx(20 / (20 + 1.959963984540054**2))


# generators


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [("numbers", (1800, 600)), ("categories", (1500, 1500)), ("both", (1500, 1500)),
     ("both", (1800, 600))],
)  # fmt: skip
def test_fresh_rows_leak_nothing(kind, sizes, z_limit):
    rng = np.random.default_rng([*sizes, len(kind)])
    found = measured(*(people(rng, n, kind) for n in (sizes[0], 2500, sizes[1])))
    limit = z_limit(6 * 6)
    for name, expected in (("membership", 0.5), ("authenticity", found.authenticity_baseline)):
        apart(getattr(found, name), expected, limit)
    for name in ("copies", "near_duplicates", "rare_combinations", "nndr"):
        first, second = getattr(found, name)
        if not math.isnan(first.value):
            apart(first, second, limit)


def apart(one, other, limit):
    """Fail where two figures differ by more than chance explains."""
    if isinstance(other, float):
        other = dataclasses.replace(one, value=other, low=other, high=other)
    errors = [max(e.value - e.low, e.high - e.value) / 1.96 for e in (one, other)]
    assert abs(one.value - other.value) <= limit * math.hypot(*errors), (one, other)


def test_a_bootstrap_is_found_out():
    rng = np.random.default_rng(1)
    real, holdout = (
        people(rng, 1000).assign(town=rng.integers(0, 60, 1000).astype(str)) for _ in range(2)
    )
    found = measured(real, real.sample(1000, replace=True, random_state=0), holdout)
    assert found.dcr_share.value == found.dcr_share_euclidean.value == 1.0
    assert (found.copies[0].value, found.copies[1].value) == (1.0, 0.0)
    assert found.near_duplicates[0].value == 1.0
    assert found.authenticity.high < 0.01 < found.authenticity_baseline.low
    assert found.nndr[0].value == 0.0 < found.nndr[1].low
    # 1 - 1/e of the training rows are drawn, and known for certain
    assert found.membership.value > 0.5 + 0.5 * (1 - math.exp(-1)) - 0.1
    assert found.rare_combinations[0].low > found.rare_combinations[1].high


def test_a_noisy_copy_is_found_out():
    rng = np.random.default_rng(2)
    real, holdout = people(rng, 1000), people(rng, 1000)
    made = real.copy()
    for name in ("x0", "x1", "x2"):
        made[name] += 0.01 * rng.normal(size=1000)
    found = measured(real, made, holdout)
    assert found.copies[0].value == 0.0
    assert found.dcr_share.low > 0.9
    assert found.near_duplicates[0].low > 0.3
    assert found.authenticity.high < 0.1
    assert found.membership.low > 0.9


def test_without_a_true_hold_out_copies_are_still_found():
    """The generator has seen both halves: the DCR share is 0.5, and authenticity tells."""
    rng = np.random.default_rng(3)
    real = people(rng, 2000)
    found = split(real, real.sample(1500, replace=True, random_state=0))
    assert found.rows == (1000, 1500, 1000)
    assert found.dcr_share.low < 0.5 < found.dcr_share.high
    assert found.copies[0].value == found.near_duplicates[0].value == 1.0
    assert found.authenticity.high < 0.01 < found.authenticity_baseline.low


def test_without_a_true_hold_out_fresh_rows_are_authentic(z_limit):
    rng = np.random.default_rng(4)
    found = split(people(rng, 2000), people(rng, 2000))
    apart(found.authenticity, found.authenticity_baseline, z_limit(4))
    apart(*found.near_duplicates, z_limit(4))
    apart(*found.nndr, z_limit(4))
    apart(*found.copies, z_limit(4))


def test_few_categories_have_natural_copies():
    rng = np.random.default_rng(5)
    found = measured(*(people(rng, n, "categories") for n in (1000, 1000, 1000)))
    assert found.copies[0].value > 0.9
    assert found.copies[1].value > 0.9
    assert found.dcr_share.low < 0.5 < found.dcr_share.high
    assert found.dcr_share.high - found.dcr_share.low < 0.1


# hold-outs


def test_overlap_is_counted_and_warned_of():
    rng = np.random.default_rng(6)
    real, fresh = people(rng, 400), people(rng, 400)
    holdout = pd.concat([people(rng, 190), real.head(10)])
    with pytest.warns(UserWarning, match="10 of 200 hold-out rows equal a training row"):
        found = measured(real, fresh, holdout)
    assert found.overlap == 10


def test_rows_equal_by_chance_are_no_reason_to_warn():
    rng = np.random.default_rng(7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measured(*(people(rng, n, "categories") for n in (500, 500, 200)))
    assert found.overlap > 100


def test_a_hold_out_is_needed():
    table = pa.table({"x": np.arange(60.0)})
    with pytest.raises(ValueError, match="no hold-out rows"):
        measure_privacy(align(table, table), holdout_is="given", random_state=0)
    with pytest.raises(ValueError, match="holdout_is must be one of 'given', 'split'"):
        measure_privacy(align(table, table, table), holdout_is="giben", random_state=0)


# edges


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1.0] * 60),
        pa.array(["a"] * 60),
        pa.array([None, None, *(i % 29 for i in range(58))]),
        pa.array([None] * 59 + [3.0]),
        pa.array([1.7e308, -1.7e308] * 10 + [0.0, 1e-300] * 20),
        pa.array([True, False] * 30),
    ],
    ids=["constant", "one category", "a gap", "nearly all missing", "huge", "boolean"],
)
def test_odd_columns(column):
    table = pa.table({"odd": column})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        tables = align(
            table, table, table, kinds={"odd": "category"} if column.type == pa.string() else None
        )
        found = measure_privacy(tables, holdout_is="given", random_state=0)
    assert found.copies[0].value == 1.0
    assert found.dcr_share.value == pytest.approx(0.5)


@pytest.mark.parametrize("rows", [(1, 1, 1), (2, 1, 1), (3, 2, 1), (1, 60, 60)])
def test_hardly_any_rows(rows):
    rng = np.random.default_rng(8)
    with few():
        found = measured(*(people(rng, n) for n in rows))
    if rows[0] < 3:
        assert math.isnan(found.authenticity.value)
    assert found.dcr_share.low <= found.dcr_share.value <= found.dcr_share.high
    json.dumps(dataclasses.asdict(found))
    assert len(found.figures) == 13


def test_large_tables_are_sampled_and_say_so(monkeypatch):
    monkeypatch.setattr(privacy, "BUDGET", 10**6)
    rng = np.random.default_rng(9)
    tables = align(*(people(rng, n) for n in (3000, 3000, 300)))
    found, again, other = (
        measure_privacy(tables, holdout_is="given", random_state=seed) for seed in (0, 0, 1)
    )
    assert found.compared == privacy.LEAST_QUERIES
    assert found.sampled.startswith("Neighbors were sought for 500 of 3,000 training, 500 of 3,000")
    assert "hold-out" not in found.sampled
    assert found == again != other


def test_figures_are_explained():
    rng = np.random.default_rng(10)
    tables = align(*(people(rng, n) for n in (300, 300, 300)))
    told = {}
    for which in ("given", "split"):
        found = measure_privacy(tables, holdout_is=which, random_state=0)
        assert all(one.name and one.text and one.says.endswith(".") for one in found.figures)
        told[which] = found.summary()
        assert "None of this is differential privacy" in told[which]
    assert "proves nothing" in told["split"]
    assert "proves nothing" not in told["given"]


def test_figures_are_plain():
    rng = np.random.default_rng(12)
    found = measured(*(people(rng, n) for n in (100, 100, 100)))
    text = json.dumps(dataclasses.asdict(found))
    assert json.loads(text)["distances"]["levels"][:2] == [0.0, 0.01]


def test_no_rare_combination_is_said_to_be_none():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=80), "c": ["a", "b"] * 40})
    told = {one.name: one.text for one in split(table, table).figures}
    assert told["Rare combinations"] == "training rows not measured; hold-out rows not measured"


def test_an_attack_on_equal_distances_is_a_guess_and_not_a_sure_one():
    found = attack_auc(np.zeros(40), np.zeros(30))
    assert found.value == 0.5
    assert found.low < 0.45
    assert found.high > 0.55
