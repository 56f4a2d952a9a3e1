"""What words say of a sentence, whatever its embedding."""

from itertools import cycle, permutations

import numpy as np
import pytest

from vicinal.text.augment import LabelCheck, augment
from vicinal.text.augment.label_check import objects
from vicinal.text.augment.words import WordJudge

TEXTS = ["Where is the river?", "Where is the town?", "Who wrote the play?", "Who won the race?"]
CODES = np.array([0, 0, 2, 2])  # a class may be without texts


def test_words_tell_classes_and_know_nothing_of_others():
    judge = WordJudge.of(TEXTS, CODES, 3)
    found = judge(["Where is the lake?", "who wrote it", "xylophone", ""], None, None)
    assert found.shape == (4, 3)
    assert found[:, 1].tolist() == [0] * 4
    assert found[0, 0] > found[0, 2]
    assert found[1, 2] > found[1, 0]
    np.testing.assert_allclose(found[2:, 0], found[2:, 2])
    assert judge([], None, None).shape == (0, 3)


def test_a_tie_is_no_objection():
    said = np.array([[0.5, 0.0, 0.5], [0.6, 0.0, 0.4], [0.4, 0.0, 0.6]])
    mostly_first = np.tile([0.8, 0.0, 0.2], (3, 1))
    assert objects(said, mostly_first, 0.7).tolist() == [False, False, True]
    both = np.tile([0.5, 0.0, 0.5], (3, 1))
    assert objects(said, both, 0.7).tolist() == [False] * 3


@pytest.mark.parametrize(("texts", "codes"), [(["a b", "c"], [0, 0]), (["🙂", "🙃"], [0, 1])])
def test_one_class_or_no_words_has_no_such_judge(texts, codes):
    assert WordJudge.of(texts, np.array(codes), 2) is None


def test_sentences_of_another_class_by_their_words_are_dropped(fake, topics):
    texts, labels = topics(12)
    plain = fake.candidates
    about_first = [text for text, one in zip(texts, labels, strict=True) if one == labels[0]]
    strange = cycle(permutations(dict.fromkeys(" ".join(about_first).split()), 4))

    def two_faced(embeddings, n_samples=4, *, random_state=None):
        found = plain(embeddings, n_samples, random_state=random_state)
        for row in found.sentences[::2]:  # whose embeddings stay
            row[0] = " ".join(next(strange))
        return found

    fake.candidates = two_faced
    judge = WordJudge.of(texts, np.unique(labels, return_inverse=True)[1], 3)

    def made(n_candidates, check):
        return augment(
            texts, labels, inverter=fake, n_samples=30, random_state=0, label_check=check,
            selection=n_candidates,
        )  # fmt: skip

    def share(rows):
        return objects(judge(rows.texts, None, None), rows.label_weights, 0.7).mean()

    for n_candidates in (1, 3):
        assert share(made(n_candidates, LabelCheck(judge="both"))) > 0.05
        checked = made(n_candidates, "filter")
        assert share(checked) == 0
        told = [why for why in checked.rejections if "the words of the texts say" in why]
        # of several candidates others are taken
        assert len(told) > 5 if n_candidates == 1 else len(told) < 5
        assert all(why.startswith("rejected: ") for why in told)
        assert share(made(n_candidates, "none")) > 0.03
