"""What the command line does when something goes wrong: one line, and nothing written."""

from __future__ import annotations

import io
import json
import os
import re
import signal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vicinal import report
from vicinal.io import read_table
from vicinal.table import TableSynthesizer


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("x is 1. Give 2."), "Error: x is 1. Give 2."),
        (ValueError("a name\nof two\x1b[31m lines"), r"Error: a name\nof two\x1b[31m lines"),
        (pa.ArrowNotImplementedError("no cast\n(detail)"), "Error: ArrowNotImplementedError: no c"),
        (pa.ArrowKeyError("k"), "Error: ArrowKeyError: k"),
        (KeyError("k"), "Error: KeyError: 'k'"),
        (OverflowError(), "Error: OverflowError: OverflowError"),
        (AssertionError("a\nb"), "Error: AssertionError: a"),
        (RecursionError("deep"), "Error: RecursionError: deep"),
        (PermissionError(13, "Permission denied", "/x.csv"), "Error: /x.csv: Permission denied."),
        (pa.ArrowMemoryError("malloc of size 9"), "Error: There is too little memory (malloc of"),
    ],
)
def test_any_error_is_one_line(people, run, monkeypatch, error, said):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(TableSynthesizer, "fit", fail)
    code, out, err = run("table", people, "-o", people.with_name("out.csv"))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(said)
    code, _, err = run("--debug", "table", people, "-o", people.with_name("out.csv"))
    assert code == 2
    assert "Traceback" in err
    assert "in fail" in err
    assert err.rstrip().splitlines()[-1].startswith(said)
    assert run("table", people, "-o", people.with_name("out.csv"), "--debug")[2].count("\n") > 5
    assert names(people.parent) == ["people.csv"]


@pytest.mark.parametrize("step", ["summary", "plan", "model", "report", "ctrl-c"])
def test_nothing_is_left_when_a_step_fails(people, run, monkeypatch, step):
    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt if step == "ctrl-c" else RuntimeError("for a test")

    where = {
        "summary": "vicinal.report.compare",
        "plan": "vicinal.plan.MixPlan.to_arrow",
        "model": "vicinal.table.modelfile.save",
        "report": "vicinal.report.audit",
        "ctrl-c": "vicinal.report.compare",
    }
    assert callable(report.audit)  # imported when first asked for
    assert callable(report.compare)
    monkeypatch.setattr(where[step], fail)
    written = [people.with_name(name) for name in ("out.csv", "plan.csv", "m.vicinal", "r.txt")]
    options = ["-o", "--plan", "--save-model", "--report"]
    words = [word for pair in zip(options, written, strict=True) for word in pair]
    if "compare" in where[step]:  # a report has compared already
        words = words[:-2]
    code, out, _ = run("table", people, *words)
    assert code == (130 if step == "ctrl-c" else 2)
    assert out == ""
    assert names(people.parent) == ["people.csv"]


def test_no_two_names_are_one_file(people, run):
    folder = people.parent
    (folder / "link.csv").symlink_to(folder / "new.csv")
    os.link(people, folder / "hard.csv")
    before = people.read_bytes()
    there = names(folder)
    for words, said in (
        (["-o", "hard.csv"], "output is the file that is read"),
        (["-o", "new.csv", "--plan", "link.csv"], "output and plan are one file"),
        (["-o", "new.csv", "--plan", "NEW.csv"], "output and plan are one file"),
        (["-o", "new.csv", "--save-model", "people.csv"], "save-model is the file that is read"),
        (["-o", "new.csv", "--save-model", "link.csv"], "output and save-model are one file"),
        (
            ["-o", "new.csv", "--plan", "p.csv", "--save-model", "p.csv"],
            "save-model and plan are one",
        ),
        (["-o", "new.csv", "--report", "m.txt", "--save-model", "M.TXT"], "save-model and report"),
        (["-o", "out/", "--save-model", "people.csv"], "save-model is the file that is read"),
    ):
        made = [folder / word if "." in word or "/" in word else word for word in words]
        made = [f"{word}/" if str(word).endswith("out") else word for word in made]
        code, _, err = run("table", people, *made)
        assert (code, err.count("\n")) == (2, 1), words
        assert said in err
    for words in (["-o", "a.json", "--json", "./a.json"], ["--json", "r.json"]):
        (folder / "r.json").hardlink_to(people) if not (folder / "r.json").exists() else None
        made = [folder / word if "." in word else word for word in words]
        code, _, err = run("report", people, folder / "hard.csv", *made)
        assert code == 2
        assert "one file" in err or "that is read" in err
    (folder / "r.json").unlink()
    assert names(folder) == there
    assert people.read_bytes() == before


def test_line_ends_in_names_do_not_break_lines(tmp_path, run):
    path, out = tmp_path / "odd.parquet", tmp_path / "out.csv"
    name, ends = "a\nb\r\x1b[1m", [1.5, float("inf")]
    table = {name: [*range(60)], "y\n1": [i % 2 for i in range(60)], "z\n": ["u\nv", "w"] * 30}
    pq.write_table(pa.table(table), path)
    code, said, _ = run("columns", path)
    assert code == 0
    assert len(said.splitlines()) == 4 + 3  # columns, and a rule
    assert "\x1b" not in said
    code, said, err = run("table", path, "-o", out, "--seed", 1)
    assert code == 0
    assert all("\x1b" not in line and line != "b" for line in (said + err).splitlines())
    assert r"y\n1" in said
    assert read_table(out).column_names == list(table)
    pq.write_table(pa.table({name: ends * 30, "y": [1, 2] * 30}), path)
    code, _, err = run("table", path, "-o", out)
    assert (code, err.count("\n")) == (2, 1)


def test_handlers_of_signals_are_given_back(people, run):
    before = signal.getsignal(signal.SIGTERM)
    assert run("columns", people)[0] == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_alone_it_greets_with_help_and_a_first_step(run):
    code, out, err = run()
    assert (code, err) == (0, "")
    assert out.startswith("Usage: vicinal [OPTIONS] COMMAND")
    assert "vicinal demo" in out


def test_help_is_whole_and_of_its_command(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    said = {name: " ".join(run(*name, "--help")[1].split()) for name in ((), ("table",), ("text",))}
    assert "..." not in said[()].replace("[ARGS]...", "")  # no summary is cut
    assert "-n counts them" in said["table",]
    assert "entities" not in said["text",]
    assert "drawn where left out" in said["table",]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["table", "x.csv"], "Missing option '--output' / '-o'. See `vicinal table --help`."),
        (["report", "a.csv"], "Missing argument 'synthetic'. See `vicinal report --help`."),
        (["tabel"], "No such command 'tabel'. Did you mean 'table'? See `vicinal --help`."),
    ],
)
def test_a_missing_word_points_at_the_help_of_its_command(run, words, said):
    assert run(*words) == (2, "", f"Error: {said}\n")


def test_quiet_says_nothing_but_errors(people, run):
    out = people.with_name("out.csv")
    assert run("table", people, "-o", out, "-n", 20, "--quiet", "--privacy", "off") == (0, "", "")
    assert out.exists()
    code, said, err = run("--quiet", "table", people)
    assert (code, said) == (2, "")
    assert err.startswith("Error: ")


def test_quiet_leaves_the_json_that_was_asked_for(people, run):
    code, out, err = run("columns", people, "--json", "-", "--quiet")
    assert (code, err) == (0, "")
    assert list(json.loads(out)["columns"]) == ["age", "job", "income"]


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("colors", [True, False])
def test_a_terminal_gets_tables_and_colors_unless_told_otherwise(people, monkeypatch, colors):
    from vicinal.cli.screen import show
    from vicinal.report import compare

    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not colors:
        monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout", screen := Terminal())
    real = read_table(people)
    show(compare(real, real.slice(0, 20)))  # ages 20 to 39 of 20 to 69
    text = screen.getvalue()
    assert "similarity" in text
    assert re.search("real.*synthetic", text)
    assert "▸ 0.4" in text
    assert ("\x1b[1;33m" in text) is colors
