"""The page on which sentences are decided on, used in Chromium as a person does."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from vicinal._stats import Estimate
from vicinal.text.augment.embedding_map import Plane, PlaneBetween

#: What a text must not be able to do, neither on the page nor in a spreadsheet.
ODD = [
    "</script><script>alert(1)</script><b onmouseover='x'>\"bold\"</b>",
    '=HYPERLINK("http://example.org")',
    "half \ud800 a character",
    "\u202eback to front, and \u05d0\u05d1\u200f kept",
    'two\nlines, one "quoted"',
]


@pytest.fixture(scope="module")
def review(made_texts, tmp_path_factory):
    """Write a page of 500 rows, of which the first are odd."""
    made = made_texts.augmented(500)
    made = replace(made, texts=ODD + [f"Sentence {at}." for at in range(5, 500)])
    path = tmp_path_factory.mktemp("review") / "review.html"
    made.to_review(path, {"number": list(range(1000, 1500)), "note": [None, "-1", *[""] * 498]})
    return made, path


@pytest.fixture
def page(browser, review):
    """Open the page in a window that has decided nothing yet."""
    shown = browser.open(review[1])
    yield shown
    assert browser.complaints == []
    assert {one for one in browser.requests if not one.startswith("blob:")} == {review[1].as_uri()}


@pytest.fixture
def export(page, tmp_path):
    """Return the text that a button writes."""

    def press(button: str) -> str:
        with page.expect_download() as found:
            page.click(button)
        return found.value.path().read_bytes().decode()

    return press


def press(page, *keys):
    for one in keys:
        page.keyboard.press(one)


def test_rows_are_decided_by_keys_kept_and_exported(page, export, review):
    made = review[0]
    other = {"negative": "positive", "positive": "negative"}
    press(page, *"aaaaa", "r", "e")
    page.fill("textarea", "An edited sentence.")
    press(page, "Enter", "j", {"negative": "2", "positive": "1"}[made.labels[7]])
    press(page, "j", "l", {"negative": "ArrowDown", "positive": "ArrowUp"}[made.labels[8]], "Enter")
    press(page, *"jajn", *"kkku")  # row 9 is accepted, left and undone
    kept = Estimate.of_share(8, 9)
    low, high = (round(100 * end) for end in (kept.low, kept.high))
    tally = "491 undecided, 8 accepted, 1 rejected: 89 % of those read are kept "
    tally += f"(95 % interval {low} to {high} %)"
    assert page.inner_text("#tally") == tally
    page.reload()
    assert page.inner_text("#tally") == tally

    rows = [json.loads(line) for line in export("[data-as=jsonl]").splitlines()]
    assert list(rows[0]) == [*made.columns(), "number", "note", "review"]
    assert [row["text"] for row in rows] == [*ODD, "An edited sentence.", *made.texts[7:9]]
    assert [row["number"] for row in rows] == [*range(1000, 1005), 1006, 1007, 1008]
    said = ["accepted"] * 5 + ["accepted, edited"] + ["accepted, relabeled"] * 2
    assert [row["review"] for row in rows] == said
    for row in rows:
        at, label = row["number"] - 1000, row["label"]
        assert row["left_text"] == made.source[made.left[at]]
        assert row["closeness"] == made.closeness[at]
        weights = [row["weight_negative"], row["weight_positive"]]
        if at in (7, 8):
            assert label == other[made.labels[at]]
            assert weights == [label == "negative", label == "positive"]
        else:
            assert label == made.labels[at]
            assert weights == made.label_weights[at].tolist()

    table = list(csv.DictReader(io.StringIO(export("[data-as=csv]"), newline="")))
    harmless = [ODD[0], f"'{ODD[1]}", "half \ufffd a character", *ODD[3:]]
    assert [row["text"] for row in table][:5] == harmless
    assert [row["note"] for row in table][:2] == ["", "'-1"]
    assert [float(row["lam"]) for row in table] == [row["lam"] for row in rows]

    records = json.loads(export("[data-as=argilla]"))
    for record, row in zip(records, rows, strict=True):
        assert record["fields"] == {"text": row["text"]}
        assert record["suggestions"]["label"]["value"] == row["label"]
        assert None not in record["metadata"].values()

    page.select_option("#scope", "kept")
    tasks = json.loads(export("[data-as=labelstudio]"))
    assert [task["data"]["number"] for task in tasks] == [*range(1000, 1005), *range(1006, 1500)]
    choice = {"from_name": "label", "to_name": "text", "type": "choices"}
    read, unread = (
        [choice | {"value": {"choices": [task["data"]["label"]]}}] for task in (tasks[0], tasks[-1])
    )
    assert tasks[0]["annotations"] == [{"result": read}]
    assert tasks[-1]["predictions"] == [{"result": unread}]


def test_rows_are_filtered_and_found_on_the_map(page, review):
    made = review[0]

    def count() -> int:
        page.wait_for_timeout(120)  # a filter waits until nobody types
        shown = page.locator("#written circle:not(.off)").count()
        assert f"{shown:,} of 500 rows" in page.inner_text("#said")
        return shown

    page.select_option("[name=label]", label="positive")
    assert count() == (made.labels == "positive").sum()
    page.fill("[name=confidence-low]", "0.5")
    page.fill("[name=closeness-high]", "0.8")
    chosen = (made.labels == "positive") & (made.confidence >= 0.5) & (made.closeness <= 0.8)
    assert count() == chosen.sum()
    page.select_option("[name=order]", "-confidence")
    count()
    first = np.flatnonzero(chosen)[made.confidence[chosen].argmin()]
    assert page.inner_text("#rows > li >> nth=0").startswith(made.texts[first])
    page.click("text=Reset")
    assert count() == 500
    box = page.locator("#written circle >> nth=77").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    picked = int(page.inner_text("[aria-current] .figures span >> nth=0")) - 1
    np.testing.assert_allclose(made.map.written[picked], made.map.written[77], atol=0.03)
    press(page, "/")
    page.keyboard.type("sentence 123.")
    assert count() == 1
    press(page, "Escape", "a")
    page.click("text=Reset")
    page.select_option("[name=state]", "accepted")
    assert count() == 1


def test_decisions_are_saved_and_loaded_and_others_refused(page, export, tmp_path):
    press(page, "a", "r")
    found = json.loads(export("#keep"))
    others = {
        "others": {"key": "0"},
        "wild": {"decisions": {"0": {"verdict": "accepted", "label": "length"}}},
        "saved": {},
    }
    for name, change in others.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(found | change))
    (tmp_path / "broken.json").write_text("{")
    page.evaluate("localStorage.clear()")
    page.reload()
    for name, words in {
        "others": "are of other rows", "wild": "are no decisions", "broken": "is no JSON",
        "saved": "2 decisions",
    }.items():  # fmt: skip
        assert "500 undecided" in page.inner_text("#tally")
        page.set_input_files("#load", tmp_path / f"{name}.json")
        page.locator("#said", has_text=words).wait_for()
    assert "498 undecided, 1 accepted, 1 rejected: 50 %" in page.inner_text("#tally")


def test_classes_that_are_numbers_and_no_rows_at_all(browser, made_texts, tmp_path):
    few = made_texts.augmented(3, classes=(3, 2**60))
    few = replace(few, labels=np.array([3, 3, 2**60]))
    few.to_review(tmp_path / "few.html")
    page = browser.open(tmp_path / "few.html")
    press(page, "2", "j")
    page.locator("body").dispatch_event(
        "keydown", {"key": "\u0634", "code": "KeyA", "bubbles": True}
    )  # the key A of an Arabic keyboard
    with page.expect_download() as found:
        page.click("[data-as=jsonl]")
    rows = [json.loads(line) for line in found.value.path().read_text("utf-8").splitlines()]
    assert [row["label"] for row in rows] == [str(2**60), 3]  # a browser would round it
    assert rows[0][f"weight_{2**60}"] == 1
    made_texts.augmented(0).to_review(tmp_path / "none.html")
    page = browser.open(tmp_path / "none.html")
    press(page, *"arelujkn1/", "Escape")
    page.click("[data-as=csv]")
    assert "nothing to export" in page.inner_text("#said")
    assert browser.complaints == []


def test_a_row_is_given_several_labels(browser, made_texts, tmp_path):
    made = made_texts.augmented(4, classes=("food", "sky", "sport"))
    sets = np.array(["food", "sky;sport", "sport", "food"])
    replace(made, labels=sets, label_separator=";").to_review(tmp_path / "sets.html")
    page = browser.open(tmp_path / "sets.html")
    press(page, "3", "1")  # sport is added to food, and food taken away
    assert "sport" in page.inner_text("[aria-current] .label")
    press(page, "3")
    assert "at least" in page.inner_text("#said")  # a row keeps one
    press(page, "j", "l", "Space", "Escape", "j", "a", "j", "r")
    page.select_option("[name=label]", label="sky")
    page.locator("#said", has_text="1 of 4 rows").wait_for()
    found = {}
    for kind in ("jsonl", "argilla", "labelstudio"):
        with page.expect_download() as download:
            page.click(f"[data-as={kind}]")
        found[kind] = download.value.path().read_text("utf-8")
    rows = [json.loads(line) for line in found["jsonl"].splitlines()]
    assert [row["label"] for row in rows] == ["sport", "food;sky;sport", "sport"]
    weights = [[row[f"weight_{name}"] for name in made.classes] for row in rows]
    assert weights == [[0, 0, 1], [1, 1, 1], made.label_weights[2].tolist()]
    given = [["sport"], ["food", "sky", "sport"], ["sport"]]
    records, tasks = json.loads(found["argilla"]), json.loads(found["labelstudio"])
    assert [one["suggestions"]["label"]["value"] for one in records] == given
    assert [one["annotations"][0]["result"][0]["value"]["choices"] for one in tasks] == given
    page.reload()
    page.click("text=Reset")
    assert page.locator(".labels input:checked").count() == 1
    assert browser.complaints == []


def test_without_a_script_every_row_is_there(browser, review):
    shown = browser.open(review[1], script=False)
    assert shown.locator("tbody tr").count() == 500
    assert not shown.is_visible("#desk")
    assert "Sentence 499." in shown.inner_text("tbody tr >> nth=499")
    assert "<script>alert(1)</script>" in shown.inner_text("tbody tr >> nth=0")
    assert browser.complaints == []


def test_columns_are_named_and_counted(made_texts, tmp_path):
    with pytest.raises(ValueError, match="3 values each under names of their own, got 2 of 'x'"):
        made_texts.augmented(3).to_review(tmp_path / "r.html", {"x": [1, 2]})
    with pytest.raises(ValueError, match="got 3 of 'lam'"):
        made_texts.augmented(3).to_review(tmp_path / "r.html", {"lam": [1, 2, 3]})
    made_texts.augmented(0).to_review(tmp_path / "r.html")
    assert "0 sentences" in (tmp_path / "r.html").read_text("utf-8")


def test_a_plane_keeps_distances_that_lie_in_it():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 6)) + 5
    plane = Plane(points)
    assert plane.explained == pytest.approx(1)
    apart, found = (np.linalg.norm(a[:, None] - a, axis=-1) for a in (points, plane(points)))
    np.testing.assert_allclose(found, apart, atol=1e-6)
    line = Plane(points[:, :1])  # embeddings of one number
    assert line(points[:3, :1])[:, 1].tolist() == [0, 0, 0]
    assert line(points[:0, :1]).shape == (0, 2)


def test_a_plane_between_two_tells_the_ratio_and_how_far_off():
    left, right = np.array([1.0, 0, 0, 0]), np.array([0.0, 1, 0, 0])
    off = np.array([0, 0, 3.0, 4.0])
    others = np.stack([left + off, 0.25 * left + 0.75 * right + 2 * off])
    plane = PlaneBetween(left, right, others)
    length = np.sqrt(2)
    np.testing.assert_allclose(plane(np.stack([left, right])), [[0, 0], [length, 0]], atol=1e-12)
    np.testing.assert_allclose(plane(others), [[0, 5], [0.75 * length, 10]], atol=1e-12)
    assert plane.explained == pytest.approx(1.0)
    with pytest.raises(ValueError, match="must differ"):
        PlaneBetween(left, left, others)
