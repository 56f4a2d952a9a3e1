"""Commands that measure: what a person types, and what they see."""

from __future__ import annotations

import json

import pyarrow.compute as pc
import pytest

from vicinal.io import read_table, write_table

pytestmark = pytest.mark.usefixtures("few_trees")


@pytest.fixture
def synthetic(people, synthetic_people):
    path = people.with_name("synthetic.csv")
    write_table(synthetic_people, path)
    return path


@pytest.fixture
def later(people):
    path = people.with_name("later.csv")
    table = read_table(people)
    write_table(table.slice(0, 150), path)
    return path


def test_report_writes_page_and_json(people, synthetic, later, run):
    page, plain = people.with_name("report.html"), people.with_name("report.json")
    words = ["--holdout", later, "--target", "income", "-o", page, "--json", plain]
    code, out, err = run("report", people, synthetic, *words)
    assert code == 0
    content = json.loads(plain.read_text(encoding="utf-8"))
    assert content["privacy"]["holdout_is"] == "given"
    assert content["privacy"]["overlap"] == 150
    assert "Note: " in err
    html = page.read_text(encoding="utf-8")
    for said in content["findings"]:
        assert said in out
        assert said in html.replace("&lt;", "<").replace("&gt;", ">")
    assert html.startswith("<!DOCTYPE html>")


def test_report_without_files_prints(people, synthetic, run):
    code, out, _ = run("report", people, synthetic)
    assert code == 0
    assert "No hold-out was given" in out


def test_json_to_standard_output_is_all_there_is(people, synthetic, run):
    code, out, _ = run("report", people, synthetic, "--json", "-", "--groups", "job")
    assert code == 0
    found = json.loads(out)
    assert [one["level"] for one in found["fidelity"]["groups"]] == ["a", "b", "c"]
    assert not (people.parent / "-").exists()


def test_rows_are_shown_where_a_report_is_written(people, synthetic, run):
    code, _, err = run("report", people, synthetic, "--show-rows")
    assert code == 2
    assert "--show-rows is about a report, and none is written" in err
    output = people.with_name("shown.csv")
    assert run("table", people, "-o", output, "--show-rows")[0] == 2
    assert not output.exists()
    code, out, err = run("report", people, synthetic, "--json", "-", "--show-rows")
    assert code == 0
    shown = json.loads(out)["shown_rows"]
    assert shown["columns"] == ["age", "job", "income"]
    cells = {tuple(map(str, row.values())) for row in read_table(people).to_pylist()}
    assert {tuple(row) for row in shown["real"]} <= cells
    assert "do not hand them on" in json.loads(out)["notes"][0]


def test_table_report_has_unseen_rows(people, run):
    report = people.with_name("report.json")
    words = ["-o", people.with_name("out.csv"), "--target", "income", "--report", report]
    assert run("table", people, *words, "--show-rows")[0] == 0
    content = json.loads(report.read_text(encoding="utf-8"))
    assert len(content["shown_rows"]["nearest"]) == 5
    assert content["privacy"]["rows"] == [200, 200, 200]
    assert content["utility"]["metric"] == "AUC"


def test_audit(people, run, monkeypatch):
    monkeypatch.setattr("vicinal.report.privacy.audit.n_threads", lambda: 1)
    page, plain = people.with_name("audit.html"), people.with_name("audit.json")
    words = ["--privacy", "high", "--target", "income", "--shadows", 16, "--records", 30]
    code, out, _ = run("audit", people, *words, "-o", page, "--json", plain)
    assert code == 0
    content = json.loads(plain.read_text(encoding="utf-8"))
    assert content["shadows"] == 16
    assert len(content["worst_records"]) == 30
    assert "an attacker who knows all other rows finds" in out
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    code, _, err = run("audit", people, "--shadows", 4)
    assert code == 2
    assert "shadows must be at least 16" in err
    assert run("audit", people, "-o", people.with_name("audit.csv"))[0] == 2


def test_collapse(people, run):
    page = people.with_name("collapse.html")
    words = ["-g", 4, "--weights", "uniform,epbeta:0.1", "-o", page, "--column", "age=numeric"]
    code, out, _ = run("collapse", people, *words)
    assert code == 0
    assert "uniform" in out
    assert page.stat().st_size > 5000


def test_tune_recommends_a_command_that_runs(people, run):
    page = people.with_name("front.json")
    words = ["--target", "income", "--max-rows", 150, "--limit", 0.99, "--max-risk", 1]
    words += ["-o", page]
    code, out, _ = run("tune", people, *words)
    assert code == 0
    content = json.loads(page.read_text(encoding="utf-8"))
    command = content["settings"][content["recommended"]]["command"]
    assert command in out
    words = command.split()
    assert words[:2] == ["vicinal", "table"]
    words[words.index("-o") + 1] = str(people.with_name("tuned.csv"))
    assert run(*words[1:])[0] == 0
    assert people.with_name("tuned.csv").exists()


@pytest.mark.parametrize(
    ("content", "words", "said"),
    [
        ("age,job\n" + "5,a\n" * 60, [], "lacks 'income'"),
        ("age,job,income,more\n" + "5,a,low,1\n" * 60, [], "has in excess 'more'"),
        ("age,job,income\n" + "x,a,low\n" * 60, [], "Column 'age'"),
        ("age,job,income\n", [], "no rows"),
        (None, ["--target", "incme"], "Did you mean 'income'?"),
        (None, ["-o", "page.pdf"], "is written as"),
        (None, ["-o", "nowhere/page.html"], "does not exist"),
        (None, ["--holdout", "latr.csv"], "latr.csv"),
        (None, ["--plan", "people.csv"], "plan"),
        (None, ["--column", "age"], "NAME=KIND"),
    ],
)
def test_bad_input_to_report(people, synthetic, run, monkeypatch, content, words, said):
    monkeypatch.chdir(people.parent)
    if content is not None:
        synthetic.write_text(content)
    before = sorted(path.name for path in people.parent.iterdir())
    code, out, err = run("report", people, synthetic, *words)
    assert code == 2, out + err
    assert said in err
    assert "Traceback" not in err + out
    assert sorted(path.name for path in people.parent.iterdir()) == before


def test_one_class_is_refused(people, run):
    table = read_table(people)
    write_table(table.filter(pc.equal(table["income"], "low")), people)
    code, _, err = run("report", people, people, "--target", "income")
    assert code == 2
    assert "class" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--weights", "betta:0.1"], "Did you mean"),
        (["--weights", "epbeta:2"], "delta"),
        (["-g", "0"], "generations"),
        (["--target", "nobody"], "nobody"),
        (["--max-rows", "1"], "max-rows"),
    ],
)
def test_bad_input_to_collapse(people, run, words, said):
    code, _, err = run("collapse", people, *words)
    assert code == 2
    assert said in err


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--limit", "2"], "limit"), (["--repeats", "0"], "repeats"), (["--target", "x"], "'x'")],
)
def test_bad_input_to_tune(people, run, words, said):
    code, _, err = run("tune", people, *words)
    assert code == 2
    assert said in err
