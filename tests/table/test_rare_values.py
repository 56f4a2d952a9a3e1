"""Values that few training rows hold: none is written out, but by the chance of any other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vicinal.table import TableSynthesizer, infer_schema
from vicinal.table.marginals import marginal_of
from vicinal.table.rare import dealt_gaps, rare_rows
from vicinal.table.stream import fit_stream, sample_stream

PRIVATE = ("balanced", "high", "max")


def people(n: int = 1200, seed: int = 0) -> pd.DataFrame:
    """Return people with a charge of their own, heaped ages, and a few rare towns."""
    rng = np.random.default_rng(seed)
    towns = np.where(rng.random(n) < 0.02, [f"hamlet {one}" for one in range(n)], "town")
    towns = np.where(rng.random(n) < 0.4, "city", towns)
    return pd.DataFrame(
        {
            "charge": rng.lognormal(8, 1, n).round(2),
            "score": rng.normal(0, 1, n).round(3),
            "age": rng.normal(40, 12, n).round().clip(0, 99).astype(int),
            "fee": np.where(rng.random(n) < 0.6, 0.0, rng.gamma(2, 50, n).round(1)),
            "town": towns,
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 10**8, n), "s"),
        }
    )


def hits(values: pd.Series, others: pd.Series, made: pd.Series) -> tuple[int, int]:
    """Return how many values that one row alone holds were written, and how many there are."""
    own = values[~values.duplicated(keep=False)]
    own = own[~own.isin(others)]
    return int(own.isin(made).sum()), len(own)


@pytest.mark.parametrize("privacy", PRIVATE)
def test_who_is_in_the_table_cannot_be_told_by_a_value(privacy):
    told = {"in": [0, 0], "out": [0, 0]}
    for seed in range(4):
        table = people(2400, seed)
        train, unseen = table[:1200], table[1200:]
        made = TableSynthesizer(privacy, random_state=seed, rare="replace").fit(train).sample(1200)
        for name in ("charge", "score", "fee", "since"):
            for key, one, other in (("in", train, unseen), ("out", unseen, train)):
                found, total = hits(one[name], other[name], made[name])
                told[key][0] += found
                told[key][1] += total
    (seen, n_seen), (chance, n_unseen) = told["in"], told["out"]
    assert min(n_seen, n_unseen) > 5000
    assert abs(seen / n_seen - chance / n_unseen) < 0.02


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
@pytest.mark.parametrize("lone", [-7, 40, 1_234_567])
@pytest.mark.parametrize("n_rows", [1, 3])
def test_a_lone_value_beside_common_ones_is_not_written(lone, n_rows, dtype):
    # its owner alone could be behind a cell of its own, or a middle of it and a neighbor
    common = np.array([0, 30, 60], dtype)
    values = np.sort(np.append(common, dtype(lone)))
    counts = np.where(values == lone, n_rows, 100)
    found = marginal_of(values, counts, None, 5)
    assert set(found.low) == set(found.high) == set(common)
    if n_rows > 1:  # rows of one person alone
        held = np.where(values == lone, 1, 100)
        found = marginal_of(values, np.where(values == lone, 20, 100), None, 5, held=held)
        assert set(found.low) == set(found.high) == set(common)


@pytest.mark.parametrize("privacy", PRIVATE)
def test_one_salary_among_steps_is_not_written(privacy):
    rng = np.random.default_rng(0)
    n = 600
    frame = pd.DataFrame(
        {
            "salary": 30_000 + rng.integers(0, 30, n) * 1500,
            "hired": pd.Timestamp("2001-09-01")
            + pd.to_timedelta(rng.integers(0, 24, n) * 365, "D"),
            "score": rng.normal(size=n).round(3),
        }
    )
    frame.loc[17, ["salary", "hired"]] = 1_234_567, pd.Timestamp("1987-03-29")
    made = TableSynthesizer(privacy, random_state=0).fit(frame).sample(3000)
    assert set(made["salary"]) <= set(frame["salary"]) - {1_234_567}
    assert made["hired"].min() >= pd.Timestamp("2001-09-01")


def test_off_writes_them_as_they_are():
    table = people()
    made = TableSynthesizer("off", random_state=0).fit(table).sample(1200)
    found, total = hits(table["charge"], pd.Series(dtype=float), made["charge"])
    assert found > 0.4 * total


@pytest.mark.parametrize("rare", ["replace", "merge", "keep"])
def test_rare_categories(rare):
    table = people()
    made = TableSynthesizer(random_state=0, rare=rare).fit(table).sample(4000)
    hamlets = made["town"].str.startswith("hamlet").mean()
    assert (hamlets > 0.01) == (rare == "keep")
    assert ((made["town"] == "other").mean() > 0.01) == (rare == "merge")
    assert abs((made["town"] == "city").mean() - (table["town"] == "city").mean()) < 0.03


def test_how_many_rows_a_category_needs_is_drawn():
    counts = np.array([4, 5, 9, 13, 14, 4000])  # of six categories
    codes = np.repeat(np.arange(6), counts)
    rng = np.random.default_rng(0)
    kept = np.zeros(6)
    for _ in range(500):
        rare = rare_rows(codes, None, 5, 4, rng)
        kept += [not rare[codes == level].any() for level in range(6)]
    assert kept[0] == 0
    assert (kept[3:] == 500).all()
    # the sum of two numbers from 0 to 4 is 0 in 1 of 25 draws, at most 4 in 15
    assert kept[1] / 500 == pytest.approx(1 / 25, abs=0.03)
    assert kept[2] / 500 == pytest.approx(15 / 25, abs=0.07)


def test_owners_of_rows_are_counted_and_how_many_are_needed_is_drawn():
    # of 400 owners with three rows each, three levels: all rows of four owners, one row each of
    # seven, the rest
    owners = np.repeat(np.arange(400), 3)
    codes = np.full(1200, 2)
    codes[:12] = 0
    codes[12:33:3] = 1
    rng = np.random.default_rng(0)
    kept = np.zeros(3)
    for _ in range(500):
        rare = rare_rows(codes, None, 5, 4, rng, owners)
        kept += [not rare[codes == level].any() for level in range(3)]
    # the sum of two numbers from 0 to 4 is at most 2 in 6 of 25 draws
    assert kept[0] == 0
    assert kept[1] / 500 == pytest.approx(6 / 25, abs=0.06)
    assert kept[2] == 500


def test_categories_of_entities_need_a_drawn_number_of_them():
    rng = np.random.default_rng(0)
    n_entities = 600
    entity = np.repeat(np.arange(n_entities), 4)
    ward = rng.choice(["north", "south"], len(entity))
    ward[: 4 * 7 : 4] = "attic"  # seven entities, one row each
    table = pd.DataFrame(
        {
            "patient": [f"P{one:04d}" for one in entity],
            "visit": np.tile(np.arange(4), n_entities),
            "value": rng.normal(size=len(entity)),
            "ward": ward,
        }
    )
    kept = 0
    for seed in range(8):
        model = TableSynthesizer("max", entity="patient", time="visit", random_state=seed)
        kept += (model.fit(table).sample(2000)["ward"] == "attic").any()
    assert kept < 4  # 6 of 49 draws ask for seven or fewer; a fixed number would keep all


def test_most_rows_keep_a_category_that_enough_hold():
    codes = np.repeat(np.arange(200), 6)  # no blur may take most levels of such a column
    rng = np.random.default_rng(0)
    lost = [rare_rows(codes, None, 5, 12, rng).mean() for _ in range(20)]
    assert np.mean(lost) == pytest.approx(1 / 4, abs=0.05)  # between 5 and 7 rows are needed


def test_numbers_of_few_values_need_no_more_than_min_count():
    rng = np.random.default_rng(0)
    step = np.where(np.arange(2000) < 7, 1, rng.integers(2, 9, 2000))
    table = pd.DataFrame({"step": step, "x": rng.normal(size=2000)})
    for seed in range(4):
        made = TableSynthesizer("high", random_state=seed).fit(table).sample(4000)
        assert (made["step"] == 1).any()


def test_numbers_that_stand_for_names_need_a_drawn_number_of_rows():
    rng = np.random.default_rng(0)
    degree = np.where(np.arange(2000) < 7, 1, rng.integers(2, 9, 2000))
    names = np.array([f"degree {one}" for one in range(9)])
    table = pd.DataFrame({"degree": degree, "name": names[degree], "x": rng.normal(size=2000)})
    kept = 0
    for seed in range(8):
        model = TableSynthesizer("max", random_state=seed).fit(table)
        made = model.sample(2000)
        assert made["name"].eq(names[made["degree"]]).all()
        kept += (made["degree"] == 1).any()
    assert kept < 4  # 21 of 169 draws ask for no more than ten rows


def test_spikes_and_decimal_places_stay():
    table = people()
    made = TableSynthesizer(random_state=0).fit(table).sample(4000)
    assert abs((made["fee"] == 0).mean() - (table["fee"] == 0).mean()) < 0.03
    assert np.allclose(made["charge"], made["charge"].round(2))
    assert made["charge"].between(table["charge"].min(), table["charge"].max()).all()
    assert (made["age"] == made["age"].round()).all()


def test_the_largest_value_is_not_reproduced():
    table = people()
    table.loc[3, "charge"] = 10_000_000.0
    made = TableSynthesizer(random_state=0).fit(table).sample(20_000)
    assert made["charge"].max() < 10_000_000.0


def test_a_marginal_keeps_what_is_frequent_and_spreads_what_is_not():
    values = np.arange(0, 2000, dtype=np.int64)
    counts = np.ones(2000, np.int64)
    counts[[0, 500]] = 1000, 300
    made = marginal_of(values, counts, None, 5)
    at = (made.low == 0) & (made.high == 0)
    shares = np.diff(np.concatenate([[0.0], made.levels, [1.0]]))
    assert shares[at].sum() == pytest.approx(1000 / counts.sum(), rel=1e-9)
    assert shares[(made.low == 500) & (made.high == 500)].sum() == pytest.approx(300 / counts.sum())
    wide = made.low != made.high
    assert wide.sum() > 30  # cells of about 50 rows each
    assert (made.low[1:] >= made.high[:-1]).all()
    # evenly spread: 1,998 rare values, one row each
    middle = wide & (made.low > 200) & (made.high < 1800)
    density = shares[middle] * counts.sum() / (made.high - made.low + 1)[middle]
    assert np.abs(density - 1).max() < 0.15


@pytest.mark.parametrize("kind", [np.int64, np.float64])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 40, 300])
def test_few_values_still_make_a_marginal(kind, n):
    rng = np.random.default_rng(n)
    values = np.unique(rng.normal(0, 1000, n).round().astype(kind))
    made = marginal_of(values, np.ones(len(values), np.int64), None, 5)
    assert (made.low <= made.high).all()
    assert made.low.min() >= values.min()
    assert made.high.max() <= values.max()
    assert len(made.levels) == len(made.low) - 1
    assert (np.diff(made.levels) > 0).all()


def test_where_does_not_ask_for_what_is_hidden():
    table = people()
    model = TableSynthesizer(random_state=0).fit(table)
    rare = table.loc[table["town"].str.startswith("hamlet"), "town"].iloc[0]
    with pytest.raises(ValueError, match="Values of fewer are not written out"):
        model.sample(10, where={"town": rare})


def test_a_column_in_which_all_is_rare_is_told():
    table = pa.table({"c": [f"level {one % 12}" for one in range(36)], "x": np.arange(36) / 7})
    with pytest.warns(UserWarning, match="held by fewer than min_count=5 training rows"):
        made = TableSynthesizer(random_state=0, kinds={"c": "category"}).fit(table).sample(36)
    assert set(made["c"].to_pylist()) <= set(table["c"].to_pylist())


def firms(n_firms: int = 40, each: int = 3) -> pd.DataFrame:
    """Return rows of firms, none of which many rows hold, in cities that they settle."""
    at = np.repeat(np.arange(n_firms), each)
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "firm": [f"F{one} GmbH" for one in at],
            "city": np.array(["north", "south", "west"])[at % 3],
            "x": rng.normal(size=len(at)).round(2),
        }
    )


@pytest.mark.parametrize("privacy", PRIVATE)
def test_other_stands_for_a_column_in_which_all_is_rare(privacy):
    frame = firms()
    with pytest.warns(UserWarning, match="'firm' .*: 'other' is written .* to keep real values"):
        model = TableSynthesizer(privacy, random_state=0).fit(frame)
    made = model.sample(400)
    assert set(made["firm"]) == {"other"}
    assert not model.rules_  # which firm settles which city is not known any more
    assert set(made["city"]) == {"north", "south", "west"}
    with pytest.raises(ValueError, match="'firm', whose values are replaced"):
        TableSynthesizer(privacy, rules=["firm -> city"]).fit(frame)


def test_other_is_written_where_a_schema_names_a_rule_of_such_a_column():
    frame = firms()
    schema = infer_schema(frame)
    assert "firm -> city" in schema.rules
    with pytest.warns(UserWarning, match="'other' is written"):
        made = TableSynthesizer(schema=schema, random_state=0).fit(frame).sample(200)
    assert set(made["firm"]) == {"other"}
    assert set(made["city"]) == {"north", "south", "west"}


@pytest.mark.parametrize(
    "asked",
    [{"rare": "keep"}, {"privacy": "off"}, {"kinds": {"firm": "category"}}, {"within": "firm"}],
)
@pytest.mark.filterwarnings("ignore:Every category")
def test_firms_stay_where_they_are_asked_for(asked):
    frame = firms()
    made = TableSynthesizer(random_state=0, **asked).fit(frame).sample(200)
    assert set(made["firm"]) <= set(frame["firm"])


@pytest.mark.filterwarnings("ignore:Every category")
def test_types_of_firms_list_other_alone():
    frame = firms()
    held = frame.assign(firm=frame["firm"].astype("category"))
    made = TableSynthesizer(random_state=0).fit(held).sample(50)
    assert list(made["firm"].cat.categories) == ["other"]
    enum = pl.from_pandas(frame).cast({"firm": pl.Enum(list(frame["firm"].unique()))})
    made = TableSynthesizer(random_state=0).fit(enum).sample(50)
    assert made["firm"].dtype == pl.Enum(["other"])
    assert made["firm"].null_count() == 0


@pytest.mark.filterwarnings("ignore:Every category")
def test_firms_of_entities_and_of_rows_that_meet_a_condition_are_other():
    frame = firms(40, 6).assign(who=np.arange(240) // 2)  # forty firms of three entities each
    made = TableSynthesizer(random_state=0, entity="who").fit(frame).sample(50)
    assert set(made["firm"]) == {"other"}
    many = firms(60, 50).assign(age=np.arange(3000) % 101)
    model = TableSynthesizer(random_state=0, candidates=1).fit(many)
    assert set(model.sample(300)["firm"]) <= set(many["firm"])
    made = model.sample(50, where="age=100")  # 29 rows
    assert set(made["firm"]) == set(made["city"]) == {"other"}  # no city is emptied


@pytest.mark.filterwarnings("ignore:Every category", "ignore:within")
@pytest.mark.parametrize("n", [3, 8, 20])
@pytest.mark.parametrize("target", [None, "salary"])
def test_numbers_and_dates_of_small_tables_are_drawn_anew(n, target):
    rng = np.random.default_rng(n)
    frame = pd.DataFrame(
        {
            "salary": rng.choice(90_000, n, replace=False) + 20_000,
            "pay": rng.gamma(2, 500, n).round(2),
            "born": pd.Timestamp("1960-01-01") + pd.to_timedelta(np.arange(n) * 391, "D"),
            "member": rng.permutation([0, 1] * n)[:n],
        }
    )
    made = TableSynthesizer(target=target, random_state=0).fit(frame).sample(200)
    for name in ("salary", "pay", "born"):
        assert made[name].isin(frame[name]).mean() < 0.05
    assert set(made["member"]) <= {0, 1}
    kept = TableSynthesizer(target=target, random_state=0, rare="keep").fit(frame).sample(50)
    assert kept["salary"].isin(frame["salary"]).all()


@pytest.mark.parametrize("rare", ["replace", "merge", "keep"])
def test_labels_that_few_hold_are_not_written_by_rules(rare):
    rng = np.random.default_rng(0)
    n = 600
    when = pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 330, n), "D")
    when = pd.Series(when)
    when[:3] = pd.to_datetime(["2021-12-20", "2021-12-28", "2021-12-31"])
    score = rng.normal(40, 12, n).round().clip(0, 80).astype(int)
    score[:3] = [97, 104, 118]
    frame = pd.DataFrame(
        {
            "when": when,
            "season": np.where(when.dt.month == 12, "xmas", when.dt.month.map("m{}".format)),
            "score": score,
            "stage": np.where(score < 30, "low", np.where(score < 85, "mid", "terminal")),
        }
    )
    model = TableSynthesizer(random_state=0, rare=rare, candidates=1).fit(frame)
    assert {"score -> stage", "month(when) -> season"} <= {rule.text for rule in model.rules_}
    made = model.sample(6000)
    kept = {"xmas", "terminal"} if rare == "keep" else set()
    assert {"xmas", "terminal"} & {*made["season"], *made["stage"]} == kept
    assert set(made["stage"]) - {"terminal"} == {"low", "mid"}
    assert made["season"].notna().all()
    assert not any(rule.violations(pa.Table.from_pandas(made)) for rule in model.rules_)
    if rare == "replace":
        said = TableSynthesizer(random_state=0, rules=["month(when) -> season"], candidates=1)
        assert (said.fit(frame).sample(6000)["season"] == "xmas").any()  # a rule that was asked for


def with_gaps(n: int = 1000, seed: int = 1) -> pd.DataFrame:
    """Return twelve columns, each with gaps in half of the rows of some people."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        rng.normal(size=(n, 11)).round(2), columns=[f"lab{at}" for at in range(11)]
    )
    frame["sex"] = rng.choice(["f", "m"], n)
    return frame.mask((rng.random((n, 12)) < 0.5) & (rng.random(n) < 0.2)[:, None])


def patterns(frame: pd.DataFrame) -> pd.Series:
    return frame.isna().astype(int).astype(str).agg("".join, axis=1)


@pytest.mark.parametrize("rare", ["replace", "keep"])
def test_a_pattern_of_gaps_of_one_row_alone_is_written_by_chance_alone(rare):
    frame, unseen = with_gaps(), with_gaps(seed=2)
    made = TableSynthesizer(random_state=0, candidates=1, rare=rare).fit(frame).sample(2000)
    counts = patterns(frame).value_counts()
    alone = set(counts.index[counts == 1])
    found = len(alone & set(patterns(made))) / len(alone)
    other = set(patterns(unseen)) - set(counts.index)
    chance = len(other & set(patterns(made))) / len(other)
    assert len(alone) > 100
    assert (found > chance + 0.2) == (rare == "keep")
    share = frame.isna().mean()
    assert (made.isna().mean() - share).abs().max() < 0.03
    assert abs(made.isna().all(axis=1).mean() - frame.isna().all(axis=1).mean()) < 0.01
    several = [(one.isna().sum(axis=1) > 1).mean() for one in (frame, made)]
    assert abs(several[0] - several[1]) < 0.04
    assert set(made["sex"].dropna()) == {"f", "m"}


def test_gaps_are_exchanged_column_by_column_between_rows_of_rare_patterns():
    rng = np.random.default_rng(0)
    gaps = [rng.integers(0, 2, 400).astype(np.int32) for _ in range(9)]
    gaps = [np.where(np.arange(400) < 200, 0, one) for one in gaps]
    gaps.append(gaps[0])
    dealt = dealt_gaps(gaps, 5, rng)
    assert all(np.array_equal(np.sort(one), np.arange(400)) for one in dealt)  # shares stay
    assert all(np.array_equal(one[:200], np.arange(200)) for one in dealt)
    assert np.array_equal(dealt[0], dealt[9])  # what is missing together stays so
    assert not np.array_equal(dealt[0], dealt[1])
    few = [np.zeros(400, np.int32) for _ in range(3)]
    few[0][:50] = 1
    few[1][:2] = few[2][:2] = 1  # two rows alone take the nearest pattern of many
    dealt = dealt_gaps(few, 5, rng)
    assert [one[rows].sum() for one, rows in zip(few, dealt, strict=True)] == [50, 0, 0]
    assert dealt_gaps([few[0], few[0]], 5, rng) is None


def test_levels_that_only_rows_left_out_held_are_not_listed():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"c": pd.Categorical(rng.choice(list("abcd"), 200)), "x": rng.random(200)})
    frame = frame[frame["c"] != "c"]
    made = TableSynthesizer(random_state=0).fit(frame).sample(50)
    assert list(made["c"].cat.categories) == ["a", "b", "d"]
    made = TableSynthesizer(random_state=0, rare="keep").fit(frame).sample(50)
    assert list(made["c"].cat.categories) == list("abcd")


def test_identifiers_held_as_categories_of_integers_are_replaced():
    rng = np.random.default_rng(0)
    numbers = rng.integers(10**8, 10**9, 60)
    frame = pd.DataFrame({"ssn": pd.Categorical(numbers), "x": rng.random(60)})
    made = TableSynthesizer(random_state=0, identifiers="replace").fit(frame).sample(200)
    assert made["ssn"].nunique() == 200
    assert not set(made["ssn"]) & set(numbers)
    assert made["ssn"].cat.categories.dtype == np.int64


@pytest.mark.parametrize(
    "values",
    [
        [123456.78],
        [123456],
        ["a note"],
        [True],
        [pd.Timestamp("2020-01-05")],
        [9.5, 9.5, 7.25],
        ["a", "a", "b", "c"],
    ],
)
@pytest.mark.parametrize("rare", ["replace", "merge"])
def test_what_few_rows_hold_where_all_others_have_none_is_left_missing(values, rare):
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "bonus": pa.array([*values, *[None] * (400 - len(values))]),
            "x": rng.normal(size=400),
            "of": rng.choice(["a", "b"], 400),
        }
    )
    with pytest.warns(UserWarning, match="'bonus' that fewer than min_count=5 training rows hold"):
        model = TableSynthesizer(random_state=0, rare=rare).fit(table)
    made = model.sample(4000)
    assert made["bonus"].null_count == 4000
    assert made.schema.equals(table.schema)
    kept = TableSynthesizer(random_state=0, rare="keep").fit(table).sample(4000)
    assert set(kept["bonus"].drop_null().to_pylist()) <= set(values)
    assert kept["bonus"].null_count < 4000


def test_rare_values_leave_frequent_ones_of_columns_that_are_taken_along():
    rng = np.random.default_rng(0)
    site = np.where(rng.random(400) < 0.5, "north", "south")
    site[:2] = "attic"
    table = pd.DataFrame({"site": site, "note": np.where(site == "attic", "leak", None)})
    table["x"] = rng.normal(size=400)
    with pytest.warns(UserWarning, match="'note' that fewer than min_count=5"):
        made = TableSynthesizer(random_state=0).fit(table).sample(2000)
    assert made["note"].isna().all()
    assert set(made["site"]) == {"north", "south"}


def test_tables_of_fewer_rows_than_min_count_stay_as_they_are():
    table = pa.table({"note": ["a", None, None], "x": [0.5, 1.5, 2.5]})
    with pytest.warns(UserWarning, match="written out as they are"):
        made = TableSynthesizer(random_state=0).fit(table).sample(60)
    assert set(made["note"].to_pylist()) == {"a", None}


LEVELS = ["low", "secret", "mid", "never", "high"]
SHOWN = ["low", "mid", "never", "high"]


def graded(n: int = 400) -> pd.DataFrame:
    """Return a declared order of levels, one of which one row alone holds and another none."""
    rng = np.random.default_rng(0)
    levels = rng.choice(["low", "mid", "high"], n).astype(object)
    levels[7] = "secret"
    grade = pd.Categorical(levels, categories=LEVELS, ordered=True)
    return pd.DataFrame({"grade": grade, "x": rng.normal(size=n)})


@pytest.mark.parametrize("rare", ["replace", "merge", "keep"])
def test_types_do_not_list_levels_that_rows_hide(rare, tmp_path):
    model = TableSynthesizer(random_state=0, rare=rare).fit(graded())
    model.save(tmp_path / "model")
    for one in (model, TableSynthesizer.load(tmp_path / "model")):
        for made in (one.sample(30), one.sample(30, where="grade=low")):
            assert list(made["grade"].cat.categories) == (LEVELS if rare == "keep" else SHOWN)
            assert made["grade"].cat.ordered


def test_types_of_other_libraries_do_not_list_them():
    table = graded()
    enum = pl.DataFrame({"grade": pl.Series(table["grade"].tolist(), dtype=pl.Enum(LEVELS))})
    enum = enum.with_columns(x=table["x"].to_numpy())
    made = TableSynthesizer(random_state=0).fit(enum).sample(30)
    assert made["grade"].dtype == pl.Enum(SHOWN)
    assert "secret" not in str(made.to_arrow().schema)
    loose = enum.with_columns(pl.col("grade").cast(pl.String).cast(pl.Categorical))
    assert TableSynthesizer(random_state=0).fit(loose).sample(30)["grade"].dtype == pl.Categorical
    arrow = pa.table({"grade": pa.array(table["grade"].astype(str)).dictionary_encode()})
    arrow = arrow.append_column("x", pa.array(table["x"]))
    made = TableSynthesizer(random_state=0).fit(arrow).sample(30)
    assert made.schema.equals(arrow.schema)
    assert set(made["grade"].combine_chunks().dictionary.to_pylist()) == {"low", "mid", "high"}


def test_levels_of_entities_are_counted_by_them():
    table = graded().assign(device=np.arange(400) // 8, step=np.arange(400) % 8)
    table.loc[:7, "grade"] = "secret"  # eight rows of one entity
    model = TableSynthesizer(random_state=0, entity="device", time="step").fit(table)
    assert list(model.sample(20)["grade"].cat.categories) == SHOWN


def test_chunks_of_a_stream_list_the_same_levels(tmp_path):
    pq.write_table(pa.Table.from_pandas(graded(2000)), tmp_path / "in.parquet")
    model = fit_stream(TableSynthesizer(random_state=0), tmp_path / "in.parquet", max_rows=1000)
    sample_stream(model, tmp_path / "out", 900, chunk_rows=300)
    files = sorted((tmp_path / "out").glob("*.parquet"))
    assert len(files) == 3
    for file in files:
        grade = pq.read_table(file)["grade"].combine_chunks()
        assert set(grade.dictionary.to_pylist()) == {"low", "mid", "high"}
    whole = pd.read_parquet(files[0])["grade"]
    assert whole.dtype == "category"


@pytest.mark.parametrize(
    ("name", "value"), [("min_count", 0), ("min_count", 1.5), ("rare", "drop")]
)
def test_settings_that_are_none_are_refused(name, value):
    with pytest.raises((ValueError, TypeError), match=name):
        TableSynthesizer(**{name: value}).fit(people(100))


def test_how_many_rows_meet_a_rare_condition_is_not_said():
    frame = people()
    frame["ill"] = "flu"
    frame.loc[:3, "ill"] = ["HIV", "HIV", "gout", "mumps"]
    model = TableSynthesizer("max", random_state=0).fit(frame)
    said = set()
    for value in ("HIV", "gout", "none at all"):
        with pytest.raises(ValueError, match="or fewer than min_count=5") as caught:
            model.sample(3, where={"ill": value})
        said.add(str(caught.value).replace(value, "VALUE"))
    [told] = said  # the same for two rows, for one and for none
    assert "mumps" not in told


def test_values_of_one_entity_alone_are_not_named():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"who": np.repeat(np.arange(30), 10), "x": rng.normal(size=300)})
    frame["ill"] = frame["who"].map(lambda one: "HIV" if one == 7 else ["flu", "cold"][one % 2])
    model = TableSynthesizer(random_state=0, entity="who").fit(frame)
    with pytest.raises(ValueError, match="Values of 'ill': ") as caught:
        model.sample(3, where={"ill": "none at all"})
    assert "HIV" not in str(caught.value)


def test_rare_numbers_of_one_entity_have_no_cell_of_their_own():
    values = np.array([1, 2, 3, 901, 902, 903, 904, 905])
    counts = held = np.array([100, 100, 100, 1, 1, 1, 1, 1])
    assert marginal_of(values, counts, None, 5, held=held, sharing=1).high.max() == 3
    assert marginal_of(values, counts, None, 5, held=held, sharing=5).high.max() > 3


def test_what_a_file_says_of_itself_is_not_handed_on():
    told = {b"about": b"largest salary 1234567"}
    table = pa.Table.from_pandas(people())
    model = TableSynthesizer(random_state=0).fit(
        table.replace_schema_metadata({**table.schema.metadata, **told})
    )
    assert set(model.sample(5).schema.metadata) == {b"pandas"}
