"""Columns of texts that are dates, numbers and personal data, from table to synthetic table."""

from __future__ import annotations

import datetime as dt
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vicinal.io import read_table, write_table
from vicinal.table import TableSynthesizer
from vicinal.table.formats import find_format
from vicinal.table.stream import fit_stream, sample_stream

CASES = Path(__file__).parents[2] / "shared" / "cases" / "tables"
if not CASES.exists():
    CASES = Path(__file__).parents[3] / "shared" / "cases" / "tables"

pytestmark = pytest.mark.filterwarnings(
    "ignore:(identifier|text) column:UserWarning", "ignore:personal data:UserWarning"
)


def case(name: str) -> pa.Table:
    if not (CASES / name).exists():
        pytest.skip(f"the shared cases are not at {CASES}")
    return read_table(CASES / name)


def german(n: int = 300) -> dict[str, list[str | None]]:
    """Return dates, ends after them, amounts and shares as they are written in Germany."""
    rng = np.random.default_rng(0)
    days = [dt.date(2020, 1, 1) + dt.timedelta(int(day)) for day in rng.integers(0, 1500, n)]
    ends = [
        day + dt.timedelta(int(more))
        for day, more in zip(days, rng.integers(0, 30, n), strict=True)
    ]
    amounts = rng.lognormal(7, 1, n).round(2)
    grouped = [f"{amount:,.2f}".translate(str.maketrans(",.", ".,")) for amount in amounts]
    return {
        "start": [f"{day:%d.%m.%Y}" for day in days],
        "end": [f"{day:%d.%m.%Y}" for day in ends],
        "amount": [f"{text} €" if at % 10 else None for at, text in enumerate(grouped)],
        "share": [f"{share:.1f} %".replace(".", ",") for share in rng.uniform(0, 30, n)],
    }


def day(text: str) -> dt.date:
    return dt.datetime.strptime(text, "%d.%m.%Y").date()


def test_texts_come_back_in_their_format():
    real = pa.table(german())
    model = TableSynthesizer(random_state=0).fit(real)
    made = model.sample(500)
    assert made.schema.equals(real.schema)
    kinds = {column.name: column.kind for column in model.columns_}
    assert kinds == {"start": "date", "end": "date", "amount": "numeric", "share": "numeric"}
    assert model.formats_["start"].text == "%d.%m.%Y"
    for name, form in model.formats_.items():
        cells = made[name].combine_chunks()
        assert form.fits(cells.drop_null()).to_pylist() == [True] * (500 - cells.null_count)
    assert 0.05 < made["amount"].null_count / 500 < 0.15
    assert len(set(made["start"].to_pylist()) - set(real["start"].to_pylist())) > 100


def test_numbers_and_times_of_a_file_come_back_as_they_were_written(tmp_path):
    rng = np.random.default_rng(0)
    start = dt.datetime(2021, 1, 1)
    times = [start + dt.timedelta(seconds=int(s)) for s in rng.integers(0, 10**7, 300)]
    shapes = {
        "price": ([f"{x:.2f}" for x in rng.uniform(0, 50, 300)], r"\d+\.\d\d"),
        "gain": ([f"{x:+.1f}" for x in rng.normal(0, 3, 300)], r"[+-]\d+\.\d"),
        "local": ([f"{t:%Y-%m-%dT%H:%M:%S}+02:00" for t in times], r"2021-..-..T..:..:..\+02:00"),
        "utc": ([f"{t:%Y-%m-%dT%H:%M:%S}.000Z" for t in times], r"2021-..-..T..:..:..\.000Z"),
        "minute": ([f"{t:%Y-%m-%d %H:%M}" for t in times], r"2021-..-.. ..:.."),
        "clock": ([f"{t:%H:%M}" for t in times], r"..:.."),
    }
    rows = zip(*(cells for cells, _ in shapes.values()), strict=True)
    text = "\n".join([",".join(shapes), *map(",".join, rows)])
    (tmp_path / "real.csv").write_text(text)
    real = read_table(tmp_path / "real.csv")
    TableSynthesizer(random_state=0).fit(real).save(tmp_path / "model")
    made = TableSynthesizer.load(tmp_path / "model").sample(200, where="price > 10")
    assert made.schema.types == real.schema.types
    write_table(made, tmp_path / "made.csv")
    header, *lines = (tmp_path / "made.csv").read_text().splitlines()
    assert header == ",".join(shapes)
    whole = ",".join(shape for _, shape in shapes.values())
    assert [line for line in lines if not re.fullmatch(whole, line)] == []


def test_rules_hold_between_dates():
    real = pa.table(german())
    for rules in ("auto", ["start <= end"]):
        model = TableSynthesizer(rules=rules, random_state=0).fit(real)
        assert "start <= end" in [rule.text for rule in model.rules_]
        made = model.sample(500).to_pylist()
        assert all(day(row["start"]) <= day(row["end"]) for row in made)


def test_types_of_other_libraries_come_back():
    cells = german()
    frame = pd.DataFrame(cells).astype({"start": "category", "end": "string"})
    made = TableSynthesizer(random_state=0).fit(frame).sample(100)
    assert made["start"].dtype.name == "category"
    assert made["end"].dtype == "string"
    assert re.fullmatch(r"\d\d\.\d\d\.\d{4}", made["start"].iloc[0])
    polars = pl.DataFrame(cells).with_columns(pl.col("share").cast(pl.Categorical))
    drawn = TableSynthesizer(random_state=0).fit(polars).sample(100)
    assert drawn.schema == polars.schema
    large = pa.table({name: pa.array(column, pa.large_string()) for name, column in cells.items()})
    large = large.set_column(0, "start", large["start"].dictionary_encode().cast(
        pa.dictionary(pa.int16(), pa.large_string())))  # fmt: skip
    assert TableSynthesizer(random_state=0).fit(large).sample(9).schema.equals(large.schema)


def test_a_model_keeps_formats_and_surrogates(tmp_path):
    real = pa.table(german() | {"email": [f"u{at % 60}@mail.org" for at in range(300)]})
    model = TableSynthesizer(random_state=0).fit(real)
    model.save(tmp_path / "m.vicinal")
    again = TableSynthesizer.load(tmp_path / "m.vicinal")
    assert again.formats_ == model.formats_
    assert again.columns_ == model.columns_
    assert again.sample(50).equals(model.sample(50))


def test_streams_of_a_fitted_model_write_formats(tmp_path):
    real = pa.table(german() | {"email": [f"u{at % 60}@mail.org" for at in range(300)]})
    model = TableSynthesizer(random_state=0).fit(real)
    sample_stream(model, tmp_path / "out", 200, chunk_rows=100)
    made = pa.concat_tables(
        read_table(path) for path in sorted((tmp_path / "out").glob("*.parquet"))
    )
    assert made.num_rows == 200
    assert all(day(text) for text in made["start"].to_pylist())
    assert not set(made["email"].to_pylist()) & set(real["email"].to_pylist())


@pytest.mark.parametrize(
    "where",
    [
        "start>=2022-01-01",
        "start>=01.01.2022",
        {"start": "15.05.2021"},
        "share<=9.9",
        "share<=9,9 %",
    ],
)
def test_conditions_are_of_values(where):
    model = TableSynthesizer("off", random_state=0).fit(
        pa.table({name: cells * 2 for name, cells in german().items() if name in ("start", "share")}
                 | {"v": np.random.default_rng(1).normal(size=600)})
    )  # fmt: skip
    if isinstance(where, dict):
        where = {"start": model.sample(1)["start"][0].as_py()}
        first = model._state.rows["start"][0].as_py()
        where = {"start": f"{first:%d.%m.%Y}"}
    made = model.sample(100, where=where)
    if isinstance(where, dict):
        assert set(made["start"].to_pylist()) == {where["start"]}
    elif where.startswith("start"):
        assert min(map(day, made["start"].to_pylist())) >= dt.date(2022, 1, 1)
    else:
        shares = [float(cell.replace(",", ".").rstrip(" %")) for cell in made["share"].to_pylist()]
        assert max(shares) <= 9.9


def test_odd_cells_are_missing_and_named():
    cells = german()
    cells["start"][41] = "soon"
    cells["end"][6] = "31.02.2021"
    with pytest.warns(UserWarning, match="Taken as missing") as caught:
        model = TableSynthesizer(random_state=0).fit(pa.table(cells))
    said = [str(one.message) for one in caught if "Taken as missing" in str(one.message)]
    assert len(said) == 1
    assert "1 cell(s) of 'start', which is %d.%m.%Y: row 42 ('soon')" in said[0]
    assert "'end'" in said[0]
    assert "row 7 ('31.02.2021')" in said[0]
    assert caught[0].filename == __file__
    made = model.sample(3000, random_state=1)["start"]
    assert "soon" not in made.to_pylist()


def test_what_is_no_date_or_number_stays_text():
    n = 200
    real = pa.table(
        {
            "zip": [f"{at % 9:02d}123" for at in range(n)],
            "digits": [str(at % 7) for at in range(n)],
            "paid": ["ja", "nein"] * (n // 2),
            "version": ["1.1", "1.10", "2.0", "1.9"] * (n // 4),
            "size": ["S", "M"] * (n // 2),
        }
    )
    model = TableSynthesizer(random_state=0).fit(real)
    assert model.formats_ == {}
    made = model.sample()
    for name in real.column_names:
        assert set(made[name].to_pylist()) <= set(real[name].to_pylist())


def test_a_format_may_be_said():
    cells = ["01.02.2024", "03.04.2024", "2024-05-06", "07.08.2024"] * 20
    real = pa.table({"when": cells, "v": np.random.default_rng(0).normal(size=80)})
    with pytest.warns(UserWarning, match=r"20 cell\(s\) of 'when'.*row 3 \('2024-05-06'\)"):
        model = TableSynthesizer(kinds={"when": "date:%d.%m.%Y"}, random_state=0).fit(real)
    assert model.formats_["when"].text == "%d.%m.%Y"
    assert model.sample()["when"].null_count > 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = TableSynthesizer(kinds={"when": "date"}, random_state=0).fit(real)
    assert model.columns_[0].kind == "date"
    kept = TableSynthesizer(kinds={"when": "category"}, random_state=0).fit(real)
    assert kept.formats_ == {}
    amounts = pa.table({"amount": ["1.050", "2.300", "1.400"] * 20, "v": list(range(60))})
    said = TableSynthesizer(kinds={"amount": "numeric:1.234,50"}, random_state=0)
    assert said.fit(amounts)._state.rows["amount"].to_pylist()[0] >= 1000


def whole_days(n: int = 300) -> pd.DataFrame:
    """Return days, and days after them, as integers."""
    texts = german(n)
    start, end = (
        np.array([f"{day(text):%Y%m%d}" for text in texts[name]], int) for name in ("start", "end")
    )
    ends = pd.array(end, "Int64")
    ends[::9] = pd.NA
    return pd.DataFrame({"start": start.astype("int32"), "end": ends, "n": np.arange(n) % 50})


def test_integers_that_are_dates_stay_in_the_calendar(tmp_path):
    real = whole_days()
    model = TableSynthesizer(random_state=0).fit(real)
    assert [column.kind for column in model.columns_] == ["date", "date", "integer"]
    assert "start <= end" in {rule.text for rule in model.rules_}
    made = model.sample(200, where="start >= 20210101")
    assert made.dtypes.equals(real.dtypes)
    assert made["start"].min() >= 20210101
    assert pd.to_datetime(made["start"].astype(str), format="%Y%m%d").notna().all()
    known = made["end"].notna()
    assert (made["end"][known] >= made["start"][known]).all()
    real.to_parquet(tmp_path / "real.parquet")
    sampled = fit_stream(TableSynthesizer(random_state=0), tmp_path / "real.parquet").sample(200)
    for number in sampled["start"].to_pylist():
        dt.datetime.strptime(str(number), "%Y%m%d")


def test_integers_are_dates_only_where_all_are_or_it_is_said():
    real = whole_days()
    real["start"] = real["start"].where(np.arange(300) != 7, 20210231)
    found = TableSynthesizer(random_state=0).fit(real.drop(columns="n"))
    assert [column.kind for column in found.columns_] == ["integer", "date"]
    with pytest.warns(UserWarning, match=r"1 cell\(s\) of 'start', which is %Y%m%d"):
        told = TableSynthesizer(kinds={"start": "date:%Y%m%d", "end": "integer"}).fit(real)
    assert [column.kind for column in told.columns_] == ["date", "integer", "integer"]
    few = pa.table({"v": [20240101 + number % 9 for number in range(90)]})
    assert TableSynthesizer().fit(few).columns_[0].kind != "date"


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ({"job": "numeric"}, "Column 'job' was to be a numeric, but no format is found"),
        ({"job": "date:%d.%m.%Y"}, "fits none of the 60 cells of column 'job'"),
        ({"job": "date:%H:%M"}, "is that of a time, not of a date"),
        ({"v": "date:%d.%m.%Y"}, "fits none of the 60 cells of column 'v'"),
        ({"v": "numeric:1.234"}, "kind of column 'v': 'numeric:1.234' is a format of texts"),
        ({"jbo": "date:%d.%m.%Y"}, "Did you mean 'job'"),
        ({"job": "dat"}, "Did you mean 'date'"),
        ({"job": "category:x"}, "kind of column 'job'"),
        ({"job": "numeric:abc"}, "No number can be read from 'abc'"),
    ],
)
def test_formats_that_are_not_possible(kinds, said):
    real = pa.table({"job": ["clerk", "smith", "nurse"] * 20, "v": np.arange(60) % 37})
    with pytest.raises(ValueError, match=re.escape(said)):
        TableSynthesizer(kinds=kinds).fit(real)


def test_personal_data_are_replaced_whether_or_not_they_repeat():
    rng = np.random.default_rng(0)
    who = rng.integers(0, 40, 400)
    real = pa.table(
        {
            "email": pa.array([f"user{at + 100}@mail.org" for at in who], mask=who == 3),
            "name": [f"Ann{chr(97 + at % 26)} Lee{chr(97 + at // 26)}" for at in who],
            "phone": [f"01{number:08d}" for number in rng.choice(10**8, 400, replace=False)],
            "v": rng.normal(size=400),
        }
    )
    with pytest.warns(UserWarning, match=r"personal data in column\(s\) email \(e-mail\), name"):
        model = TableSynthesizer(random_state=0, rules="auto").fit(real)
    assert [column.kind for column in model.columns_[:3]] == ["identifier"] * 3
    assert not any("email" in rule.text or "name" in rule.text for rule in model.rules_)
    made, plan = model.sample(400, return_plan=True)
    for name in ("email", "name", "phone"):
        assert not set(made[name].drop_null().to_pylist()) & set(real[name].to_pylist())
    assert all(re.fullmatch(r"01\d{8}", cell) for cell in made["phone"].to_pylist())
    assert len(set(made["phone"].to_pylist())) == 400
    # a surrogate for each person, few of them lost
    assert 30 <= len(set(made["email"].drop_null().to_pylist())) <= 39
    assert set(model.sample(400, random_state=5)["email"].to_pylist()) & set(
        made["email"].to_pylist()
    )
    assert plan is not None
    kept = TableSynthesizer(kinds={"name": "category"}, random_state=0).fit(real).sample()
    assert set(kept["name"].to_pylist()) <= set(real["name"].to_pylist())
    left = TableSynthesizer(identifiers="drop", random_state=0).fit(real).sample()
    assert left.column_names == ["v"]


def test_numbers_of_persons_are_replaced_as_often_as_they_come():
    rng = np.random.default_rng(0)
    who = np.minimum(rng.zipf(1.5, 2000), 60)
    gaps = rng.random(2000) < 0.1
    real = pd.DataFrame(
        {
            "patient_id": [f"P{at + 100}" for at in who],
            "customer_id": 1000 + 7 * who,
            "user_id": np.where(gaps, np.nan, 5000.0 + who),  # integers with gaps
            "member_no": pd.Categorical(2000 + who),
            "product_id": rng.integers(0, 30, 2000),
            "v": rng.normal(size=2000),
        }
    )
    real["product"] = "article " + real["product_id"].astype(str)
    names = ["patient_id", "customer_id", "user_id", "member_no"]
    with pytest.warns(UserWarning, match=r"personal data in column\(s\) patient_id \(number of a"):
        model = TableSynthesizer(random_state=0).fit(real)
    assert [rule.text for rule in model.rules_] == ["product -> product_id"]
    made = model.sample(2000)
    assert (made.dtypes.drop("member_no") == real.dtypes.drop("member_no")).all()
    for name in names:
        assert not made[name].isin(real[name].dropna()).any()
        often = real[name].value_counts(normalize=True).to_numpy()[:5]
        assert np.abs(made[name].value_counts(normalize=True).to_numpy()[:5] - often).max() < 0.03
    assert abs(made["user_id"].isna().mean() - gaps.mean()) < 0.03
    kinds = dict.fromkeys(names, "category")
    made = TableSynthesizer(random_state=0, kinds=kinds, rules="off").fit(real).sample(500)
    assert all(made[name].dropna().isin(real[name]).all() for name in names)


def test_numbers_of_persons_without_room_are_refused_at_once():
    who = np.arange(1000) % 200
    real = pa.table({"user_id": pa.array(who, pa.uint8()), "v": np.sqrt(np.arange(1000.0))})
    with pytest.raises(ValueError, match=r"'user_id' \(uint8\) has no room .*wider integer type"):
        TableSynthesizer(random_state=0).fit(real)


def test_numbers_of_persons_that_a_stream_holds_no_row_of_are_not_made(tmp_path):
    who = np.random.default_rng(0).integers(1000, 1900, 4000)
    pq.write_table(
        pa.table({"user_id": who, "v": np.sqrt(np.arange(4000.0))}), tmp_path / "in.parquet"
    )
    model = fit_stream(TableSynthesizer(random_state=0), tmp_path / "in.parquet", max_rows=300)
    made = model.sample(2000)
    assert not set(made["user_id"].to_pylist()) & set(who.tolist())


def test_one_person_alone_is_not_copied():
    real = pa.table({"email": ["a.b@mail.org"] * 60, "v": np.random.default_rng(0).normal(size=60)})
    made = TableSynthesizer(random_state=0).fit(real).sample()
    assert "a.b@mail.org" not in made["email"].to_pylist()
    assert len(set(made["email"].to_pylist())) == 1


def test_identifiers_are_new_also_where_rows_are_drawn_again():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 50, (2, 300))
    real = pa.table({"id": [f"TXN_{at:07d}" for at in rng.permutation(10**6)[:300]],
                     "a": a, "b": b, "total": a + b})  # fmt: skip
    model = TableSynthesizer(random_state=0).fit(real)
    made = model.sample(300, where="total>=50")
    assert len(set(made["id"].to_pylist())) == 300
    assert not set(made["id"].to_pylist()) & set(real["id"].to_pylist())


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("eu_min.csv", {"when": "%d.%m.%Y", "amount": "1234,57"}),
        ("eu.csv", {"Datum": "%d.%m.%Y", "Betrag": "1.234,57", "Rabatt": "1234,6 %",
                    "Größe (cm)": "1234,6"}),
        ("us.csv", {"Order Date": "%m/%d/%Y", "ship_ts": "%m/%d/%Y %I:%M %p",
                    "Revenue": "$1,234.57", "Units": "1,235", "Margin": "1234.6%",
                    "neg": "1,234.57, (1,234.57)"}),
    ],
)  # fmt: skip
def test_cases_keep_their_formats(name, texts):
    real = case(name)
    model = TableSynthesizer(random_state=1).fit(real)
    assert {column: form.text for column, form in model.formats_.items()} == texts
    made = model.sample()
    assert made.schema.equals(real.schema)
    for column, text in texts.items():
        found = find_format(made[column], column)
        assert found is not None
        assert found.text == text
        assert found.n_odd == 0


def test_case_codes_keep_length_and_zeros():
    made = TableSynthesizer(random_state=1).fit(case("us.csv")).sample()
    assert all(re.fullmatch(r"0\d{9}", cell) for cell in made["Phone"].to_pylist())
    made = TableSynthesizer(random_state=1).fit(case("prefix.csv")).sample()
    assert all(re.fullmatch(r"TXN_\d{7}", cell) for cell in made["Transaction ID"].to_pylist())


def test_case_of_one_bad_cell():
    real = case("onebad.csv")
    with pytest.warns(UserWarning, match=r"'when'.*line 302 .*'amount'.*line 452 \('unknown'\)"):
        model = TableSynthesizer(random_state=1).fit(real)
    assert [column.kind for column in model.columns_] == ["date", "numeric", "numeric"]
    mixed = case("mixdate.csv")
    model = TableSynthesizer(kinds={"when": "date"}, random_state=1).fit(mixed)
    assert model.columns_[0].kind == "date"


def test_case_of_personal_data():
    real = case("pii.csv")
    made = TableSynthesizer(random_state=1).fit(real).sample()
    for name in ("email", "name", "iban"):
        assert not set(made[name].to_pylist()) & set(real[name].to_pylist())
    assert len(set(made["name"].to_pylist())) == len(set(real["name"].to_pylist()))


def test_integer_dates_with_gaps_that_pandas_holds_as_floats():
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 700, 300), "D")
    day = pd.Series(days.strftime("%Y%m%d").astype(float)).where(rng.random(300) < 0.8)
    frame = pd.DataFrame({"day": day, "x": rng.normal(size=300)})
    made = TableSynthesizer(random_state=0).fit(frame).sample(300)
    assert made["day"].dtype == np.float64
    assert 0.1 < made["day"].isna().mean() < 0.3
    held = made["day"].dropna().astype(int).astype(str)
    assert pd.to_datetime(held, format="%Y%m%d", errors="coerce").notna().all()


def test_contacts_within_longer_cells_are_replaced(tmp_path):
    rng = np.random.default_rng(3)
    contacts = [f"555-{100 + at}-{4000 + 7 * at}, anna.{at}o'k@x.org" for at in range(12)]
    contacts += ["+49 30 5550123", "GB82 WEST 1234 5698 7654 32", "http://x.org/~anna", "P7654321"]
    contacts += ["192.168.10.22 (0a:1b:2c:3d:4e:5f)", "4111 1111 1111 1111", "123-45-6789"]
    cells = [f"Ward {'AB'[at % 2]}, {one}" for at, one in enumerate(contacts)]
    plain = ["1000-1999", "20240131 at 10:00", "1234567.89 EUR", "TXN_1961373", "GB12 in 2020-2021"]
    real = pd.DataFrame({
        "note": rng.choice([*cells, "Ward C, none"], 600),
        "plain": rng.choice(plain, 600),
        "x": rng.normal(size=600),
    })  # fmt: skip
    real.loc[:2, "note"] = [f"{at} alone, ben@x.org" for at in range(3)]
    with pytest.warns(UserWarning, match=r"data in column\(s\) note \(contact in a text\): each"):
        model = TableSynthesizer(random_state=0).fit(real)
    assert [column.kind for column in model.columns_] == ["identifier", "category", "numeric"]
    model.save(tmp_path / "m.vicinal")
    again = TableSynthesizer.load(tmp_path / "m.vicinal").sample(900)
    real.to_csv(tmp_path / "real.csv", index=False)
    streamed = fit_stream(TableSynthesizer(random_state=0), tmp_path / "real.csv").sample(900)
    typed = TableSynthesizer(random_state=0).fit(real.astype({"note": "category"})).sample(900)
    assert set(typed["note"].cat.categories) == set(typed["note"])
    for made in (model.sample(900), again, pa.table(streamed).to_pandas(), typed):
        texts = "\n".join(made["note"].unique())
        for secret in re.findall(r"[^\s,()]{5,}", "\n".join(contacts)):
            assert secret not in texts
        assert "alone" not in texts  # what few rows hold is hidden, as in any category
        assert re.search(r"^Ward A, \d{3}-\d{3}-\d{4}, [^\s@]+@example.org$", texts, re.M)
        assert "Ward C, none" in texts
        assert len(set(made["note"])) == len(cells) + 1
        assert set(made["plain"]) == set(plain)
    kept = TableSynthesizer(kinds={"note": "category"}, random_state=0).fit(real).sample(900)
    assert set(kept["note"]) <= set(real["note"])


def test_free_text_is_left_out_whatever_is_in_it():
    rng = np.random.default_rng(3)
    notes = [f"Seen by Dr. Li, tel. 555-{at:03d}-4567, li{at}@x.org" for at in range(200)]
    real = pd.DataFrame({"note": notes, "x": rng.normal(size=200)})
    assert list(TableSynthesizer(random_state=0).fit(real).sample(50)) == ["x"]
    made = TableSynthesizer(text="replace", random_state=0).fit(real).sample(50)
    assert made["note"].tolist() == [f"note {at + 1}" for at in range(50)]


@pytest.mark.parametrize("pattern", ["%Y-%m-%d", "%d.%m.%Y", "%Y%m%d", None])
def test_dates_of_birth_are_drawn_anew(pattern):
    rng = np.random.default_rng(3)
    days = pd.to_datetime("1930-01-01") + pd.to_timedelta(rng.integers(0, 28_000, 400), "D")
    births = pd.Series(days if pattern is None else days.strftime(str(pattern)))
    births = births.astype(int) if pattern == "%Y%m%d" else births
    real = pd.DataFrame({"birth_date": births, "x": rng.normal(size=400)})
    made = TableSynthesizer(random_state=0).fit(real).sample(2000)
    # 400 of 28,000 days are real: as often as that by chance
    assert made["birth_date"].isin(set(births)).mean() < 3 * 400 / 28_000
    assert made["birth_date"].nunique() > 1500


def test_no_date_lies_between_the_dates_and_one_that_stands_for_none():
    rng = np.random.default_rng(0)
    days = np.datetime64("2015-01-01") + rng.integers(0, 900, 1000)
    days[:3] = np.datetime64("9999-12-31")
    table = pa.table({"end": days, "x": rng.normal(size=1000)})
    made = TableSynthesizer(random_state=0, candidates=1).fit(table).sample()["end"].to_numpy()
    own = made[made < days[0]]
    assert own.max() <= days[3:].max()
    assert 0 < len(made) - len(own) < 10
