"""How sure a sentence is to be kept."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.text.invert import Confidence
from vicinal.text.invert.confidence import lengths

TOLD = Confidence(4.0, 1.5, 0.2, -0.05, -0.75, -1.9, typical=0.3, least=0.2)
TEXTS = ["A fine film.", "The film is a film of films.", "It doesn't matter, does it?"]


def odds(shares):
    return np.log(shares / (1 - shares))


def test_words_are_counted_and_longer_ones_that_come_again():
    words, again = lengths([*TEXTS, "Card, card card and CARD.", "the the the", ""])
    assert words.tolist() == [3, 7, 5, 5, 3, 0]
    assert again.tolist() == [0, 1, 0, 2, 0, 0]  # two at most; short ones do not count


@pytest.mark.parametrize("name", ["closeness", "log_likelihood", "label", "words", "repeated"])
def test_what_is_not_weighed_does_not_count(name):
    plain = replace(TOLD, **dict.fromkeys(("closeness", "log_likelihood", "label"), 0.0))
    plain = replace(plain, words=0.0, repeated=0.0, intercept=0.0)
    seen = TEXTS, np.array([0.2, 0.5, 0.9]), np.array([-3.0, -2.0, -1.0]), np.array([0.2, 0.5, 0.8])
    assert plain(*seen).tolist() == [0.5] * 3
    alone = odds(replace(plain, **{name: 1.0})(*seen))
    expected = {
        "closeness": [0.2, 0.5, 0.9],
        "log_likelihood": [-3, -2, -1],
        "label": np.log([0.21 / 0.81, 1, 0.81 / 0.21]),
        "words": [3, 7, 5],
        "repeated": [0, 1, 0],
    }[name]
    np.testing.assert_allclose(alone, expected, atol=1e-12)


@given(st.floats(-0.5, 0.5), st.floats(-1, 1))
def test_other_texts_move_the_level_by_part_of_how_far_off_they_are(nearer, likelier):
    closeness, likely, agrees = np.array([0.3, 0.5, 0.7]), np.full(3, -2.0), np.full(3, 0.9)
    moved = closeness + nearer, likely + likelier
    here = TOLD.of_task(TEXTS, closeness, likely, agrees)
    there = TOLD.of_task(TEXTS, *moved, agrees)
    far = odds(there(TEXTS, *moved, agrees)) - odds(here(TEXTS, closeness, likely, agrees))
    whole = TOLD.closeness * nearer + TOLD.log_likelihood * likelier
    # a quarter always, and more where few sentences tell
    np.testing.assert_allclose(far, whole * (1 - 0.75 * 3 / 4), atol=1e-9)
    assert replace(here, intercept=TOLD.intercept) == TOLD  # only the level moves


def test_impossible_sentences_say_nothing_of_what_is_usual():
    seen = TEXTS, np.full(3, 0.5), np.array([-2.0, -np.inf, -2.0]), np.full(3, 0.5)
    found = TOLD.of_task(*seen)
    some = [np.delete(one, 1) for one in seen]
    assert found == TOLD.of_task(*some)
    assert found(*seen)[1] == 0.0
    assert TOLD.of_task([], *[np.empty(0)] * 3) == TOLD
