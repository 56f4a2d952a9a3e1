"""One schema: found, written, edited, given back, and the same wherever tables are read."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from vicinal.io import read_table
from vicinal.report import compare, evaluate, measure_collapse, tune
from vicinal.table import Schema, TableSynthesizer, infer_schema
from vicinal.weights import Uniform

ROWS = 240


@pytest.fixture(scope="module")
def people() -> pa.Table:
    rng = np.random.default_rng(0)
    days = np.datetime64("2020-01-01") + rng.integers(0, 900, ROWS)
    zips = rng.integers(0, 12, ROWS)
    amounts = rng.gamma(2.0, 500.0, ROWS).round(2)
    amounts[:2] = 0.5, 8_000.25
    return pa.table(
        {
            "zip": 10_000 + 37 * zips,
            "city": [f"City{at // 2}" for at in zips],
            "when": [f"{day.item():%d.%m.%Y}" for day in days],
            "amount": [f"{value:,.2f} €".translate(str.maketrans(",.", ".,")) for value in amounts],
            "email": [f"user{at}@mail.example" for at in rng.integers(0, 60, ROWS)],
            "a": rng.integers(0, 90, ROWS),
        }
    )


@pytest.fixture(scope="module")
def schema(people: pa.Table) -> Schema:
    return infer_schema(people)


def test_what_is_found(schema: Schema) -> None:
    kinds = {column.name: column.kind for column in schema.columns}
    assert kinds == {
        "zip": "category",  # a code, since it settles the city
        "city": "category",
        "when": "date",
        "amount": "numeric",
        "email": "identifier",
        "a": "integer",
    }
    assert schema.formats["when"].text == "%d.%m.%Y"
    assert schema.people["email"].kind == "e-mail"
    assert list(schema.rules or ()) == ["zip -> city"]


def test_there_and_back(schema: Schema, tmp_path: Path) -> None:
    schema.to_json(tmp_path / "schema.json")
    back = Schema.from_json(tmp_path / "schema.json")
    assert back == schema
    assert back.to_json() == (tmp_path / "schema.json").read_text("utf-8")


def test_the_same_rows_with_the_schema_that_was_found(people: pa.Table, schema: Schema) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = TableSynthesizer(random_state=0).fit(people)
        told = TableSynthesizer(random_state=0, schema=schema).fit(people)
    assert found.schema_ == schema
    assert told.schema_ == schema
    assert told.sample(50).equals(found.sample(50))
    dates = found.sample(50)["when"].to_pylist()
    assert all(len(one) == 10 and one[2] == one[5] == "." for one in dates)


def test_a_model_keeps_its_schema(people: pa.Table, schema: Schema, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        TableSynthesizer(random_state=0, schema=schema).fit(people).save(tmp_path / "model")
    loaded = TableSynthesizer.load(tmp_path / "model")
    assert loaded.schema == loaded.schema_ == schema


def test_a_schema_of_a_grid_beside_a_column_of_rare_categories(people: pa.Table) -> None:
    steps = pa.array(np.random.default_rng(1).integers(10, 400, ROWS) * 5)
    firms = pa.array([f"Firm {at // 2}" for at in range(ROWS)])
    table = people.select(["a"]).append_column("price", steps).append_column("firm", firms)
    schema = Schema.from_dict(infer_schema(table).to_dict())
    with pytest.warns(UserWarning, match="'other' is written"):
        told = TableSynthesizer(random_state=0, schema=schema).fit(table)
    assert [rule.text for rule in told.rules_] == ["price is a multiple of 5"]
    assert not np.any(told.sample(50)["price"].to_numpy() % 5)


def test_an_edited_schema(people: pa.Table, schema: Schema, tmp_path: Path) -> None:
    facts = json.loads(schema.to_json())
    facts["columns"]["when"] = "date:%d.%m.%Y"
    facts["columns"]["amount"] = {"kind": "numeric", "format": "1.234,56 €"}
    facts["columns"]["a"] = "category"
    facts["columns"]["email"] = "category"
    facts["rules"] = []
    (tmp_path / "edited.json").write_text(json.dumps(facts))
    edited = infer_schema(people, schema=Schema.from_json(tmp_path / "edited.json"))
    kinds = {column.name: column.kind for column in edited.columns}
    assert kinds["a"] == kinds["email"] == "category"
    assert kinds["amount"] == "numeric"
    assert not edited.people
    assert edited.rules == {}
    assert edited.formats["when"] == schema.formats["when"]
    # nobody is warned of personal data, which are said to be a category
    made = TableSynthesizer(random_state=0, schema=edited, rules=["zip -> city"]).fit(people)
    assert [rule.text for rule in made.rules_] == ["zip -> city"]


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ([], "no schema of version 1"),
        ({"vicinal_schema": 9, "columns": {}}, "no schema of version 1"),
        ({"vicinal_schema": 1, "columns": {"a": "catgory"}}, "Did you mean 'category'"),
        ({"vicinal_schema": 1, "columns": {"a": {"kind": "date", "format": {}}}}, "Column 'a'"),
        ({"vicinal_schema": 1, "columns": {"a": {"kind": "date", "colour": 1}}}, "colour"),
    ],
)
def test_what_is_no_schema(facts: object, message: str, tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text(json.dumps(facts))
    with pytest.raises(ValueError, match=message):
        Schema.from_json(tmp_path / "schema.json")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"a;b\n1;2\n", "no JSON, by line 1"),
        (b'{"columns":\n{,', "no JSON, by line 2"),
        (b"PK\x03\x04\xff\xfe", "no text in UTF-8"),
    ],
)
def test_a_file_that_is_no_schema(tmp_path, content, what):
    (tmp_path / "wrong.csv").write_bytes(content)
    said = f"{tmp_path / 'wrong.csv'} is no schema: it is {what}"
    with pytest.raises(ValueError, match=f"{re.escape(said)}.*`vicinal columns FILE --json"):
        Schema.from_json(tmp_path / "wrong.csv")


def test_a_schema_for_another_table(people: pa.Table, schema: Schema) -> None:
    with pytest.raises(ValueError, match=r"another table: it has column 'a', which.*'aa'"):
        infer_schema(
            people.rename_columns(["zip", "city", "when", "amount", "email", "aa"]), schema=schema
        )
    with pytest.raises(ValueError, match="this one has column 'b'"):
        infer_schema(people.append_column("b", people["a"]), schema=schema)
    other = people.set_column(2, "when", pa.array([f"x{at}" for at in range(ROWS)]))
    with pytest.warns(UserWarning, match="240 cell"):
        infer_schema(other, schema=schema)
    with pytest.raises(ValueError, match=r"240 cell.*'when', which is %d.%m.%Y: row 1"):
        infer_schema(other, schema=schema, strict=True)


def test_odd_cells_are_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{1 + at % 28:02d}.03.2021,{at}" for at in range(120)]
    rows[40] = "soon,40"
    path.write_text("\n".join(["when,n", *rows, ""]))
    table = read_table(path)
    with pytest.warns(UserWarning, match=r"'when'.*: line 42 \('soon'\)"):
        found = infer_schema(table)
    assert found.columns[0].kind == "date"
    assert found.columns[0].n_missing == 1
    with pytest.raises(ValueError, match=r"line 42 \('soon'\).*leave strict out"):
        TableSynthesizer(strict=True).fit(table)
    with pytest.warns(UserWarning, match=r"row 41 \('soon'\)"):
        infer_schema(table.to_pandas())


def test_dates_in_several_formats_are_read(tmp_path: Path) -> None:
    days = [np.datetime64("2019-01-01") + 7 * at for at in range(150)]
    ways = ("%d/%m/%Y", "%Y-%m-%d", "%b %d, %Y")
    cells = [f"{day.item():{ways[at % 3]}}" for at, day in enumerate(days)]
    table = pa.table({"when": cells})
    read = infer_schema(table).read(table)
    assert read["when"].to_pylist() == [day.item() for day in days]
    # either order of day and month fits each of these: nothing is guessed
    twice = [f"{day.item():{('%d/%m/%Y', '%m/%d/%Y')[at % 2]}}" for at, day in enumerate(days)]
    assert infer_schema(pa.table({"when": twice})).columns[0].kind != "date"


def test_every_report_reads_as_the_synthesizer_does(people: pa.Table) -> None:
    table = people.drop_columns(["email"])
    one, other = table.slice(0, 120), table.slice(120)
    found = evaluate(one, other, random_state=0).fidelity
    assert {column.name: column.kind for column in found.columns}["amount"] == "numeric"
    kinds = {column.name: column.kind for column in compare(one, other).columns}
    assert kinds["when"] == "date"
    assert tune(table, settings=[{"privacy": "off"}], random_state=0).rows == (120, 120)
    texts = table.select(["when", "amount"])  # as such, there would be nothing to follow
    followed = measure_collapse(texts, weights=Uniform(), generations=1, random_state=0)
    assert followed.curves[0].variance[1] == pytest.approx(2 / 3, abs=0.1)
