"""Formats of texts: found, read, and written back."""

from __future__ import annotations

import csv
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.io import read_table
from vicinal.table import infer_schema
from vicinal.table.formats import Format, find_format, parse_format
from vicinal.table.formats.find import integer_dates

CASES = Path(__file__).parents[2] / "shared" / "cases" / "tables"
if not CASES.exists():
    CASES = Path(__file__).parents[3] / "shared" / "cases" / "tables"

FEW = settings(max_examples=40, deadline=None)


def case(name: str, column: str) -> pa.ChunkedArray:
    file = CASES / f"{name}.csv"
    if not file.exists():
        pytest.skip(f"the shared cases are not at {CASES}")
    with file.open(encoding="utf-8-sig") as lines:
        rows = list(csv.reader(lines, delimiter=";" if name.startswith("eu") else ","))
    at = rows[0].index(column)
    return pa.chunked_array([[row[at] for row in rows[1:]]])


def found(cells: list[str | None]) -> Format:
    form = find_format(pa.array(cells, pa.string()), "x")
    assert form is not None
    assert Format.from_dict(json.loads(json.dumps(form.to_dict()))) == form
    return form


@pytest.mark.parametrize(
    ("name", "column", "kind", "text"),
    [
        ("eu_min", "id", "code", "A###"),
        ("eu_min", "when", "date", "%d.%m.%Y"),
        ("eu_min", "amount", "numeric", "1234,57"),
        ("eu", "Kunde", "code", "K#####"),
        ("eu", "PLZ", "code", "#####"),
        ("eu", "Datum", "date", "%d.%m.%Y"),
        ("eu", "Betrag", "numeric", "1.234,57"),
        ("eu", "Rabatt", "numeric", "1234,6 %"),
        ("eu", "Bezahlt", "boolean", "Ja/Nein"),
        ("us", "Phone", "code", "##########"),
        ("us", "Order Date", "date", "%m/%d/%Y"),
        ("us", "ship_ts", "datetime", "%m/%d/%Y %I:%M %p"),
        ("us", "Revenue", "numeric", "$1,234.57"),
        ("us", "Units", "integer", "1,235"),
        ("us", "Margin", "numeric", "1234.6%"),
        ("us", "Active", "boolean", "Y/N"),
        ("us", "neg", "numeric", "1,234.57, (1,234.57)"),
        ("prefix", "Transaction ID", "code", "TXN_#######"),
    ],
)
def test_shared_cases_come_back_as_they_went_in(name, column, kind, text):
    cells = case(name, column)
    form = find_format(cells, column)
    assert (form.kind, form.text, form.n_odd) == (kind, text, 0)
    assert form.render(form.parse(cells)).to_pylist() == cells.to_pylist()


@pytest.mark.parametrize(
    ("column", "kind", "mark"), [("when", "date", "0000-00-00"), ("amount", "numeric", "unknown")]
)
def test_one_bad_cell_is_missing(column, kind, mark):
    cells = case("onebad", column)
    form = find_format(cells, column)
    assert (form.kind, form.missing) == (kind, mark)
    assert form.parse(cells).null_count == 1
    assert form.render(form.parse(cells)).to_pylist() == cells.to_pylist()


def test_mixed_dates_are_read():
    cells = case("mixdate", "when")
    assert find_format(cells, "when") == parse_format("date", cells, "when")
    form = parse_format("date", cells, "when")
    assert form.parse(cells).null_count == 0
    named = parse_format("date:%Y-%m-%d", cells, "when")
    assert named.n_odd == 398
    assert len(named.odd_rows) == 20


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        (["5. März 2023", "12. Mai 2022", "1. Dezember 2020"], "%-d. %B %Y (de)"),
        (["5 de enero de 2023", "12 de mayo de 2022"], "%-d de %B de %Y (es)"),
        (["5 août 2023", "12 février 2022"], "%-d %B %Y (fr)"),
        (["Mon, 04 Sep 2023", "Tue, 05 Sep 2023"], "%a, %d %b %Y (en)"),
        (["05-SEP-23", "06-OCT-22"], "%d-%b-%y (en)"),
        (["Sep 05, 2023", "Oct 16, 2022"], "%b %d, %Y (en)"),
        (["2023-09-05T10:11:12.123Z", "2023-09-05T10:11:12.003Z"], "%Y-%m-%dT%H:%M:%S.%f%z"),
        (["2023-09-05 10:11:12+02:00", "2023-01-05 10:11:12+02:00"], "%Y-%m-%d %H:%M:%S%z"),
        (["20230905T101112Z", "20230105T235900Z"], "%Y%m%dT%H%M%S%z"),
        (["20230905T1011", "20230105T2359"], "%Y%m%dT%H%M"),
        (["05/Sep/2023:10:11:12 +0200", "06/Oct/2023:20:11:12 +0200"], "%d/%b/%Y:%H:%M:%S %z (en)"),
        (["8:05 am", "12:30 pm"], "%-I:%M %p"),
        (["14h30", "09h05"], "%Hh%M"),
        (["2023-W05", "2023-W52"], "%G-W%V"),
        (["2023-W05-1", "2020-W53-7"], "%G-W%V-%u"),
        (["09/2023", "12/2022"], "%m/%Y"),
        (["20230905", "20221231", "20200101"], "%Y%m%d"),
        (["1.2.2023", "13.12.2023"], "%-d.%-m.%Y"),
        (["01/02/23", "13/01/23"], "%d/%m/%y"),
        (["01/02/2023", "01/13/2023"], "%m/%d/%Y"),
        (["01-02-2023", "02-03-2023"], "%d-%m-%Y"),
    ],
)
def test_dates_of_many_places(cells, text):
    form = found(cells)
    assert form.text == text
    assert form.render(form.parse(pa.array(cells))).to_pylist() == cells


def test_several_offsets_are_told():
    form = found(["2023-07-05 10:11:12+02:00", "2023-01-05 10:11:12+01:00"] * 20)
    assert form.text == "%Y-%m-%d %H:%M:%S%z, of several offsets, all written at +01:00"
    made = form.render(form.parse(pa.array(["2023-07-05 10:11:12+02:00"])))
    assert made.to_pylist() == ["2023-07-05 09:11:12+01:00"]
    assert "offsets" not in found(["2023-07-05T10:11:12Z", "2023-01-05T10:11:12+00:00"]).text


@pytest.mark.parametrize(
    ("years", "full"),
    [
        ([47, 35, 68, 70, 99, 4, 18], [1947, 1935, 1968, 1970, 1999, 2004, 2018]),  # births
        ([20, 24, 33, 51], [2020, 2024, 2033, 2051]),  # loans
        ([69, 99, 0, 20], [1969, 1999, 2000, 2020]),
        ([51, 60], [2051, 2060]),  # nothing of the past says otherwise
    ],
)
def test_years_of_two_digits_are_of_one_century_or_two(years, full):
    cells = [f"13/{month}/{year:02d}" for year in years for month in ("01", "12")]
    form = found(cells)
    dates = form.parse(pa.array(cells))
    assert dates.to_pylist() == [dt.date(year, month, 13) for year in full for month in (1, 12)]
    assert form.render(dates).to_pylist() == cells
    assert Format.from_dict(form.to_dict()) == form
    assert ("years from" in form.text) == (full[0] == 1947)


def test_values_of_dates():
    assert found(["02.03.2024", "29.02.2024"]).parse(pa.array(["29.02.2024"])).to_pylist() == [
        dt.date(2024, 2, 29)
    ]
    form = found(["2023-09-05 10:11:12+02:00", "2023-01-05 23:11:12+02:00"])
    assert form.parse(pa.array(["2023-01-05 23:11:12+02:00"])).cast(
        pa.timestamp("s", "UTC")
    ).to_pylist()[0].replace(tzinfo=None) == dt.datetime(2023, 1, 5, 21, 11, 12)
    noon = found(["12:00 AM", "12:05 PM"]).parse(pa.array(["12:00 AM", "12:05 PM"])).to_pylist()
    assert noon == [dt.time(0, 0), dt.time(12, 5)]


def test_days_that_are_not_in_the_calendar_are_odd():
    cells = [f"{day:02d}.01.2023" for day in range(1, 31)] + ["30.02.2023"]
    form = found(cells)
    assert (form.odd_rows, form.n_odd) == ((30,), 1)
    assert form.parse(pa.array(cells)).null_count == 1


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1 234,50 €", "12,00 €", "-3,10 €"], ["1234.50", "12.00", "-3.10"]),
        (["1\u202f234,5", "2,25"], ["1234.50", "2.25"]),
        (["CHF 1'234.50", "CHF 2.05"], ["1234.50", "2.05"]),
        (["1.234,56 EUR", "-7,00 EUR"], ["1234.56", "-7.00"]),
        (["5-", "7", "1,234-"], ["-5", "7", "-1234"]),
        (["-$5.00", "$6.10"], ["-5.00", "6.10"]),
        (["$-5.00", "$6.10"], ["-5.00", "6.10"]),
        (["$ 5.00", "($ 6.10)"], ["5.00", "-6.10"]),
        (["+5", "-3", "+7"], ["5", "-3", "7"]),
        (["5 kg", "7 kg"], ["5", "7"]),
        (["1.50", "2", "3.25"], ["1.50", "2", "3.25"]),
        (["1.234.567 €", "5.678 €"], ["1234567", "5678"]),
        (["0,123", "1,234"], ["0.123", "1.234"]),
        (["9,9 %", "10,4 %"], ["9.9", "10.4"]),
    ],
)
def test_numbers_of_many_places(cells, values):
    form = found(cells)
    assert [Decimal(value) for value in form.parse(pa.array(cells)).to_pylist()] == [
        Decimal(value) for value in values
    ]
    assert form.render(form.parse(pa.array(cells))).to_pylist() == cells


def test_small_numbers_have_no_exponent():
    cells = ["0,000000081", "0,000012500", "0,750000000"]
    form = found(cells)
    assert form.render(form.parse(pa.array(cells))).to_pylist() == cells


@pytest.mark.parametrize("pattern", ["%Y%m%d", "%Y%m%d%H%M", "%Y%m%d%H%M%S"])
def test_integers_of_days_and_stamps(pattern):
    stamps = [dt.datetime(2019, 12, 25, 23, 58, 59) + at * dt.timedelta(1.03) for at in range(30)]
    numbers = pa.chunked_array([[*(int(stamp.strftime(pattern)) for stamp in stamps), None]])
    form, read = integer_dates(numbers)
    assert (form.pattern, read.null_count) == (pattern, 1)
    assert form.render(read).cast(pa.int64()).equals(numbers.combine_chunks())
    assert integer_dates(pa.chunked_array([numbers.slice(0, 9)])) is None
    assert integer_dates(pa.chunked_array([[*numbers.to_pylist(), 5]])) is None


def test_marks_of_missing_values():
    cells = ["5", "?", "-999", "7", "-999", "12", None, "n/a"]
    form = found(cells)
    assert form.parse(pa.array(cells)).to_pylist() == [5, None, None, 7, None, 12, None, None]
    assert form.missing == "-999"
    assert found(["-999", "-5", "3", "-999", "8"]).marks == ()
    form = found(["oui", "non", "?", "Oui"])
    assert form.parse(pa.array(["oui", "non", "?", "OUI"])).to_pylist() == [True, False, None, True]


@pytest.mark.parametrize(
    "cells",
    [
        [],
        [None],
        ["", "", None],
        ["n/a", "?"],
        ["red", "green", "blue"],
        ["10.0.0.1", "10.0.0.2"],
        ["30-40", "50-60"],
        ["2021/22", "2022/23"],
        ["x1", "x2"],
        ["yes", "maybe", "no"],
        ["2023-01-01"] * 50 + ["01.02.2023"] * 50,
        ["5 apples and 3 pears", "7 plums"],
        ["%", "%Y"],
        ["1:2:3:4", "()", "-"],
    ],
)
def test_no_format(cells):
    assert find_format(pa.array(cells, pa.string()), "x") is None


def test_one_row():
    assert found(["24.12.2023"]).text == "%d.%m.%Y"
    assert found(["$5.00"]).kind == "numeric"


def test_few_odd_cells_and_no_more():
    good = [f"{number},50" for number in range(600)]
    assert found([*good, "abc"]).odd_rows == (600,)
    assert find_format(pa.array([*good, *["abc"] * 7]), "x") is None
    assert find_format(pa.array(["1,50", "abc"]), "x") is None


def test_rare_decimals_beyond_the_sample_are_kept():
    cells = [f"{number}.{(5, 25)[number % 2]}" for number in range(20_000)]
    cells[7] = "3.12345"
    form = found(cells)
    assert form.n_odd == 0
    assert form.render(form.parse(pa.array(cells))).to_pylist() == cells


def test_named_formats_that_cannot_be():
    cells = pa.array(["2023-09-05", "2022-06-29", "x", "y"])
    with pytest.raises(ValueError, match=r"none of the 4 cells .*'2023-09-05', '2022-06-29', 'x'"):
        parse_format("date:%d.%m.%Y", cells, "when")
    for spec, message in [
        ("data:%d", "expected one of"),
        ("date:%d", "No date"),
        ("date:%Q", "%Q"),
        ("date:%d.%m.%m", "stands twice"),
        ("date:%H:%M", "of a time"),
        ("time:%I:%M", "%p"),
        ("numeric:abc", "No number"),
        ("code:abc", "no pattern"),
        ("date", "none are given"),
    ]:
        with pytest.raises(ValueError, match=message):
            parse_format(spec)
    with pytest.raises(ValueError, match=r"'when' was to be a date"):
        parse_format("date", pa.array(["a", "b"]), "when")
    with pytest.raises(ValueError, match="kind"):
        Format.from_dict({"kind": "colour"})
    with pytest.raises(ValueError, match="fields"):
        Format.from_dict({"kind": "date", "text": "x", "color": 1})


PATTERNS = [
    "date:%d.%m.%Y",
    "date:%m/%d/%Y",
    "date:%-d. %B %Y",
    "date:%a %b %d %Y",
    "date:%G-W%V-%u",
    "date:%Y-%j",
    "date:%Y%m%d",
    "datetime:%d/%m/%Y %H:%M:%S",
    "datetime:%m/%d/%Y %-I:%M:%S %p",
    "datetime:%Y-%m-%dT%H:%M:%S.%f%z",
]


@pytest.mark.parametrize("spec", PATTERNS)
@FEW
@given(st.lists(st.integers(-40_000 * 86_400, 60_000 * 86_400), max_size=20))
def test_dates_come_back(spec, seconds):
    form = parse_format(spec)
    values = pa.array(seconds, pa.int64()).cast(pa.timestamp("s"))
    values = values.cast(form.type, safe=False)
    written = form.render(values)
    assert form.parse(written).equals(values)
    assert form.render(form.parse(written)).equals(written)
    if form.kind == "date":  # the standard library says the same
        plain = spec.partition(":")[2]
        assert written.to_pylist() == [value.strftime(plain) for value in values.to_pylist()]


@pytest.mark.parametrize("spec", ["time:%H:%M:%S", "time:%I.%M.%S %p"])
@FEW
@given(st.lists(st.integers(0, 86_399), max_size=20))
def test_times_come_back(spec, seconds):
    form = parse_format(spec)
    values = pa.array(seconds, pa.int32()).cast(pa.time32("s"))
    assert form.parse(form.render(values)).equals(values)


EXAMPLES = [
    "1234.56", "1.234,56 EUR", "$1,234.50", "($1,234.50)", "1 234,567-", "CHF 1'234.5", "9.4%",
    "1\u202f234 €", "$-12.25", "+5.0",
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES)
@FEW
@given(st.lists(st.one_of(st.none(), st.integers(-(10**15), 10**15)), max_size=20))
def test_numbers_come_back(example, numbers):
    form = parse_format(f"{'integer' if '€' in example else 'numeric'}:{example}")
    if form.kind == "integer":
        values = pa.array(numbers, pa.int64())
    else:
        scaled = [
            None if number is None else Decimal(number).scaleb(-form.decimals) for number in numbers
        ]
        values = pa.array(scaled, form.type)
    written = form.render(values)
    assert form.parse(written).equals(values)
    assert form.render(form.parse(written)).equals(written)


@FEW
@given(st.lists(st.text("0123456789.,-()$% /:aA€", max_size=12), max_size=12))
def test_any_text_is_read_or_left(texts):
    cells = pa.array(texts, pa.string())
    form = find_format(cells, "x")
    if form is not None:
        parsed = form.parse(cells)
        assert len(parsed) == len(cells)
        assert form.parse(form.render(parsed)).equals(parsed)


def test_floats_are_rounded_to_the_decimals():
    form = parse_format("numeric:1.234,56 EUR")
    values = pa.array([1234.567, -0.001, float("nan"), None, np.inf, 1e37])
    assert form.render(values).to_pylist() == ["1.234,57 EUR", "0,00 EUR", *[None] * 4]
    shortest = found(["1.5e-5", "2.5", "1e400", *["0.1"] * 20])
    assert shortest.render(pa.array([np.inf, 0.25, 1e-07])).to_pylist() == [None, "0.25", "1e-07"]
    assert shortest.n_odd == 1


def test_a_comma_before_an_exponent_is_a_decimal_mark():
    form = find_format(pa.array(["1,234E+03", "5,678E+02", "9,012E+01"] * 20), "x")
    assert (form.decimal, form.thousands) == (",", "")


def test_whole_numbers_with_a_mark_or_a_typing_error_are_numbers(tmp_path):
    rng = np.random.default_rng(0)
    income = [str(one) for one in rng.integers(1000, 90_000, 400)]
    for at in range(0, 400, 20):
        income[at] = "unknown"
    path = tmp_path / "a.csv"
    path.write_text("income\n" + "\n".join(income), "utf-8")
    assert infer_schema(read_table(path)).columns[0].kind == "integer"
