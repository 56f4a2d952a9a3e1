"""What all results offer: text, figures, pages and rows."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from vicinal import Random
from vicinal.text.augment import LabelCheck, augment, measure_intrusion, morph


@pytest.fixture
def made(fake, topics):
    settings = {"n_samples": 12, "label_check": "none", "random_state": 0}
    return augment(*topics(), inverter=fake, pairing=Random(), **settings)


@pytest.fixture(params=["augmented", "morph", "intrusion"])
def result(request, fake, made):
    if request.param == "augmented":
        return made
    if request.param == "morph":
        return morph("soup bread", "moon star", 3, inverter=fake, random_state=0)
    return measure_intrusion(made, inverter=fake)


def test_every_result_is_text_json_and_a_page(result, tmp_path):
    assert str(result) == result.summary()
    result.to_json(tmp_path / "result.json")
    assert json.loads((tmp_path / "result.json").read_text("utf-8")) == result.to_dict()
    assert "about labels, not language" in str(result) or not hasattr(result, "neither")
    result.to_html(tmp_path / "result.html")
    assert "</html>" in (tmp_path / "result.html").read_text("utf-8")


def test_rows_are_a_frame(made, fake):
    pytest.importorskip("pandas")
    frame = made.to_frame()
    assert list(frame) == list(made.columns())
    assert frame["check_score"].between(0, 1).all()
    steps = morph("soup bread", "moon star", 3, inverter=fake, random_state=0).to_frame()
    assert steps["lam"].tolist() == [1.0, 0.5, 0.0]


def test_the_check_score_is_above_a_half_where_the_judge_agrees(fake, topics, says):
    food = says(["food", "sky", "sport"], lambda text: [0.8, 0.1, 0.1])
    check = LabelCheck("none", judge=food)
    settings = {"n_samples": 20, "label_check": check, "pairing": Random(), "random_state": 0}
    made = augment(*topics(), inverter=fake, **settings)
    agrees = [one == "kept" for one in made.check]
    assert (made.check_score > 0.5).tolist() == agrees
    assert 0 < sum(agrees) < len(made)


@pytest.mark.parametrize(
    ("text", "left", "right", "flips"),
    [
        ("It is not here.", "It is here.", "They came.", True),
        ("It is here.", "It isn't here.", "They never came.", True),
        ("It isn\u2019t here.", "It is here.", "They NEVER came.", False),
        ("It is here.", "It is not here.", "They came.", False),
        ("It isnt here.", "It is here.", "They came.", True),
        ("I cant say.", "I wont say.", "I didn't say.", False),
        ("Nope, dont.", "It is here.", "They came.", True),
        ("A cantor of this want.", "It is here.", "They came.", False),
        ("It is a knot.", "It is here.", "Another notion.", False),
    ],
)
def test_a_negation_of_neither_parent_is_counted(made, text, left, right, flips):
    first = replace(made, texts=[text] * 12, source=[left, right] * 30, left=np.zeros(12, int))
    first = replace(first, right=np.ones(12, int))
    assert first.negation_flips == (list(range(12)) if flips else [])
    assert f"negated unlike both parents: {12 * flips}." in first.summary()


def test_progress_is_told(fake, topics):
    told = []
    augment(
        *topics(),
        inverter=fake,
        n_samples=8,
        label_check="none",
        progress=lambda *one: told.append(one),
    )
    assert told[0] == ("Writing", 0, 8)
    assert told[-1] == ("Writing", 8, 8)
