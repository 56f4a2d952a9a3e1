"""The way between two sentences."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.text.augment import measure_ratio, morph

LEFT, RIGHT = "soup bread cheese salt", "moon star comet sun"


def test_goes_from_left_to_right(fake):
    found = morph(LEFT, RIGHT, 5, inverter=fake, random_state=0)
    assert found.lam.tolist() == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert len(found) == len(found.sentences) == 5
    food = "soup bread cheese apple lunch dinner salt pepper cook taste"
    assert set(found.sentences[0].split()) <= set(food.split())
    ends = fake.encode([LEFT, RIGHT])
    again = measure_ratio(fake.encode(found.sentences), ends[[0] * 5], ends[[1] * 5])
    np.testing.assert_allclose(found.lam_measured, again, atol=1e-6)
    assert (np.diff(found.lam_measured) < 0).all()


def test_same_seed_same_sentences(fake):
    one, two = (morph(LEFT, RIGHT, inverter=fake, random_state=4) for _ in range(2))
    assert one.sentences == two.sentences
    assert str(one) == str(two)


def test_prints_as_a_table(fake):
    lines = str(morph(LEFT, RIGHT, 3, inverter=fake)).splitlines()
    assert lines[0].split() == ["lam", "measured", "close", "sentence"]
    assert [line.split()[0] for line in lines[1:]] == ["1.00", "0.50", "0.00"]


def test_same_sentence_twice_is_told(fake):
    with pytest.warns(UserWarning, match="left and right are one point"):
        found = morph(LEFT, LEFT, 3, inverter=fake)
    assert np.isnan(found.lam_measured).all()
    assert " - " in str(found)


@pytest.mark.parametrize(
    ("left", "changes", "error", "words"),
    [
        ("", {}, ValueError, "left is empty"),
        ("  ", {}, ValueError, "left is empty"),
        (None, {}, TypeError, "left must be a sentence"),
        ("a \udcff b", {}, ValueError, r"left must be text .* got '\\udcff' as character 3"),
        (LEFT, {"n_samples": 1}, ValueError, "n_samples must be at least 2.*Both ends"),
        (LEFT, {"n_samples": 2.0}, TypeError, "n_samples must be a whole number"),
        (LEFT, {"selection": 0}, ValueError, "candidates must be at least 1"),
    ],
    ids=["empty", "blank", "none", "half", "one step", "steps", "candidates"],
)
def test_refused(fake, left, changes, error, words):
    with pytest.raises(error, match=words):
        morph(left, RIGHT, inverter=fake, **changes)
    assert fake.calls == 0


def test_ten_thousand_words(fake):
    with pytest.warns(UserWarning, match="more than the 50 words"):
        found = morph("soup " * 10_000, RIGHT, 2, inverter=fake)
    assert len(found) == 2
