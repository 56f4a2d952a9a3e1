"""Series of entities: none comes whole from one, and what follows what stays."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from vicinal.table import TableSynthesizer
from vicinal.table.panel.crossing import Crossing
from vicinal.table.panel.stamps import Stamps

pytestmark = pytest.mark.usefixtures("few_trees")

LEVELS = list("ABCDEFGH")


def make_visits(seed, patients=300, calendar=False):
    """Visits in weeks apart, or in months with some left out; categories that follow each other."""
    rng, chances = np.random.default_rng(seed), np.random.default_rng(99)
    follows = 0.45 * np.eye(8) + 0.55 * chances.dirichlet(np.full(8, 0.7), 8)
    rows = []
    for patient in range(patients):
        code, level, when = rng.integers(8), rng.normal(0, 4), int(rng.integers(0, 100))
        for at in range(rng.integers(3, 16)):
            value = None if rng.random() < 0.15 else round(level + 1.5 * code + rng.normal(), 2)
            rows.append((patient, when if not calendar else when % 1, at, LEVELS[code], value))
            when += 7 * int(rng.integers(1, 9)) if not calendar else 1 + int(rng.random() < 0.3)
            code = rng.choice(8, p=follows[code])
    frame = pd.DataFrame(rows, columns=["id", "seen", "at", "code", "value"])
    if calendar:
        gaps = np.where(frame["at"] == 0, 0, 1 + (rng.random(len(frame)) < 0.3))
        frame["seen"] = pd.Series(gaps).groupby(frame["id"]).cumsum()
    return frame.drop(columns="at")


def series_of(frame):
    """Return what each patient's series are, of those with five visits and more."""
    frame = frame.sort_values(["id", "seen"], kind="stable")
    frame = frame.assign(gap=frame.groupby("id")["seen"].diff().fillna(0), no=frame["value"].isna())
    long = [one for _, one in frame.groupby("id") if len(one) >= 5]
    return {name: [tuple(one[name]) for one in long] for name in ("code", "gap", "no")}


def told_by_one(made, real):
    """Return the share of series that are exactly one patient's."""
    held = pd.Series(real).value_counts()
    return np.mean([held.get(one, 0) == 1 for one in made])


def transitions(frame):
    frame = frame.sort_values(["id", "seen"])
    counts = pd.crosstab(frame["code"], frame.groupby("id")["code"].shift(-1)).reindex(
        index=LEVELS, columns=LEVELS, fill_value=0
    )
    return counts / counts.to_numpy().sum()


@pytest.fixture(scope="module", params=["weeks", "calendar"])
def visits(request):
    real, unseen = (make_visits(seed, calendar=request.param == "calendar") for seed in (1, 2))
    model = TableSynthesizer(entity="id", time="seen", random_state=0).fit(real)
    return real, unseen, model, model.sample(600)


def test_no_series_is_one_patients_more_often_than_an_unseen_ones(visits):
    real, unseen, _, made = visits
    of_real, of_unseen, of_made = (series_of(one) for one in (real, unseen, made))
    for name, found in of_made.items():
        by_chance = told_by_one(found, of_unseen[name])
        assert told_by_one(found, of_real[name]) < by_chance + 0.06, name


def test_what_follows_what_and_how_far_apart_stays(visits):
    real, _, model, made = visits
    apart = np.abs(transitions(real) - transitions(made)).to_numpy().sum() / 2
    assert apart < 0.07  # unseen patients: 0.07 to 0.09
    gaps = [one.sort_values(["id", "seen"]).groupby("id")["seen"].diff() for one in (real, made)]
    assert ks_2samp(*(one.dropna() for one in gaps)).statistic < 0.03
    assert gaps[1].min() >= 1
    lengths = [one.groupby("id").size() for one in (real, made)]
    assert ks_2samp(*lengths).statistic < 0.06
    assert abs(real["value"].isna().mean() - made["value"].isna().mean()) < 0.02
    pd.testing.assert_frame_equal(model.sample(600), made)


def test_numbers_go_with_the_categories_that_a_series_crossed_over_to(visits):
    real, _, _, made = visits
    within = []
    for frame in (real, made):
        code = frame["code"].map(LEVELS.index)
        moved = [one - one.groupby(frame["id"]).transform("mean") for one in (frame["value"], code)]
        within.append(moved[0].corr(moved[1]))
    assert within[1] == pytest.approx(within[0], abs=0.1)


@pytest.mark.parametrize("settings", [{"privacy": "off"}, {"rare": "keep"}])
def test_series_stay_whole_where_nothing_is_hidden(settings):
    real = make_visits(3, 100)
    made = TableSynthesizer(entity="id", time="seen", random_state=0, **settings).fit(real).sample()
    assert set(series_of(made)["gap"]) <= set(series_of(real)["gap"])


def test_groups_do_not_cross_over():
    real = make_visits(4, 120)
    real["arm"] = np.where(real["id"] % 2, "a", "b")
    real["code"] = real["arm"] + real["code"]
    model = TableSynthesizer(entity="id", time="seen", within="arm", random_state=0).fit(real)
    made = model.sample()
    assert (made["code"].str[0] == made["arm"]).all()


def test_categories_of_one_parent_cross_over_together():
    real = make_visits(6, 120)
    rng = np.random.default_rng(0)
    real["one"], real["two"] = (rng.choice(list("xyz"), len(real)) for _ in range(2))
    real = real[(real["one"] != "x") | (real["two"] != "z")]
    real = real[real.groupby("id")["id"].transform("size") > 1].drop(columns="code")
    model = TableSynthesizer(entity="id", time="seen", categories="parent", random_state=0)
    made = model.fit(real).sample()
    assert not ((made["one"] == "x") & (made["two"] == "z")).any()


@pytest.mark.parametrize("most", [40, 97])
def test_a_number_of_rows_that_one_entity_has_is_not_written_out(most):
    lengths = [*np.random.default_rng(0).integers(3, 9, 119), most]
    who = np.repeat(np.arange(120), lengths)
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"id": who, "code": rng.choice(list("xyz"), len(who))})
    frame["x"] = rng.normal(size=len(who))
    made = TableSynthesizer(entity="id", random_state=0).fit(frame).sample(500)
    assert made.groupby("id").size().max() <= 8
    made = TableSynthesizer("off", entity="id", random_state=0).fit(frame).sample(500)
    assert made.groupby("id").size().max() == most


def test_numbers_of_rows_that_are_all_rare_are_drawn_anew_without_a_word():
    lengths = np.arange(2, 80, 3)
    who = np.repeat(np.arange(len(lengths)), lengths)
    frame = pd.DataFrame({"id": who, "x": np.random.default_rng(1).normal(size=len(who))})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = TableSynthesizer(entity="id", random_state=0).fit(frame).sample(400)
    counts = made.groupby("id").size()
    assert counts.isin(lengths).mean() < 0.6
    assert abs(counts.mean() - lengths.mean()) < 8


def test_what_is_constant_within_an_entity_is_counted_once():
    frame = make_visits(5, 200)
    few = frame["id"] < 4  # of many rows, but four patients
    frame["home"] = np.where(few, "island", np.where(frame["id"] % 2, "town", "coast"))
    frame["income"] = np.where(few, 123_457, 1_000 * (frame["id"] % 30))
    made = TableSynthesizer(entity="id", time="seen", random_state=0).fit(frame).sample()
    assert set(made["home"]) == {"town", "coast"}
    assert not (made["income"] == 123_457).any()


# one series


def one_series(stamps):
    rng = np.random.default_rng(7)
    return pd.DataFrame({"ts": stamps, "x": rng.normal(size=len(stamps)).round(2)})


def test_irregular_stamps_of_one_series_are_drawn_anew():
    rng = np.random.default_rng(6)
    seconds = np.sort(rng.choice(90 * 86_400, 600, replace=False))
    real = one_series(pd.Timestamp("2024-01-01") + pd.to_timedelta(seconds, "s"))
    model = TableSynthesizer(time="ts", random_state=0).fit(real)
    made = model.sample()
    assert made["ts"].isin(real["ts"]).mean() < 0.02
    assert made["ts"].diff().dropna().min() >= pd.Timedelta("1s")
    assert (made["ts"].dt.date == real["ts"].dt.date).all()
    gaps = [one["ts"].diff().dropna().dt.total_seconds() for one in (real, made)]
    assert ks_2samp(*gaps).pvalue > 1e-3
    pd.testing.assert_frame_equal(model.sample(), made)
    kept = TableSynthesizer("off", time="ts", random_state=0).fit(real).sample()
    assert kept["ts"].equals(real["ts"])


@pytest.mark.parametrize(
    "stamps",
    [
        pd.date_range("2024-01-01", periods=400, freq="h").delete([3, 50, 51, 200]),
        pd.bdate_range("2024-01-01", periods=200),
        pd.date_range("2010-01-31", periods=120, freq="ME"),
    ],
)
def test_stamps_of_a_grid_stay(stamps):
    real = one_series(stamps)
    made = TableSynthesizer(time="ts", random_state=0).fit(real).sample()
    assert made["ts"].equals(real["ts"])


@pytest.mark.parametrize("many", [1, 5, 10])
def test_times_of_a_full_period_stay_apart_and_within_it(many):
    import pyarrow as pa

    numbers = np.concatenate([np.arange(many), 10 + np.arange(10 - many, 10)]) * 8_640
    first = np.array([0, many, 2 * many])
    kind = pa.timestamp("s")
    stamps = Stamps(numbers - numbers % 1, 8_640, first, kind, "day", 5, np.random.default_rng(0))
    made = stamps.draw(np.arange(2), np.random.default_rng(1)).cast(pa.int64()).to_numpy()
    assert (np.diff(made) > 0).all()
    assert (made // 86_400 == np.repeat([0, 1], many)).all()
    assert not (made % 8_640).any()


@pytest.mark.parametrize("categories", ["parent", "columnwise"])
def test_series_cross_over_within_groups_only(categories):
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(60), 6)
    group = np.array(["A", "B"])[patient % 2]
    level = pd.Series(group) + np.array(list("123"))[rng.integers(0, 3, 360)]
    frame = pd.DataFrame({"id": patient, "seen": np.tile(np.arange(6), 60), "group": group})
    for name in ("first", "second"):
        frame[name] = level.mask(rng.random(360) < 0.3)
    settings = {"entity": "id", "time": "seen", "within": "group", "rules": "off"}
    model = TableSynthesizer(**settings, categories=categories, random_state=0).fit(frame)
    made = model.sample()
    for name in ("first", "second"):
        held = made.dropna(subset=[name])
        assert len(held) > 100
        assert (held[name].str[0] == held["group"]).all()


def test_series_stay_in_their_state_where_keys_are_large():
    # states whose keys are one in 32 bits
    entity, steps = np.repeat(np.arange(40), 2), np.tile([0, 2**16 - 1], 40)
    rows_at = np.full((40, 2**16), -1)
    rows_at[entity, steps] = np.arange(80)
    state = (entity % 2 * 2**16).astype(np.int32)
    crossing, own = Crossing(entity, steps, rows_at), np.arange(40)
    rng = np.random.default_rng(0)
    path = crossing.walk(2 * own, np.full(40, 2), own[:, None], [state], rng).reshape(40, 2)
    assert (state[path[:, 1]] == state[path[:, 0]]).all()
    assert (entity[path[:, 1]] != entity[path[:, 0]]).mean() > 0.8
