"""Entities and single series: laid out, found, mixed as wholes, written back."""

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from vicinal.report import audit
from vicinal.table import PRIVACY, TableSynthesizer
from vicinal.table.panel.align import complete
from vicinal.table.panel.find import find_panel
from vicinal.table.panel.layout import clock_of, lay_out

pytestmark = pytest.mark.usefixtures("few_trees")

PATIENTS = 200


def make_panel(seed=0, patients=PATIENTS):
    """Patients seen 6 to 24 months: a level by sex, a trend, a season, and noise with memory."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(6, 25, patients)
    who = np.repeat(np.arange(patients), lengths)
    month = np.concatenate([np.arange(length) for length in lengths])
    sex, level = rng.integers(0, 2, patients), rng.normal(0, 4, patients)
    noise = rng.normal(0, 2, (patients, 24))
    for step in range(1, 24):
        noise[:, step] = 0.6 * noise[:, step - 1] + 0.8 * noise[:, step]
    value = 50 + level[who] + 3 * sex[who] + 0.3 * month + noise[who, month]
    value += 2 * np.sin(2 * np.pi * month / 12)
    begin = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 300, patients), "D")
    gaps = np.where(month == 0, 0, rng.integers(20, 60, len(month)))
    days = pd.Series(gaps).groupby(who).cumsum()
    frame = pd.DataFrame(
        {
            "patient": [f"P-{one:05d}" for one in 10_000 + 37 * who],
            "month": month + 1,
            "seen": begin[who] + pd.to_timedelta(days, "D"),
            "sex": np.array(["F", "M"])[sex[who]],
            "site": np.array(["north", "south", "west"])[rng.integers(0, 3, patients)][who],
            "arm": np.array(["a", "b"])[(month > 5).astype(int) * sex[who]],
            "value": value.round(2),
        }
    )
    frame.loc[rng.random(len(frame)) < 0.05, "value"] = np.nan
    return frame.sample(frac=1, random_state=seed).reset_index(drop=True)


def measures(frame):
    """Autocorrelation, trend, and the variances between and within patients."""
    frame = frame.sort_values(["patient", "month"])
    who, month, value = frame["patient"], frame["month"], frame["value"]
    flat = value - value.groupby(month).transform("mean")
    mean, n = flat.groupby(who).mean(), who.nunique()
    residual = flat - flat.groupby(who).transform("mean")
    before = residual.groupby(who).shift(1)
    own = (residual**2).sum() / (residual.notna().sum() - n)
    moved, moved_month = (one - one.groupby(who).transform("mean") for one in (value, month))
    held = moved.notna()
    trend = (moved * moved_month)[held].sum() / (moved_month[held] ** 2).sum()
    between = mean.var() - own * (1 / who.value_counts()).mean()
    return np.array([residual.corr(before), trend, between, own])


@pytest.fixture(scope="module")
def panel():
    return make_panel()


@pytest.fixture(scope="module")
def fitted(panel):
    return TableSynthesizer(entity="patient", time="month", random_state=0).fit(panel)


@pytest.fixture(scope="module")
def drawn(fitted):
    return fitted.sample(1000)


@pytest.mark.parametrize("privacy", PRIVACY)
def test_autocorrelation_trend_and_variances_are_within_a_tenth(privacy):
    ratios = []
    for seed in range(4):
        frame = make_panel(seed)
        model = TableSynthesizer(privacy, entity="patient", time="month", random_state=seed)
        ratios.append(measures(model.fit(frame).sample(1000)) / measures(frame))
    # standard errors of the means are 1 to 3 %
    assert (np.abs(np.mean(ratios, axis=0) - 1) < 0.1).all(), ratios


def test_columns_and_types_come_back(panel, drawn):
    assert list(drawn.columns) == list(panel.columns)
    assert drawn.dtypes.equals(panel.dtypes)


def test_what_is_constant_within_entities_stays_so(drawn):
    whole = drawn.groupby("patient")
    assert drawn["patient"].nunique() == 1000
    assert whole["sex"].nunique().max() == 1
    assert whole["site"].nunique().max() == 1
    assert whole["arm"].nunique().max() == 2


def test_entities_are_as_long_as_the_learned_ones_and_stand_together(panel, drawn):
    real, made = (one.groupby("patient").size() for one in (panel, drawn))
    assert set(made) <= set(real)
    assert abs(made.mean() - real.mean()) < 5 * real.std() * np.sqrt(1 / 1000)
    assert (drawn["patient"] != drawn["patient"].shift()).sum() == 1000


def test_time_rises_in_the_steps_of_the_data(drawn):
    gaps = drawn.groupby("patient")["month"].diff().dropna()
    assert set(gaps) == {1}
    assert (drawn.groupby("patient")["month"].first() == 1).all()


def test_other_times_rise_too_and_keep_their_spacing(panel, drawn):
    real, made = (
        one.sort_values(["patient", "month"]).groupby("patient")["seen"].diff().dropna().dt.days
        for one in (panel, drawn)
    )
    assert made.min() >= 20
    assert made.max() <= 59
    assert abs(made.mean() - real.mean()) < 1
    assert (drawn["seen"].dt.hour == 0).all()


def test_identifiers_are_surrogates_of_the_same_look_which_start_goes_on_with(panel, fitted, drawn):
    assert drawn["patient"].str.fullmatch(r"P-\d{5}").all()
    assert not set(drawn["patient"]) & set(panel["patient"])
    later = fitted.sample(500, start=1000, random_state=5)
    assert later["patient"].nunique() == 500
    assert not set(drawn["patient"]) & set(later["patient"])


def test_numbers_that_fewer_than_five_entities_hold_are_not_written_out_more_than_others():
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(100), 20)
    # 20 rows hold the value, and one patient
    own = np.repeat(rng.uniform(0, 1000, 100).round(4), 20)
    frame = pd.DataFrame({"id": who, "t": np.tile(np.arange(20), 100), "x": own})
    frame["y"] = rng.normal(size=len(frame))
    frame.loc[frame["t"] == 0, "x"] += 1  # it changes within
    made = TableSynthesizer(entity="id", time="t", random_state=0).fit(frame).sample()
    assert not made["x"].isin(frame["x"]).any()


def test_categories_of_few_entities_are_not_written_out():
    frame = make_panel(3)
    few = frame["patient"].unique()[:3]
    frame["code"] = np.where(frame["patient"].isin(few) & (frame["month"] > 3), "odd", "plain")
    frame["home"] = np.where(frame["patient"].isin(few), "island", "town")
    made = TableSynthesizer(entity="patient", time="month", random_state=0).fit(frame).sample()
    assert set(made["code"]) == {"plain"}
    assert set(made["home"]) == {"town"}


@pytest.mark.parametrize("rare", ["replace", "merge"])
def test_levels_of_a_closed_list_and_missing_values_are_no_way_out(rare):
    frame = make_panel(3)
    odd = frame["patient"].isin(frame["patient"].unique()[:3]) & (frame["month"] > 3)
    code = np.where(frame["month"] % 2, "plain", "usual").astype(object)
    frame["code"] = pd.Categorical(np.where(odd, "odd", code), ["plain", "usual", "odd"])
    frame.loc[~odd & (frame["month"] % 3 == 0), "code"] = None
    model = TableSynthesizer(entity="patient", time="month", rare=rare, random_state=0)
    made = model.fit(frame).sample()
    assert made["code"].dtype == pd.CategoricalDtype(["plain", "usual"])
    assert set(made["code"].dropna()) == {"plain", "usual"}
    assert abs(made["code"].isna().mean() - frame["code"].isna().mean()) < 0.05


def test_a_saved_model_draws_the_same_and_the_plan_is_about_entities(tmp_path, fitted, panel):
    made, plan = fitted.sample(return_plan=True)
    assert len(plan) == panel["patient"].nunique() == made["patient"].nunique()
    assert plan.parents.max() < PATIENTS
    fitted.save(tmp_path / "model")
    pd.testing.assert_frame_equal(TableSynthesizer.load(tmp_path / "model").sample(), made)


def test_plan_numbers_entities_by_their_first_rows(panel):
    model = TableSynthesizer("off", entity="patient", time="month", random_state=0).fit(panel)
    made, plan = model.sample(return_plan=True)
    lengths = panel.groupby("patient", sort=False).size().to_numpy()
    told = made.groupby("patient", sort=False).size().to_numpy()
    assert (lengths[plan.dominant] == told).all()


def test_conditions_choose_among_entities(fitted):
    made = fitted.sample(50, where="sex=F")
    assert set(made["sex"]) == {"F"}
    assert made["patient"].nunique() == 50
    with pytest.raises(ValueError, match="'value' cannot be asked for: it changes within them"):
        fitted.sample(10, where="value>50")


def test_within_and_target_are_constant_within_entities(panel):
    model = TableSynthesizer(entity="patient", time="month", target="sex", random_state=0)
    assert model.fit(panel).settings_.within == ("sex",)
    model = TableSynthesizer(entity="patient", time="month", target="value", random_state=0)
    assert model.fit(panel).settings_.target is None
    with pytest.raises(ValueError, match="'arm' changes within an entity"):
        TableSynthesizer(entity="patient", time="month", within="arm").fit(panel)


def test_rules_hold_and_repeated_rows_are_no_evidence_of_them():
    frame = make_panel(4)
    frame["half"] = (frame["value"] / 2).round(3)
    frame["left"] = frame.groupby("patient")["seen"].transform("max") + pd.Timedelta("3D")
    model = TableSynthesizer(entity="patient", time="month", random_state=0).fit(frame)
    made = model.sample()
    assert "seen < left" in {rule.text for rule in model.rules_}
    assert (made["seen"] < made["left"]).all()
    assert made.groupby("patient")["left"].nunique().max() == 1
    assert (made["half"] - made["value"] / 2).abs().max() < 0.006
    fixed = {"sex", "site"}
    assert not [rule for rule in model.rules_ if {rule.target} <= fixed]


def test_an_audit_keeps_entities_whole(panel, fitted):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = audit(fitted, panel, random_state=0)
    assert report.fidelity.quality > 0.9
    assert report.privacy.holdout_is == "given"


@pytest.mark.parametrize("marginals", ["normal-score", "raw"])
def test_a_table_without_anything_constant(marginals):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"id": np.repeat(np.arange(40), 3), "x": rng.normal(size=120)})
    made = TableSynthesizer(entity="id", marginals=marginals, random_state=0).fit(frame).sample(7)
    assert made.groupby("id").size().tolist() == [3] * 7


# one long series


def hours(days=60, seed=0):
    rng = np.random.default_rng(seed)
    when = pd.date_range("2023-03-01", periods=24 * days, freq="h")
    angle = 2 * np.pi * when.hour / 24
    load = 100 - 30 * np.cos(angle) + np.arange(len(when)) / 48 + rng.normal(0, 2, len(when))
    return pd.DataFrame({"ts": when, "load": load.round(1)})


def test_days_are_mixed_at_the_times_of_the_series():
    frame = hours()
    model = TableSynthesizer(time="ts", random_state=0).fit(frame)
    made = model.sample()
    assert made["ts"].equals(frame["ts"])
    by_hour = [one.groupby(one["ts"].dt.hour)["load"].mean() for one in (frame, made)]
    assert np.ptp(by_hour[1]) == pytest.approx(np.ptp(by_hour[0]), rel=0.1)
    by_day = [one.groupby(one["ts"].dt.date)["load"].mean() for one in (frame, made)]
    assert np.corrcoef(*by_day)[0, 1] > 0.95
    assert not np.array_equal(made["load"], frame["load"])
    with pytest.raises(ValueError, match=r"n_samples=5: time alone .* 60 periods"):
        model.sample(5)


def test_a_series_that_is_too_short_or_has_no_dates_is_refused():
    with pytest.raises(ValueError, match=r"3 day\(s\) long, and at least 8"):
        TableSynthesizer(time="ts").fit(hours(3))
    with pytest.raises(ValueError, match="cuts one series into days, weeks or years"):
        TableSynthesizer(time="t").fit(hours().assign(t=range(1440)))


# bad input


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"entity": "patiet"}, "Did you mean 'patient'"),
        ({"entity": "patient", "time": "mnth"}, "Did you mean 'month'"),
        ({"entity": "patient", "time": "sex"}, "time='sex' must hold numbers, dates or times"),
        ({"entity": "sex", "time": "month"}, r"stands twice for sex 'F' .* Keep one row for each"),
        ({"entity": "patient", "time": "patient"}, "Name two columns"),
        ({"entity": "value", "time": "month"}, "value"),
        ({"time": "seen"}, "If rows belong to several things, name their column with entity"),
    ],
)
def test_bad_columns_are_refused(panel, settings, message):
    with pytest.raises(ValueError, match=message):
        TableSynthesizer(**settings).fit(panel)


def test_one_row_for_each_and_gaps_are_refused(panel):
    first = panel.drop_duplicates("patient")
    with pytest.raises(ValueError, match="each of the 200 entities has one row"):
        TableSynthesizer(entity="patient", time="month").fit(first)
    holed = panel.assign(month=panel["month"].astype(float).where(panel.index != 7))
    with pytest.raises(ValueError, match=r"time='month': 1 row\(s\) have no value .*row 8"):
        TableSynthesizer(entity="patient", time="month").fit(holed)


def test_exact_moments_are_refused(panel):
    with pytest.raises(ValueError, match="exact_moments=True is about rows"):
        TableSynthesizer(entity="patient", marginals="raw", exact_moments=True).fit(panel)


# what is found


def test_panels_and_series_are_found_and_said(panel):
    found = find_panel(pa.Table.from_pandas(panel.sort_values(["patient", "month"])))
    assert (found.entity, found.time, found.n_entities) == ("patient", "month", PATIENTS)
    assert set(found.fixed) == {"sex", "site"}
    with pytest.warns(UserWarning, match="--entity patient --time month"):
        TableSynthesizer(random_state=0).fit(panel.sort_values(["patient", "month"]))
    found = find_panel(pa.Table.from_pandas(hours()))
    assert (found.entity, found.time) == (None, "ts")
    assert "--time ts" in found.advice


def test_year_month_day_and_hour_of_their_own_are_a_time():
    frame = hours()
    parts = {name: getattr(frame["ts"].dt, name) for name in ("year", "month", "day", "hour")}
    found = find_panel(pa.Table.from_pandas(frame.drop(columns="ts").assign(**parts)))
    assert found.time == "year + month + day + hour"
    assert "Make one column of dates" in found.advice


def test_plain_rows_are_no_panel(panel):
    rng = np.random.default_rng(0)
    plain = pd.DataFrame(
        {
            "city": rng.choice(list("abcdefgh"), 600),
            "year": rng.integers(2000, 2020, 600),
            "ordered": pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.random(600), "D"),
            "price": rng.gamma(2, 10, 600),
        }
    )
    assert find_panel(pa.Table.from_pandas(plain)) is None
    assert find_panel(pa.Table.from_pandas(plain.sort_values("ordered"))) is None


# how rows are laid out


def test_rows_are_sorted_by_entity_and_time_on_a_grid():
    table = pa.table({"id": ["b", "a", "b", "a", "b"], "t": [3, 1, 1, 2, 2]})
    layout = lay_out(table, "id", "t")
    assert layout.order.tolist() == [2, 4, 0, 1, 3]
    assert layout.first.tolist() == [0, 3, 5]
    assert layout.steps.tolist() == [0, 1, 2, 0, 1]


def test_absent_steps_keep_their_places():
    table = pa.table({"id": [0, 0, 0, 1, 1, 1], "t": [10, 20, 50, 10, 20, 30]})
    layout = lay_out(table, "id", "t")
    assert layout.steps.tolist() == [0, 1, 4, 0, 1, 2]


def test_a_clock_of_months_comes_back():
    when = pd.to_datetime(["2023-01-01", "2023-02-01", "2024-02-01"])
    clock, steps = clock_of(pa.chunked_array([pa.array(when)]), "when")
    assert np.diff(steps).tolist() == [1, 12]
    assert clock.decode(steps + 1).to_pylist() == list(
        pd.to_datetime(["2023-02-01", "2023-03-01", "2024-03-01"])
    )


@pytest.mark.parametrize("values", [[0.25, 0.5, 1.75], [10**15, 10**15 + 60], [-3, 0, 9]])
def test_a_clock_of_numbers_comes_back(values):
    clock, steps = clock_of(pa.chunked_array([pa.array(values)]), "t")
    assert clock.decode(steps).to_pylist() == values


def test_gaps_are_bridged_and_short_series_go_on_as_near_ones():
    series = np.array(
        [[0, np.nan, 2, 3], [5, 5, 5, 5], [0, 0, 0, 0], [5, 5, np.nan, np.nan]], float
    )[:, :, None]
    complete(series, np.random.default_rng(0))
    assert series[0, :, 0].tolist() == [0, 1, 2, 3]
    assert series[3, :, 0].tolist() == [5, 5, 5, 5]
