"""Files are read with their types, and bad ones refused in one clear sentence."""

from __future__ import annotations

import csv
import datetime as dt
import errno
import gzip
import json
import os
import warnings
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vicinal.io import (
    SUFFIXES,
    Dialect,
    atomic,
    check_output,
    dialect_of,
    output_format,
    read_table,
    write_table,
)

UTC = dt.timezone.utc


def saved(folder: Path, content: str | bytes, name: str = "people.csv") -> Path:
    path = folder / name
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def column(folder: Path, *values: str) -> pa.ChunkedArray:
    """Read the values as the first of two CSV columns."""
    text = "value,other\n" + "".join(f"{value},x\n" for value in values)
    return read_table(saved(folder, text))["value"]


# Suffixes


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_known_suffixes(suffix: str) -> None:
    assert output_format(f"a.b{suffix}") == SUFFIXES[suffix]
    assert output_format(f"A.B{suffix.upper()}") == SUFFIXES[suffix]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.parqet", r"'.parqet' is not known. Did you mean '.parquet'\? Known: .csv, .csv.gz"),
        ("a.cvs", "Did you mean '.csv'"),
        ("a.csv.bz2", "'.bz2' is not known"),
        ("a.parquet.gz", "'.parquet.gz' is not known"),
        ("a.xlsx", "'.xlsx' is not known"),
        ("people", "the name has no suffix"),
        ("csv", "the name has no suffix"),
    ],
)
def test_unknown_suffixes(tmp_path: Path, name: str, message: str) -> None:
    for call in (
        lambda: output_format(name),
        lambda: read_table(tmp_path / name),
        lambda: write_table(pa.table({"a": [1]}), tmp_path / name),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert not list(tmp_path.iterdir())


# The first line

HEADLESS = {
    "an amount": [(f"{1000 + 37.5 * at:.2f}", "abc"[at % 3], at * 7 % 90) for at in range(100)],
    "an amount, few rows": [("12.50", "a", 3), ("8.75", "b", 5), ("9.25", "c", 4)],
    "a date": [(f"2024-01-{at:02d}", "x") for at in range(1, 20)],
    "a date of texts": [(f"{at:02d}.01.2024", "x") for at in range(1, 20)],
    "an amount of texts": [(f"{at}.50 €", "x") for at in range(1, 20)],
    "a code": [(f"0{at}067", "x") for at in range(10, 40)],
    "a clock": [(f"{at:02d}:30", "x") for at in range(20)],
    "integers": [(at * 37 % 50, at * 11 % 70, "x") for at in range(7, 60)],
    "an age": [("anna", 20 + at * 7 % 50) for at in range(7, 60)],
    "a number and an age": [(at, "x", 20 + at * 7 % 50) for at in range(1, 60)],
    "a missing cell": [("NA" if at == 1 else at, f"{at * 7 % 50}.5") for at in range(1, 60)],
    "a number twice": [(7, 7, "x"), (2, 3, "y")],
    "a truth value": [("true", 0.5 * at) for at in range(9, 60)],
}


@pytest.mark.parametrize("rows", HEADLESS.values(), ids=HEADLESS)
def test_a_row_is_no_line_of_names(tmp_path: Path, rows: list[tuple[object, ...]]) -> None:
    lines = [";".join(map(str, row)) for row in rows]
    with pytest.raises(ValueError, match=r"people.csv: the first line .* Put a line of column"):
        read_table(saved(tmp_path, "\n".join(lines)))
    named = ";".join("abc"[: len(rows[0])])
    assert len(read_table(saved(tmp_path, "\n".join([named, *lines])))) == len(rows)


@pytest.mark.parametrize(
    ("names", "most"),
    [
        (["0", "1", "2", "3"], 3),
        (["0", "1"], 10),
        (["1", "2", "3"], 3),
        (["2019", "2020", "2021"], 5000),
        (["2019"], 5000),
        (["10", "20", "30", "40"], 50),
        (["101", "117", "254"], 1000),
        (["1100.5", "1102.5", "1105.1"], 2),
        (["0.05", "0.25", "0.5", "0.75", "0.95"], 1),
        (["0.1", "0.2", "0.3"], 1),
        (["", "0", "1"], 100),
        (["name", "0.5"], 1),
        (["2021-01-01", "2021-02-01"], 100),
        (["Q1", "Q2"], 3),
        (["true", "false"], 1),
        (["12", "x"], 20),
    ],
)
def test_numbers_may_be_names(tmp_path: Path, names: list[str], most: int) -> None:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, most, (50, len(names))) if most > 2 else rng.random((50, len(names)))
    lines = [",".join(names), *(",".join(map(str, row)) for row in kind.round(3).tolist())]
    assert read_table(saved(tmp_path, "\n".join(lines))).column_names == names


# Types of CSV columns


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["1", "-2", "0"], pa.int64(), [1, -2, 0]),
        (["1", "", "3"], pa.int64(), [1, None, 3]),
        (["1", "NA", "?"], pa.int64(), [1, None, None]),
        ([" 1", "22 ", "3"], pa.int64(), [1, 22, 3]),
        (['"1"', '"2"'], pa.int64(), [1, 2]),
        ([str(2**64 - 1), "1"], pa.uint64(), [2**64 - 1, 1]),
        (["9" * 30, "-1"], pa.decimal128(38, 0), [Decimal("9" * 30), Decimal(-1)]),
        (["9" * 45, "1"], pa.string(), ["9" * 45, "1"]),
        (["00123", "99999"], pa.string(), ["00123", "99999"]),
        (["-01", "1"], pa.string(), ["-01", "1"]),
        (["007.5", "1.5"], pa.string(), ["007.5", "1.5"]),
        (["+491701234567", "+4930123456"], pa.string(), ["+491701234567", "+4930123456"]),
        (["0x1F", "0x20"], pa.string(), ["0x1F", "0x20"]),
        (["1.0", "2"], pa.float64(), [1.0, 2.0]),
        (["0.1", "-1e-300", ".5", "5."], pa.float64(), [0.1, -1e-300, 0.5, 5.0]),
        (["0.1", "nan", "null", "NaN"], pa.float64(), [0.1, None, None, None]),
        (["0.1", "inf", "-inf"], pa.float64(), [0.1, float("inf"), float("-inf")]),
        (["a", "NA", "?", "null", ""], pa.string(), ["a", "NA", "?", "null", None]),
        (["NA", "", "NA"], pa.string(), ["NA", None, "NA"]),
        (["", '""'], pa.null(), [None, None]),
        (["1", "a"], pa.string(), ["1", "a"]),
        ([" a", "b "], pa.string(), [" a", "b "]),
        (["true", "false", ""], pa.bool_(), [True, False, None]),
        (["True", "NA"], pa.bool_(), [True, None]),
        (["TRUE", "FALSE"], pa.bool_(), [True, False]),
        (["True", "false"], pa.string(), ["True", "false"]),
        (["yes", "no"], pa.string(), ["yes", "no"]),
        (["2020-02-29", ""], pa.date32(), [dt.date(2020, 2, 29), None]),
        (["2020-02-30"], pa.string(), ["2020-02-30"]),
        (["01/02/2020"], pa.string(), ["01/02/2020"]),
        (["12:30", "NA"], pa.time32("s"), [dt.time(12, 30), None]),
        (["12:30:01.25"], pa.time32("ms"), [dt.time(12, 30, 1, 250_000)]),
        (["25:00:00"], pa.string(), ["25:00:00"]),
        (["2020-01-01 10:00"], pa.timestamp("s"), [dt.datetime(2020, 1, 1, 10)]),
        (
            ["2020-01-01T10:00:00.5", "2020-01-01"],
            pa.timestamp("ms"),
            [dt.datetime(2020, 1, 1, 10, 0, 0, 500_000), dt.datetime(2020, 1, 1)],
        ),
        (
            ["2020-01-01T10:00:00Z", "2020-01-01T10:00:00+02:00"],
            pa.timestamp("s", "UTC"),
            [dt.datetime(2020, 1, 1, 10, tzinfo=UTC), dt.datetime(2020, 1, 1, 8, tzinfo=UTC)],
        ),
        (["2020-01-01T10:00:00Z", "2020-01-01T10:00:00"], pa.string(), None),
    ],
)
def test_csv_types(tmp_path: Path, values: list[str], kind: pa.DataType, expected: object) -> None:
    got = column(tmp_path, *values)
    assert got.type == kind
    assert got.to_pylist() == (values if expected is None else expected)


@pytest.mark.parametrize(
    ("late", "kind"),
    [
        ("1.5", pa.float64()),
        ("abc", pa.string()),
        ("007", pa.string()),
        ("?", pa.int64()),
        (" 7", pa.int64()),
        (str(2**63), pa.uint64()),
        ("-0", pa.float64()),
    ],
)
def test_a_late_value_changes_the_type(tmp_path: Path, late: str, kind: pa.DataType) -> None:
    # 3 MB: well past the first block that is parsed
    values = [str(10**11 + i) for i in range(200_000)]
    got = column(tmp_path, *values, late)
    assert got.type == kind
    assert len(got) == 200_001
    if kind == pa.string():
        assert got[-1].as_py() == late


def test_booleans_come_back_in_their_own_spelling(tmp_path: Path) -> None:
    path = saved(tmp_path, "a,b,c\nTrue,false,TRUE\nFalse,true,\n")
    write_table(read_table(path), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == path.read_bytes()


NOTATIONS = {
    "always two decimals": ["0.70", "12.50", "3.00", "-8.05"],
    "two decimals, or none": ["0.70", "12.50", "3", "-8.05"],
    "no zeros at the end": ["0.7", "12.5", "3", "-8.05"],
    "as Python writes floats": ["0.7", "12.5", "3.0", "-8.05"],
    "small ones without an exponent": ["0.00000008", "0.00001200", "3.00000000"],
    "large ones without an exponent": ["12345678901.50", "98765432109876.25", "3.00"],
    "exponents of some": ["8e-8", "0.5", "1.5e+300"],
    "exponents": ["8.25e-08", "nan", "-1.50e+00"],
    "exponents in capitals": ["8.2E-08", "1.5E+00", ""],
    "no zero before the point": [".70", "12.50", "-.05"],
    "a plus sign": ["+1.9", "-0.3", "+12.0"],
    "a plus sign before integers": ["+1", "-3", "+12"],
    "a mark of missing values": ["1.50", "NA", "2.25"],
    "a mark among integers": ["1", "NULL", "2"],
    "an offset": ["2021-06-10T07:52:59+02:00", "2021-12-31T23:30:00+02:00"],
    "an offset without a colon": ["2021-06-10 07:52:59+0530", "1969-12-31 23:30:00+0530"],
    "an offset of hours": ["2021-06-10T07:52:59-03", "2021-12-31T23:30:00-03"],
    "UTC": ["2021-06-10T07:52:59Z", "2021-12-31T23:30:00Z"],
    "UTC with milliseconds": ["2021-06-10T07:52:59.120Z", "2021-12-31T23:30:00.000Z"],
    "a fraction of zeros": ["2021-06-10T07:52:59.000", "2021-12-31T23:30:00.000"],
    "tenths": ["2021-06-10 07:52:59.1", "2021-12-31 23:30:00.0"],
    "six digits": ["2021-06-10 07:52:59.120000", "2021-12-31 23:30:00.000000"],
    "a fraction or none": ["2021-06-10T07:52:59.125", "2021-12-31T23:30:00", "2021-12-31T23:30:01"],
    "minutes": ["2021-06-10 07:52", "2021-12-31 23:30"],
    "minutes, but for one": ["2021-06-10T07:52", "2021-12-31T23:30", "2021-12-31T23:30:01"],
    "hours and minutes": ["07:52", "23:30", ""],
    "fractions of a second": ["07:52:00.50", "23:30:10.25"],
}


@pytest.mark.parametrize("cells", NOTATIONS.values(), ids=NOTATIONS)
def test_numbers_and_times_come_back_as_they_were_written(tmp_path: Path, cells: list[str]) -> None:
    path = saved(tmp_path, "".join(f"{cell},x\n" for cell in ["value", *cells]))
    table = read_table(path)
    assert not pa.types.is_string(table["value"].type)
    write_table(table, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == path.read_bytes()
    for name in ("out.parquet", "out.arrow"):
        write_table(table, tmp_path / name)
        write_table(read_table(tmp_path / name), tmp_path / "again.csv")
        assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()


def test_new_values_take_the_notation_of_their_column(tmp_path: Path) -> None:
    text = (
        "price,gain,clock,stamp\n0.70,+1.9,07:52,2021-06-10T07:52:59.1Z\n"
        "12.50,-0.3,23:30,2021-06-11T07:52:59.0Z\n"
    )
    schema = read_table(saved(tmp_path, text)).schema
    made = {
        "price": [3.0, 1e11, 8e-08],
        "gain": [0.5, -2.0, float("nan")],
        "clock": [dt.time(1, 2, 3), dt.time(0), None],
        "stamp": [dt.datetime(2020, 1, 1, 2, 3, 4, 567_000, UTC), None, None],
    }
    write_table(pa.table(made, schema=schema), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().splitlines()[1:] == [
        "3.00,+0.5,01:02,2020-01-01T02:03:04.5Z",
        "100000000000.00,-2.0,00:00,",
        "8e-8,,,",
    ]


def test_rare_cells_do_not_change_the_notation(tmp_path: Path) -> None:
    cells = [f"{number / 100:.2f}" for number in range(30_000)]
    cells[12_345] = "5.125"
    path = saved(tmp_path, "".join(f"{cell},x\n" for cell in ["value", *cells]))
    write_table(read_table(path), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == path.read_bytes()


def test_json_lines_keep_the_notation_of_times(tmp_path: Path) -> None:
    path = saved(tmp_path, '{"a":"2021-06-10T07:52:59Z","b":"07:52"}\n' * 2, "in.jsonl")
    write_table(read_table(path), tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,x\n2,y\n",
        "a,b\r\n1,x\r\n2,y\r\n",
        "a,b\n1,x\n2,y",
        "\ufeffa,b\n1,x\n2,y\n",
        '"a","b"\n"1","x"\n"2","y"\n',
        "a,b\n\n1,x\n\n2,y\n\n",
        "a;b\n1;x\n2;y\n",
    ],
)
def test_spellings_of_csv(tmp_path: Path, text: str) -> None:
    for name in ("a.csv", "a.csv.gz", "B.CSV"):
        assert read_table(saved(tmp_path, text, name)).to_pydict() == {"a": [1, 2], "b": ["x", "y"]}


def test_tsv(tmp_path: Path) -> None:
    table = read_table(saved(tmp_path, "a\tb\n1\tx,y\n", "a.tsv"))
    assert table.to_pydict() == {"a": [1], "b": ["x,y"]}


def test_quoted_newlines_commas_and_quotes(tmp_path: Path) -> None:
    text = 'id,"a ""b"""\n1,"x\ny,\r\n""z"""\n2,w\n'
    table = read_table(saved(tmp_path, text))
    assert table.to_pydict() == {"id": [1, 2], 'a "b"': ['x\ny,\r\n"z"', "w"]}
    write_table(table, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == text.encode()


def test_a_row_longer_than_a_block(tmp_path: Path) -> None:
    long = "x" * 3_000_000
    assert column(tmp_path, long, "y").to_pylist() == [long, "y"]
    line = json.dumps({"a": long}) + "\n"
    assert read_table(saved(tmp_path, line * 2, "a.jsonl"))["a"].to_pylist() == [long, long]


def test_non_ascii_names_and_values(tmp_path: Path) -> None:
    table = pa.table({"größe": [1, 2], "名": ["ğ", "ıİ"]})
    for suffix in SUFFIXES:
        path = tmp_path / f"größe{suffix}"
        write_table(table, path)
        assert read_table(path).equals(table)


def test_a_lone_quote_inside_a_field_is_text(tmp_path: Path) -> None:
    assert column(tmp_path, '5" pipe', "x").to_pylist() == ['5" pipe', "x"]


def test_the_limit_of_the_csv_module_is_left_alone(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    column(tmp_path, "1", '5"')
    with pytest.raises(ValueError, match="line 2"):
        read_table(saved(tmp_path, "a,b\n1\n2,3\n"))
    assert csv.field_size_limit() == before


# Bad files


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "people.csv is empty"),
        ("\n\n", "people.csv is empty"),
        ("\ufeff", "people.csv is empty|no rows"),
        ("a,b\n", "people.csv has a header but no rows"),
        ("a,b", "people.csv has a header but no rows"),
        ("a,b,a\n1,2,3\n", r"people.csv must be unique, got 'a' \(2 times\)"),
        ("a,,\n1,2,3\n", r"'' \(2 times\)"),
        ("a,b\n1,2\n\n3\n", "line 4 has 1 field, but the header has 2"),
        ('a,b\n"x\ny",2\n3,4,5\n', "line 4 has 3 fields, but the header has 2"),
        ('a,b\n1,2\n1,"2\n3,4\n5,6\n', "a quote is opened but not closed, after line 2"),
        ('a,"b\n1,2\n' + "x" * 200_000, "a quote is opened but not closed, after line 1"),
        ("a\n1,2\n", "line 2 has 2 fields, but the header has 1"),
        (
            "a,b\n1,é\n2,ü\n3,".encode() + b"caf\xe9\n",
            "not UTF-8: line 4 holds a byte e9 .*--encoding",
        ),
        (b"a,b\n1,\0\0\xe9\n", "bytes of zero: it is no text"),
    ],
)
def test_bad_csv(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_table(saved(tmp_path, content))


ENCODINGS = {
    "cp1252": "Größe;Straße;Übermut",
    "utf-16": "Größe;日本;x",
    "utf-8-sig": "Größe;日本;x",
    "utf-16-le": "name;town;x",
    "cp1251": "Москва;Санкт-Петербург;улица",
    "koi8-r": "Москва;Санкт-Петербург;улица",
    "cp932": "東京の大阪;こんにちは;カタカナ",
    "gb18030": "北京和上海;你好世界;深圳",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_encoding_is_found_and_written_back(tmp_path: Path, encoding: str) -> None:
    words = ENCODINGS[encoding].split(";")
    head, rows = ";".join("abc"), [";".join((words[at % 3], words[0], str(at))) for at in range(60)]
    data = "\r\n".join([head, *rows, ""]).encode(encoding)
    path = saved(tmp_path, data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        table = read_table(path)
    assert table.column_names == ["a", "b", "c"]
    assert table["a"].to_pylist()[:3] == words
    write_table(table, tmp_path / "again.csv", dialect_of(table))
    assert (tmp_path / "again.csv").read_bytes() == data


def test_a_guess_is_said(tmp_path: Path) -> None:
    path = saved(tmp_path, "Größe,b\n1,x\n".encode("cp1252"))
    with pytest.warns(UserWarning, match="it is read as cp1252.*--encoding"):
        assert read_table(path).column_names == ["Größe", "b"]


def test_an_encoding_that_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path, "Größe,b\n1,x\n2,y\n3,Łódź\n".encode("iso8859-2"))
    table = read_table(path, Dialect(encoding="latin2"))
    assert table["b"].to_pylist()[-1] == "Łódź"
    with pytest.raises(ValueError, match="not ascii: line 1 holds a byte f6"):
        read_table(path, Dialect(encoding="ascii"))
    with pytest.raises(ValueError, match="Did you mean"):
        Dialect(encoding="latin-one")
    with pytest.raises(ValueError, match="one character"):
        Dialect(separator=";;")


def test_a_letter_that_an_encoding_has_not(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'東' cannot be written in cp1252"):
        write_table(pa.table({"a": ["東"]}), tmp_path / "t.csv", Dialect(encoding="cp1252"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("a,b\n1,2\n", ","),
        ('a;b\n"1,5";2,5\n', ";"),
        ("Name, given;x\nMeier, Ada;1\nKurz;2\n", ";"),
        ("a|b\n1|2\n", "|"),
        ("a\tb\n1\t2\n", "\t"),
        ("a\n1\n", ","),
    ],
)
def test_a_separator_is_found(tmp_path: Path, text: str, separator: str) -> None:
    table = read_table(saved(tmp_path, text))
    assert dialect_of(table).separator == separator
    write_table(table, tmp_path / "again.csv", dialect_of(table))
    assert read_table(tmp_path / "again.csv").equals(table)


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("sep=;\na;b,c\n1;x,y\n2;z,z\n", ";"),
        ("sep=|\r\na|b,c\r\n1|x,y\r\n2|z,z\r\n", "|"),
        ("\ufeffSEP=;\na;b,c\n1;x,y\n2;z,z\n", ";"),
        ('"sep=;"\na;b,c\n1;x,y\n2;z,z\n', ";"),
    ],
)
def test_a_separator_that_the_first_line_names(tmp_path: Path, text: str, separator: str) -> None:
    table = read_table(saved(tmp_path, text))
    assert table.to_pydict() == {"a": [1, 2], "b,c": ["x,y", "z,z"]}
    dialect = dialect_of(table)
    assert (dialect.separator, dialect.first_row) == (separator, 3)
    write_table(table, tmp_path / "out.csv", dialect)
    first, *rest = (tmp_path / "out.csv").read_text("utf-8-sig").splitlines()
    assert (first, rest) == (f"sep={separator}", text.splitlines()[1:])
    with pytest.raises(ValueError, match="line 4 has 3 fields, but the header has 2"):
        read_table(saved(tmp_path, text.replace("z,z", f"z{separator}z")))


def test_a_column_may_be_named_sep(tmp_path: Path) -> None:
    assert read_table(saved(tmp_path, "sep=,b\n1,2\n")).column_names == ["sep=", "b"]


def test_a_separator_that_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path, "a^b\n1^2\n")
    assert read_table(path, Dialect("^")).to_pylist() == [{"a": 1, "b": 2}]
    assert dialect_of(read_table(saved(tmp_path, "a;b\n1;2\n"), Dialect(","))).separator == ","


def test_ragged_line_far_into_a_file(tmp_path: Path) -> None:
    text = "a,b\n" + "123456789,123456789\n" * 100_000 + "1,2,3\n" + "1,2\n" * 10
    with pytest.raises(ValueError, match="line 100002 has 3 fields"):
        read_table(saved(tmp_path, text))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ('{"a": 1}\n{"a": \n', "line 2 is not valid JSON"),
        ('{"a": 1}\n[1]\n', "line 2 is a list, not an object"),
        ('[{"a": 1}, {"a": 2}]', "line 1 is a list"),
        ('{"a": 1}\n\n{"a": "x"}\n', "line 3 holds text in 'a', but lines before a number"),
        ('{"a": 1}\n{"a": true}\n', "line 2 holds a truth value in 'a'"),
        ('{"a": 1, "a": 2}\n', "specified twice"),
        ("{}\n{}\n", "has no columns"),
    ],
)
def test_bad_json_lines(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_table(saved(tmp_path, content, "people.jsonl"))


@pytest.mark.parametrize("suffix", [".csv.gz", ".jsonl.gz", ".parquet", ".arrow", ".feather"])
def test_files_cut_short_or_of_another_kind(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"people{suffix}"
    write_table(pa.table({"a": range(1000), "b": [str(i) for i in range(1000)]}), path)
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], whole[:-1], b"something else\n", whole[:5]):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=f"people{suffix} is cut short or is no "):
            read_table(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="is empty"):
        read_table(path)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_bad_binary_tables(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"people{suffix}"
    for table, message in [
        (pa.table({"a": pa.array([], pa.int64())}), "no rows"),
        (pa.table([[1], [2]], names=["a", "a"]), r"'a' \(2 times\)"),
        (pa.table({}), "no columns"),
    ]:
        with open(path, "wb") as sink:
            if suffix == ".parquet":
                pq.write_table(table, sink)
            else:
                with pa.ipc.new_file(sink, table.schema) as writer:
                    writer.write_table(table)
        with pytest.raises(ValueError, match=message):
            read_table(path)


def test_missing_file_suggests_a_name(tmp_path: Path) -> None:
    saved(tmp_path, "a\n1\n", "people.csv")
    with pytest.raises(FileNotFoundError, match=r"no file .*poeple.csv. Did you mean 'people.csv'"):
        read_table(tmp_path / "poeple.csv")
    with pytest.raises(FileNotFoundError, match=r"Folder .*nowhere does not exist"):
        read_table(tmp_path / "nowhere" / "people.csv")


def test_folders_are_no_files(tmp_path: Path) -> None:
    folder = tmp_path / "people.csv"
    folder.mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        read_table(folder)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        write_table(pa.table({"a": [1]}), folder)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may do anything")
def test_permissions(tmp_path: Path) -> None:
    path = saved(tmp_path, "a\n1\n")
    path.chmod(0)
    with pytest.raises(PermissionError, match="may not be read"):
        read_table(path)
    with pytest.raises(PermissionError, match="write-protected"):
        check_output(path)
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="cannot be written to"):
        write_table(pa.table({"a": [1]}), tmp_path / "out.csv")
    tmp_path.chmod(0o700)


def test_permission_errors_are_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, "a\n1\n")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(atomic, "open", refuse, raising=False)
        with pytest.raises(PermissionError, match=r"Folder .* cannot be written to \(Permission"):
            check_output(path)
    monkeypatch.setattr(os, "access", lambda target, mode: Path(target) == tmp_path)
    with pytest.raises(PermissionError, match="write-protected"):
        check_output(path)


@pytest.mark.parametrize(
    "text",
    [
        ",5,9,12\nu1,3,4,1\nu2,1,5,10\n",
        "user,5,9\nu1,5,4\nu2,1,9\n",
        "station,08:00\nA1,08:05\nB2,08:10\n",
        "inf\n1\n3\n",
        "5,Nan\n3,2\n9,9\n",
        "1e400,x\n3,2\n9,9\n",
    ],
)
def test_first_lines_that_are_names(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert read_table(path).num_rows == 2


def test_repeated_names_that_begin_with_a_digit_are_repeated_names(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("2nd,2nd\n1,2\n")
    with pytest.raises(ValueError, match=r"repeat|twice|once|unique"):
        read_table(path)
