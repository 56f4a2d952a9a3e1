"""The synthesizer: types and values kept, conditions, seeds and settings."""

from __future__ import annotations

import datetime
import hashlib
import os
import pickle
import subprocess
import sys
import warnings
from collections import Counter
from decimal import Decimal
from functools import cache

import numba
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from vicinal import EpBeta, SphereWeights
from vicinal._random import CHUNK_ROWS
from vicinal.table import PRIVACY, TableSynthesizer

pytestmark = pytest.mark.filterwarnings(
    "ignore:(identifier|text) column:UserWarning", "ignore:within=:UserWarning"
)
SETTINGS = [{"privacy": name} for name in PRIVACY] + [{"marginals": "raw"}]


def fit(table, **told):
    return TableSynthesizer(**{"random_state": 0, **told}).fit(table)


@pytest.fixture(scope="module")
def fitted(people):
    """Fit the people at some settings, once: for tests that only draw."""
    return cache(lambda **told: fit(people, **told))


# types and values


def kinds(n):
    """Columns of n rows, of every kind."""
    floats = st.floats(-(2.0**40), 2.0**40, width=32)
    words = st.text(max_size=3)
    days = st.dates(datetime.date(1700, 1, 1), datetime.date(2250, 1, 1))
    moments = st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2250, 1, 1))
    spans = datetime.timedelta(days=10**6)
    decimals = st.decimals(-999, 999, places=2, allow_nan=False)
    options = [
        (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
        (pa.uint64(), st.integers(0, 2**64 - 1)),
        (pa.int8(), st.integers(-128, 127)),
        (pa.float64(), st.floats(allow_nan=True, allow_infinity=False)),
        (pa.float32(), floats),
        (pa.decimal128(5, 2), decimals),
        (pa.bool_(), st.booleans()),
        (pa.string(), words),
        (pa.large_string(), st.sampled_from(["a", "b"])),
        (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "b"])),
        (pa.date32(), days),
        (pa.timestamp("us", "Asia/Tokyo"), moments),
        (pa.time64("us"), st.times()),
        (pa.duration("us"), st.timedeltas(-spans, spans)),
        (pa.binary(), st.binary(max_size=2)),
    ]
    return st.one_of(
        [
            st.lists(st.none() | values, min_size=n, max_size=n).map(
                lambda rows, kind=kind: pa.array(rows, kind)
            )
            for kind, values in options
        ]
    )


@st.composite
def tables(draw):
    n = draw(st.integers(2, 30))
    names = draw(st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=4, unique=True))
    return pa.table({name: draw(kinds(n)) for name in names})


def plain(column):
    """Comparable values: NaN is missing, Python's own types."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return [v for v in column.to_pylist() if v is not None and v == v]


@settings(max_examples=40)
@given(tables(), st.sampled_from(SETTINGS), st.integers(1, 40))
def test_any_table(table, told, n):
    try:
        synthesizer = fit(table, **told)
    except ValueError as error:
        if "no usable column" not in str(error):
            raise
        return
    out = synthesizer.sample(n)
    kept = [c.name for c in synthesizer.columns_ if c.kind != "text"]
    wanted = table.select(kept).schema
    assert out.schema == wanted
    assert out.num_rows == n
    out.validate(full=True)
    again = fit(table, **told).sample(n)
    assert [str(c.to_pylist()) for c in again.columns] == [str(c.to_pylist()) for c in out.columns]
    for column in synthesizer.columns_:
        if column.kind in {"identifier", "text"}:
            continue
        real, made = plain(table[column.name]), plain(out[column.name])
        # where each value is rare, others stand for them
        rare = told.get("privacy") != "off" and max(Counter(real).values(), default=0) < 5
        if not rare and (not column.mixed or told.get("marginals") != "raw"):
            assert set(made) <= set(real), "few values: only real ones"
        if column.n_missing == 0:
            assert len(made) == n


@pytest.mark.parametrize("told", SETTINGS, ids=str)
def test_ranges_types_and_order(people, fitted, told):
    out = fitted(text="replace", **told).sample(5000)
    assert out.schema == people.schema
    assert set(plain(out["city"])) == {"Köln", "Bonn", "Aix"}
    assert not set(plain(out["id"])) & set(plain(people["id"]))
    assert len(set(plain(out["id"]))) == 5000
    assert not set(plain(out["note"])) & set(plain(people["note"]))
    if told.get("marginals") == "raw":
        assert max(plain(out["pay"])) > max(plain(people["pay"]))
        return
    for name in ("age", "pay", "bonus", "since", "kids"):
        real, made = plain(people[name]), plain(out[name])
        assert min(real) <= min(made) <= max(made) <= max(real)
    np.testing.assert_array_equal(np.round(plain(out["pay"]), 2), plain(out["pay"]))


@pytest.mark.parametrize("told", SETTINGS, ids=str)
def test_gaps_come_jointly(fitted, told):
    out = fitted(**told).sample(4000)
    gone = out["pay"].is_null().to_numpy()
    np.testing.assert_array_equal(gone, out["bonus"].is_null().to_numpy())
    assert abs(gone.mean() - 0.2) < 0.05


@pytest.mark.parametrize("told", SETTINGS, ids=str)
def test_gaps_of_every_kind_come_from_one_row(told):
    n = 400
    rng = np.random.default_rng(0)
    gone = rng.random(n) < 0.3
    table = pa.table(
        {
            "x": pa.array(rng.normal(size=n), mask=gone),
            "nan": np.where(gone, np.nan, rng.normal(size=n)),
            "few": np.where(gone, np.nan, rng.integers(0, 5, n)),
            "cat": pa.array(rng.choice(list("abc"), n), mask=gone),
            "id": pa.array([f"U{i:06d}" for i in range(n)], mask=gone),
        }
    )
    out = fit(table, **told).sample(2000)
    wanted = out["x"].is_null().to_numpy()
    assert 0.1 < wanted.mean() < 0.5
    for name in ("cat", "id"):
        np.testing.assert_array_equal(out[name].is_null().to_numpy(), wanted)
    for name in ("nan", "few"):  # NaN stays NaN, and null null
        assert out[name].null_count == 0
        np.testing.assert_array_equal(np.isnan(out[name].to_numpy()), wanted)


def test_dependent_categories_come_from_one_parent(people):
    out = fit(people, categories="columnwise").sample(4000).to_pandas()
    pairs = set(map(tuple, out[["city", "country"]].dropna().drop_duplicates().to_numpy()))
    assert pairs == {("Köln", "DE"), ("Bonn", "DE"), ("Aix", "FR")}


@pytest.mark.parametrize(
    "as_kind", [lambda t: t.to_pandas(), pl.from_arrow], ids=["pandas", "polars"]
)
def test_other_libraries(people, as_kind):
    table = as_kind(people.drop_columns(["note"]))
    out = fit(table).sample(100)
    assert type(out) is type(table)
    assert list(out.columns) == list(table.columns)
    assert list(out.dtypes) == list(table.dtypes)
    assert fit(people.drop_columns(["note"])).sample(100)["pay"].to_pylist() == [
        None if v is None or v != v else v for v in out["pay"].to_list()
    ]


def test_unused_categories_and_their_order_stay():
    kind = pd.CategoricalDtype(["low", "mid", "high", "never"], ordered=True)
    table = pd.DataFrame({"c": pd.Series(["mid", "low", "high"] * 20, dtype=kind), "x": range(60)})
    out = fit(table, kinds={"x": "integer"}).sample(50)
    assert out["c"].dtype == kind
    assert set(out["c"]) <= {"low", "mid", "high"}


def test_many_more_identifiers_than_codes():
    table = pd.DataFrame(
        {"u": pd.Categorical([f"U{i:03d}" for i in range(100)]), "x": [0.5, 1.5] * 50}
    )
    out = fit(table).sample(1000)
    assert out["u"].nunique() == 1000


def test_many_more_identifiers_than_codes_in_arrow():
    narrow = pa.dictionary(pa.int8(), pa.string())
    names = pa.array([f"U{i:03d}" for i in range(100)])
    table = pa.table({"u": names.cast(narrow), "x": [0.5, 1.5] * 50})
    few, many = (fit(table).sample(n)["u"] for n in (50, 1000))
    assert few.type == narrow
    assert many.type == pa.dictionary(pa.int32(), pa.string())
    assert len(set(many.to_pylist())) == 1000
    assert not set(many.to_pylist()) & set(names.to_pylist())


@pytest.mark.parametrize("n", [50, 500])
def test_identifiers_of_a_fixed_list_are_new_all_the_same(n):
    names = [f"U{i:03d}" for i in range(100)]
    table = pl.DataFrame({"u": pl.Series(names, dtype=pl.Enum(names)), "x": [0.5, 1.5] * 50})
    out = fit(table).sample(n)["u"]
    assert out.dtype == pl.Categorical
    assert out.n_unique() == n
    assert not set(out.to_list()) & {*names, None}


def test_kinds_said_by_the_user():
    rng = np.random.default_rng(0)
    table = pa.table({"n": np.arange(100), "x": rng.normal(0, 100, 100), "y": rng.normal(size=100)})
    for marginals in ("raw", "normal-score"):
        told = {"n": "integer", "x": "integer", "y": "category"}
        out = fit(table, kinds=told, marginals=marginals).sample(200)
        assert out.schema == table.schema
        assert (out["x"].to_numpy() % 1 == 0).all()
        assert set(plain(out["y"])) <= set(plain(table["y"]))


def test_exact_values_of_decimals_and_large_integers():
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "d": pa.array(
                [Decimal(int(v)) / 100 for v in rng.integers(0, 10**9, 500)], pa.decimal128(18, 2)
            ),
            "i": 2**60 + rng.integers(0, 10**9, 500),
        }
    )
    out = fit(table, min_count=1).sample(500)
    for name in ("d", "i"):
        assert set(plain(out[name])) <= set(plain(table[name]))


# small and odd tables


@pytest.mark.parametrize("n", [2, 3, 7, 30])
@pytest.mark.parametrize("told", SETTINGS, ids=str)
def test_tiny(n, told):
    table = (
        pa.table({"x": np.arange(n) * 1.5, "c": ["a", "b"] * n})[:0]
        if n == 0
        else pa.table({"x": np.arange(n) * 1.5, "c": np.resize(["a", "b"], n)})
    )
    assert fit(table, **told).sample(50).num_rows == 50
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert fit(table, within="c", min_count=1, **told).sample(50, where="c=a").num_rows == 50


def test_only_categories_and_only_numbers(people):
    for names in (["sex", "city", "country"], ["age", "pay"]):
        for told in SETTINGS:
            assert fit(people.select(names), **told).sample(10).column_names == names


# conditions


@pytest.mark.parametrize("told", [*SETTINGS, {"privacy": "off", "marginals": "raw"}], ids=str)
@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ("age>=40", lambda t: (t["age"] >= 40).all()),
        (
            ["pay>3000", "pay<=5000", "city=Bonn"],
            lambda t: t["pay"].between(3000.01, 5000).all() and (t["city"] == "Bonn").all(),
        ),
        ({"age": 40}, lambda t: (t["age"] == 40).all()),
        ("age!=40", lambda t: (t["age"] != 40).all()),
        ({"pay": None}, lambda t: t["pay"].isna().all()),
        ("city!=Köln", lambda t: t["city"].isin(["Bonn", "Aix"]).all()),
    ],
    ids=["at-least", "several", "equal", "unequal", "missing", "unequal-category"],
)
def test_where(fitted, told, where, holds):
    out = fitted(**told).sample(2000, where=where)
    assert out.num_rows == 2000
    assert holds(out.to_pandas())


@pytest.mark.parametrize(("where", "alone"), [("age=40", True), ("age>=40", False)])
def test_only_where_few_rows_meet_are_those_mixed_alone(people, fitted, where, alone):
    out, plan = fitted().sample(300, where=where, return_plan=True)
    ages = people["age"].to_numpy()
    met = ages == 40 if alone else ages >= 40
    assert (met.mean() < 0.02) == alone
    assert met[plan.parents].all() == alone
    assert out.num_rows == len(plan.parents) == 300


def test_where_says_so_if_drawing_again_does_not_help(people, monkeypatch):
    from vicinal.table import synthesizer

    fitted, real = fit(people), synthesizer.rows_matching

    def met(table, conditions):
        given = table.num_rows == people.num_rows
        return real(table, conditions) if given else pa.array([False] * table.num_rows)

    monkeypatch.setattr(synthesizer, "rows_matching", met)
    monkeypatch.setattr(synthesizer, "REDRAWS", 2)
    with pytest.raises(ValueError, match=r"only 0 of [\d,]+ rows drawn meet age>=40\. Widen"):
        fitted.sample(50, where="age>=40")


def test_where_over_several_draws_identifiers_differ(fitted):
    synthesizer = fitted()
    out = synthesizer.sample(3_000, where=["age>=40", "city=Bonn"])
    assert out.equals(synthesizer.sample(3_000, where=["age>=40", "city=Bonn"]))
    assert len(set(plain(out["id"]))) == 3_000
    parts = [synthesizer.sample(200, where="age>=40", start=start) for start in (0, 200)]
    assert len({one for part in parts for one in plain(part["id"])}) == 400


def test_where_of_one_row(people):
    with pytest.warns(UserWarning, match="a single row meets") as caught:
        out = fit(people, min_count=1).sample(5, where="id=17")
    assert caught[0].filename == __file__
    assert plain(out["age"]) == [people["age"][17].as_py()] * 5


# seeds


def digest(table):
    return hashlib.sha256(pa.ipc.serialize_pandas(table.to_pandas()).to_pybytes()).hexdigest()


def test_random_state(people):
    seeded = fit(people)
    assert seeded.sample(100).equals(seeded.sample(100))
    assert fit(people).sample(100).equals(seeded.sample(100))
    assert not seeded.sample(100, random_state=1).equals(seeded.sample(100))
    assert seeded.sample(100, random_state=1).equals(seeded.sample(100, random_state=1))
    assert not seeded.sample(50).equals(seeded.sample(100)[:50]), "as the guide says: no prefix"
    rng = np.random.default_rng(0)
    advancing = fit(people, random_state=rng)
    assert not advancing.sample(100).equals(advancing.sample(100))
    unseeded = fit(people, random_state=None)
    assert not unseeded.sample(100).equals(unseeded.sample(100))


def test_nothing_global_is_touched(people):
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    fit(people).sample(100)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


SCRIPT = """
import hashlib, sys, warnings
import numpy as np, pyarrow as pa
from pyarrow import csv
warnings.simplefilter("ignore")
from vicinal.table import TableSynthesizer
rng = np.random.default_rng(0)
n = 2500
table = pa.table({f"x{i}": pa.array(rng.normal(size=n), mask=rng.random(n) < 0.1) for i in range(4)}
    | {f"c{i}": rng.choice(list("abcdefghijklm"), n) for i in range(4)}
    | {"id": [f"U{i:05d}" for i in range(n)]})
total = hashlib.sha256()
for told in ({"privacy": "off"}, {}, {"privacy": "high", "within": "c0"}, {"marginals": "raw"}):
    out = TableSynthesizer(random_state=3, **told).fit(table).sample(70_000)  # two chunks
    written = pa.BufferOutputStream()
    csv.write_csv(out, written)
    total.update(written.getvalue())
print(total.hexdigest())
"""


def test_same_bytes_in_every_process_and_on_any_number_of_threads(capsys):
    names = ("NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, "2") | {"PYTHONHASHSEED": "2"}
    words = [sys.executable, "-c", SCRIPT]
    other = subprocess.run(words, env=environment, check=True, capture_output=True, text=True)
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    with warnings.catch_warnings(), threadpool_limits(1):
        exec(SCRIPT, {})
    numba.set_num_threads(before)
    assert len(other.stdout.strip()) == 64
    assert capsys.readouterr().out == other.stdout


@pytest.mark.parametrize("n", [CHUNK_ROWS - 1, CHUNK_ROWS, CHUNK_ROWS + 1, 2 * CHUNK_ROWS + 1])
def test_around_the_size_of_a_chunk(people, fitted, n):
    told = []
    out, plan = fitted(text="replace").sample(
        n, return_plan=True, progress=lambda *news: told.append(news)
    )
    assert out.num_rows == len(plan) == n
    stages, done, totals = zip(*told, strict=True)
    assert (set(stages), set(totals)) == ({"Drawing rows"}, {n})
    assert list(done) == sorted(done)
    assert done[-1] == n
    assert len(set(plain(out["id"]))) == n
    np.testing.assert_array_equal(out["pay"].is_null(), out["bonus"].is_null())
    dominant = plan.parents[np.arange(n), plan.weights.argmax(axis=1)]
    wanted = people["pay"].is_null().to_numpy()[dominant]
    np.testing.assert_array_equal(out["pay"].is_null().to_numpy(), wanted)


def test_fit_tells_what_it_does(people):
    told = []
    TableSynthesizer(random_state=0).fit(people, progress=lambda *news: told.append(news))
    ranked = [news[1:] for news in told if news[0] == "Ranking columns"]
    assert [done for done, _ in ranked] == list(range(1, len(ranked) + 1))
    assert {total for _, total in ranked} == {len(ranked)}
    assert [news for news in told if news[0] != "Ranking columns"] == [
        ("Finding neighbors", 0, 0),
        ("Mixing a first sample", 0, 0),
        ("Learning to tell mixed rows", 0, 0),
    ]


def test_a_fitted_synthesizer_is_pickled(people):
    synthesizer = TableSynthesizer(random_state=0).fit(people, progress=lambda *news: None)
    again = pickle.loads(pickle.dumps(synthesizer))
    assert again.sample(100).equals(synthesizer.sample(100))


def test_the_plan_says_where_rows_come_from(people):
    out, plan = fit(people, privacy="off", marginals="raw").sample(1000, return_plan=True)
    age = people["age"].to_numpy().astype(float)
    wanted = (plan.weights * age[plan.parents]).sum(axis=1).round().clip(-128, 127)
    assert np.abs(out["age"].to_numpy() - wanted).max() <= 1  # rounding of a half
    main = plan.parents[np.arange(1000), plan.weights.argmax(axis=1)]
    assert out["sex"].to_pylist() == people["sex"].take(pa.array(main)).to_pylist()


# settings


def test_parameters_are_stored_untouched():
    within, kinds, law = ["city"], {"age": "integer"}, EpBeta(0.2)
    synthesizer = TableSynthesizer("high", within=within, kinds=kinds, weights=law, neighbors=7)
    stored = synthesizer.get_params()
    assert stored["within"] is within
    assert stored["kinds"] is kinds
    assert stored["weights"] is law
    assert TableSynthesizer(**stored).get_params() == stored
    assert repr(TableSynthesizer("off", random_state=3)) == (
        "TableSynthesizer(privacy='off', random_state=3)"
    )


def test_parameters_are_set_and_cloned(people):
    synthesizer = fit(people, privacy="off")
    wanted = fit(people).sample(50)
    synthesizer.set_params(privacy="balanced")
    assert synthesizer.fit(people).sample(50).equals(wanted)
    copy = clone(synthesizer)
    assert copy.get_params() == synthesizer.get_params()
    with pytest.raises(RuntimeError, match="learned nothing yet"):
        copy.sample()
    assert copy.fit(people).sample(50).equals(wanted)
    with pytest.raises(ValueError, match="Invalid parameter 'neighbours'"):
        synthesizer.set_params(neighbours=3)
    synthesizer.set_params(privacy="low")  # refused when it is used
    with pytest.raises(ValueError, match="privacy must be one of 'off'"):
        synthesizer.fit(people)


@pytest.mark.parametrize(
    ("told", "method", "neighbors", "categories"),
    [
        ({}, "neighborhood", 100, "columnwise"),
        ({"privacy": "off"}, "rows", 20, "parent"),
        ({"privacy": "high"}, "neighborhood", 250, "columnwise"),
        ({"weights": EpBeta(0.1)}, "rows", 100, "parent"),
        ({"weights": SphereWeights(3)}, "neighborhood", 100, "columnwise"),
        ({"weights": EpBeta(0.1), "method": "neighborhood"}, "neighborhood", 100, "columnwise"),
        ({"privacy": "off", "neighbors": 9}, "neighborhood", 9, "columnwise"),
        ({"method": "rows", "categories": "columnwise"}, "rows", 100, "columnwise"),
    ],
)
def test_the_dial_and_its_parts(fitted, told, method, neighbors, categories):
    found = fitted(**told).settings_
    assert (found.method, found.neighbors, found.categories) == (method, neighbors, categories)


def test_max_learns_a_random_share_of_many_rows(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=2000), "town": rng.choice(["a", "b"], 2000)})

    def learned(model, **asked):
        made, plan = model.sample(return_plan=True, **asked)
        return len(made), {int(row) for row in np.unique(plan.parents)}

    first, second = (fit(table, privacy="max", random_state=seed) for seed in (0, 1))
    n, rows = learned(first)
    assert n == 2000  # as many as were given
    assert len(rows) == 1200
    assert max(rows) > 1200  # of the whole table
    assert 0.5 < len(rows & learned(second)[1]) / 1200 < 0.7
    first.save(tmp_path / "model")
    assert learned(TableSynthesizer.load(tmp_path / "model"))[1] == rows
    assert learned(first, where="town=a")[1] <= rows
    assert len(learned(fit(table, privacy="high"))[1]) == 2000
    assert len(learned(fit(table, privacy="max", marginals="raw"))[1]) == 2000
    assert len(learned(fit(table[:1600], privacy="max"))[1]) == 1600  # too few to leave any out


def test_target_and_within(people):
    assert fit(people, target="sex").settings_.within == ("sex",)
    assert fit(people, target="pay").settings_.within == ()
    assert fit(people, target="kids", within=["sex", "sex"]).settings_.within == ("sex", "kids")
    out, plan = fit(people, within=["sex", "kids", "city"], min_count=1).sample(
        3000, return_plan=True
    )
    frame = people.to_pandas()
    for name in ("sex", "kids", "city"):
        given = frame[name].fillna("?").to_numpy()[plan.parents]
        assert (given == given[:, :1]).all()
    assert out["kids"].type == people["kids"].type


def test_within_narrow_codes_do_not_collide():
    n = 4000
    rng = np.random.default_rng(0)
    table = pa.table(
        {"a": rng.integers(0, 20, n), "b": rng.integers(0, 20, n), "x": rng.normal(size=n)}
    )
    _, plan = fit(table, within=["a", "b"], privacy="off").sample(n, return_plan=True)
    both = (table["a"].to_numpy() * 100 + table["b"].to_numpy())[plan.parents]
    assert (both == both[:, :1]).all()


def test_repr():
    assert repr(TableSynthesizer()) == "TableSynthesizer()"
    assert (
        repr(TableSynthesizer("high", within=["a"]))
        == "TableSynthesizer(privacy='high', within=['a'])"
    )


def test_exact_moments():
    rng = np.random.default_rng(0)
    x = rng.exponential(size=(500, 3)) @ rng.normal(size=(3, 3)) + 100
    table = pa.table({f"x{i}": x[:, i] for i in range(3)})
    synthesizer = fit(table, privacy="off", marginals="raw", exact_moments=True)
    out = np.column_stack(synthesizer.sample(1000).columns)
    np.testing.assert_allclose(out.mean(axis=0), x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(np.cov(out.T), np.cov(x.T), rtol=1e-10)
    with pytest.raises(ValueError, match="ask for more than 3 rows, got 3"):
        synthesizer.sample(3)


@pytest.mark.parametrize("privacy", ["off", "balanced"])
def test_unsigned_integers_are_mixed_as_signed_ones_are(privacy):
    # numbers of uint64 are counted from 2**63, where floats are 1,024 apart
    rng = np.random.default_rng(0)
    low = rng.gamma(2, 50, 1500).astype(np.int64)
    high = 2 * low + rng.integers(0, 40, 1500)
    signed = pd.DataFrame({"low": low, "high": high, "sum": low + high})
    made = [
        TableSynthesizer(privacy, random_state=0).fit(one).sample(500)
        for one in (signed, signed.astype(np.uint64))
    ]
    assert set(made[1].dtypes) == {np.dtype(np.uint64)}
    assert made[1].astype(np.int64).equals(made[0])
