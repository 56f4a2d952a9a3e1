"""The command line: what a person types, and what they see."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vicinal.cli.app import _as_typed
from vicinal.data import adult_sample
from vicinal.io import read_table
from vicinal.table import TableSynthesizer

pytestmark = pytest.mark.usefixtures("few_trees")


def test_table_in_table_out(people, run):
    output = people.with_name("synthetic.parquet")
    code, out, _ = run("table", people, "-o", output, "-n", 1000, "--target", "income", "--seed", 7)
    assert code == 0
    table = read_table(output)
    assert table.num_rows == 1000
    assert table.schema.names == ["age", "job", "income"]
    assert table.schema.types == read_table(people).schema.types
    assert "400 rows read, 1,000 written" in out
    assert "within income" in out


def test_one_bar_goes_from_reading_to_the_report(people, run, monkeypatch):
    from contextlib import contextmanager

    from vicinal.cli import options, tables

    stages, opened = [], []

    @contextmanager
    def recording(progress):
        opened.append(progress)
        yield lambda stage, done, total: stages.append(stage)

    monkeypatch.setattr(tables, "reporting", recording)
    monkeypatch.setattr(options, "reporting", recording)
    report = people.with_name("r.html")
    assert run("table", people, "-o", people.with_name("s.csv"), "--report", report)[0] == 0
    wanted = ["Reading", "Fitting", "Drawing rows", "Writing", "Reporting: fidelity"]
    wanted += ["Reporting: an audit model", "Reporting: privacy"]
    assert [one for one in dict.fromkeys(stages) if one in wanted] == wanted


def test_names_shorter_than_their_head_stand_below_it(tmp_path, run):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3,4\n")
    _, out, _ = run("columns", tmp_path / "x.csv")
    head, first, *_ = out.splitlines()
    assert head.index("kind") == first.index("integer" if "integer" in first else "category")


def test_same_seed_same_file(people, run):
    files = [people.with_name(f"{name}.csv") for name in "abc"]
    for path, seed in zip(files, (7, 7, 8), strict=True):
        assert run("table", people, "-o", path, "--seed", seed)[0] == 0
    first, second, third = (path.read_bytes() for path in files)
    assert first == second != third


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".tsv", ".parquet", ".feather", ".jsonl"])
def test_formats(people, run, suffix):
    output = people.with_name("synthetic" + suffix)
    assert run("table", people, "-o", output, "-n", 50)[0] == 0
    assert read_table(output).num_rows == 50


def test_the_issue_s_second_command(people, run):
    output = people.with_name("high.csv")
    words = ["--weights", "epbeta:0.3:0.3", "--marginals", "raw", "--within", "income"]
    code, out, _ = run("table", people, "-o", output, *words, "--where", "income=high")
    assert code == 0
    assert set(read_table(output)["income"].to_pylist()) == {"high"}
    assert "EpBeta(delta=0.3, eps=0.3)" in out


def test_conditions_hold(people, run):
    output = people.with_name("old.csv")
    words = ["--where", "age>=40", "--where", "job!=c"]
    assert run("table", people, "-o", output, "-n", 500, *words)[0] == 0
    table = read_table(output)
    assert min(table["age"].to_pylist()) >= 40
    assert "c" not in table["job"].to_pylist()


def test_report_model_and_plan_are_written(people, run):
    paths = [people.with_name(name) for name in ("s.csv", "kept.txt", "m.vicinal", "plan.parquet")]
    output, report, model, plan = paths
    words = ["--report", report, "--save-model", model, "--plan", plan, "--seed", 3]
    code, out, err = run("table", people, "-o", output, *words)
    assert code == 0
    assert "can work out numbers of the training rows" in " ".join(err.split())
    said = report.read_text()
    first = said.partition("What to do: ")[2].splitlines()[0]
    assert f"What to do: {first}" in out
    assert "Membership attack" in said
    assert TableSynthesizer.load(model).sample().equals(read_table(output))
    assert read_table(plan).num_rows == 400


def test_formats_and_personal_data(tmp_path, run):
    path, out = tmp_path / "eu.csv", tmp_path / "out.csv"
    rows = [f"{at % 28 + 1:02d}.0{at % 9 + 1}.2024;{at * 7},{at % 90 + 10};u{at % 30}@mail.org"
            for at in range(90)]  # fmt: skip
    path.write_text("when;amount;email\n" + "\n".join(rows) + "\n")
    code, said, _ = run("columns", path)
    assert code == 0
    assert "24.12.2023 = %d.%m.%Y" in said  # no cell of the table
    assert "(1234,57)" in said
    assert "01.01.2024" not in said
    assert "e-mail, the same for the same value" in said
    found = json.loads(run("columns", path, "--json", "-")[1])
    assert found["columns"]["email"]["personal"]["kind"] == "e-mail"
    assert found["columns"]["amount"]["format"]["decimal"] == ","
    assert list(found["rules"]) == ["amount is a multiple of 7.01 plus 0.1"]
    code, said, err = run("table", path, "-o", out, "--where", "when>=01.05.2024", "--seed", 1)
    assert code == 0
    assert "personal data in column(s) email" in err
    made = read_table(out)
    assert all(re.fullmatch(r"\d\d\.\d\d\.2024", cell) for cell in made["when"].to_pylist())
    assert all(re.fullmatch(r"\d+,\d\d", cell) for cell in made["amount"].to_pylist())
    assert not {f"u{at}@mail.org" for at in range(30)} & set(made["email"].to_pylist())
    code, _, _ = run("table", path, "-o", out, "--report", tmp_path / "r.txt", "--seed", 1)
    assert code == 0


def test_columns_says_what_it_found(people, run):
    code, out, _ = run("columns", people, "--column", "age=category")
    assert code == 0
    assert "as you said" in out
    assert "taken from a parent" in out


def test_identifiers_are_noted(tmp_path, run):
    path = tmp_path / "ids.csv"
    path.write_text("id,x\n" + "".join(f"{i},{i % 37}\n" for i in range(1, 200)))
    code, _, err = run("table", path, "-o", tmp_path / "out.csv")
    assert code == 0
    assert "Note: identifier column(s) id: replaced" in err
    assert min(read_table(tmp_path / "out.csv")["id"].to_pylist()) > 199


def test_demo(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    few = b"".join(adult_sample().splitlines(keepends=True)[:401])
    monkeypatch.setattr("vicinal.data.adult_sample", lambda: few)
    code, out, _ = run("demo")
    assert code == 0
    assert (tmp_path / "demo" / "people.csv").read_bytes() == few
    assert read_table(tmp_path / "demo" / "synthetic.csv").num_rows == 400
    assert "400 rows read, 400 written" in out
    assert "</html>" in (tmp_path / "demo" / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("content", "words", "said"),
    [
        (b"", [], "is empty"),
        (b"age,job,income\n", [], "no rows"),
        (b"age,job\n5,a\n", [], "needs at least 2"),
        (b"age,age\n5,1\n6,2\n", [], "age"),
        (b"age,job\n5,a\n6,b,c\n7,a\n", [], "line 3"),
        (b"age,job\n5,\xc3\xa9\n6,\xc3\xbc\n7,\xe9\n", [], "UTF-8"),
        (b"age,job\n5,a\n6,b\n", ["--encoding", "utf16"], "lacks the mark"),
        (b"age,job\n5,a\n6,b\n", ["--separator", ";;"], "separator must be one"),
        (b"a,b\n,\n,\n", [], "no usable column. Say what one is with --column a=category"),
        (None, ["-n", "0"], "n-samples must be at least 1"),
        (None, ["--target", "incme"], "Did you mean 'income'?"),
        (None, ["--within", "jbo"], "Did you mean 'job'?"),
        (None, ["--weights", "epbeta:1.5"], "delta must be a finite number in (0, 1)"),
        (None, ["--weights", "epbeta:0.1:0"], "eps must be"),
        (None, ["--where", "income=medium"], "no row meets income=medium"),
        (None, ["--where", "wage>3"], "no column 'wage'"),
        (None, ["--where", "age>old"], "'old' is no value for column 'age'"),
        (None, ["--where", "age"], "cannot read 'age'"),
        (None, ["--column", "age"], "NAME=KIND"),
        (None, ["--column", "age=integr"], "Did you mean 'integer'?"),
        (None, ["--column", "job=numeric"], "Column 'job' was to be a numeric"),
        (None, ["--column", "age=date:%Y%m%d"], "fits none of the 400 cells of column 'age'"),
        (None, ["--column", "age=numeric:1.234"], "is a format of texts"),
        (None, ["--privacy", "hihg"], "Did you mean 'high'?"),
        (None, ["--marginals", "rawr"], "Did you mean 'raw'?"),
        (None, ["--report", "page.pdf"], "report is written as .html"),
        (None, ["--weights", "betta:0.1"], "Did you mean"),
        (None, ["--bogus"], "--bogus"),
        (None, ["-n", "many"], "n-samples must be a whole number"),
        (None, ["-n", "1.5"], "n-samples must be a whole number"),
    ],
)
def test_bad_input_ends_in_one_line_and_writes_nothing(people, run, content, words, said):
    if content is not None:
        people.write_bytes(content)
    output = people.with_name("out.csv")
    code, out, err = run("table", people, "-o", output, *words)
    assert code == 2
    assert said in err
    assert err.startswith("Error: ")
    assert "Traceback" not in err + out
    assert [path.name for path in people.parent.iterdir()] == ["people.csv"]


@pytest.mark.parametrize(
    ("source", "output", "said"),
    [
        ("peopel.csv", "out.csv", "Did you mean 'people.csv'?"),
        ("people.csv", "out.xlsx", "'.xlsx' is not known"),
        ("people.csv", "nowhere/out.csv", "does not exist"),
        ("people.csv", "synthetic", "no suffix"),
        ("people.csv", ".", "not empty"),
        (".", "out.csv", "Name a folder"),
    ],
)
def test_bad_paths(people, run, monkeypatch, source, output, said):
    monkeypatch.chdir(people.parent)
    code, _, err = run("table", source, "-o", output)
    assert code == 2
    assert said in err
    assert [path.name for path in people.parent.iterdir()] == ["people.csv"]


def test_a_file_cut_short(people, run):
    packed = people.with_name("people.csv.gz")
    packed.write_bytes(gzip.compress(people.read_bytes())[:-20])
    code, _, err = run("columns", packed)
    assert code == 2
    assert "cut short" in err


def test_ctrl_c_leaves_nothing(people, run, monkeypatch):
    def stop(*_: object, **__: object) -> pa.Table:
        raise KeyboardInterrupt

    monkeypatch.setattr(TableSynthesizer, "sample", stop)
    code, _, err = run("table", people, "-o", people.with_name("out.csv"))
    assert code == 130
    assert "Interrupted" in err
    assert [path.name for path in people.parent.iterdir()] == ["people.csv"]


def test_help_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from vicinal import cli\n"
        "sys.argv = ['vicinal', '--help']\n"
        "try:\n    cli.main()\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'numba', 'pyarrow', 'pandas', 'polars', 'scipy', 'sklearn', 'torch'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "table" in done.stdout
    assert "columns" in done.stdout


def test_a_table_whose_report_fails_is_not_written(people, run):
    rows = people.read_text(encoding="utf-8").replace("high", "low")
    people.write_text(rows, encoding="utf-8")
    out, page = people.with_name("out.csv"), people.with_name("report.html")
    code, said, err = run("table", people, "-o", out, "--target", "income", "--report", page)
    assert code == 2
    assert "one class" in err
    assert said == ""
    assert [path.name for path in people.parent.iterdir()] == ["people.csv"]


def test_what_is_read_is_not_written_over(people, run):
    before = people.read_bytes()
    code, _, err = run("table", people, "-o", people)
    assert (code, err.count("\n")) == (2, 1)
    assert "output is the file that is read" in err
    assert people.read_bytes() == before


@pytest.mark.parametrize("mark", [";", "|", "\t", ","])
def test_fields_stay_separated_as_they_were(people, run, mark):
    people.write_text(people.read_text().replace(",", mark))
    output = people.with_name("synthetic.csv")
    assert run("table", people, "-o", output, "-n", 30, "--seed", 1)[0] == 0
    lines = output.read_text().splitlines()
    assert lines[0] == mark.join(["age", "job", "income"])
    assert all(line.count(mark) == 2 for line in lines)


def test_nested_columns_are_refused_in_one_line(tmp_path, run):
    path = tmp_path / "nested.parquet"
    pq.write_table(pa.table({"x": [1, 2, 3], "tags": [["a"], ["b"], []]}), path)
    for words in (("columns", path), ("table", path, "-o", tmp_path / "out.csv")):
        code, _, err = run(*words)
        assert code == 2
        assert "Column 'tags' is nested" in err


def test_a_european_export_comes_back_as_it_was_written(tmp_path, run):
    """Encoding, separator, line ends, dates, decimals and codes; and the schema of it all."""
    rng = np.random.default_rng(0)
    days = np.datetime64("2020-01-01") + rng.integers(0, 700, 150)
    paid = [f"{value:.2f}".replace(".", ",") for value in rng.gamma(2, 60, 150)]
    lines = [
        f"K{at:04d};{rng.choice(['01067', '50667', '80331'])};{day.item():%d.%m.%Y};{paid[at]}"
        for at, day in enumerate(days)
    ]
    lines[40] = "K0040;50667;bald;17,50"
    real = tmp_path / "export.csv"
    real.write_bytes("\r\n".join(["Kunde;PLZ;Datum;Größe", *lines, ""]).encode("cp1252"))
    schema, made = tmp_path / "schema.json", tmp_path / "made.csv"
    code, out, err = run("columns", real, "--json", schema)
    assert code == 0
    assert "read as cp1252" in err
    assert "line 42 ('bald')" in err
    kinds = {line.split()[0]: line.split()[1] for line in out.splitlines()[1:5]}
    assert kinds == {
        "Kunde": "identifier",
        "PLZ": "category",
        "Datum": "date",
        "Größe": "numeric",
    }
    code, out, _ = run("columns", real, "--json", "-")
    assert code == 0
    assert json.loads(out) == json.loads(schema.read_text("utf-8"))
    assert json.loads(out)["columns"]["Datum"]["format"]["pattern"] == "%d.%m.%Y"
    code, _, err = run("table", real, "-o", made, "--schema", schema, "--encoding", "cp1252")
    assert code == 0, err
    assert "read as cp1252" not in err
    data = made.read_bytes().decode("cp1252")
    assert data.count("\r\n") == data.count("\n") == 151
    head, *rows = data.split("\r\n")[:-1]
    assert head == "Kunde;PLZ;Datum;Größe"
    wanted = r"K\d{4};(01067|50667|80331);(\d\d\.\d\d\.20\d\d)?;\d+,\d\d"
    assert all(re.fullmatch(wanted, row) for row in rows)
    for strange in (["--strict"], ["--encoding", "ascii"], ["--separator", ","]):
        code, _, err = run("table", real, "-o", tmp_path / "no.csv", *strange)
        assert code == 2
        assert len(err.strip().splitlines()[-1]) > 20
        assert not (tmp_path / "no.csv").exists()
    code, _, err = run("columns", real, "--schema", real)
    assert code == 2
    schema.write_text('{"vicinal_schema": 1, "columns": {"PLZ": "category", "Ort": "category"}}')
    code, _, err = run("columns", real, "--schema", schema)
    assert code == 2
    assert "The schema is for another table: it has column 'Ort'" in err


def test_rare_categories_are_kept_where_that_is_said(tmp_path, run):
    rng = np.random.default_rng(0)
    rows = [f"{value:.3f},f{at // 2}" for at, value in enumerate(rng.normal(size=100))]
    (tmp_path / "in.csv").write_text("\n".join(["x,firm", *rows, ""]))
    words = ("table", tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--seed", 0)
    code, _, err = run(*words)
    assert code == 0
    assert "held by fewer than --min-count=5 training rows: 'other' is written" in err
    for more in (("--min-count", 2), ("--rare", "keep")):
        assert run(*words, *more)[0] == 0
        made = read_table(tmp_path / "out.csv")["firm"].to_pylist()
        assert len(set(made)) > 10
    code, _, err = run(*words, "--rare", "drop")
    assert code == 2
    assert "rare must be" in err


def test_remedies_name_options():
    said = "hold are left missing. Say rare='keep' to write them out, or set rules='off'."
    shown = "hold are left missing. Say --rare='keep' to write them out, or set --rule='off'."
    assert _as_typed(said) == shown
    assert _as_typed("min_count can be set lower.") == "min-count can be set lower."
