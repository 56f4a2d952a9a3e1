"""Tables side by side: the same columns as numbers and codes."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from vicinal.report import compare
from vicinal.report.tables import MOST_COLUMNS, align
from vicinal.table import TableSynthesizer
from vicinal.table.numbers import python_values

N = 60


def table(**changed: object) -> pa.Table:
    columns = {
        "age": [float(i) for i in range(N)],
        "city": ["a", "b", "c"] * (N // 3),
        "born": [dt.datetime(2000, 1, 1) + dt.timedelta(days=i) for i in range(N)],
        "one": [7] * N,
        "none": pa.nulls(N),
        "id": list(range(100, 100 + N)),
    }
    return pa.table({name: one for name, one in (columns | changed).items() if one is not None})


def test_numbers_and_codes_by_hand():
    real = table(age=[None, float("nan"), *range(2, N)], city=["a", None, *["b"] * (N - 2)])
    synthetic = table(city=["z"] * N)
    found = align(real, synthetic)
    assert found.numeric == ("age", "born", "one")
    assert found.categorical == ("city",)
    assert found.levels == (("a", "b", "z"),)
    np.testing.assert_array_equal(found.real.numbers[:4, 0], [np.nan, np.nan, 2, 3])
    assert found.real.codes[:3, 0].tolist() == [0, -1, 1]
    assert set(found.synthetic.codes[:, 0]) == {2}
    assert [column.name for column in found.columns] == ["age", "city", "born", "one", "none"]


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
def test_any_table_gives_the_same(kind):
    plain = table(none=None)
    made = {
        "pandas": lambda: plain.to_pandas(),
        "polars": lambda: pl.from_arrow(plain),
        "arrow": lambda: plain,
    }[kind]()
    found, wanted = align(made, made), align(plain, plain)
    assert found.levels == wanted.levels
    np.testing.assert_array_equal(found.real.codes, wanted.real.codes)
    np.testing.assert_array_equal(found.real.numbers[:, 0], wanted.real.numbers[:, 0])


def test_times_of_another_unit_count_alike():
    real = table()
    other = real.set_column(2, "born", real["born"].cast(pa.timestamp("ms")))
    found = align(real, other)
    np.testing.assert_array_equal(found.real.numbers, found.synthetic.numbers)


def test_whole_numbers_may_come_back_as_floats():
    real = table(age=list(range(0, 2 * N, 2)))
    found = align(real, table())
    assert found.synthetic.numbers[5, 0] == 5.0


def test_categories_of_mixed_types_are_compared_as_words():
    real = table(city=["1", "b", "c"] * (N // 3))
    found = align(real, table(city=[1, 2] * (N // 2)))
    assert set(found.levels[0]) == {"1", "b", "c", "2"}
    assert found.synthetic.codes[0, 0] == found.real.codes[0, 0]


@pytest.mark.parametrize(
    ("synthetic", "said"),
    [
        (table(age=None), "synthetic table lacks 'age'"),
        (table(extra=[1] * N), "has in excess 'extra'"),
        (table(age=["x"] * N), "Column 'age' is double in the real table and string"),
        (table(born=[1] * N), "Column 'born'"),
        (table().slice(0, 0), "synthetic table has no rows"),
    ],
)
def test_tables_that_do_not_fit(synthetic, said):
    with pytest.raises(ValueError, match=said):
        align(table(), synthetic)


def test_a_hold_out_that_does_not_fit():
    with pytest.raises(ValueError, match="hold-out table lacks 'city'"):
        align(table(), table(), table(city=None))


def test_nothing_to_compare():
    only = pa.table({"id": list(range(N))})
    with pytest.raises(ValueError, match="No column is left to compare"):
        align(only, only)


def test_unknown_target_has_a_near_name():
    with pytest.raises(ValueError, match="Did you mean 'city'"):
        align(table(), table(), target="citty")


def test_few_rows_are_warned_of():
    with pytest.warns(UserWarning, match=r"synthetic \(10\)"):
        align(table(), table().slice(0, 10))


@pytest.mark.parametrize(
    ("target", "task"), [("city", "class"), ("age", "number"), ("one", "class")]
)
def test_task(target, task):
    assert align(table(), table(), target=target).task == task


def test_split_keeps_every_row_once():
    found = align(table(), table()).split(np.random.default_rng(0))
    assert found.holdout is not None
    ages = np.concatenate([found.real.numbers[:, 0], found.holdout.numbers[:, 0]])
    assert sorted(ages) == list(range(N))
    assert len(found.real) == len(found.holdout) == N // 2


def test_drawn_rows_are_rows():
    real = align(table(), table()).real
    some = real.drawn(10, np.random.default_rng(0))
    assert len(some) == 10
    assert len(set(some.numbers[:, 0])) == 10
    assert real.drawn(N, np.random.default_rng(0)) is real


def test_pandas_frames_with_gaps():
    frame = pd.DataFrame({"x": [1.0, None] * 30, "c": pd.Categorical(["u", None] * 30)})
    found = align(frame, frame)
    assert np.isnan(found.real.numbers[1, 0])
    assert found.real.codes[1, 0] == -1


def test_a_target_that_is_not_compared_is_told_why():
    with pytest.raises(ValueError, match="target 'id' was taken for an identifier"):
        align(table(), table(), target="id")
    with pytest.raises(ValueError, match="no column 'nope'"):
        align(table(), table(), target="nope")


def test_categories_of_another_kind_must_share_a_value():
    numbered = table(city=[1, 2, 3] * (N // 3))
    with pytest.raises(ValueError, match=r"'city' is string in the real table and int64 in the"):
        align(table(), numbered)
    kinds = {"city": "category"}
    found = align(numbered, table(city=["1", "2", "3"] * (N // 3)), kinds=kinds)
    np.testing.assert_array_equal(found.real.codes, found.synthetic.codes)
    align(table(), table(city=["new", "newer", "newest"] * (N // 3)))  # never seen, the same kind


ODD = {
    "floats": pa.array([0.5, 1.5, 2.5] * 20).dictionary_encode(),
    "dates": pa.array([dt.date(2020, 1, 1), dt.date(2021, 1, 1), None] * 20).dictionary_encode(),
    "decimals": pa.array([Decimal("1.10"), Decimal("2.20"), Decimal("3.30")] * 20),
    "far": pa.array([2**61, 5, 0] * 20, pa.timestamp("us")),
    "infinite": pa.array([np.inf] * 60),
}


@pytest.mark.parametrize("name", ODD)
def test_categories_of_any_type_are_learned_drawn_and_compared(name):
    given = pa.table({"x": np.arange(60.0), "y": ["u", "v"] * 30, name: ODD[name]})
    kinds = {} if name in {"floats", "dates", "infinite"} else {name: "category"}
    for marginals in ("normal-score", "raw"):
        made = TableSynthesizer(marginals=marginals, kinds=kinds, random_state=0).fit(given)
        drawn = made.sample(40)
        assert drawn.schema.equals(given.schema)
        values = set(python_values(drawn[name]))
        assert values <= set(python_values(given[name])) | set(python_values(ODD[name].unique()))
        found = compare(given, drawn, made.columns_)
        assert found.columns[2].kind in {"category", "constant"}
        assert 0 <= found.columns[2].score <= 1


def test_of_many_columns_some_are_compared_in_pairs():
    rng = np.random.default_rng(0)
    n = MOST_COLUMNS + 30
    wide = pa.table({f"c{at}": rng.normal(size=60) for at in range(n)} | {"t": ["a", "b"] * 30})
    some, said = align(wide, wide, target="t").narrowed()
    assert said == f"{MOST_COLUMNS} columns, drawn at random from {n + 1}, the target among them"
    assert len(some.numeric) == MOST_COLUMNS - 1
    assert some.categorical == ("t",)
    assert some.real.numbers.shape == (60, MOST_COLUMNS - 1)
    np.testing.assert_array_equal(some.real.numbers[:, 0], wide[some.numeric[0]].to_numpy())
    again, _ = align(wide, wide, target="t").narrowed()
    assert again.numeric == some.numeric
    found = compare(wide, wide)
    assert len(found.columns) == n + 1
    assert f"pairs of {MOST_COLUMNS} columns, drawn at random from {n + 1}" in found.summary()
    few = align(table(), table())
    assert few.narrowed() == (few, "")
