"""Tables larger than memory, on the command line."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vicinal.cli.folders import is_folder, is_many
from vicinal.cli.options import parse_whole
from vicinal.io import read_table
from vicinal.table import TableSynthesizer


@pytest.fixture
def events(people, monkeypatch):
    """Three Parquet files, in the folder that the command runs in."""
    folder = people.parent
    table = read_table(people)
    (folder / "events").mkdir()
    for number in range(3):
        pq.write_table(table.slice(number * 100, 150), folder / "events" / f"{number}.parquet")
    monkeypatch.chdir(folder)
    return folder


def test_many_files_to_a_folder(events, run):
    words = ["-n", "1e3", "--memory", "2GB", "--seed", 7, "--privacy", "off"]
    code, out, err = run("table", "events/*.parquet", "-o", "synthetic/", *words)
    assert code == 0
    assert re.fullmatch(r"Note: --privacy off .* for internal use only\..*\n", err)
    table = pq.read_table(events / "synthetic")
    assert table.num_rows == 1000
    assert table.schema.names == ["age", "job", "income"]
    assert "450 rows read, 1,000 written to synthetic in 1 file(s)." in out
    assert "income" in out  # how like the real rows they are
    # the same command, the same bytes; a folder is as good as a pattern
    assert run("table", "events", "-o", "again", *words)[0] == 0
    first, again = (events / name / "part-000000.parquet" for name in ("synthetic", "again"))
    assert first.read_bytes() == again.read_bytes()


def test_one_file_and_a_folder_to_write_to(events, run):
    (events / "out").mkdir()
    code, out, _ = run("table", "people.csv", "-o", "out", "--save-model", "model.vicinal")
    assert code == 0
    assert "400 rows read, 400 written to out in 1 file(s)." in out
    assert pq.read_table(events / "out").num_rows == 400
    assert TableSynthesizer.load(events / "model.vicinal").n_rows_ == 400


def test_a_whole_folder_stays_where_its_model_cannot_be_kept(events, run, monkeypatch):
    save = TableSynthesizer.save

    def full(model, path):
        if Path(path).name == "model.vicinal":
            raise OSError("No space left on device")
        save(model, path)

    monkeypatch.setattr(TableSynthesizer, "save", full)
    words = ["--max-rows", 100, "--privacy", "off", "--save-model", "model.vicinal"]
    code, _, err = run("table", "events", "-o", "out", *words)
    assert code == 2
    assert "out is whole and stays, but the model was not kept: No space left" in err
    assert pq.read_table(events / "out").num_rows == 450


def test_a_folder_may_be_named_by_its_address(events, run):
    where = (events / "out put").as_uri()
    code, out, _ = run("table", "events", "-o", where, "--privacy", "off")
    assert code == 0
    assert "450 written to" in out
    assert pq.read_table(events / "out put").num_rows == 450


def test_resume_says_when_there_is_nothing_to_do(events, run):
    words = ["table", "events", "-o", "out", "--max-rows", 100, "--seed", 1, "--privacy", "off"]
    code, out, _ = run(*words)
    assert code == 0
    assert "450 rows read, 100 of them held and mixed, 450 written" in out
    code, out, _ = run(*words, "--resume")
    assert code == 0
    assert "out is complete already; nothing was done." in out
    code, _, err = run(*words[:-3], 2, "--privacy", "off", "--resume")
    assert code == 2
    assert "seed (1 there, 2 asked)" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["events/*.parq", "-o", "out"], "No file matches 'events/*.parq'"),
        (["events", "-o", "out.parquet"], "Name a folder, such as -o out/."),
        (["events", "-o", "full"], "Folder full is not empty"),
        (["events", "-o", "people.csv/"], "people.csv is a file"),
        (["events", "-o", "nowhere/out"], "does not exist"),
        (["events", "-o", "out", "-n", "10.5"], "n-samples must be a whole number"),
        (["events", "-o", "out", "-n", "0"], "n-samples must be at least 1"),
        (["events", "-o", "out", "--max-rows", "1"], "max-rows must be at least 2"),
        (["events", "-o", "out", "--memory", "10MB"], "need at least"),
        (["events", "-o", "out", "--memory", "much"], "memory must be a size such as 2GB"),
        (["events", "-o", "out", "--where", "age>30"], "--where needs all rows in memory"),
        (["events", "-o", "out", "--report", "r.html"], "--report needs all rows in memory"),
        (["events", "-o", "out", "--engine", "rai"], "Did you mean 'ray'?"),
        (["events", "-o", "out", "--address", "auto"], "add engine='ray' (--engine ray)"),
        (["events", "-o", "out", "--target", "incme"], "Did you mean 'income'?"),
        (["mixed", "-o", "out"], "mixed/b.parquet: column 'x' is string, but int64"),
        (["broken", "-o", "out"], "a.parquet is cut short"),
        (["people.csv", "-o", "out.csv", "--memory", "1GB"], "Name a folder"),
        (["events", "-o", "ftp://there/out"], "ftp://there/out cannot be written to"),
        (["people.csv", "-o", "ftp://there/out"], "ftp://there/out cannot be written to"),
    ],
)
def test_bad_input(events, run, words, said):
    (events / "full").mkdir()
    (events / "full" / "mine.txt").write_text("keep")
    for name, files in (("mixed", {"a": [1], "b": ["x"]}), ("broken", {"a": [1]})):
        (events / name).mkdir()
        for file, values in files.items():
            pq.write_table(pa.table({"x": values}), events / name / f"{file}.parquet")
    path = events / "broken" / "a.parquet"
    path.write_bytes(path.read_bytes()[:-5])
    code, out, err = run("table", *words, *(["--privacy", "off"] if "-n" not in words else []))
    assert code == 2
    assert said in err
    assert "Traceback" not in err + out
    assert not (events / "out").exists()
    assert not [path for path in events.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("text", "number"), [(None, None), ("1000", 1000), ("1e8", 10**8), ("1_000", 1000)]
)
def test_numbers_of_rows(text, number):
    assert parse_whole("rows", text) == number


@pytest.mark.parametrize("text", ["many", "nan", "inf", "1.5", "0", "-3", ""])
def test_no_numbers_of_rows(text):
    with pytest.raises(ValueError, match="rows must be"):
        parse_whole("rows", text)


def test_one_file_to_one_file_stays_in_memory(events):
    assert not is_many("people.csv")
    assert not is_folder("out.csv")
    assert is_folder("out/")
    assert is_many("events")
    assert is_many("s3://bucket/events/")
    (events / "odd[1].csv").write_text("x\n1\n")
    assert not is_many("odd[1].csv")  # there is such a file


def test_control_c_says_how_to_go_on(events, run, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    words = ["table", "events", "-o", "out/", "--seed", 1, "--privacy", "off"]
    with monkeypatch.context() as patched:
        patched.setattr("vicinal.table.stream.run.make_chunk", stop)
        code, out, err = run(*words)
    assert (code, out) == (130, "")
    assert ".out.partial; the same command with --resume goes on" in err
    assert run(*words)[0] == 2
    code, out, _ = run(*words, "--resume")
    assert code == 0
    assert "450 rows read, 450 written to out" in out
    assert not (events / ".out.partial").exists()
