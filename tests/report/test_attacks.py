"""Attacks: by hand, and on generators of which it is known what they give away."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from vicinal._stats import Estimate
from vicinal.report.privacy.attacks import run_attacks
from vicinal.report.privacy.density import density_attack, log_ratio
from vicinal.report.privacy.inference import attribute_inference
from vicinal.report.privacy.linkability import linkability
from vicinal.report.privacy.measure import attack_auc, measure_privacy
from vicinal.report.privacy.risk import residual_risk
from vicinal.report.privacy.singling_out import (
    AT_LEAST,
    AT_MOST,
    EQUAL,
    _fits_one,
    singling_out,
)
from vicinal.report.privacy.values import cells_written_out, exact_values, numbers_written_out
from vicinal.report.tables import MOST_COLUMNS, align
from vicinal.table.schema import Column

FEW = pytest.mark.filterwarnings("ignore:Fewer than 50")


def people(seed, n=400):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)) @ np.triu(np.ones((4, 4)))
    made = {f"x{at}": column.round(4) for at, column in enumerate(x.T)}
    made |= {f"c{at}": rng.choice(list("abcdefgh"), n) for at in range(3)}
    return pd.DataFrame(made)


def attacked(synthetic):
    tables = align(people(0), synthetic, people(1))
    return {one.name: one for one in run_attacks(tables, np.random.default_rng(0))}


def test_risk_by_hand():
    found = residual_risk(Estimate(0.6, 0.5, 0.7), Estimate(0.2, 0.1, 0.3))
    assert found.value == pytest.approx(0.5)
    # 0.1 / 0.8 on one side, 0.1 * 0.4 / 0.64 on the other
    assert found.low == pytest.approx(0.5 - math.hypot(0.125, 0.0625))
    assert found.high == pytest.approx(0.5 + math.hypot(0.125, 0.0625))
    nothing_to_gain = Estimate(1.0, 0.9, 1.0)
    assert residual_risk(nothing_to_gain, nothing_to_gain).value == 0.0


def test_the_risk_s_interval_covers():
    rng = np.random.default_rng(0)
    hits = rng.binomial(200, 0.3, 2000), rng.binomial(300, 0.2, 2000)
    true, inside = (0.3 - 0.2) / 0.8, 0
    for a, b in zip(*hits, strict=True):
        risk = residual_risk(Estimate.of_share(int(a), 200), Estimate.of_share(int(b), 300))
        inside += risk.low <= true <= risk.high
    assert 0.93 < inside / 2000 < 0.975


def test_copies_are_found_by_every_attack():
    found = attacked(people(0).sample(400, random_state=0))
    assert found.pop("Reconstruction by lines").success.value == 0.0  # no row was mixed
    assert len(found) == 5
    assert all(one.risk.low > 0.2 for one in found.values())
    assert found["Exact values"].success.value == 1.0
    assert found["Linkability"].risk.value > 0.9


@pytest.mark.parametrize("made", [people(2), people(1)], ids=["fresh", "the hold-out"])
def test_rows_of_others_give_nothing_away(made):
    for one in attacked(made).values():
        assert one.risk.low < 0.03, one.name


def test_shuffled_columns_tell_values_and_no_more():
    rng = np.random.default_rng(7)
    shuffled = people(0).apply(lambda column: rng.permutation(column.to_numpy()))
    found = attacked(shuffled)
    assert found["Exact values"].success.value == 1.0
    assert found["Singling out, one column"].risk.low > 0.9
    for name in ("Singling out, 4 columns", "Linkability", "Attribute inference"):
        assert found[name].risk.low < 0.03


@FEW
def test_exact_values_by_hand():
    numbers = np.arange(30.0)
    real = pa.table({"x": numbers[:20], "y": [1.0] * 20})
    unseen = pa.table({"x": numbers[15:], "y": [1.0] * 15})  # 15 to 19 are in both
    made = pa.table({"x": [0.0, 1.0, 2.0, 17.0, 25.0, 99.0], "y": [1.0] * 6})
    found = exact_values(align(real, made, unseen))
    assert found.success.value == 3 / 15
    assert found.control.value == 1 / 10


def test_a_column_of_copied_numbers_is_not_hidden_by_coarse_ones():
    def table(seed):
        rng = np.random.default_rng(seed)
        coarse = {f"x{at}": rng.integers(0, 2_000, 500) for at in range(3)}
        return pd.DataFrame(coarse | {"cost": rng.gamma(2, 1_000, 500).round(2)})

    made = table(2)
    assert "surest" not in exact_values(align(table(0), made, table(1))).says
    made.loc[:47, "cost"] = table(0)["cost"][100:148].to_numpy()
    tables = align(table(0), made, table(1))
    for success, control, column in (
        (*exact_values(tables)[1:3], exact_values(tables).says),
        numbers_written_out(tables, tables.real),
    ):
        assert "cost" in column
        assert success.low - control.high > 0.02
    assert "where it is surest of 4 columns" in exact_values(tables).says


@FEW
def test_numbers_written_out_by_hand():
    real = pa.table({"x": [*np.arange(16.0), 20, 20, 21, 21]})  # 16 numbers of one row, 2 of two
    made = pa.table({"x": [0.0, 1.0, 20.0, 99.0]})
    tables = align(real, made)
    found = numbers_written_out(tables, tables.real)
    # a row left out meets a number of one other row where two rows hold it: 4 of 20
    assert (found.found.value, found.control.value) == (2 / 4, 4 / 20)
    # one number, over and over
    again = align(real, pa.table({"x": [0.0] * 40}))
    assert numbers_written_out(again, again.real).found.value == 10 / 40


def test_fresh_numbers_spread_otherwise_are_not_taken_for_copies():
    rng = np.random.default_rng(0)
    real = pd.DataFrame({"n": rng.gamma(1, 300, 2_000).round()})  # dense below, thin above
    made = pd.DataFrame({"n": rng.uniform(600, 900, 2_000).round()})
    tables = align(real, made)
    found = numbers_written_out(tables, tables.real)
    counts = real["n"].value_counts()
    met = 2 * (counts == 2).sum() / len(real)  # by rows spread as the real ones
    assert found.found.value > met + 0.05
    assert found.found.low < found.control.value


@FEW
def test_singling_out_by_hand():
    real = pa.table({"c": list("aabcd")})
    unseen = pa.table({"c": list("bbadd")})
    made = pa.table({"c": list("aabdd")})  # b alone is of one row; one training row has it
    found = singling_out(align(real, made, unseen), 1, 100, np.random.default_rng(0))
    assert (found.success.value, found.control.value) == (1.0, 0.0)


@pytest.mark.parametrize("n", [1, 3, 40])
def test_a_description_fits_one_row_as_numpy_counts_them(n):
    rng = np.random.default_rng(n)
    cells = rng.integers(0, 4, (n, 4)).astype(float)
    numbers, codes = np.asfortranarray(cells[:, :2]), np.asfortranarray(cells[:, 2:] - 1)
    numbers[numbers == 3] = np.nan
    signs = {AT_MOST: np.less_equal, EQUAL: np.equal, AT_LEAST: np.greater_equal}
    seen = set()
    for _ in range(300):
        wanted, met = np.empty((2, 3)), np.ones(n, bool)
        for line, at in enumerate(rng.choice(4, 2, replace=False)):
            sign = EQUAL if at > 1 else rng.choice(list(signs))
            value = (codes[:, at - 2] if at > 1 else numbers[:, at])[rng.integers(n)]
            wanted[line] = at, sign, value
            column = codes[:, at - 2] if at > 1 else numbers[:, at]
            met &= np.isnan(column) if np.isnan(value) else signs[sign](column, value)
        assert _fits_one(wanted, numbers, codes.astype(np.int32, order="F")) == (met.sum() == 1)
        seen.add(bool(met.sum() == 1))
    assert seen == ({True} if n == 1 else {True, False})


@FEW
def test_linkability_by_hand():
    made = pa.table({"x": [0.0, 5.0, 10.0], "y": [0.0, 5.0, 10.0]})
    real = pa.table({"x": [0.1, 5.1, 9.9], "y": [0.1, 5.1, 0.2]})  # the last one's halves differ
    unseen = pa.table({"x": [0.0, 10.0], "y": [9.0, 0.0]})
    splits = [((0,), (1,))]
    found = linkability(align(real, made, unseen), 10, np.random.default_rng(0), splits)
    assert (found.success.value, found.control.value) == (pytest.approx(2 / 3), 0.0)


@FEW
def test_inference_by_hand():
    made = pa.table({"x": [0.0, 100.0], "c": ["a", "b"], "z": [50.0, 10.0]})
    real = pa.table({"x": [1.0, 99.0, 2.0], "c": ["a", "b", "b"], "z": [52.0, 10.6, 52.0]})
    unseen = pa.table({"x": [1.0, 99.0], "c": ["b", "a"], "z": [53.0, 10.6]})
    tables = align(real, made, unseen)
    rng = np.random.default_rng(0)
    category = attribute_inference(tables, 10, rng, [2])  # numbers come first: x, z, c
    assert (category.success.value, category.control.value) == (pytest.approx(2 / 3), 0.0)
    # 52 is within 5 % of 50, 10.6 is not of 10; the third is nearest to b
    number = attribute_inference(tables, 10, rng, [1])
    assert (number.success.value, number.control.value) == (pytest.approx(1 / 3), 0.0)


def test_density_ratio():
    assert log_ratio(np.array([1.0]), np.array([0.5])) == pytest.approx(np.log(2), abs=1e-5)
    rng = np.random.default_rng(0)
    for made, low, high in ((people(0), 0.95, 1.0), (people(2), 0.4, 0.6)):
        members, strangers = density_attack(align(people(0), made, people(1)), rng)
        assert low <= attack_auc(-members, -strangers).value <= high


def test_attacks_stand_in_the_report_where_a_hold_out_was_given():
    tables = align(people(0), people(2), people(1))
    found = measure_privacy(tables, holdout_is="given", random_state=0)
    names = [one.name for one in found.figures]
    assert {"Linkability", "Membership by density ratio, AUC"} <= set(names)
    assert "Risk beyond the control" in found.summary()
    again = measure_privacy(tables, holdout_is="given", random_state=0)
    assert again.attacks == found.attacks
    assert measure_privacy(tables, holdout_is="split", random_state=0).attacks == ()


def test_a_hold_out_that_is_the_training_table_is_refused():
    shuffled = people(0).sample(frac=1, random_state=1)
    tables = align(people(0), people(2), shuffled)
    with pytest.raises(ValueError, match="The hold-out is the training table"):
        measure_privacy(tables, holdout_is="given", random_state=0)


@FEW
def test_too_few_rows_are_not_attacked():
    tables = align(people(0), people(2), people(1, 49))
    assert measure_privacy(tables, holdout_is="given", random_state=0).membership_by_density is None
    assert run_attacks(tables, np.random.default_rng(0)) == ()


def test_attacks_of_wide_tables_know_some_columns_and_say_so():
    rng = np.random.default_rng(0)
    names = [f"x{at}" for at in range(MOST_COLUMNS + 10)]

    def part(values):
        return pd.DataFrame(values.round(6), columns=names)

    real, unseen = (rng.normal(size=(50, len(names))) for _ in range(2))
    made = rng.normal(size=(50, len(names)))
    made[:, 29] = real[:, 29]  # copied in one column, which is not among those drawn
    tables = align(part(real), part(made), part(unseen))
    assert "x29" not in tables.narrowed()[0].numeric
    found = measure_privacy(tables, holdout_is="given", random_state=0)
    assert f"know {MOST_COLUMNS} columns, drawn at random from {len(names)}." in found.sampled
    values = next(one for one in found.attacks if one.name == "Exact values")
    assert values.success.value > values.control.value


def test_serial_numbers_are_met_by_any_number_among_them():
    serial = np.arange(1, 601)
    rng = np.random.default_rng(0)
    real = pa.table({"serial": serial, "x": rng.normal(size=600)})
    made = pa.table({"serial": rng.permutation(serial), "x": rng.normal(size=600)})
    kinds = {"serial": "integer"}
    tables = align(real, made, kinds=kinds)
    found = numbers_written_out(tables, tables.real)
    assert found.low < 0.02
    for many in (12_000, 600_000):  # the same numbers of many that might be drawn
        some = pa.array(rng.choice(many, 600, replace=False))
        apart = pa.table({"serial": some, "x": real["x"]})
        tables = align(apart, apart, kinds=kinds)
        assert numbers_written_out(tables, tables.real).low > 0.8
        fresh = pa.table({"serial": rng.choice(many, 600), "x": made["x"]})
        tables = align(apart, fresh, kinds=kinds)
        assert numbers_written_out(tables, tables.real).low < 0.02


def cells(real, made, unseen=None, kind="identifier", note=""):
    column = Column("a", kind, "string", 0, 0, note)
    tables = [None if one is None else pa.table({"a": one}) for one in (real, made, unseen)]
    found = cells_written_out([column], *tables)
    return found.found.value, found.control.value


def test_cells_written_out_by_hand():
    # each counts once, blanks around it and missing ones do not
    assert cells(["p", "q", "r", None, ""], ["p", " p", "x", None, ""]) == (1 / 2, 0)
    assert cells(["p", "q"], ["p", "x"], ["p", "y", "z", "z"]) == (1 / 2, 1 / 3)
    # an identifier may have many rows; names and texts count where one row alone has them
    assert cells(["p", "p", "q", "q"], ["p", "x"]) == (1 / 2, 0)
    assert cells(["p", "p", "q", "r"], ["p", "q"], kind="text") == (1 / 2, 1 / 2)
    assert cells(["Jo", "Jo", "Al", "Ed"], ["Jo", "Al"], note="name") == (1 / 2, 1 / 2)
    # whole numbers may come back as floats
    assert cells([10**9, 5, 70_000], [5.0, None, 6.0]) == pytest.approx((1 / 2, 0), abs=1e-3)
    assert cells([1, 2, 3], ["x", "y"]) == (0, 0)
    # marks of missing cells are nobody's
    assert cells(["p", "q", "n/a"], ["n/a", "x", "-"]) == (0, 0)
    assert cells(["p", "q"], ["p", "x"], pa.nulls(2, pa.string())) == (1 / 2, 0)
    # in a text that is kept but for contacts, these are looked at, where one row has them
    real = ["fine", "call 030 1234567", "fine", "to a@x.org", "to b@x.org", "b@x.org"]
    made = ["fine", "fine, a@x.org", "to b@x.org", "call 030 7654321"]
    assert cells(real, made, note="contact in a text, the same")[0] == 1 / 3
    assert math.isnan(cells(["fine"] * 3, ["fine"], note="contact in a text")[0])


def test_row_numbers_are_met_by_counting():
    """Who numbers rows anew meets real ones, the more the denser; of codes far apart nobody."""
    rows = list(range(1, 301))
    assert cells(rows, rows) == pytest.approx((1, 1))
    assert cells(rows, rows, list(range(301, 601))) == pytest.approx((1, 1))
    names = [f"P{at:04d}" for at in rows]
    assert cells(names, [*names, *"abc"], list("abc")) == pytest.approx((301 / 303,) * 2, abs=0.02)
    rng = np.random.default_rng(0)
    for few, many in ((0, 500), (0, 10_000), (10**18, 10**18 + 10**6)):  # some numbers are taken
        own, drawn = (rng.choice(many - few, 300, replace=False) + few for _ in range(2))
        found, chance = cells(own, drawn)
        assert found <= chance + 0.001
        assert cells(own, own)[1] < 0.75
    codes = rng.choice(10**9, 300, replace=False)
    assert cells(codes, codes) == pytest.approx((1, 0), abs=1e-3)


@FEW
def test_a_date_that_is_missing_once_is_guessed_all_the_same():
    rng = np.random.default_rng(0)
    days = pa.array(rng.integers(0, 5_000, 300), pa.int32())
    table = pa.table({"x": rng.normal(size=300), "day": days.cast(pa.date32())})
    holed = table.set_column(1, "day", pa.array([None, *table["day"].to_pylist()[1:]], pa.date32()))
    unseen = table.set_column(0, "x", pa.array(rng.normal(size=300)))
    for made, hits in ((table, 300), (holed, 299)):
        tables = align(table, made, unseen)
        found = attribute_inference(tables, 300, np.random.default_rng(0), [1])
        assert found.success.value == pytest.approx(hits / 300)


def test_a_column_that_is_copied_is_not_hidden_by_those_that_are_not():
    # a key of twelve columns finds its row, and one secret is copied there
    rng = np.random.default_rng(0)
    real, others = (rng.normal(size=(400, 12)) for _ in range(2))
    secret, fresh = (rng.integers(0, 40, 400).astype(str) for _ in range(2))
    tables = [
        pa.table({f"x{at}": one for at, one in enumerate(rows.T)} | {"secret": codes})
        for rows, codes in ((real, secret), (real + rng.normal(0, 0.3, real.shape), secret))
    ]
    unseen = pa.table({f"x{at}": one for at, one in enumerate(others.T)} | {"secret": fresh})
    found = attribute_inference(align(*tables, unseen), 400, np.random.default_rng(0))
    assert "of the column where it is surest" in found.says
    assert "Worst of 13: secret" in found.says
    assert found.success.value > 0.9 > 0.1 > found.control.value
