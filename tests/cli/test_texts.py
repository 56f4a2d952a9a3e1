"""`vicinal morph` and `vicinal text`: what a person types, and what they see.

The inverter is a stand-in that answers with sentences it has read; the real one has its own tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from dataclasses import fields
from inspect import signature
from types import SimpleNamespace

import numpy as np
import pytest

import vicinal.text
from vicinal import _extras
from vicinal.cli import inverters
from vicinal.cli import texts as commands
from vicinal.cli.app import _as_typed
from vicinal.data import banking_sample
from vicinal.io import read_table

GOOD = [f"a fine film number {i} with grace" for i in range(12)]
BAD = [f"some dull work part {i} without wit" for i in range(12)]


class Parrot:
    """Embeds words, and says the sentence it has read that lies nearest."""

    encoder = SimpleNamespace(max_tokens=64)

    def __init__(self):
        self.read: list[str] = []

    def encode(self, texts):
        self.read += [one for one in texts if one not in self.read]
        return np.stack([self._embed(one) for one in texts])

    @staticmethod
    def _embed(text):
        total = np.zeros(32, np.float32)
        for word in text.split():
            seed = zlib.crc32(word.encode("utf-8", "replace"))
            total += np.random.default_rng(seed).standard_normal(32).astype(np.float32)
        return total

    def log_likelihood(self, embeddings, texts):
        return -np.ones(len(texts), np.float32)

    def candidates(self, embeddings, n=4, *, random_state=None):
        known = np.stack([self._embed(one) for one in self.read])
        near = ((embeddings[:, None] - known[None]) ** 2).sum(-1).argsort(1)[:, :n]
        near = near[:, np.arange(n) % near.shape[1]]
        said = known[near]

        def closeness(targets):
            inner = np.einsum("ncd,nd->nc", said, targets)
            lengths = np.linalg.norm(said, axis=-1) * np.linalg.norm(targets, axis=-1)[:, None]
            return inner / np.maximum(lengths, 1e-9)

        return SimpleNamespace(
            sentences=[[self.read[at] for at in row] for row in near],
            embeddings=said,
            log_likelihood=np.full(near.shape, -1.0, np.float32),
            closeness=closeness,
        )


@pytest.fixture
def parrot(monkeypatch):
    """Put the stand-in where an inverter would be loaded."""
    asked = []

    def give(*given):
        asked.append(given)
        return Parrot()

    monkeypatch.setattr(commands, "make_inverter", give)
    monkeypatch.setattr(inverters, "check_extras", lambda: None)
    return asked


@pytest.fixture
def reviews(tmp_path):
    path = tmp_path / "reviews.csv"
    rows = [f"{one},{label}\n" for label, many in (("yes", GOOD), ("no", BAD)) for one in many]
    path.write_text("text,label\n" + "".join(rows), encoding="utf-8")
    return path


def test_a_morph_is_tab_separated_where_nobody_looks(parrot, run):
    code, out, err = run("morph", GOOD[0], BAD[0], "--steps", 3)
    assert (code, err) == (0, "")
    head, *lines = out.splitlines()
    assert head.split("\t") == ["lam", "measured", "closeness", "sentence"]
    rows = [line.split("\t") for line in lines]
    assert [row[0] for row in rows] == ["1.0000", "0.5000", "0.0000"]
    # the sentences at the ends are the nearest to themselves
    assert rows[0][1:] == ["1.0000", "1.0000", GOOD[0]]
    assert rows[2][1:] == ["0.0000", "1.0000", BAD[0]]


def test_a_morph_is_aligned_in_a_terminal(parrot, run, monkeypatch):
    monkeypatch.setattr(commands.sys, "stdout", SimpleNamespace(isatty=lambda: True))
    shown = []
    monkeypatch.setattr(commands.typer, "echo", shown.append)
    assert run("morph", GOOD[0], BAD[0], "--steps", 2)[0] == 0
    head, first, last = shown[0].splitlines()
    place = head.index("sentence")
    assert (first[place:], last[place:]) == (GOOD[0], BAD[0])


def test_a_morph_as_json_and_as_page(parrot, run, tmp_path):
    page = tmp_path / "morph.html"
    code, out, _ = run("morph", GOOD[0], "über <b>", "--json", "--report", page)
    assert code == 0
    found = json.loads(out)
    assert (found["left"], found["right"]) == (GOOD[0], "über <b>")
    assert [one["lam"] for one in found["steps"]] == [1, 0.75, 0.5, 0.25, 0]
    assert set(found["steps"][0]) == {
        "lam", "lam_measured", "closeness", "log_likelihood", "sentence",
    }  # fmt: skip
    written = page.read_text(encoding="utf-8")
    assert "über &lt;b&gt;" in written
    assert "<b>" not in written.partition("</style>")[2]


def test_two_equal_sentences_have_no_ratio(parrot, run):
    code, out, err = run("morph", GOOD[0], GOOD[0], "--json")
    assert code == 0
    assert "Note: left and right are one point" in err
    assert {one["lam_measured"] for one in json.loads(out)["steps"]} == {None}


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", ".csv.gz"])
def test_rows_are_made_and_written(parrot, run, reviews, suffix):
    output = reviews.with_name(f"made{suffix}")
    code, out, err = run(
        "text", reviews, "-n", 30, "-o", output, "--seed", 7, "--label-check", "none"
    )
    assert (code, out) == (0, "")
    table = read_table(output)
    assert table.num_rows == 30
    assert table.column_names == [
        "text", "label", "weight_no", "weight_yes", "lam", "lam_measured", "closeness",
        "log_likelihood", "distance", "left", "right", "left_text", "right_text", "check",
        "check_score", "confidence",
    ]  # fmt: skip
    shares = np.array([table["weight_no"].to_pylist(), table["weight_yes"].to_pylist()])
    np.testing.assert_allclose(shares.sum(axis=0), 1)
    assert [("no", "yes")[at] for at in shares.argmax(axis=0)] == table["label"].to_pylist()
    lefts = [(GOOD + BAD)[at] for at in table["left"].to_pylist()]
    assert table["left_text"].to_pylist() == lefts
    for said in ("30 sentences of 40 written", "Spearman", "24 texts read, 30 sentences written"):
        assert said in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-o", "parts/"), "guide and judge are for one file"),
        (("-o", "made.csv", "--refine"), "guide goes with a saved writer"),
        (("-o", "made.csv", "--llm", "mine"), "guide goes with a saved writer"),
    ],
)
def test_a_guide_goes_with_a_saved_writer_and_one_file(run, reviews, monkeypatch, words, said):
    monkeypatch.chdir(reviews.parent)
    code, _, err = run("text", reviews, "-n", 3, "--guide", "nano", *words)
    assert code == 2
    assert said in err
    assert not (reviews.parent / "made.csv").exists()


def test_the_guide_asked_for_is_loaded_with_the_writer(monkeypatch):
    from vicinal.text.invert import task

    monkeypatch.setattr(task, "load_inverter", lambda name, **given: (name, given["guide"]))
    asked = inverters.InverterOptions(writer="smol", guide="nano")
    assert inverters.make_inverter(asked, [], 0) == ("smol", "nano")


@pytest.mark.parametrize(
    ("name", "words"), [("lam", ()), ("weight_yes", ()), ("pool_text", ("--pool",))]
)
def test_a_column_that_would_be_there_twice_is_refused_before_anything_is_written(
    run, reviews, monkeypatch, name, words
):
    lines = reviews.read_text().splitlines()
    reviews.write_text("\n".join([f"text,label,{name}", *(f"{line},1" for line in lines[1:])]))
    monkeypatch.setattr(commands, "make_inverter", None)  # nobody is asked to write
    words = [*words, reviews] if words else []
    output = reviews.with_name("made.csv")
    code, _, err = run("text", reviews, "-o", output, "--keep-columns", *words)
    assert code == 2
    assert f"keep-columns would write {name!r} twice" in err
    assert not output.exists()


def test_wanted_rows_with_what_was_read_and_real_texts_beside_them(parrot, run, reviews):
    lines = reviews.read_text().splitlines()
    reviews.write_text("\n".join(f"{line},{at}" for at, line in enumerate(["number", *lines[1:]])))
    reviews.write_text(reviews.read_text().replace("number,0", "text,label,number"))
    output = reviews.with_name("made.csv")
    words = ("--per-class", 4, "--only", "yes", "--label-check", "none")
    code, _, err = run("text", reviews, "-o", output, *words, "--pool", reviews, "--keep-columns")
    assert code == 0, err
    made = read_table(output)
    assert set(made["label"].to_pylist()) <= {"yes"}
    texts, pool = GOOD + BAD, made["pool_text"].to_pylist()
    assert set(pool) <= set(texts)
    for row in made.to_pylist():
        heavier = row["left"] if row["lam"] >= 0.5 else row["right"]
        assert row["number"] == heavier + 1
    words = ("-n", 5, "--label-check", "none", "--append-original")
    assert run("text", reviews, "-o", output, *words)[0] == 0
    both = read_table(output)
    assert both["text"].to_pylist()[:24] == texts
    assert both.num_rows == 29
    assert both["lam"].null_count == 24
    code, _, err = run("text", reviews, "-o", output, "-n", 5, "--balance")
    assert code == 2
    assert "all say how many rows" in err


def test_a_pool_is_read_before_anything_is_written_for_it(parrot, run, reviews, monkeypatch):
    monkeypatch.setattr(vicinal.text, "augment", lambda *_, **__: pytest.fail("too early"))
    pool = reviews.with_name("pool.csv")
    for content, said in (("text\n \n", "holds no text"), ("line\na b\n", "no column 'text'")):
        pool.write_text(content)
        code, _, err = run("text", reviews, "-o", reviews.with_name("made.csv"), "--pool", pool)
        assert (code, err.count("\n")) == (2, 1)
        assert said in err
    code, _, err = run("text", reviews, "-o", reviews.with_name("made.csv"), "--against", pool)
    assert code == 2
    assert f"against {pool}: no column 'text'" in err


def test_only_true_of_a_column_of_truth(parrot, run, reviews):
    reviews.write_text(reviews.read_text().replace(",yes", ",true").replace(",no", ",false"))
    output = reviews.with_name("made.csv")
    words = ("-n", 3, "--only", "true", "--label-check", "none")
    code, _, err = run("text", reviews, "-o", output, *words)
    assert code == 0, err
    assert read_table(output)["label"].to_pylist() == [True] * 3
    code, _, err = run("text", reviews, "-o", output, *words[:3], "maybe")
    assert code == 2
    assert "only names 'maybe', which is no class of labels" in err


def test_texts_of_several_labels(parrot, run, reviews):
    reviews.write_text(reviews.read_text().replace(",yes", ",yes;film").replace(",no", ",no;work"))
    output = reviews.with_name("made.csv")
    words = ("-n", 20, "--label-check", "none", "--label-separator", ";")
    code, _, err = run("text", reviews, "-o", output, *words)
    assert code == 0, err
    rows = read_table(output).to_pylist()
    assert {row["label"] for row in rows} <= {"film;yes", "no;work", "film;no;work;yes"}
    for row in rows:
        assert row["weight_yes"] == row["weight_film"] == pytest.approx(1 - row["weight_no"])


def test_as_many_rows_as_read_and_the_same_for_the_same_seed(parrot, run, reviews):
    files = [reviews.with_name(f"{name}.csv") for name in "abc"]
    for path, seed in zip(files, (7, 7, 8), strict=True):
        words = ("--label-check", "none", "--pairing", "random", "--seed", seed)
        assert run("text", reviews, "-o", path, *words)[0] == 0
    first, second, third = (path.read_bytes() for path in files)
    assert first == second != third
    assert read_table(files[0]).num_rows == 24


def test_options_reach_the_library(parrot, run, reviews, monkeypatch):
    from vicinal import Beta, Nearest
    from vicinal.text import LabelCheck, RowConfig, SelectionConfig

    asked = {}

    def spy(*given, **settings):
        asked.update(settings)
        raise ValueError("seen")

    monkeypatch.setattr(vicinal.text, "augment", spy)
    words = (
        "--pairing", "nearest", "--tau", 0.3, "--metric", "cosine", "--weights", "beta:0.4",
        "--label-check", "filter", "--candidates", 6, "--rank", "ratio",
        "--label-threshold", 0.9, "--seed", 3, "--keep", 0.4, "--crossover", 2, "--fluency", 1.5,
        "--only", "yes", "--per-class", 3, "--min-closeness", 0.7, "--tries", 2,
        "--min-confidence", 0.2, "--judge", "some/model",
    )  # fmt: skip
    assert run("text", reviews, "-o", reviews.with_name("made.csv"), *words)[0] == 2
    assert {"inverter", "n_samples", "progress"} <= asked.keys()
    for name in ("inverter", "n_samples", "progress"):
        del asked[name]
    assert asked == {
        "pairing": Nearest(tau=0.3, metric="cosine"),
        "weights": Beta(0.4),
        "label_check": LabelCheck("filter", threshold=0.9, keep=0.4),
        "selection": SelectionConfig(6, "ratio", 2, 1.5, "some/model"),
        "row_config": RowConfig(2, ["yes"], per_class=3, min_closeness=0.7, min_confidence=0.2),
        "random_state": 3,
    }


def test_demo_with_texts(parrot, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("demo", "--text")
    assert code == 0
    there = tmp_path / "demo"
    assert (there / "questions.csv").read_bytes() == banking_sample()
    assert read_table(there / "mixed.csv").num_rows == 100
    assert "400 texts read, 100 sentences written" in err
    assert out.count(" %  ") == 12  # two parents of six rows
    for name in ("morph.html", "mixed.html", "review.html"):
        assert name in out
        assert "</html>" in (there / name).read_text("utf-8")


def test_demo_says_what_to_install_before_it_writes(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_extras, "find_spec", lambda name: None)
    code, _, err = run("demo", "--text")
    assert code == 2
    assert "pip install 'vicinal[offline]'" in err
    assert not list(tmp_path.iterdir())


def test_what_is_left_out_is_what_the_library_takes():
    pytest.importorskip("torch")
    from vicinal.text import LabelCheck, RowConfig, SelectionConfig, augment, morph

    check = LabelCheck(signature(augment).parameters["label_check"].default)
    for options, function in ((commands.MorphOptions, morph), (commands.TextOptions, augment)):
        ours = {one.name: one.default for one in fields(options)}
        selection = SelectionConfig(signature(function).parameters["selection"].default)
        assert SelectionConfig(ours["candidates"], ours["rank"], ours["crossover"]) == selection
    assert commands.MorphOptions.candidates == commands.TextOptions.candidates
    assert LabelCheck(ours["label_check"], ours["label_threshold"], ours["keep"]) == check
    assert RowConfig(tries=ours["tries"]) == RowConfig()
    assert (
        commands.MorphOptions(left="a", right="b").steps
        == signature(morph).parameters["n_samples"].default
    )


def test_a_column_of_classes_is_not_suggested_for_texts(parrot, run, tmp_path):
    (tmp_path / "intents.csv").write_text("Utterance,Intent\na fine film,yes\nno film,no\n")
    code, _, err = run("text", tmp_path / "intents.csv", "-o", tmp_path / "made.csv")
    assert code == 2
    assert "no column 'text' in the table. Columns: Utterance, Intent." in err


def test_partners_are_from_the_other_end_or_the_neighborhood(parrot, run, reviews):
    distances = {}
    for pairing in ("farthest", "nearest"):
        path = reviews.with_name(f"{pairing}.csv")
        words = ("--pairing", pairing, "--metric", "euclidean", "--label-check", "none", "-n", 60)
        assert run("text", reviews, "-o", path, *words)[0] == 0
        distances[pairing] = np.mean(read_table(path)["distance"].to_pylist())
    assert distances["farthest"] > 1.5 * distances["nearest"]


def test_notes_name_options(parrot, run, reviews):
    words = ("-n", 5, "--label-check", "none", "--protect", "<name>", "--min-confidence", 1)
    code, _, err = run("text", reviews, "-o", reviews.with_name("made.csv"), *words)
    assert code == 2
    assert "Note: --protect='<name>' matches nothing" in err
    assert "for min-confidence. Give more texts, or set --min-confidence=0, which" in err


def test_names_that_are_no_parameters_stay():
    said = (
        "No column 'n_samples' in out/n_samples.csv or per_class.csv. Columns: max_rows, n_samples."
    )
    assert _as_typed(said) == said
    assert _as_typed("got '(a seed=3 keep_columns'") == "got '(a seed=3 keep_columns'"
    said = (
        """say kinds={'name': 'category'}, kinds={"entity's": 'date'} or kinds={'time': 'date'}"""
    )
    shown = """say --column name=category, --column 'entity'"'"'s=date' or --column time=date"""
    assert _as_typed(said) == shown
    assert _as_typed("add engine='ray' (--engine ray)") == "add engine='ray' (--engine ray)"


def test_a_misspelled_writer_is_told(run, monkeypatch):
    hub = pytest.importorskip("huggingface_hub", reason="needs the hub's client")

    def fetch(name):
        raise OSError("no connection")

    monkeypatch.setattr(hub, "snapshot_download", fetch)
    code, _, err = run("morph", "a b", "c d", "--writer", "nanoo")
    assert code == 2
    assert "'nanoo' could not be fetched (no connection). Did you mean 'nano'?" in err


def test_a_law_beyond_0_and_1_is_noted(parrot, run, reviews):
    output = reviews.with_name("made.csv")
    code, _, err = run(
        "text", reviews, "-o", output, "--weights", "epbeta:0.1", "--label-check", "none"
    )
    assert code == 0
    assert "weights lie beyond [0, 1]" in err
    shares = read_table(output)["weight_no"].to_pylist()
    assert 0 <= min(shares) <= max(shares) <= 1


@pytest.mark.parametrize("suffix", ["html", "md", "txt"])
def test_a_report_beside_the_rows(parrot, run, reviews, suffix):
    report = reviews.with_name(f"report.{suffix}")
    output = reviews.with_name("made.csv")
    code, _, err = run("text", reviews, "-o", output, "--report", report, "--label-check", "none")
    assert code == 0
    assert f"Report: {report}." in err
    said = report.read_text(encoding="utf-8")
    assert ("Rows of the lowest confidence" if suffix == "html" else "Spearman") in said


def test_a_page_to_review_the_rows_on(parrot, run, reviews):
    page, output = reviews.with_name("review.html"), reviews.with_name("made.csv")
    reviews.write_text(reviews.read_text().replace("\n", ",7\n").replace("label,7", "label,number"))
    words = ("--label-check", "none", "--keep-columns", "--append-original")
    code, _, err = run("text", reviews, "-n", 9, "-o", output, "--review", page, *words)
    assert code == 0, err
    assert f"Review: {page}." in err
    said = page.read_text("utf-8").partition('id="data">')[2].partition("</script>")[0]
    data = json.loads(said)
    assert data["columns"]["text"] == read_table(output)["text"].to_pylist()[24:]
    assert data["columns"]["number"] == [7] * 9
    for name, words in (("review.json", "review is written as .html"), ("made.csv", "one file")):
        code, _, err = run("text", reviews, "-o", output, "--review", reviews.with_name(name))
        assert code == 2
        assert words in err


def test_numeric_and_boolean_labels_keep_their_type(parrot, run, tmp_path):
    for name, values in (("whole", (3, 10)), ("truth", ("true", "false"))):
        path, output = tmp_path / f"{name}.csv", tmp_path / f"{name}.parquet"
        pairs = [f"{one},{values[i % 2]}\n" for i, one in enumerate(GOOD + BAD)]
        path.write_text("text,label\n" + "".join(pairs))
        assert run("text", path, "-o", output, "--label-check", "none")[0] == 0
        found = read_table(output)
        assert str(found.schema.field("label").type) == {"whole": "int64", "truth": "bool"}[name]
        assert f"weight_{'3' if name == 'whole' else 'False'}" in found.column_names


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (f"{GOOD[0]},yes\n{GOOD[1]},yes\n{GOOD[2]},yes\n", "labels name one class only, 'yes'"),
        (f",yes\n{GOOD[1]},yes\n{BAD[2]},no\n{BAD[3]},no\n", "There are empty texts"),
        (f"film,yes\n{GOOD[1]},yes\n{BAD[2]},no\n{BAD[3]},no\n", "1 text(s) are a single word"),
        (f"so fine \U0001f600,yes\n{GOOD[1]},yes\n{BAD[2]},no\n", "1 text(s) hold emoji, such as"),
        (f"{'so ' * 10_000},yes\n{GOOD[1]},yes\n{BAD[2]},no\n", "more than the 64 words"),
        (f"{GOOD[0]},yes\n{GOOD[0]},no\n{GOOD[1]},yes\n{BAD[2]},no\n", "more than one label"),
    ],
    ids=["one class", "empty text", "one word", "emoji", "long text", "two labels"],
)
def test_odd_texts_are_noted(parrot, run, tmp_path, rows, said):
    path = tmp_path / "odd.csv"
    path.write_text("text,label\n" + rows)
    code, _, err = run("text", path, "-o", tmp_path / "made.csv", "--label-check", "none")
    assert code == 0
    assert said in err
    assert all(line.startswith("Note: ") for line in err.splitlines() if said in line)


@pytest.mark.parametrize(
    ("content", "words", "said"),
    [
        (None, ("--label", "lable"), "no column 'lable' in the table. Did you mean 'label'?"),
        (None, ("--text", "txt"), "no column 'txt' in the table. Did you mean 'text'?"),
        (None, ("-n", 0), "n-samples must be at least 1, got 0"),
        (None, ("-n", -4), "n-samples must be at least 1"),
        (None, ("--label-check", "filtre"), "Did you mean 'filter'?"),
        (None, ("--pairing", "furthest"), "Did you mean 'farthest'?"),
        (None, ("--pairing", "random", "--tau", 0.1), "tau goes with farthest or nearest"),
        (None, ("--tau", 0), "tau must be a finite number in (0, 1]"),
        (None, ("--metric", "cosin"), "Did you mean 'cosine'?"),
        (None, ("--weights", "gamma"), "weights: no law"),
        (None, ("--weights", "beta:0"), "alpha must be"),
        (
            None,
            ("--label-check", "none", "--keep", 0.2),
            "keep=0.2 goes with the label check 'filter'",
        ),
        (None, ("--label", "text"), "text and label are one column, 'text'"),
        (None, ("--label-separator", ";"), "--label-separator=';' occurs in none of the labels"),
        (
            None,
            ("--label-separator", ";", "--per-class", 2),
            "a text may be of several. Give n-samples",
        ),
        (None, ("--min-closeness", 1.5), "Error: min-closeness must be a finite number in [-1, 1]"),
        (None, ("--min-confidence", 2), "Error: min-confidence must be"),
        (None, ("--per-class", 0), "Error: per-class must be at least 1"),
        (None, ("--per-class", 2, "--balance"), "per-class and balance both say how many"),
        (None, ("--balance",), "Give per-class or n-samples."),
        (None, ("-o", "parts/", "--per-class", 2), "Error: per-class, balance and label-separator"),
        (None, ("-o", "parts/", "--judge", "x"), "guide and judge are for one file"),
        (None, ("--label-separator", ";", "--refine"), "refine teaches single classes"),
        (None, ("--rank", "all"), "rank must be one of"),
        (None, ("--candidates", 0), "candidates must be at least 1"),
        (None, ("--label-threshold", 0.3), "label-threshold must be"),
        (None, ("--seed", -1), "seed must be at least 0"),
        (None, ("--report", "page.pdf"), "report is written as"),
        (None, ("--report", "page.json"), "name the output .jsonl"),
        (None, ("--pool", "no.csv"), "no.csv"),
        (None, ("--align-on", "lines.txt"), "align-on goes with a new inverter"),
        (None, ("--save-inverter", "kept"), "save-inverter goes with a new inverter"),
        (None, ("--checkpoint", "begun"), "checkpoint goes with a new inverter"),
        (None, ("--save-inverter", "no/kept", "--refine"), "does not exist; make it first"),
        (None, ("--llm", "x", "--align-on", "no.txt"), "There is no file no.txt"),
        ("", (), "is empty"),
        ("text,label\n", (), "no rows"),
        ("text,label\nfine,yes\n", (), "at least two different ones"),
        ("text,label\na b,0.5\nc d,1.5\n", (), "got the float 0.5 in row 1, not"),
        ("text,label\na b,yes\nc d,\n", (), "missing value in row 2, not counting a header"),
    ],
)
def test_mistakes_end_in_one_line_and_write_nothing(parrot, run, reviews, content, words, said):
    if content is not None:
        reviews.write_text(content)
    before = set(reviews.parent.iterdir())
    code, out, err = run("text", reviews, "-o", reviews.with_name("made.csv"), *words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert set(reviews.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a b", " "), "right is empty"),
        (("a b", "c d", "--steps", 1), "steps must be at least 2"),
        (("a b", "c d", "--report", "page.htmx"), "Did you mean '.html'?"),
        (("a b", "c d", "--report", "page.pdf"), "report is written as .html, .json, .txt, .md"),
        (("a b", "c d", "--report", "nowhere/page.html"), "nowhere"),
        (("a b", "c d", "--llm", "x"), "llm needs sentences to be aligned on"),
        (("a b",), "Missing argument 'right'"),
    ],
)
def test_mistakes_in_a_morph(parrot, run, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("morph", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_files_that_are_not_there_or_cannot_be(parrot, run, reviews):
    code, _, err = run("text", reviews.with_name("review.csv"), "-o", reviews.with_name("m.csv"))
    assert (code, "Did you mean 'reviews.csv'?" in err) == (2, True)
    for name, said in (("made.xlsx", "'.xlsx' is not known"), ("no/made.csv", "does not exist")):
        code, _, err = run("text", reviews, "-o", reviews.parent / name)
        assert (code, err.count("\n")) == (2, 1)
        assert said in err
    if os.geteuid():  # nothing is closed to root
        reviews.parent.chmod(0o500)
        code, _, err = run("text", reviews, "-o", reviews.with_name("made.csv"))
        assert (code, "cannot be written to" in err) == (2, True)


def test_what_is_read_is_not_written_over(parrot, run, reviews):
    before = reviews.read_bytes()
    code, _, err = run("text", reviews, "-o", reviews, "-n", 2)
    assert (code, err.count("\n")) == (2, 1)
    assert "output is the file that is read" in err
    assert reviews.read_bytes() == before


def test_too_many_rows_for_memory(parrot, run, reviews):
    there = reviews.parent / "out.csv"
    code, _, err = run("text", reviews, "-o", there, "-n", "1e15")
    assert code == 2
    assert err.strip().splitlines()[-1].startswith("Error: There is too little memory (")
    assert not there.exists()


def test_an_interruption_leaves_nothing(parrot, run, reviews, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Parrot, "candidates", interrupt)
    before = set(reviews.parent.iterdir())
    code, _, err = run("text", reviews, "-o", reviews.with_name("made.csv"))
    assert code == 130
    assert err.endswith("Interrupted; nothing was left half-written.\n")
    assert set(reviews.parent.iterdir()) == before


def test_what_to_install_is_said(run, reviews, monkeypatch):
    monkeypatch.setattr(_extras, "find_spec", lambda name: None if name == "torch" else name)
    for words in (("morph", "a b", "c d"), ("text", reviews, "-o", reviews.with_name("made.csv"))):
        code, _, err = run(*words)
        assert code == 2
        assert "needs torch, which is not installed" in err
        assert "pip install 'vicinal[offline]'" in err
        assert err.count("\n") == 1


def test_sentences_to_align_on(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("One line. \n\nTwo lines.\nOne line.\n", encoding="utf-8")
    assert inverters._read_sentences(path) == ["One line.", "Two lines."]
    path.write_text("One line.\n")
    with pytest.raises(ValueError, match="holds 1 sentences"):
        inverters._read_sentences(path)


def test_naming_the_commands_loads_nothing_heavy():
    code = (
        "import sys, vicinal.cli\n"
        "heavy = ('torch', 'transformers', 'numpy', 'scipy', 'pyarrow', 'jinja2')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_a_folder_that_is_no_inverter(run, reviews, tmp_path):
    pytest.importorskip("torch", reason="needs torch")
    pytest.importorskip("transformers", reason="needs transformers")
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "nowhere"):
        code, _, err = run("morph", "a b", "c d", "--writer", tmp_path / folder)
        assert code == 2
        assert folder in err
        assert err.count("\n") == 1
    code, _, err = run("morph", "a b", "c d", "--device", "gpu")
    assert (code, err.count("\n")) == (2, 1)
    assert "device 'gpu' cannot be used here" in err


def test_a_language_model_is_aligned_and_kept(run, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="needs torch")
    pytest.importorskip("transformers", reason="needs transformers")
    import vicinal.text.invert.alignment as stage
    from vicinal.text.invert.inverter import Inverter

    asked = []
    built = Parrot()
    built.save_pretrained = lambda folder: asked.append(("save", str(folder)))

    def build(encoder, llm, *, soft_tokens, random_state):
        asked.append(("build", encoder, llm, soft_tokens, random_state))
        return built

    def align(inverter, texts, *, options, checkpoint, progress, random_state):
        asked.append(("align", texts, options.epochs, checkpoint, random_state))
        return inverter

    monkeypatch.setattr(Inverter, "build", build)
    monkeypatch.setattr(stage, "align", align)
    lines = tmp_path / "lines.txt"
    lines.write_text("One line.\nTwo lines.\n")
    words = ("--llm", "some/model", "--align-on", lines, "--save-inverter", tmp_path / "kept")
    learning = ("--align-epochs", 2.5, "--soft-tokens", 4)
    code, out, err = run("morph", GOOD[0], BAD[0], *words, *learning, "--seed", 5)
    assert code == 0
    assert "Note: The language model is aligned on 2 sentences: too few" in err
    assert asked == [
        ("build", "offline", "some/model", 4, 5),
        ("align", ["One line.", "Two lines."], 2.5, None, 5),
        ("save", str(tmp_path / "kept")),
    ]
    assert out.splitlines()[1].endswith(GOOD[0])


def test_what_refining_keeps_and_whether_it_matters(parrot, run, reviews, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="needs torch")
    import vicinal.text.invert.refinement as stage

    asked = []
    taught = Parrot()
    taught.notes, taught.history_ = {"task": {"tune": "head"}}, []

    def refine(inverter, texts, labels, *, checkpoint, progress, random_state):
        asked.append((len(texts), checkpoint, random_state))
        return taught

    monkeypatch.setattr(stage, "refine", refine)
    words = ("-o", tmp_path / "made.csv", "-n", 4, "--label-check", "none", "--refine")
    code, _, err = run("text", reviews, *words, "--checkpoint", tmp_path / "ck", "--seed", 3)
    assert (code, asked) == (0, [(24, tmp_path / "ck", 3)])
    assert "--refine taught a head on 24 texts, and left the encoder as it is" in err
    taught.history_ = [{"loss": 1.0}]
    code, _, err = run("text", reviews, *words)
    assert (code, "taught a head" in err) == (0, False)


def test_nothing_is_written_where_nothing_is_left(parrot, run, tmp_path):
    there = tmp_path / "made.csv"
    there.write_text("as it was")
    source = tmp_path / "alone.csv"
    lines = [f"{one},c{at}\n" for at, one in enumerate(GOOD)]
    source.write_text("text,label\n" + "".join(lines))
    words = ("--keep", 0.01, "--label-threshold", 0.51)
    code, _, err = run("text", source, "-o", there, "-n", 2, *words)
    assert code == 2
    assert "No sentence was left to write" in err
    assert there.read_text() == "as it was"
