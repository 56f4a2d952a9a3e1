"""Pages of made sentences: what they say, and that odd texts do them no harm."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from vicinal.page.svg import Markup
from vicinal.text.augment import pictures


def body(path) -> str:
    """Return the markup of a page behind its style."""
    return path.read_text("utf-8").partition("</style>")[2]


def words(markup: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def test_every_step_of_a_morph_is_there(made_texts, tmp_path):
    found = made_texts.morph(3)
    found.to_html(tmp_path / "m.html")
    said = words(body(tmp_path / "m.html"))
    assert "3 steps from one sentence to another" in said
    for sentence, lam, measured, close in zip(
        found.sentences, ("1.00", "0.50", "0.00"), found.lam_measured, found.closeness, strict=True
    ):
        shown = f"{measured:.2f}".replace("-", "\N{MINUS SIGN}")
        assert f"{sentence} asked {lam} measured {shown} closeness {close:.2f}" in said


def test_rows_are_ranked_by_confidence(made_texts, tmp_path):
    made = made_texts.augmented(40)
    made = replace(made, texts=[f"Sentence {i}." for i in range(40)])
    made.to_html(tmp_path / "a.html")
    most, _, least = body(tmp_path / "a.html").partition('id="least"')
    rows = [[int(i) for i in re.findall(r"Sentence (\d+)\.", part)] for part in (most, least)]
    order = np.argsort(-made.confidence, kind="stable").tolist()
    assert rows == [order[:10], order[::-1][:10]]


def test_the_augmented_page_counts_what_there_is(made_texts, tmp_path):
    made = made_texts.augmented(50)
    made.to_html(tmp_path / "a.html")
    said = words(body(tmp_path / "a.html"))
    # 12 of 62 were rejected, and every seventh of 50 relabeled
    for part in (
        "50 sentences made from 60 texts: drafts to review, not rows to train on unread",
        "62 written",
        "label check filter",
        f"kept {50 - 8} {100 * 42 / 62:.1f}\N{NARROW NO-BREAK SPACE}%",
        "relabeled 8",
        "rejected 12",
    ):
        assert " ".join(part.split()) in said, part
    weights = made.label_weights.sum(axis=0)
    for at, name in enumerate(("negative", "positive")):
        hard = int((made.labels == name).sum())
        assert f"{name} 30 {hard} {weights[at]:.1f}" in said


def test_a_figure_and_the_table_below_it_say_the_same(made_texts, tmp_path):
    made = replace(made_texts.augmented(50), n_written=73, n_checked=73, check=["kept"] * 50)
    made.to_html(tmp_path / "a.html")
    said = words(body(tmp_path / "a.html"))
    shares = [100 * one / 73 for one in (61, 50, 12, 11)]
    passed, kept, rejected, spare = (f"{one:.1f}\N{NARROW NO-BREAK SPACE}%" for one in shares)
    assert f"passed the label check {passed.split()[0]}" in said
    for line in (f"kept 50 {kept}", f"rejected 12 {rejected}", f"than asked for 11 {spare}"):
        assert " ".join(line.split()) in said


def test_all_counts_add_up_to_the_sentences_written(made_texts, tmp_path):
    made = made_texts.augmented(20)
    made = replace(made, n_written=90, n_checked=90, check=["kept"] * 20, unwanted=5)
    made.to_html(tmp_path / "a.html")
    table = body(tmp_path / "a.html").partition('id="check"')[2].partition("</table>")[0]
    lines = re.findall(r'<th scope="row">(.*?)</th><td class="n">(\d+)</td>', table)
    assert {name: int(count) for name, count in lines} == {
        "kept": 20,
        "rejected": 7,
        "no rows as asked for": 5,
        "not the surest of the pairs tried, or more than asked for": 58,
    }
    assert made.kept == pytest.approx(1 - 7 / 85)  # of those judged
    assert f"{100 * made.kept:.1f}\N{NARROW NO-BREAK SPACE}% of the sentences judged" in body(
        tmp_path / "a.html"
    ).replace('</p><p class="says">', " ")
    assert "58 not the surest of the pairs tried, or more than asked for" in made.summary()


@pytest.mark.parametrize(
    ("writer", "share", "said"),
    [
        (
            {"confidence_measured": True, "readers_kept": 0.4},
            "30 %",
            "of this writer's surer rows of other texts they kept 40 %",
        ),
        (
            {"confidence_measured": True},
            "30 %",
            "language models graded such rows blind; nobody has read these",
        ),
        (
            {"readers_kept": 0.04},
            "4 %",
            "so many of this writer's rows of other texts language models kept",
        ),
        ({}, "not known", "nobody has graded rows that were written in this way"),
    ],
    ids=["both", "share", "writer", "unknown"],
)
def test_the_share_worth_keeping_is_of_these_rows_and_their_writer(
    made_texts, tmp_path, writer, share, said
):
    made = replace(made_texts.augmented(10), confidence=np.linspace(0.2, 0.4, 10), **writer)
    made.to_html(tmp_path / "a.html")
    page = words(body(tmp_path / "a.html"))
    share, said = (one.replace(" %", "\N{NARROW NO-BREAK SPACE}%") for one in (share, said))
    assert " ".join(f"worth keeping unedited {share}".split()) in page
    assert " ".join(said.split()) in page
    assert ("is no share" in page) == ("confidence_measured" not in writer)
    assert f"Worth keeping unedited: {share}; " in made.summary()
    assert said in made.summary()


@pytest.mark.parametrize(
    ("closeness", "shown", "warned"),
    [(0.74, "0.74", True), (0.7499, "0.7499", True), (0.76, "0.76", False)],
)
def test_sentences_that_have_drifted_are_said(made_texts, tmp_path, closeness, shown, warned):
    made = replace(made_texts.augmented(9), closeness=np.full(9, closeness))
    made.to_html(tmp_path / "a.html")
    said = words(body(tmp_path / "a.html"))
    assert ("mean closeness is below 0.75" in said) == warned
    assert f"closeness {shown} mean cosine" in said


def test_figures_stand_side_by_side_or_in_rows_of_two(made_texts, tmp_path, browser):
    made_texts.augmented(20).to_html(tmp_path / "a.html")
    for width, rows in ((1200, 1), (800, 2)):
        page = browser.open(tmp_path / "a.html", (width, 900))
        boxes = [one.bounding_box() for one in page.query_selector_all(".figure-card")]
        tops = sorted({round(one["y"]) for one in boxes})
        assert (len(boxes), len(tops)) == (4, rows)
        assert sum(one["y"] == boxes[0]["y"] for one in boxes) == 4 / rows
        upper = [one["y"] + one["height"] for one in boxes if round(one["y"]) == tops[0]]
        assert rows == 1 or tops[1] >= max(upper) + 20


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_rows(made_texts, tmp_path, n):
    made_texts.augmented(n).to_html(tmp_path / "a.html")
    text = body(tmp_path / "a.html")
    assert text.count('class="sentence"') == n
    assert ('id="least"' in text) == (n > 1)
    assert not re.search(r"\b(nan|NaN|inf)\b", text)


def test_nothing_that_a_text_says_becomes_markup(made_texts, tmp_path):
    nasty = made_texts.nasty
    made_texts.morph(2, left=nasty, right="x", sentences=[nasty, ""]).to_html(tmp_path / "m.html")
    made = made_texts.augmented(
        6, source=[nasty, nasty + "2"], classes=(nasty, "b"), label_check=nasty
    )
    made = replace(made, check=[f"relabeled: {nasty}"] * 6)
    made.to_html(tmp_path / "a.html")
    for name in ("m.html", "a.html"):
        text = (tmp_path / name).read_text("utf-8")
        assert "<script" not in text
        assert "<b onmouseover" not in text
        assert "\x00" not in text
        assert "\u202e" not in text
        assert "&lt;script&gt;" in text
    assert "(empty)" in body(tmp_path / "m.html")


def test_what_could_not_be_measured_is_a_dash(made_texts, tmp_path):
    found = replace(made_texts.morph(3), lam_measured=np.full(3, np.nan))
    found.to_html(tmp_path / "m.html")
    made = replace(
        made_texts.augmented(9), lam_measured=np.full(9, np.nan), confidence=np.full(9, np.nan)
    )
    made.to_html(tmp_path / "a.html")
    for name in ("m.html", "a.html"):
        text = body(tmp_path / name)
        assert "measured \N{EN DASH}" in words(text)
        assert not re.search(r"\b(nan|NaN|inf)\b", text)


def test_long_texts_and_many_classes_keep_the_page_small(made_texts, tmp_path):
    source = [f"{i} " + "word " * 3_000 for i in range(30)]
    made = made_texts.augmented(5_000, source=source, classes=[f"class {i}" for i in range(150)])
    made.to_html(tmp_path / "a.html")
    assert (tmp_path / "a.html").stat().st_size < 250_000
    assert "rarer classes are not shown" in words(body(tmp_path / "a.html"))


def circles(chart: Markup) -> list[tuple[float, float]]:
    found = re.findall(r'<circle cx="([\d.-]+)" cy="([\d.-]+)"', chart)
    return [(float(x), float(y)) for x, y in found]


def test_a_ruler_runs_from_the_left_sentence_to_the_right():
    places = [circles(pictures.ruler("r", 0.5, lam))[0][0] for lam in (1.0, 0.5, 0.0)]
    assert places == [26, 110, 194]
    # far beyond a parent it stays in the picture
    assert 0 < circles(pictures.ruler("r", 0.5, 40.0))[0][0] < 26
    assert circles(pictures.ruler("r", 0.5, np.nan)) == []


def test_a_chart_has_agreement_on_its_diagonal():
    lam = np.array([0.0, 0.25, 1.0])
    chart = pictures.ratio_chart("c", lam, lam)
    x1, y1, x2, y2 = map(
        float,
        re.search(r'x1="(\S+)" y1="(\S+)" x2="(\S+)" y2="(\S+)" class="diagonal"', chart).groups(),
    )
    for x, y in circles(chart):
        assert y == pytest.approx(y1 + (x - x1) / (x2 - x1) * (y2 - y1), abs=0.1)
    assert "differ by 0.00 on average" in chart


def test_rulers_and_charts_have_the_left_parent_on_the_left():
    lam = np.array([0.0, 0.25, 1.0])
    ruled = [circles(pictures.ruler("r", 0.5, one))[0][0] for one in lam]
    assert ruled == sorted(ruled, reverse=True)
    charted = [x for x, _ in circles(pictures.ratio_chart("c", lam, lam))]
    assert charted == sorted(charted, reverse=True)
    ratios = pictures.ratio_histogram("h", lam, lam)
    found = re.findall(r'<text x="([\d.]+)"[^>]*>(left|right) p', ratios)
    assert {name: float(x) for x, name in found} == {"left": 10, "right": 410}
    ticks = [float(x) for x in re.findall(r'<text x="([\d.]+)" y="[\d.]+" class="tick"', ratios)]
    assert len(ticks) > 3  # none takes another for its left neighbor
    assert ticks == sorted(ticks)


def test_a_histogram_says_the_share_of_every_bin():
    lam = np.array([0.02, 0.03, 0.52, 0.99])
    chart = pictures.ratio_histogram("h", lam, lam + 0.1)
    said = re.findall(r"asked ([\d.]+)\D*?, measured ([\d.]+)", unescape(chart))
    asked, measured = np.array(said, float).T
    assert asked.sum() == pytest.approx(100)
    assert measured.sum() == pytest.approx(100)
    assert asked.max() == 50
