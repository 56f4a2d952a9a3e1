"""Utility against scikit-learn, theory and numbers worked out by hand."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student
from sklearn import metrics

from vicinal.report.tables import align
from vicinal.report.utility.leaks import leaking_columns
from vicinal.report.utility.learners import LEARNERS, macro_auc, macro_f1, pose, r_squared
from vicinal.report.utility.measure import measure_utility

pytestmark = pytest.mark.usefixtures("few_trees")

predictions = st.tuples(
    st.integers(2, 5), st.integers(2, 40), st.integers(0, 2**32 - 1), st.integers(1, 20)
)


def shares_of(case):
    """Return predicted shares with ties, and classes."""
    n_classes, n_rows, seed, steps = case
    rng = np.random.default_rng(seed)
    shares = rng.integers(1, steps + 1, (n_rows, n_classes)).astype(float)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares, rng.integers(0, n_classes, n_rows)


@given(predictions)
def test_auc_is_scikit_learn_s(case):
    shares, truth = shares_of(case)
    areas = [
        metrics.roc_auc_score(truth == one, shares[:, one])
        for one in np.unique(truth)
        if 0 < (truth == one).sum() < len(truth)
    ]
    found = macro_auc(shares, truth)
    if areas:
        assert found == pytest.approx(np.mean(areas), abs=1e-12)
    else:
        assert math.isnan(found)


@given(predictions)
def test_f1_is_scikit_learn_s(case):
    shares, truth = shares_of(case)
    expected = metrics.f1_score(truth, shares.argmax(axis=1), average="macro")
    assert macro_f1(shares, truth) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=2, max_size=30))
def test_r2_is_scikit_learn_s(pairs):
    guess, truth = np.array(pairs).T
    if np.ptp(truth) > 1e-3:
        assert r_squared(guess, truth) == pytest.approx(metrics.r2_score(truth, guess), rel=1e-6)


def test_measures_by_hand():
    shares = np.array([[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.2, 0.8]])
    truth = np.array([0, 0, 1, 1])
    # of the four pairs of a 0 and a 1, three are in order and one is tied
    assert macro_auc(shares, truth) == pytest.approx(3.5 / 4)
    # guesses 0 0 0 1: F1 of class 0 is 2*2/(2+3), of class 1 2*1/(2+1)
    assert macro_f1(shares, truth) == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert r_squared(np.array([1.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(0.5)
    assert math.isnan(r_squared(np.ones(3), np.ones(3)))


def test_huge_numbers_do_not_overflow():
    truth = np.array([1e300, -1e300, 5e299])
    assert r_squared(truth, truth) == 1.0


def people(n_rows: int, seed: int, flip: float = 0.0) -> pa.Table:
    """Return rows whose target depends on a number and a category."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n_rows)
    town = rng.choice(["north", "south", "west"], n_rows)
    up = x + (town == "north") + 0.5 * rng.normal(size=n_rows) > 0.3
    up ^= rng.random(n_rows) < flip
    return pa.table({"x": x, "town": town, "y": np.where(up, "up", "down")})


@pytest.fixture(scope="module")
def fresh():
    """Tables whose synthetic rows are as good as real ones."""
    return align(people(800, 1), people(800, 2), people(2000, 3), target="y")


@pytest.mark.parametrize("model", list(LEARNERS))
def test_fresh_rows_are_worth_as_much_as_real_ones(fresh, model):
    utility = measure_utility(fresh, models=[model], repeats=5, random_state=0)
    for metric in ("AUC", "F1"):
        gap = utility.gap(model, metric)
        assert gap.low < 0 < gap.high
        assert gap.high - gap.low < 0.2
    assert utility.score("real", model).figure.value > 0.85


def test_a_group_that_was_lost_is_seen_in_its_own_figures():
    real, made = people(800, 1), people(800, 2)
    west = made["town"].to_numpy(False) == "west"
    target = made["y"].to_numpy(False).copy()
    target[west] = np.random.default_rng(0).permutation(target[west])
    lost = align(real, made.set_column(2, "y", pa.array(target)), people(1500, 3), target="y")
    settings = {"models": ["boosted trees"], "repeats": 3, "random_state": 0}
    utility = measure_utility(lost, groups="town", **settings)
    found = {one.group: one for one in utility.groups}
    assert sum(one.test_rows for one in found.values()) == utility.test_rows == 1500
    assert found["west"].gap().high < -0.05
    assert min(found[one].gap().high for one in ("north", "south")) > -0.02
    assert found["west"].score("real").figure.value > 0.85
    # the models are the same, and so are the figures of all rows
    assert measure_utility(lost, **settings).scores == utility.scores
    assert measure_utility(lost, groups="y", **settings).groups == ()
    few = lost.holdout.take(slice(45))  # fewer than 20 of each town
    assert not measure_utility(replace(lost, holdout=few), groups="town", **settings).groups


def test_targets_the_wrong_way_round_teach_the_opposite():
    real, test = people(800, 1), people(2000, 3)
    turned = pa.array(np.where(real["y"].to_numpy(False) == "up", "down", "up"))
    turned = align(real, real.set_column(2, "y", turned), test, target="y")
    utility = measure_utility(turned, repeats=3, random_state=0)
    for model in LEARNERS:
        areas = [utility.score(source, model).figure.value for source in ("real", "synthetic")]
        assert utility.gap(model).high < 0
        assert areas[0] > 0.85
        assert sum(areas) == pytest.approx(1, abs=0.03)
        # both together contradict each other
        assert areas[1] < utility.score("real + synthetic", model).figure.value < areas[0]


def test_r2_is_what_theory_says(z_limit):
    rng = np.random.default_rng(0)
    parts = []
    for n_rows in (2000, 2000, 4000):
        x = rng.normal(size=n_rows)
        parts.append(pa.table({"x": x, "y": 2 * x + rng.normal(size=n_rows)}))
    utility = measure_utility(
        align(*parts, target="y"), models=["linear"], repeats=5, random_state=0
    )
    # 1 - R2 is the ratio of two variances, 1 and 5; each is estimated with variance 2 / n, once
    # in the rows and once more in drawing them again
    error = 0.2 * math.sqrt(2 * 2 * 2 / 4000)
    assert utility.metric == "R2"
    for source in ("real", "synthetic"):
        assert abs(utility.score(source, "linear").figure.value - 0.8) < z_limit(2) * error


def test_intervals_are_those_of_a_single_repeat():
    tables = align(people(200, 1), people(200, 2), people(200, 3), target="y")
    utility = measure_utility(tables, models=["linear"], repeats=4, random_state=0)
    score = utility.score("synthetic", "linear")
    half = student.ppf(0.975, 3) * np.std(score.repeats, ddof=1)
    assert score.figure.value == pytest.approx(np.mean(score.repeats))
    assert score.figure.value - score.figure.low == pytest.approx(half)
    assert score.figure.high == pytest.approx(min(score.figure.value + half, 1))
    gaps = np.subtract(score.repeats, utility.score("real", "linear").repeats)
    assert utility.gap("linear").value == pytest.approx(gaps.mean())
    assert utility.gap("linear").high == pytest.approx(
        gaps.mean() + student.ppf(0.975, 3) * gaps.std(ddof=1)
    )
    single = measure_utility(tables, models=["linear"], repeats=1, random_state=0)
    assert math.isnan(single.gap("linear").low)


def test_same_seed_same_figures_on_any_number_of_threads(fresh):
    import numba

    found = [measure_utility(fresh, repeats=2, random_state=4, sources=["real"])]
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        found.append(measure_utility(fresh, repeats=2, random_state=4, sources=["real"]))
    finally:
        numba.set_num_threads(before)
    assert found[0] == found[1]
    other = measure_utility(fresh, repeats=2, random_state=5, sources=["real"])
    assert found[0].scores[0].repeats != other.scores[0].repeats


def test_tables_count_with_as_many_rows_and_it_is_said():
    tables = align(people(300, 1), people(900, 2), people(200, 3), target="y")
    utility = measure_utility(tables, models=["linear"], repeats=1, random_state=0)
    assert (utility.rows, utility.train_rows, utility.test_rows) == ((300, 900, 200), 300, 200)
    assert "300 rows drawn with replacement from the 300 real" in utility.sampled
    capped = measure_utility(tables, models=["linear"], repeats=1, train_rows=100, random_state=0)
    assert capped.train_rows == 100


def test_rows_without_a_target_are_left_out():
    real = people(300, 1)
    holed = pa.array([None if at % 3 else value for at, value in enumerate(real["y"].to_pylist())])
    tables = align(real.set_column(2, "y", holed), real, people(200, 3), target="y")
    assert pose(tables).real.n_rows == 100


def test_examples_by_hand():
    real = pa.table({"c": ["b", "a", "b", None], "n": [1.0, None, 7.0, 2.0], "y": [0, 1, 1, 0]})
    made = pa.table({"c": ["new", "a"], "n": [0.0, 1.0], "y": [1, 1]})
    held = pa.table({"c": ["a", "other"], "n": [5.0, 6.0], "y": [0, 1]})
    with pytest.warns(UserWarning, match="Fewer than"):
        problem = pose(align(real, made, held, target="y"))
    assert problem.real.codes[:, 0].tolist() == [0, 1, 0, -1]  # b is the commonest
    assert problem.synthetic.codes[1, 0] == 1
    assert problem.synthetic.codes[0, 0] >= 2  # unknown to the real rows
    np.testing.assert_array_equal(problem.real.numbers[:, 0], [1, np.nan, 7, 2])
    assert problem.real.target.tolist() == [0, 1, 1, 0]


def test_mixed_numbers_count_as_the_nearer_class():
    real = pa.table({"x": np.arange(60.0), "y": [0.0, 1.0] * 30})
    made = pa.table({"x": [0.0, 1.0, 2.0, 3.0] * 15, "y": [-0.2, 0.4, 0.6, 1.7] * 15})
    problem = pose(align(real, made, real, target="y"))
    assert problem.task == "class"
    assert problem.synthetic.target[:4].tolist() == [0, 0, 1, 1]


def test_classes_that_only_synthetic_rows_have_are_not_measured():
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    y = np.where(x > 0, "yes", "no")
    odd = np.where(rng.random(400) < 0.2, "maybe", y)
    table = pa.table({"x": x, "y": y})
    tables = align(table, pa.table({"x": x, "y": odd}), table, target="y")
    assert pose(tables).n_classes == 2
    utility = measure_utility(tables, repeats=1, random_state=0)
    assert utility.score("synthetic").figure.value > 0.95
    assert utility.score("synthetic", "linear").figure.value > 0.95


def test_a_class_that_is_not_learned_counts_one_half():
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    y = np.digitize(x, [-0.5, 0.5]).astype(str)
    table = pa.table({"x": x, "y": y})
    two = table.filter(pa.array(y != "2"))
    with pytest.warns(UserWarning, match="lack 1 class"):
        utility = measure_utility(align(table, two, table, target="y"), repeats=1, random_state=0)
    assert utility.score("synthetic").figure.value < 0.9 < utility.score("real").figure.value


@pytest.mark.parametrize("model", list(LEARNERS))
def test_a_synthetic_table_of_one_class_teaches_nothing(model):
    table = people(300, 1)
    one = table.set_column(2, "y", pa.array(["up"] * 300))
    with pytest.warns(UserWarning, match="lack 1 class"):
        utility = measure_utility(
            align(table, one, table, target="y"), repeats=2, models=[model], random_state=0
        )
    assert utility.score("synthetic", model).figure.value == 0.5
    assert utility.score("synthetic", model, "F1").figure.value < 0.5


def test_a_holdout_of_one_class_cannot_be_measured():
    table = people(300, 1)
    held = table.filter(pa.array(table["y"].to_numpy(False) == "up"))
    with pytest.warns(UserWarning, match="hold-out rows have one class"):
        utility = measure_utility(align(table, table, held, target="y"), repeats=2, random_state=0)
    assert math.isnan(utility.score("synthetic").figure.value)
    assert "not measured" in utility.summary()


def test_a_constant_synthetic_number_teaches_nothing():
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    real = pa.table({"x": x, "y": x})
    made = pa.table({"x": x, "y": np.full(300, 0.25)})
    utility = measure_utility(align(real, made, real, target="y"), repeats=1, random_state=0)
    for model in LEARNERS:
        assert utility.score("synthetic", model).figure.value <= 0


@pytest.mark.parametrize("seed", [0, 1])
def test_all_kinds_of_columns(seed):
    rng = np.random.default_rng(seed)
    n_rows = 400
    start = dt.datetime(2020, 1, 1)
    table = pa.table(
        {
            "many": rng.integers(0, 330, n_rows).astype(str),
            "when": [start + dt.timedelta(hours=int(h)) for h in rng.integers(0, 9999, n_rows)],
            "same": np.ones(n_rows),
            "word": ["w"] * n_rows,
            "gone": pa.nulls(n_rows, pa.float64()),
            "holed": np.where(rng.random(n_rows) < 0.5, np.nan, rng.normal(size=n_rows)),
            "huge": rng.normal(size=n_rows) * 1e300,
            "flag": rng.random(n_rows) < 0.5,
            "y": rng.choice(["a", "b", "c"], n_rows),
        }
    )
    tables = align(table, table, table, target="y", kinds={"many": "category"})
    utility = measure_utility(tables, repeats=1, random_state=seed)
    for score in utility.scores:
        assert 0 <= score.figure.value <= 1


@pytest.mark.parametrize("gone", [["x"], ["x", "town"]], ids=["some", "all"])
def test_columns_without_any_synthetic_value_teach_nothing(gone):
    real, made = people(200, 1), people(200, 2)
    for name in gone:
        at = made.column_names.index(name)
        made = made.set_column(at, name, pa.nulls(200, made.schema.field(name).type))
    utility = measure_utility(
        align(real, made, people(400, 3), target="y"), repeats=2, random_state=0
    )
    for model in LEARNERS:
        if len(gone) == 2:
            assert utility.score("synthetic", model).figure.value == 0.5
        assert utility.gap(model).value < -0.1


@pytest.mark.parametrize("n_rows", [4, 9])
def test_a_handful_of_rows(n_rows):
    with pytest.warns(UserWarning, match="Fewer than 50 rows"):
        tables = align(people(n_rows, 11), people(n_rows, 12), people(n_rows, 13), target="y")
    utility = measure_utility(tables, repeats=3, random_state=0)
    assert -1 <= utility.gap("linear").value <= 1
    for score in utility.scores:
        assert not score.figure.high > 1


def test_summary_names_every_figure(fresh):
    utility = measure_utility(fresh, repeats=2, random_state=0)
    text = utility.summary()
    for word in ("boosted trees, AUC", "linear, F1", "real + synthetic", "2,000 hold-out rows"):
        assert word in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"y": ["up"] * 120}, "one class in the real table"),
        ({"y": pa.nulls(120, pa.string())}, "no value at all"),
        ({"x": None, "town": None}, "no column is left to predict it from"),
    ],
)
def test_targets_that_cannot_be_predicted(change, said):
    table = people(120, 1)
    for name, values in change.items():
        at = table.column_names.index(name)
        table = table.remove_column(at)
        if values is not None:
            table = table.append_column(name, pa.array(values))
    with pytest.raises(ValueError, match=said):
        measure_utility(align(table, table, table, target="y"), random_state=0)


def test_what_is_needed():
    table = people(120, 1)
    with pytest.raises(ValueError, match="needs a target and hold-out"):
        measure_utility(align(table, table, table), random_state=0)
    with pytest.raises(ValueError, match="needs a target and hold-out"):
        measure_utility(align(table, table, target="y"), random_state=0)
    empty = table.set_column(2, "y", pa.nulls(120, pa.string()))
    with pytest.raises(ValueError, match="synthetic table has no row with a value of the target"):
        measure_utility(align(table, empty, table, target="y"), random_state=0)
    tables = align(table, table, table, target="y")
    with pytest.raises(ValueError, match="repeats must be at least 1"):
        measure_utility(tables, repeats=0, random_state=0)
    with pytest.raises(ValueError, match="models must be one of 'boosted trees'"):
        measure_utility(tables, models=["linaer"], random_state=0)
    utility = measure_utility(tables, repeats=1, models=["linear"], random_state=0)
    with pytest.raises(ValueError, match="metric must be one of 'AUC', 'F1'"):
        utility.gap("linear", "R2")


def test_a_leak_is_found_in_a_table_that_is_sorted_by_its_target():
    table = people(6000, 1)
    table = table.append_column("copy", table["y"]).sort_by("y")
    problem = pose(align(table, table, table, target="y"))
    names = ["x", "town", "copy"]
    assert leaking_columns(problem, names) == ("copy",)
