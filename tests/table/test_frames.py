"""Tables of every library go to Arrow and come back as they were."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from types import SimpleNamespace

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from polars.testing import assert_frame_equal as assert_polars_equal

from vicinal.table.frames import METADATA_KEY, convert, to_arrow, to_native


def through_disk(table: pa.Table, rows: list[int] | None = None) -> pa.Table:
    """Give a table the schema that was saved and read again, and other rows if asked."""
    schema = pa.ipc.read_schema(pa.py_buffer(table.schema.serialize().to_pybytes()))
    if rows is not None:
        table = table.take(pa.array(rows, pa.int64())).combine_chunks()
    return pa.Table.from_arrays(table.columns, schema=schema)


def assert_same_pandas(got: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert isinstance(got, pd.DataFrame)
    assert got.dtypes.tolist() == expected.dtypes.tolist()
    assert_frame_equal(got, expected, check_exact=True, check_categorical=True)
    for name in expected.columns[expected.dtypes == np.dtype(object)]:
        assert list(map(type, got[name])) == list(map(type, expected[name]))


NUMPY = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
DAY, TIME = dt.date(2020, 2, 29), dt.time(12, 30, 1, 5)
STAMPS = pd.to_datetime(["2020-02-29 12:30:00", None, "1999-12-31 00:00:00"])
ZONED = STAMPS.tz_localize("Europe/Paris")
CATEGORY = pd.CategoricalDtype(["z", "high", "low", "é"], ordered=True)

PANDAS_CASES = {
    **{name: pd.Series([0, 1, np.iinfo(name).max], dtype=name) for name in NUMPY},
    **{f"float{b}": pd.Series([0.1, np.nan, -2], dtype=f"float{b}") for b in (16, 32, 64)},
    "infinite": pd.Series([np.inf, -np.inf, np.nan]),
    "bool": pd.Series([True, False, True]),
    **{name: pd.Series([1, None, 3], dtype=name) for name in ("Int8", "Int64", "UInt16")},
    "Float32": pd.Series([0.5, None, 3], dtype="Float32"),
    "boolean": pd.Series([True, None, False], dtype="boolean"),
    "str": pd.Series(["a", None, "é\n,"], dtype="str"),
    "string_python": pd.Series(["a", None, ""], dtype="string[python]"),
    "string_pyarrow": pd.Series(["a", None, ""], dtype="string[pyarrow]"),
    "objects_str_none": pd.Series(["a", None, ""], dtype=object),
    "objects_str_nan": pd.Series(["a", np.nan, ""], dtype=object),
    "objects_str_na": pd.Series(["a", pd.NA, ""], dtype=object),
    "objects_bytes": pd.Series([b"a", None, b"\xff"], dtype=object),
    "objects_bool": pd.Series([True, None, False], dtype=object),
    "objects_int": pd.Series([1, None, 2**60 + 1], dtype=object),
    "objects_uint": pd.Series([1, None, 2**64 - 1], dtype=object),
    "objects_float": pd.Series([1.5, None, 2.5], dtype=object),
    "objects_date": pd.Series([DAY, None, DAY], dtype=object),
    "objects_time": pd.Series([TIME, None, TIME], dtype=object),
    "objects_decimal": pd.Series([Decimal("1.20"), None, Decimal("-3.45")], dtype=object),
    "objects_datetime": pd.Series([dt.datetime(2020, 1, 1), None] * 2, dtype=object)[:3],
    "objects_timestamp": pd.Series([pd.Timestamp(2020, 1, 1), pd.NaT] * 2, dtype=object)[:3],
    "objects_timedelta": pd.Series([dt.timedelta(1), None, dt.timedelta(2)], dtype=object),
    "objects_empty": pd.Series([None, None, None], dtype=object),
    "category": pd.Series(["low", None, "high"], dtype=CATEGORY),
    "category_unordered": pd.Series(["b", "a", None], dtype=pd.CategoricalDtype(["b", "a", "c"])),
    "category_int": pd.Series([3, 1, None], dtype=pd.CategoricalDtype([3, 2, 1])),
    "category_objects": pd.Series(
        ["b", None, "a"], dtype=pd.CategoricalDtype(pd.Index(["b", "a"], dtype=object))
    ),
    "category_stamps": pd.Series(STAMPS).astype("category"),
    "category_bool": pd.Series([True, False, None]).astype("category"),
    "category_none": pd.Series([None, None, None], dtype=pd.CategoricalDtype([])),
    **{f"stamp_{u}": pd.Series(STAMPS.as_unit(u)) for u in ("s", "ms", "us", "ns")},
    **{f"zoned_{u}": pd.Series(ZONED.as_unit(u)) for u in ("s", "ms", "us", "ns")},
    "zoned_utc": pd.Series(STAMPS.tz_localize("UTC")),
    "zoned_offset": pd.Series(STAMPS.tz_localize(dt.timezone(dt.timedelta(hours=-3, minutes=-30)))),
    **{
        f"delta_{u}": pd.Series(pd.to_timedelta([1, None, -5], unit="s").as_unit(u))
        for u in ("s", "ms", "us", "ns")
    },
    "arrow_int": pd.Series([1, None, 3], dtype=pd.ArrowDtype(pa.int16())),
    "arrow_string": pd.Series(["a", None, "b"], dtype=pd.ArrowDtype(pa.string())),
    "arrow_date": pd.Series([DAY, None, DAY], dtype=pd.ArrowDtype(pa.date32())),
    "arrow_decimal": pd.Series(
        [Decimal("1.5"), None, None], dtype=pd.ArrowDtype(pa.decimal128(9, 3))
    ),
    "arrow_zoned": pd.Series(
        [dt.datetime(2020, 1, 1), None, None], dtype=pd.ArrowDtype(pa.timestamp("ms", "Asia/Tokyo"))
    ),
}


@pytest.mark.parametrize("case", PANDAS_CASES)
def test_pandas_column_comes_back(case: str) -> None:
    frame = pd.DataFrame({"before": 1, case: PANDAS_CASES[case]})
    before = frame.copy(deep=True)
    table = to_arrow(frame)
    assert_same_pandas(to_native(table), frame)
    assert_same_pandas(to_native(through_disk(table)), frame)
    assert_same_pandas(frame, before)


@pytest.mark.parametrize("case", PANDAS_CASES)
def test_pandas_dtype_holds_for_other_rows_and_none(case: str) -> None:
    frame = pd.DataFrame({"before": 1, case: PANDAS_CASES[case]})
    rows = [2, 0, 0, 1, 2]
    got = to_native(through_disk(to_arrow(frame), rows))
    assert_same_pandas(got, frame.iloc[rows].reset_index(drop=True))
    assert to_native(through_disk(to_arrow(frame), [])).dtypes.equals(frame.dtypes)
    assert to_native(to_arrow(frame.iloc[:0])).dtypes.equals(frame.dtypes)


@pytest.mark.parametrize("case", PANDAS_CASES)
def test_pandas_columns_can_be_written_to(case: str) -> None:
    got = to_native(to_arrow(pd.DataFrame({case: PANDAS_CASES[case]})))
    got.iloc[0, 0] = got.iloc[1, 0]
    assert pd.isna(got.iloc[0, 0]) == pd.isna(got.iloc[1, 0])


def test_pandas_labels_index_and_order() -> None:
    frame = pd.DataFrame(
        [[1, 2.0, "x", 4]], columns=pd.Index([7, 0.5, "b", 1], name="things"), index=[99]
    )
    frame.index.name = "row"
    got = to_native(to_arrow(frame).select([3, 0, 2]))
    assert got.columns.tolist() == [1, 7, "b"]
    assert [type(label) for label in got.columns] == [int, int, str]
    assert got.columns.name == "things"
    assert isinstance(got.index, pd.RangeIndex)
    assert got.index.name == "row"
    numbered = to_native(to_arrow(pd.DataFrame(np.eye(3))))
    assert numbered.columns.tolist() == [0, 1, 2]
    assert numbered.columns.dtype == "int64"


def test_pandas_byte_order_comes_back() -> None:
    frame = pd.DataFrame({"n": np.array([1, 2, 3], ">i4")})
    assert_same_pandas(to_native(to_arrow(frame)), frame)


def test_pandas_without_columns() -> None:
    assert to_native(to_arrow(pd.DataFrame())).shape == (0, 0)


def test_pandas_category_keeps_unused_levels_when_rows_are_picked() -> None:
    frame = pd.DataFrame({"c": PANDAS_CASES["category"]})
    got = to_native(through_disk(to_arrow(frame), [0, 0]))["c"]
    assert got.cat.categories.tolist() == ["z", "high", "low", "é"]
    assert got.cat.ordered


def test_pandas_strings_that_arrive_as_dictionary() -> None:
    table = to_arrow(pd.DataFrame({"s": ["a", "b", "a"]}))
    coded = pa.table([table["s"].dictionary_encode()], ["s"]).replace_schema_metadata(
        table.schema.metadata
    )
    assert_same_pandas(to_native(coded), pd.DataFrame({"s": ["a", "b", "a"]}))


def test_missing_values_in_a_plain_integer_column_are_refused() -> None:
    metadata = to_arrow(pd.DataFrame({"n": [1, 2]})).schema.metadata
    with pytest.raises(ValueError, match="'n' of dtype int64 cannot hold its 1 missing"):
        to_native(pa.table({"n": [1, None]}).replace_schema_metadata(metadata))


# Polars

POLARS_CASES = {
    **{
        str(t): pl.Series([0, None, 100], dtype=t)
        for t in (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128)
    },
    **{
        str(t): pl.Series([0, None, 100], dtype=t)
        for t in (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.UInt128)
    },
    "huge": pl.Series([10**37, None, -(10**37)], dtype=pl.Int128),
    "Float16": pl.Series([0.5, None, 2], dtype=pl.Float16),
    "Float32": pl.Series([0.1, None, float("nan")], dtype=pl.Float32),
    "Float64": pl.Series([0.1, None, float("nan")]),
    "Boolean": pl.Series([True, None, False]),
    "String": pl.Series(["a", None, "é\n"]),
    "Binary": pl.Series([b"a", None, b"\xff"]),
    "Categorical": pl.Series(["b", None, "a"], dtype=pl.Categorical),
    "Named": pl.Series(["b", None, "a"], dtype=pl.Categorical(pl.Categories("kinds"))),
    "Enum": pl.Series(["b", None, "a"], dtype=pl.Enum(["z", "b", "a", "é"])),
    "Date": pl.Series([DAY, None, DAY]),
    "Time": pl.Series([TIME, None, TIME]),
    "Decimal": pl.Series([Decimal("1.20"), None, Decimal(7)], dtype=pl.Decimal(12, 2)),
    "Null": pl.Series([None, None, None]),
    **{
        f"Datetime_{u}": pl.Series([dt.datetime(2020, 1, 1), None, None], dtype=pl.Datetime(u))
        for u in ("ms", "us", "ns")
    },
    **{
        f"Zoned_{u}": pl.Series([dt.datetime(2020, 1, 1), None, None]).cast(
            pl.Datetime(u, "Asia/Tokyo")
        )
        for u in ("ms", "us", "ns")
    },
    **{
        f"Duration_{u}": pl.Series([dt.timedelta(1), None, None], dtype=pl.Duration(u))
        for u in ("ms", "us", "ns")
    },
}


@pytest.mark.parametrize("case", POLARS_CASES)
def test_polars_column_comes_back(case: str) -> None:
    frame = pl.DataFrame({"before": [1, 2, 3], case: POLARS_CASES[case]})
    table = to_arrow(frame)
    for got in (to_native(table), to_native(through_disk(table))):
        assert isinstance(got, pl.DataFrame)
        assert got.schema == frame.schema
        assert_polars_equal(got, frame, check_exact=True)
    rows = [2, 0, 0, 1, 2]
    picked = to_native(through_disk(table, rows))
    assert picked.schema == frame.schema
    assert_polars_equal(picked, frame[rows], check_exact=True)
    assert to_native(through_disk(table, [])).schema == frame.schema
    dropped = to_native(through_disk(table).select([case]))
    assert_polars_equal(dropped, frame.select(case), check_exact=True)


# PyArrow

FIXED = pa.dictionary(pa.int8(), pa.string(), ordered=True)
ARROW_CASES = {
    "int8": pa.array([1, None, 3], pa.int8()),
    "uint64": pa.array([1, None, 2**64 - 1], pa.uint64()),
    "float16": pa.array([np.float16(0.5), None, np.float16(2)], pa.float16()),
    "float32": pa.array([0.1, None, float("nan")], pa.float32()),
    "bool": pa.array([True, None, False]),
    "string": pa.array(["a", None, "é"]),
    "large_string": pa.array(["a", None, "é"], pa.large_string()),
    "string_view": pa.array(["a", None, "é"], pa.string_view()),
    "binary": pa.array([b"a", None, b"\xff"]),
    "binary_view": pa.array([b"a", None, b"\xff"], pa.binary_view()),
    "fixed_binary": pa.array([b"ab", None, b"cd"], pa.binary(2)),
    "dictionary": pa.DictionaryArray.from_arrays(
        pa.array([1, None, 0], pa.int8()), ["z", "b", "unused"], ordered=True
    ),
    "dictionary_int": pa.DictionaryArray.from_arrays(
        pa.array([1, None, 0], pa.uint16()), pa.array([5, 3, 1])
    ),
    "dictionary_view": pa.DictionaryArray.from_arrays(
        pa.array([1, None, 0]), pa.array(["b", "a"], pa.string_view())
    ),
    "date32": pa.array([DAY, None, DAY]),
    "date64": pa.array([DAY, None, DAY], pa.date64()),
    "time32": pa.array([1, None, 2], pa.time32("ms")),
    "time64": pa.array([1, None, 2], pa.time64("ns")),
    **{f"timestamp_{u}": pa.array([1, None, 2], pa.timestamp(u)) for u in ("s", "ms", "us", "ns")},
    "zoned": pa.array([1, None, 2], pa.timestamp("us", "America/New_York")),
    "duration": pa.array([1, None, 2], pa.duration("ms")),
    "decimal128": pa.array([Decimal("1.20"), None, Decimal("3.4")], pa.decimal128(20, 4)),
    "decimal256": pa.array([Decimal("1.20"), None, Decimal("3.4")], pa.decimal256(50, 4)),
    "null": pa.nulls(3),
    "uuid": pa.array([b"0" * 16, None, b"1" * 16], pa.uuid()),
    "run_end": pa.RunEndEncodedArray.from_arrays(
        pa.array([2, 3], pa.int32()), pa.array(["a", "b"])
    ),
}


@pytest.mark.parametrize("case", ARROW_CASES)
def test_pyarrow_column_comes_back(case: str) -> None:
    column = ARROW_CASES[case]
    fields = [
        pa.field("n", pa.int64(), nullable=False, metadata={"unit": "cm"}),
        pa.field(case, column.type, metadata={"source": "é"}),
    ]
    table = pa.Table.from_arrays(
        [pa.array([1, 2, 3]), column], schema=pa.schema(fields, {"owner": "me"})
    )
    arrow = to_arrow(table)
    for got in (to_native(arrow), to_native(through_disk(arrow))):
        assert got.schema.equals(table.schema, check_metadata=True)
        assert got.to_pydict().__repr__() == table.to_pydict().__repr__()
    picked = to_native(through_disk(arrow, [1, 1, 0, 2]))
    assert picked.schema.equals(table.schema, check_metadata=True)
    wanted = [table[case].to_pylist()[row] for row in (1, 1, 0, 2)]
    assert repr(picked[case].to_pylist()) == repr(wanted)
    assert to_native(through_disk(arrow, [])).schema.equals(table.schema, check_metadata=True)


def test_pyarrow_dictionary_keeps_its_values() -> None:
    column = ARROW_CASES["dictionary"]
    got = to_native(to_arrow(pa.table({"c": column})))["c"].chunk(0)
    assert got.dictionary.to_pylist() == ["z", "b", "unused"]


def test_record_batch_comes_back_as_one() -> None:
    batch = pa.record_batch({"a": [1, 2]})
    assert to_native(to_arrow(batch)).equals(batch)
    assert isinstance(to_native(to_arrow(batch.slice(0, 0))), pa.RecordBatch)


def test_chunks_and_dictionaries_are_unified() -> None:
    chunks = [pa.array(["a", "b"]).dictionary_encode(), pa.array(["c", "a"]).dictionary_encode()]
    table = to_arrow(
        pa.table({"c": pa.chunked_array(chunks), "n": pa.chunked_array([[1], [2, 3, 4]])})
    )
    assert [column.num_chunks for column in table.columns] == [1, 1]
    assert table["c"].to_pylist() == ["a", "b", "c", "a"]
    assert table["c"].chunk(0).dictionary.to_pylist() == ["a", "b", "c"]


def test_codes_widen_where_chunks_have_too_many_values_together() -> None:
    narrow = pa.dictionary(pa.int8(), pa.string())
    chunks = [
        pa.array([f"{letter}{i}" for i in range(100)]).dictionary_encode().cast(narrow)
        for letter in "ab"
    ]
    got = to_native(to_arrow(pa.table({"c": pa.chunked_array(chunks)})))
    assert got["c"].type == pa.dictionary(pa.int32(), pa.string())
    assert got["c"].to_pylist() == [f"{letter}{i}" for letter in "ab" for i in range(100)]


def test_a_table_without_our_metadata_is_left_alone() -> None:
    table = pa.table({"a": [1]})
    assert to_native(table) is table


def test_metadata_is_versioned_json() -> None:
    native = json.loads(to_arrow(pd.DataFrame({"a": [1]})).schema.metadata[METADATA_KEY])
    assert native["version"] == 1
    assert native["library"] == "pandas"


def test_narwhals_tables_come_back_as_what_they_wrap() -> None:
    frame = pd.DataFrame({"a": [1, 2], "c": pd.Categorical(["x", "y"])})
    assert_same_pandas(to_native(to_arrow(nw.from_native(frame))), frame)


def test_a_library_known_to_narwhals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pl.DataFrame({"a": [1, 2], "s": ["x", None]})
    monkeypatch.setattr(convert, "sys", SimpleNamespace(modules={}))
    table = to_arrow(frame)
    assert json.loads(table.schema.metadata[METADATA_KEY])["library"] == "narwhals"
    assert_polars_equal(to_native(through_disk(table, [1, 0])), frame[[1, 0]])


# Refused

REPEATED = pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (REPEATED, r"unique, got 'a' \(2 times\)"),
        (pd.DataFrame([[1, 2]], columns=[1, "1"]), r"unique, got '1' \(2 times\)"),
        (pa.table([[1], [2]], names=["x", "x"]), r"unique, got 'x' \(2 times\)"),
        (pa.table({"l": [[1]]}), r"'l' is nested \(list<"),
        (pa.table({"s": [{"x": 1}]}), r"'s' is nested \(struct<.*Spread it over"),
        (pl.DataFrame({"l": [[1]]}), r"'l' is nested \(List\(Int64\)\).*explode"),
        (pl.DataFrame({"s": [{"x": 1}]}), "'s' is nested"),
        (pl.DataFrame({"o": [object()]}), "'o' holds Python objects"),
        (
            pl.DataFrame({"i": pl.Series([2**127 - 1], dtype=pl.Int128)}),
            "'i' hold integers of more",
        ),
        (
            pd.DataFrame({"m": pd.Series([1, "a"], dtype=object)}),
            r"'m' mixes .* \(int, str\).*astype",
        ),
        (pd.DataFrame({"m": pd.Series([1, 2.5], dtype=object)}), r"\(float, int\)"),
        (pd.DataFrame({"m": pd.Series([True, 2], dtype=object)}), r"\(bool, int\)"),
        (pd.DataFrame({"l": [[1], [2]]}), "'l' holds Python objects of type list"),
        (pd.DataFrame({"d": [{"x": 1}]}), "'d' holds Python objects of type dict"),
        (pd.DataFrame({"c": [1j]}), "'c' has dtype complex128.*imaginary"),
        (pd.DataFrame({"p": pd.period_range("2020", periods=2, freq="M")}), "'p' .*to_timestamp"),
        (pd.DataFrame({"i": pd.interval_range(0, 2)}), "'i' has dtype interval"),
        (pd.DataFrame({"i": pd.cut([1, 2, 3], 2)}), "'i' has dtype interval.*rename_categories"),
        (pd.DataFrame({"s": pd.arrays.SparseArray([0, 1])}), "'s' has dtype Sparse.*to_dense"),
        (pd.DataFrame({"h": pd.Series([2**70], dtype=object)}), "'h'.*cannot become Arrow"),
        (pd.DataFrame({"u": pd.Series(["\ud800"], dtype=object)}), "'u'.*cannot become Arrow"),
        (pd.DataFrame({("a", "b"): [1]}), r"names must be strings or numbers, got \('a', 'b'\)"),
        (
            pd.DataFrame({"t": pd.Series([STAMPS[0], ZONED[0]], dtype=object)}),
            "'t' mixes time zones.*utc=True",
        ),
    ],
)
def test_what_cannot_be_mixed_is_refused(data: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        to_arrow(data)


@pytest.mark.parametrize("data", [[1, 2], {"a": [1]}, np.eye(2), None, pd.Series([1])])
def test_what_is_no_table_is_refused(data: object) -> None:
    with pytest.raises(TypeError, match="data must be a pandas DataFrame, a Polars DataFrame"):
        to_arrow(data)


def test_lazy_table_is_refused() -> None:
    with pytest.raises(TypeError, match=r"lazy table \(polars.*LazyFrame\).*\.collect\(\)"):
        to_arrow(pl.LazyFrame({"a": [1]}))


# Any table at all

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
VALUES = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint8": st.integers(0, 255),
    "float64": st.floats(),
    "float32": st.floats(width=32),
    "bool": st.booleans(),
    "str": TEXT,
    "object": TEXT,
    "Int32": st.none() | st.integers(-(2**31), 2**31 - 1),
    "boolean": st.none() | st.booleans(),
    "string": st.none() | TEXT,
    "category": st.none() | TEXT,
    "datetime64[us]": st.datetimes(),
    "datetime64[ms, Asia/Tokyo]": st.datetimes(dt.datetime(1950, 1, 1), dt.datetime(2100, 1, 1)),
    "timedelta64[ns]": st.timedeltas(dt.timedelta(-1000), dt.timedelta(1000)),
}


@st.composite
def pandas_frames(draw: st.DrawFn) -> pd.DataFrame:
    dtypes = draw(st.dictionaries(NAME, st.sampled_from(list(VALUES)), min_size=1, max_size=4))
    size = draw(st.integers(0, 6))
    return pd.DataFrame(
        {
            name: pd.Series(draw(st.lists(VALUES[d], min_size=size, max_size=size)), dtype=d)
            for name, d in dtypes.items()
        },
    )


@settings(max_examples=40, deadline=None)
@given(pandas_frames(), st.data())
def test_any_pandas_table_comes_back(frame: pd.DataFrame, data: st.DataObject) -> None:
    table = to_arrow(frame)
    assert_same_pandas(to_native(table), frame)
    if len(frame):
        rows = data.draw(st.lists(st.integers(0, len(frame) - 1), max_size=9))
        got = to_native(through_disk(table, rows))
        assert_same_pandas(got, frame.iloc[rows].reset_index(drop=True))


POLARS_VALUES = {
    pl.Int64: st.integers(-(2**63), 2**63 - 1),
    pl.Float64: st.floats(),
    pl.Boolean: st.booleans(),
    pl.String: TEXT,
    pl.Categorical: TEXT,
    pl.Date: st.dates(),
    pl.Datetime("us"): st.datetimes(),
    pl.Int128: st.integers(-(10**38) + 1, 10**38 - 1),
}


@st.composite
def polars_frames(draw: st.DrawFn) -> pl.DataFrame:
    dtypes = draw(
        st.dictionaries(NAME, st.sampled_from(list(POLARS_VALUES)), min_size=1, max_size=4)
    )
    size = draw(st.integers(0, 6))
    return pl.DataFrame(
        [
            pl.Series(
                name,
                draw(st.lists(st.none() | POLARS_VALUES[d], min_size=size, max_size=size)),
                dtype=d,
            )
            for name, d in dtypes.items()
        ]
    )


@settings(max_examples=40, deadline=None)
@given(polars_frames())
def test_any_polars_table_comes_back(frame: pl.DataFrame) -> None:
    for got in (to_native(to_arrow(frame)), to_native(through_disk(to_arrow(frame)))):
        assert got.schema == frame.schema
        assert_polars_equal(got, frame, check_exact=True)


@settings(max_examples=40, deadline=None)
@given(polars_frames())
def test_any_pyarrow_table_comes_back(frame: pl.DataFrame) -> None:
    table = frame.drop(name for name, d in frame.schema.items() if d == pl.Int128).to_arrow()
    for got in (to_native(to_arrow(table)), to_native(through_disk(to_arrow(table)))):
        assert got.schema.equals(table.schema, check_metadata=True)
        assert repr(got.to_pydict()) == repr(table.to_pydict())
