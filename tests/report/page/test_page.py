"""Pages as files: self-contained, escaped, complete, the same for the same input."""

from __future__ import annotations

import math
import re
import sys
from base64 import b64encode
from dataclasses import fields, is_dataclass, replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

import vicinal
from vicinal.page.format import NONE
from vicinal.page.frame import check_installed

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Reader(HTMLParser):
    """Reads a page strictly: every element is closed where it should be."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        assert len(named) == len(attrs), (tag, attrs)
        self.tags.append((tag, named))
        if "id" in named:
            self.ids.append(named["id"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in {"style", "script"}:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def read(path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text("utf-8"))
    reader.close()
    assert not reader.open
    assert len(reader.ids) == len(set(reader.ids))
    return reader


def without_figures(value):
    """Return a result with every figure not measured."""
    if is_dataclass(value):
        plain = {f.name: without_figures(getattr(value, f.name)) for f in fields(value)}
        return replace(value, **plain)
    if isinstance(value, tuple):
        plain = [without_figures(one) for one in value]
        return type(value)(*plain) if hasattr(value, "_fields") else tuple(plain)
    return math.nan if isinstance(value, float) else value


@pytest.fixture(scope="module")
def pages(makers, tmp_path_factory):
    """One of each page."""
    folder = tmp_path_factory.mktemp("pages")
    found = {
        "report": makers.report(),
        "bare": makers.report(utility=False, plan=False),
        "wide": makers.report(25, 20),
        "collapse": makers.collapse(),
        "front": makers.front(),
        "audit": makers.audit(),
        "morph": makers.morph(),
        "augmented": makers.augmented(),
    }
    for name, result in found.items():
        result.to_html(folder / f"{name}.html")
    return {name: folder / f"{name}.html" for name in found}


def test_asks_for_nothing_and_runs_nothing_but_its_own_script(pages):
    for path in pages.values():
        text, reader = path.read_text("utf-8"), read(path)
        assert not re.search(r"https?://|src=|@import|javascript:", text)
        # what url() names lies in the page itself
        assert set(re.findall(r"url\(([^)]{1})", text)) <= {"#"}
        for tag, attributes in reader.tags:
            assert tag not in {"iframe", "object", "embed", "img"}
            assert tag != "script" or not attributes
            assert not [name for name in attributes if name.startswith("on")]
            assert attributes.get("href", "#").startswith(("#", "data:,"))
        policy = next(a for t, a in reader.tags if a.get("http-equiv") == "Content-Security-Policy")
        assert policy["content"].startswith("default-src 'none'")
        scripts = re.findall(r"<script>(.*?)</script>", text, re.S)
        assert len(scripts) == (path.stem in {"report", "bare", "wide"})
        hashes = [b64encode(sha256(one.encode()).digest()).decode() for one in scripts]
        assert re.findall(r"'sha256-([^']+)'", policy["content"]) == hashes


def test_links_within_the_page_lead_somewhere(pages):
    for path in pages.values():
        reader = read(path)
        wanted = [a["href"][1:] for _, a in reader.tags if a.get("href", "").startswith("#")]
        wanted += [one for _, a in reader.tags for one in a.get("aria-labelledby", "").split()]
        text = path.read_text("utf-8")
        wanted += re.findall(r"url\(#([\w-]+)\)", text)
        assert set(wanted) <= set(reader.ids)


def test_is_small(pages):
    assert pages["report"].stat().st_size < 260_000
    assert pages["wide"].stat().st_size < 450_000


def test_has_every_picture(pages):
    wanted = {
        "map-both", "map-gap", "two-sample", "moment-strip", "distances", "excess", "cells-0",
        "utility-0", "utility-1", "weights",
    }  # fmt: skip
    ids = read(pages["report"]).ids
    assert wanted <= set(ids)
    assert sum(bool(re.fullmatch(r"column-\d+", one)) for one in ids) == 11
    bare = set(read(pages["bare"]).ids)
    assert bare >= wanted - {"utility-0", "utility-1", "weights"}
    assert not bare & {"utility-0", "utility-1", "weights"}
    assert {one for one in read(pages["collapse"]).ids if re.fullmatch(r"panel-\w+", one)} == {
        "panel-variance", "panel-attenuation", "panel-correlation_error", "panel-coverage",
        "panel-utility",
    }  # fmt: skip
    assert "front" in read(pages["front"]).ids


def test_pictures_are_named_and_described(pages):
    for path in pages.values():
        for tag, attributes in read(path).tags:
            if tag == "svg":
                hidden = attributes.get("aria-hidden") == "true"
                named = attributes.get("aria-labelledby") or attributes.get("aria-label")
                assert hidden or (attributes["role"] == "img" and named)


def test_a_grade_that_only_a_mark_shows_is_named(pages, makers):
    said = [
        attributes["aria-label"]
        for tag, attributes in read(pages["report"]).tags
        if tag == "svg" and attributes["class"] == "mark" and "aria-label" in attributes
    ]
    report = makers.report()
    findings = [one.grade for one in report.findings if one.grade]
    assert said == [*findings, *(one.grade for one in report.privacy.figures)]


def test_rows_of_tables_are_named(pages):
    for path in pages.values():
        for part in re.findall("<tbody>.*?</tbody>", path.read_text("utf-8"), re.S):
            assert set(re.findall(r"<tr[^>]*>\s*<(\w+)", part)) == {"th"}, path


def test_says_the_verdict_in_words_and_numbers(pages, makers):
    report = makers.report()
    words = read(pages["report"]).words
    assert 3 <= len(report.findings) <= 6
    for one in report.findings:
        assert one.says in words
    for figure in report.verdict.figures:
        assert figure.answer[1:] in words
        assert f"{abs(figure.figure.value):.3f}" in words
        assert figure.grade in words
    assert report.notes[0] in words
    for one in report.privacy.figures:
        assert one.text in words
        assert one.says in words
    assert "None of this is differential privacy" in words


def test_worst_columns_come_first_and_tables_have_all(makers, tmp_path):
    report = makers.report(30, 20)
    report.to_html(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text("utf-8")
    shown = re.findall(r'<details class="card" data-name="([^"]*)"', text)
    ordered = [c.name for c in sorted(report.fidelity.columns, key=lambda c: c.score)]
    assert shown == ordered
    assert len(re.findall(r'id="column-\d+"', text)) == 40


def test_a_column_opens_to_its_figures_rules_and_worst_pairs(pages):
    text = pages["report"].read_text("utf-8")
    card = r'<details class="card" data-name="([^"]*)"(.*?)</details>'
    cards = dict(re.findall(card, text, re.S))
    assert "median" in cards["age"]
    assert "age &lt;= fnlwgt (broken by 1.2" in cards["age"]
    assert "rules" not in cards["occupation"].lower()
    assert "7 rare categories" in cards["occupation"]
    assert cards["age"].count('href="#pair-') == 3
    assert "drawn apart" in cards["capital_gain"]
    assert "drawn apart" not in cards["age"]


def test_groups_are_told(pages):
    words = read(pages["report"]).words
    assert "Male 10,900 10,871 0.981 fnlwgt, 0.941 10,899 0.919 0.904 \N{MINUS SIGN}0.015" in words
    assert "Female 12 9" + 5 * f" {NONE}" in words


def test_text_from_tables_is_escaped(makers, tmp_path):
    report = makers.report(3, 2, names=[f"{makers.nasty}{i}" for i in range(5)])
    marginal = report.fidelity.columns[3].marginal
    labels = (makers.nasty, *marginal.labels[1:])
    columns = list(report.fidelity.columns)
    columns[3] = replace(columns[3], marginal=replace(marginal, labels=labels))
    fidelity = replace(report.fidelity, columns=tuple(columns), sampled=makers.nasty)
    report = replace(
        report,
        fidelity=fidelity,
        target=makers.nasty,
        notes=(f"note {makers.nasty}",),
        weights=replace(report.weights, law=makers.nasty),
        utility=replace(report.utility, target=makers.nasty),
    )
    report.to_html(tmp_path / "r.html")
    reader = read(tmp_path / "r.html")
    assert [tag for tag, _ in reader.tags].count("script") == 1  # the page's own
    assert not [a for _, a in reader.tags if "onmouseover" in a]
    assert "<script>alert(1)</script>" in reader.words
    assert not re.search("[\x00-\x08\u202e]", (tmp_path / "r.html").read_text("utf-8"))

    curve = makers.collapse().curves[0]
    nasty = replace(makers.collapse(), curves=(replace(curve, law=makers.nasty),))
    nasty.to_html(tmp_path / "c.html")
    front = makers.front()
    first = replace(front.settings[0], name=makers.nasty, command=makers.nasty)
    nasty = replace(front, settings=(first, *front.settings[1:]), recommended=0)
    nasty.to_html(tmp_path / "f.html")
    for name in ("c.html", "f.html"):
        assert "script" not in {tag for tag, _ in read(tmp_path / name).tags}


def test_a_lone_surrogate_in_a_name_is_replaced(makers, tmp_path):
    report = makers.report(1, 1, names=["\ud800x", "y"])
    report.to_html(tmp_path / "r.html")
    assert "?x" in read(tmp_path / "r.html").words


def test_what_was_not_measured_is_a_dash(makers, tmp_path):
    report = makers.report()
    holes = replace(
        report,
        # there are always rows to break a rule
        fidelity=replace(without_figures(report.fidelity), rules=()),
        # there is always a row to measure a distance from
        privacy=replace(without_figures(report.privacy), distances=report.privacy.distances),
        utility=without_figures(report.utility),
    )
    holes.to_html(tmp_path / "r.html")
    without_figures(makers.collapse()).to_html(tmp_path / "c.html")
    replace(without_figures(makers.front()), limit=0.6).to_html(tmp_path / "f.html")
    for name in ("r.html", "c.html", "f.html"):
        text = (tmp_path / name).read_text("utf-8").partition("</style>")[2]
        assert not re.search(r"\b(nan|NaN|inf)\b|[>\"]None[<\"]", text), name
        read(tmp_path / name)


def test_the_least_there_can_be(makers, tmp_path):
    report = makers.report(1, 0, utility=False, plan=False)
    fidelity = replace(
        report.fidelity,
        columns=(replace(report.fidelity.columns[0], marginal=None, score=math.nan),),
        moments=replace(report.fidelity.moments, figures=()),
        two_sample=None,
    )
    replace(report, fidelity=fidelity, notes=()).to_html(tmp_path / "r.html")
    ids = read(tmp_path / "r.html").ids
    assert "together" not in ids
    assert "distances" in ids


def test_a_constant_column_and_one_bin_are_drawn(makers, tmp_path):
    report = makers.report(1, 0)
    column = report.fidelity.columns[0]
    flat = replace(column.marginal, edges=(5.0, 5.0), real=(1.0,), synthetic=(1.0,))
    fidelity = replace(report.fidelity, columns=(replace(column, marginal=flat),))
    replace(report, fidelity=fidelity).to_html(tmp_path / "r.html")
    assert "column-0" in read(tmp_path / "r.html").ids


def test_a_split_hold_out_is_said_to_prove_nothing(makers, tmp_path):
    report = replace(makers.report(), privacy=makers.privacy("split"))
    report.to_html(tmp_path / "r.html")
    assert "prove nothing" in read(tmp_path / "r.html").words
    text = (tmp_path / "r.html").read_text("utf-8")
    curves = re.search(r'<svg[^>]*id="distances".*?</svg>', text, re.S)[0]
    assert "real to other real" in curves
    assert "hold-out to training" not in curves


def test_moments_without_errors_are_not_called_alike(makers, tmp_path):
    report = makers.report()
    moments = report.fidelity.moments
    unsure = tuple(replace(one, error=math.nan, flagged=False) for one in moments.figures)
    for share, ids in ((0, False), (1, True)):
        figures = (*moments.figures[:share], *unsure[share:])
        fidelity = replace(report.fidelity, moments=replace(moments, figures=figures))
        replace(report, fidelity=fidelity).to_html(tmp_path / "r.html")
        reader = read(tmp_path / "r.html")
        assert ("moment-strip" in reader.ids) is ids
        assert ("moments differs" in reader.words) is ids
        assert ("to say what chance explains" in reader.words) is not ids


def test_no_recommendation_no_command(makers, tmp_path):
    makers.front(recommended=None, utility=False).to_html(tmp_path / "f.html")
    reader = read(tmp_path / "f.html")
    assert "pre" not in {tag for tag, _ in reader.tags}
    assert "No setting surely keeps the DCR share below 0.5: " in reader.words


def test_the_recommended_command_can_be_copied(makers, pages):
    text = pages["front"].read_text("utf-8")
    assert f"<code>{makers.front().best.command}</code></pre>" in text
    assert "user-select: all" in text


def test_the_collapse_tells_how_the_best_and_the_worst_law_end(makers, tmp_path):
    collapse = makers.collapse(10)
    ends = {one.law: (one.variance[-1], one.utility[-1]) for one in collapse.curves}
    collapse.to_html(tmp_path / "c.html")
    head = read(tmp_path / "c.html").words
    best, worst = (f"{law} {ends[law][0]:.0%}" for law in ("epbeta:0.1", "uniform"))
    assert f"{best}, {worst}." in re.sub(r"(?<=\d)\s(?=%)", "", head)
    assert f"AUC: beta:0.1 {ends['beta:0.1'][1]:.2f}, uniform {ends['uniform'][1]:.2f}" in head
    makers.collapse(10, ("uniform",), utility=False).to_html(tmp_path / "one.html")
    assert "left: uniform" in read(tmp_path / "one.html").words


def test_names_of_settings_cover_nothing(makers, tmp_path):
    found = makers.front()
    crowd = [replace(found.settings[at % 3], name=f"balanced, {at} neighbors") for at in range(14)]
    for at, one in enumerate(crowd):
        share, fidelity = makers.near(0.6 + 0.002 * at, 0.03), makers.near(0.97 - 0.003 * at, 0.001)
        crowd[at] = replace(one, dcr_share=share, fidelity=fidelity)
    replace(found, settings=tuple(crowd), recommended=3).to_html(tmp_path / "f.html")
    text = (tmp_path / "f.html").read_text("utf-8")
    drawn = re.search(r'<svg[^>]*id="front".*?</svg>', text, re.S)[0]
    spots = [
        tuple(map(float, one))
        for one in re.findall(r'cx="([\d.]+)" cy="([\d.]+)" r="9" class="[a-z]+ spot"', drawn)
    ]
    names = re.findall(
        r'x="([\d.]+)" y="([\d.]+)" class="note named">(?:<title>.*?</title>)?(.*?)<', drawn
    )
    assert len(spots) == 14
    assert len(names) >= 12
    boxes = [(float(x), float(y) - 9, float(x) + 6 * len(n), float(y) + 1) for x, y, n in names]
    for at, (left, top, right, bottom) in enumerate(boxes):
        assert 0 <= left < right <= 430
        others = [*boxes[:at], *((x - 8, y - 8, x + 8, y + 8) for x, y in spots)]
        assert not [
            o for o in others if left < o[2] and o[0] < right and top < o[3] and o[1] < bottom
        ]


def test_laws_without_theory_or_utility(makers, tmp_path):
    collapse = makers.collapse(utility=False)
    curves = tuple(
        replace(c, predicted_variance=tuple(math.nan for _ in c.variance)) for c in collapse.curves
    )
    replace(collapse, curves=curves).to_html(tmp_path / "c.html")
    text = (tmp_path / "c.html").read_text("utf-8")
    assert "panel-utility" not in text
    panel = re.search(r'<svg[^>]*id="panel-variance".*?</svg>', text, re.S)[0]
    assert "theory" not in panel


def test_same_input_same_bytes(makers, tmp_path):
    for name in ("a", "b"):
        makers.report().to_html(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_is_written_whole_or_not_at_all(makers, tmp_path):
    target = tmp_path / "r.html"
    target.write_text("as it was")
    with pytest.raises(AttributeError):
        replace(makers.report(), fidelity=None).to_html(target)
    assert target.read_text() == "as it was"
    assert [one.name for one in tmp_path.iterdir()] == ["r.html"]
    with pytest.raises(FileNotFoundError, match="make it first"):
        makers.report().to_html(tmp_path / "no" / "r.html")


def test_says_what_to_install(makers, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r"pip install 'vicinal\[report\]'"):
        check_installed()
    with pytest.raises(ImportError, match=r"pip install 'vicinal\[report\]'"):
        makers.report().to_html(tmp_path / "r.html")
    assert not list(tmp_path.iterdir())


def test_templates_escape_everything_but_pictures():
    found = list(Path(vicinal.__file__).parent.rglob("*.j2"))
    assert {one.name for one in found} >= {"report.html.j2", "methods.html.j2", "morph.html.j2"}
    for template in found:
        text = template.read_text("utf-8")
        assert not re.search(r"\|\s*safe|autoescape\s+false", text), template.name


def test_results_with_rows_are_frames(makers):
    report, collapse, found = makers.report(), makers.collapse(), makers.front()
    columns = report.fidelity.to_frame()
    assert columns["name"].tolist() == [one.name for one in report.fidelity.columns]
    assert columns["mean_real"][0] == report.fidelity.columns[0].mean[0]
    scores = report.utility.to_frame()
    assert scores["value"].tolist() == [one.figure.value for one in report.utility.scores]
    rounds = collapse.to_frame()
    assert len(rounds) == len(collapse.curves) * (collapse.generations + 1)
    settings = found.to_frame()
    assert settings["dcr_share"].tolist() == [one.dcr_share.value for one in found.settings]
    assert settings["recommended"].sum() == 1
