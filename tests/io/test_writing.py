"""Files are written whole, and their values and types come back."""

from __future__ import annotations

import datetime as dt
import errno
import io
import json
import os
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vicinal.io import SUFFIXES, dialect_of, read_table, text_writing, write_table


def test_csv_text(tmp_path: Path) -> None:
    table = pa.table(
        {
            "n": [1, None, -3],
            "x": [0.1, float("nan"), 1e300],
            "whole": [1.0, None, 1e20],
            "s": ["a", None, "b c"],
            "t": pa.array(["a,b", None, 'q"'], pa.large_string()),
            "b": [True, None, False],
            "d": [dt.date(2020, 1, 2), None, None],
            "z": pa.array(
                [dt.datetime(2020, 1, 2, 3), None, None], pa.timestamp("us", "Asia/Tokyo")
            ),
            "ts": [dt.datetime(2020, 1, 2, 3, 4, 5), None, None],
            "e": [dt.timedelta(seconds=90, milliseconds=500), None, None],
            "c": pa.array(["u", None, "v,w"]).dictionary_encode(),
            "m": pa.array([Decimal("1.50"), None, None]),
            "void": pa.nulls(3),
            "h": pa.array([np.float16(0.5), None, None]),
        }
    )
    write_table(table, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8").split("\n") == [
        "n,x,whole,s,t,b,d,z,ts,e,c,m,void,h",
        '1,0.1,1.0,a,"a,b",true,2020-01-02,2020-01-02 03:00:00Z,2020-01-02 03:04:05,90.5,u,1.50,,'
        "0.5",
        ",,,,,,,,,,,,,",
        '-3,1e+300,1e+20,b c,"q""",false,,,,,"v,w",,,',
        "",
    ]


def test_json_lines_text(tmp_path: Path) -> None:
    table = pa.table(
        {
            'k"é': ['a"\\\n\x01é', None],
            "x": [1.0, float("nan")],
            "i": [float("inf"), 0.5],
            "b": [True, False],
            "d": [dt.date(2020, 1, 2), None],
            "t": [dt.time(12, 30), None],
        }
    )
    write_table(table, tmp_path / "out.jsonl")
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {'k"é': 'a"\\\n\x01é', "x": 1.0, "i": None, "b": True, "d": "2020-01-02", "t": "12:30:00"},
        {'k"é': None, "x": None, "i": 0.5, "b": False, "d": None, "t": None},
    ]
    assert '"x":1.0,' in lines[0]


EVERYWHERE = pa.table(
    {
        "n": pa.array([1, None, -(2**63)], pa.int64()),
        "x": [0.1, None, -2.0],
        "whole": [1.0, 2.0, None],
        "s": ["a", None, 'é, "\n\r\t\\'],
        "b": [True, None, False],
        "d": pa.array([dt.date(2020, 2, 29), None, dt.date(1, 1, 1)]),
        "t": pa.array([1, None, 86399], pa.time32("s")),
        "stamp": pa.array([0, None, -1], pa.timestamp("s")),
        "fine": pa.array([1, None, 10**9 + 1], pa.timestamp("us")),
        "zoned": pa.array([0, None, 1500], pa.timestamp("ms", "UTC")),
        "void": pa.nulls(3),
    }
)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_values_and_types_come_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    write_table(EVERYWHERE, path)
    got = read_table(path)
    assert got.to_pydict() == EVERYWHERE.to_pydict()
    if suffix == ".parquet":  # has no seconds: they become milliseconds
        got = got.cast(EVERYWHERE.schema)
    assert got.schema.equals(EVERYWHERE.schema)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".feather"])
def test_binary_formats_keep_every_type(tmp_path: Path, suffix: str) -> None:
    table = pa.table(
        {
            "small": pa.array([1, None], pa.int8()),
            "half": pa.array([np.float16(0.5), None]),
            "decimal": pa.array([Decimal("1.50"), None], pa.decimal128(9, 2)),
            "zone": pa.array([1, None], pa.timestamp("ns", "Europe/Paris")),
            "length": pa.array([1, None], pa.duration("us")),
            "bytes": [b"\xff", None],
            "code": pa.DictionaryArray.from_arrays(
                pa.array([0, None], pa.int8()), ["a"], ordered=True
            ),
            "list": [[1], None],
        }
    ).replace_schema_metadata({"owner": "me"})
    write_table(table, tmp_path / f"out{suffix}")
    got = read_table(tmp_path / f"out{suffix}")
    assert got.schema.field("code").type.ordered
    assert got.to_pydict() == table.to_pydict()
    assert got.schema.metadata == table.schema.metadata
    for field in table.schema:
        if field.name not in {"code", "list"}:
            assert got.schema.field(field.name).type == field.type


def test_arrow_stream_and_differing_dictionaries(tmp_path: Path) -> None:
    chunks = [pa.array(["a"]).dictionary_encode(), pa.array(["b"]).dictionary_encode()]
    table = pa.table({"c": pa.chunked_array(chunks)})
    for suffix in SUFFIXES:
        write_table(table, tmp_path / f"out{suffix}")
        assert read_table(tmp_path / f"out{suffix}")["c"].to_pylist() == ["a", "b"]
    with pa.ipc.new_stream(tmp_path / "s.arrow", table.schema) as writer:
        writer.write_table(table)
    assert read_table(tmp_path / "s.arrow")["c"].to_pylist() == ["a", "b"]


@pytest.mark.parametrize("values", [[1, None, 3], [None, "a", None], ["x"], [None, 0.5]])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_column(tmp_path: Path, suffix: str, values: list[object]) -> None:
    table = pa.table({"only": values})
    write_table(table, tmp_path / f"out{suffix}")
    assert read_table(tmp_path / f"out{suffix}").equals(table)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_batches_join_up(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table(
        {
            "n": pa.chunked_array([range(5), [], range(5, 12)], pa.int64()),
            "s": [str(i) * i + "," for i in range(12)],
            "c": pa.array([f"v{i % 3}" for i in range(12)]).dictionary_encode(),
        }
    ).slice(1)
    write_table(table, tmp_path / f"whole{suffix}")
    monkeypatch.setattr(text_writing, "_BATCH", 3)
    write_table(table, tmp_path / f"parts{suffix}")
    whole = (tmp_path / f"whole{suffix}").read_bytes()
    assert (tmp_path / f"parts{suffix}").read_bytes() == whole
    assert read_table(tmp_path / f"whole{suffix}").to_pydict() == table.to_pydict()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_same_table_same_bytes(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        write_table(EVERYWHERE, tmp_path / f"{name}{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, pa.ArrowInvalid])
def test_interrupted_writing_leaves_nothing(
    tmp_path: Path, suffix: str, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"out{suffix}"

    def stop(*_: object) -> None:
        raise error("stopped")

    monkeypatch.setattr(os, "fsync", stop)  # when every byte is written but not in place
    with pytest.raises(error, match="stopped"):
        write_table(EVERYWHERE, path)
    assert not list(tmp_path.iterdir())
    path.write_bytes(b"old")
    with pytest.raises(error, match="stopped"):
        write_table(EVERYWHERE, path)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_columns_that_text_cannot_hold(tmp_path: Path, suffix: str) -> None:
    for name, values in {"list": [[1]], "struct": [{"a": 1}], "bytes": [b"\xff"]}.items():
        with pytest.raises(ValueError, match=f"Column '{name}' .* Write .parquet or .arrow"):
            write_table(pa.table({"a": [1], name: values}), tmp_path / f"out{suffix}")
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Folder .*nowhere does not exist"):
        write_table(pa.table({"a": [1]}), tmp_path / "nowhere" / "out.csv")


def test_new_files_follow_the_umask_and_links_stay(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        write_table(pa.table({"a": [1]}), tmp_path / "out.csv")
    finally:
        os.umask(old)
    assert (tmp_path / "out.csv").stat().st_mode & 0o777 == 0o644
    (tmp_path / "link.csv").symlink_to(tmp_path / "out.csv")
    write_table(pa.table({"a": [2]}), tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "out.csv").read_text() == "a\n2\n"


def test_pandas_reads_what_we_write(tmp_path: Path) -> None:
    write_table(EVERYWHERE, tmp_path / "out.csv.gz")
    frame = pd.read_csv(tmp_path / "out.csv.gz")
    assert frame["s"].tolist()[2] == EVERYWHERE["s"][2].as_py()
    assert frame["x"].tolist()[::2] == [0.1, -2.0]
    lines = pd.read_json(io.StringIO(json_text(tmp_path)), lines=True)
    assert lines["s"].tolist()[2] == EVERYWHERE["s"][2].as_py()


def json_text(folder: Path) -> str:
    write_table(EVERYWHERE, folder / "out.jsonl")
    return (folder / "out.jsonl").read_text(encoding="utf-8")


CELL = st.none() | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1
)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(CELL, st.none() | st.floats(allow_nan=False)), min_size=1, max_size=8))
@pytest.mark.parametrize("suffix", [".csv", ".tsv.gz", ".jsonl"])
def test_any_text_and_number_comes_back(
    tmp_path: Path, suffix: str, rows: list[tuple[str | None, float | None]]
) -> None:
    # the marker keeps a column of digits from turning into numbers
    words = [None if word is None else f"#{word}" for word, _ in rows]
    table = pa.table(
        {"words": pa.array(words, pa.string()), "x": pa.array([x for _, x in rows], pa.float64())}
    )
    if suffix == ".jsonl":
        table = table.set_column(
            1,
            "x",
            pa.array([None if x is None or np.isinf(x) else x for _, x in rows], pa.float64()),
        )
    write_table(table, tmp_path / f"out{suffix}")
    got = read_table(tmp_path / f"out{suffix}")
    assert got["words"].to_pylist() == words
    assert got["x"].to_pylist() == table["x"].to_pylist()


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left to write"):
        write_table(pa.table({"a": [1]}), tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == []


def test_tabs_of_a_tsv_file_are_none_of_a_csv_file(tmp_path):
    (tmp_path / "a.tsv").write_text("a\tb\n1\t2\n", "utf-8")
    table = read_table(tmp_path / "a.tsv")
    write_table(table, tmp_path / "b.csv", dialect_of(table))
    write_table(table, tmp_path / "b.tsv", dialect_of(table))
    assert (tmp_path / "b.csv").read_text("utf-8") == "a,b\n1,2\n"
    assert (tmp_path / "b.tsv").read_text("utf-8") == "a\tb\n1\t2\n"


def test_two_digits_before_an_exponent_are_not_cut_to_one(tmp_path):
    (tmp_path / "a.csv").write_text("a\n42e3\n97e3\n-13e3\n", "utf-8")
    table = read_table(tmp_path / "a.csv")
    write_table(table, tmp_path / "b.csv", dialect_of(table))
    assert read_table(tmp_path / "b.csv")["a"].to_pylist() == [42_000, 97_000, -13_000]
