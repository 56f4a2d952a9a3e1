"""`vicinal train`: what a person types, and what they see."""

from __future__ import annotations

import json
import sys

import pytest

pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("transformers", reason="needs transformers")

from vicinal import cli
from vicinal.text import MixupTextClassifier

pytestmark = pytest.mark.usefixtures("few_buckets")

QUICK = ("--model", "char", "--epochs", 2, "--batch-size", 4, "--max-tokens", 8)


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.csv"
    rows = [f"good film {i},yes\nbad film {i},no\n" for i in range(12)]
    path.write_text("text,label\n" + "".join(rows), encoding="utf-8")
    return path


@pytest.fixture
def unseen(texts):
    path = texts.with_name("unseen.csv")
    path.write_text(texts.read_text("utf-8").replace("film", "movie"), encoding="utf-8")
    return path


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line in this process; returns exit code, output and errors."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vicinal", "train", *map(str, words)])
        try:
            cli.main()
            code = 0
        except SystemExit as leave:
            code = leave.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_one_classifier_is_trained_measured_and_kept(texts, run):
    model = texts.with_name("model")
    code, out, _ = run(texts, *QUICK, "--method", "dmix", "--tau", 0.2, "-o", model)
    assert code == 0
    assert "20 training texts, 4 test texts, put aside" in out
    assert f"Classifier: {model} (it has not learned from those put aside)." in out
    loaded = MixupTextClassifier.from_pretrained(model)
    assert loaded.tau == 0.2
    assert set(loaded.predict(["good", "bad"])) <= {"yes", "no"}


@pytest.mark.parametrize("suffix", ["html", "md", "json"])
def test_methods_are_compared_in_a_report(texts, unseen, run, suffix):
    report = texts.with_name(f"f1.{suffix}")
    seeds = 2 if suffix == "json" else 1
    words = ("--test", unseen, "--method", "none,hidden", "--seeds", seeds, "--report", report)
    code, out, _ = run(texts, *QUICK, *words)
    assert code == 0
    assert "24 training texts, 24 test texts, 2 classes" in out
    assert ("2 seeds" in out) == (seeds == 2)
    written = report.read_text(encoding="utf-8")
    if suffix == "json":
        scores = json.loads(written)["scores"]
        assert [one["method"] for one in scores] == ["none", "hidden"]
        assert len(scores[0]["f1"]) == 2
        for one in scores:  # of what was learned from, and of unseen texts
            assert min(one["train_accuracy"]) >= 0.9
            assert all(0.5 < share <= 1 for share in one["accuracy"])
    else:
        assert "hidden (mixup at a random layer, any partner)" in written
    if suffix == "html":
        assert "<svg" in written
        assert "<script" not in written


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--method", "dmx"), "Did you mean 'dmix'?"),
        (("--label", "lable"), "Did you mean 'label'?"),
        (("--tau", 0, *QUICK), "tau must be a finite number in (0, 1]"),
        (("--method", "none,dmix", "-o", "model"), "output keeps one classifier, got 2 methods"),
        (("--report", "f1.xlsx"), "report is written as"),
        (("--weights", "gamma"), "weights: no law"),
        (("--method", "none,input", "--tau", 0.2), "tau goes with the method dmix"),
        (("--method", "none", "--metric", "cosine"), "metric goes with the method dmix"),
        (("--method", "none", "--weights", "epbeta"), "weights goes with a method that mixes"),
        (
            ("--method", "none", "--weights", "beta:1", "--warmup", 0),
            "weights and warmup go with a m",
        ),
        ((*QUICK, "--warmup", 2), "warmup_epochs must be below epochs"),
        (("--text", "label"), "text and label are one column, 'label'"),
        (("--model", "./nowhere"), "There is no model folder './nowhere'"),
    ],
)
def test_mistakes_end_in_one_line(texts, run, words, said):
    code, _, err = run(texts, *words)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1


def test_the_file_learned_from_is_no_test(texts, run):
    code, _, err = run(texts, "--test", texts, *QUICK)
    assert code == 2
    assert "test is made of training texts: all 24 are among them" in err
    assert err.count("\n") == 1


def test_a_test_label_that_was_not_trained_on(texts, run):
    other = texts.with_name("other.csv")
    other.write_text("text,label\nwhat,perhaps\nso,yes\n", encoding="utf-8")
    code, _, err = run(texts, "--test", other, *QUICK)
    assert code == 2
    assert "test labels holds 'perhaps' in row 1, not counting a header" in err


@pytest.mark.parametrize(
    ("learned", "measured"), [(["0", "1", "x"], ["0", "1"]), (["True", "yes"], ["True", "True"])]
)
def test_labels_that_two_files_make_other_types_of_are_one_kind(texts, run, learned, measured):
    for path, labels in [(texts, learned), (texts.with_name("other.csv"), measured)]:
        rows = [f"{path.stem} {i},{labels[i % len(labels)]}\n" for i in range(12)]
        path.write_text("text,label\n" + "".join(rows), encoding="utf-8")
    code, out, err = run(texts, "--test", texts.with_name("other.csv"), *QUICK)
    assert (code, err) == (0, "")
    assert f"12 test texts, {len(learned)} classes" in out


def test_a_stranger_is_named_where_two_files_make_other_types_of_labels(texts, run):
    texts.write_text("text,label\na,0\nb,1\nc,0\nd,1\n", encoding="utf-8")
    other = texts.with_name("other.csv")
    other.write_text("text,label\na,0\nb,x\n", encoding="utf-8")
    code, _, err = run(texts, "--test", other, *QUICK)
    assert code == 2
    assert "test labels holds 'x' in row 2, not counting a header, which was not among" in err


def test_missing_labels_and_empty_texts(texts, unseen, run):
    rows = texts.read_text(encoding="utf-8")
    texts.write_text(rows + "nothing known,\n", encoding="utf-8")
    code, _, err = run(texts, *QUICK)
    assert code == 2
    assert "has a missing value in row 25, not counting a header" in err
    texts.write_text(rows + ',"yes"\n', encoding="utf-8")
    code, _, err = run(texts, "--test", unseen, *QUICK)
    assert code == 0
    assert "1 of 25 texts are empty" in err
    code, _, err = run(texts, *QUICK, "--seeds", 2, "--method", "none,hidden")
    assert code == 0
    assert err.count("texts are empty") == 1


def test_texts_of_no_class_are_told_apart(texts, run):
    test = texts.with_name("test.csv")
    rows = ["good movie 3,yes", "bad movie 4,no", "what rain,weather", "much snow,weather"]
    test.write_text("\n".join(["text,label", *rows, ""]), encoding="utf-8")
    asked = (texts, *QUICK, "--test", test, "--method", "hidden")
    code, out, _ = run(*asked, "--unknown", "across", "--calibrate")
    assert code == 0
    assert "2 test texts" in out
    assert "AUROC of texts of no class, by the highest probability: hidden" in out
    assert ", by a class of their own" in out
    code, _, err = run(*asked)
    assert code == 2
    assert "weather" in err


def test_texts_of_another_file_are_of_no_class(texts, run):
    other, report = texts.with_name("other.csv"), texts.with_name("cal.json")
    other.write_text("text,topic\nwhat rain,weather\nmuch snow,weather\n", encoding="utf-8")
    asked = (texts, *QUICK, "--method", "none,hidden", "--outside", other)
    code, out, _ = run(*asked, "--report", report)
    assert code == 0
    assert "AUROC of texts of no class, by the highest probability: none" in out
    scores = json.loads(report.read_text(encoding="utf-8"))["scores"]
    assert all(0 <= one["auroc"][0] <= 1 for one in scores)
    other.write_text("words\nwhat rain\n", encoding="utf-8")
    code, _, err = run(*asked)
    assert code == 2
    assert "text" in err
