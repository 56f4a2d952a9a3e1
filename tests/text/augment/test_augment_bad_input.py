"""What people give by mistake."""

from __future__ import annotations

import warnings
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from vicinal import Nearest, Random, WithinGroup
from vicinal.text._readers import cut_to_pieces
from vicinal.text.augment import LabelCheck, SelectionConfig, augment, morph
from vicinal.text.augment.pairs import check_sentences, distinct_texts


@pytest.mark.parametrize(
    ("config", "settings", "error", "words"),
    [
        (LabelCheck, {"keep": 0}, ValueError, "keep must be"),
        (LabelCheck, {"keep": 1.5}, ValueError, "keep must be"),
        (LabelCheck, {"keep": 0.5, "method": "none"}, ValueError, "keep=0.5 goes with .* 'filter'"),
        (LabelCheck, {"judge": "nieghbors"}, ValueError, "judge must be one of.*'neighbors'"),
        (LabelCheck, {"judge": object()}, TypeError, "judge must be .* a trained classifier"),
        (LabelCheck, {"threshold": 0.5}, ValueError, "threshold must be"),
        (LabelCheck, {"neighbors": 0}, ValueError, "neighbors must be at least 1"),
        (LabelCheck, {"method": "filtr"}, ValueError, "method must be one of.*'filter'"),
        (SelectionConfig, {"rank": "close"}, ValueError, "rank must be one of"),
        (SelectionConfig, {"candidates": 0}, ValueError, "candidates must be at least 1"),
        (SelectionConfig, {"crossover": -1}, ValueError, "crossover must be at least 0"),
    ],
)
def test_configurations_are_checked(config, settings, error, words):
    with pytest.raises(error, match=words):
        config(**settings)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"n_samples": -1}, ValueError, "n_samples must be at least 0"),
        ({"n_samples": 2.5}, TypeError, "n_samples must be a whole number"),
        ({"texts": ["a b", "c \udcff", "e"]}, ValueError, "texts at position 1 must be text that"),
        ({"label_check": "filtr"}, ValueError, "label_check must be one of.*Did you mean 'filter'"),
        ({"selection": 0}, ValueError, "candidates must be at least 1"),
        ({"max_attempts": 0.5}, ValueError, "max_attempts must be"),
        ({"pairing": "farthest"}, TypeError, "pairing must be a Pairing"),
        ({"weights": 0.5}, TypeError, "weights must be a WeightLaw"),
        ({"texts": "one string"}, TypeError, "texts must be a list"),
        ({"texts": ["a b", None, "c d"]}, TypeError, "position 1"),
        ({"labels": ["a", "b"]}, ValueError, "labels must be one for each text: got 2"),
        ({"labels": [0.5, 1.5, 2.5]}, TypeError, "named classes"),
        ({"labels": ["a", None, "b"]}, ValueError, "missing value at position 1"),
        ({"texts": ["a b", "A  b ", "a b"], "labels": ["a"] * 3}, ValueError, "two different"),
        ({"texts": [], "labels": []}, ValueError, "two different"),
        ({"pairing": WithinGroup([0, 1])}, ValueError, "groups must have one label for each row"),
        ({"random_state": "x"}, TypeError, "random_state"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_refused(fake, changes, error, words):
    given = {"texts": ["a b", "c d", "e f"], "labels": ["x", "y", "x"], "n_samples": 3} | changes
    with pytest.raises(error, match=words):
        augment(given.pop("texts"), given.pop("labels"), inverter=fake, **given)
    assert fake.calls == 0


def test_more_neighbors_than_texts_are_told(fake):
    with pytest.warns(UserWarning, match="k=9 is more than the 2"):
        made = augment(
            ["a b", "c d", "e f"],
            ["x", "y", "x"],
            inverter=fake,
            n_samples=3,
            pairing=Nearest(k=9),
            label_check="none",
        )
    assert len(made) == 3


def test_one_class_is_told(fake, topics):
    texts, _ = topics(6)
    with pytest.warns(UserWarning, match="one class only, 'a'"):
        made = augment(texts, ["a"] * len(texts), inverter=fake, n_samples=10, random_state=0)
    assert set(made.labels) == {"a"}
    assert (made.label_weights == 1).all()


def test_text_under_two_labels_is_left_out(fake, topics):
    texts, labels = topics(6)
    twice = [*texts, texts[0].upper().replace(" ", "  ")]
    said = rf"1 text\(s\) occur under more than one label, such as '{texts[0]}'"
    with pytest.warns(UserWarning, match=said):
        made = augment(
            twice,
            [*labels, "war"],
            inverter=fake,
            n_samples=40,
            pairing=Random(),
            random_state=0,
            label_check="none",
        )
    assert not {0, len(texts)} & {*made.left.tolist(), *made.right.tolist()}


def test_within_class_refuses_groups_and_lonely_classes(fake, topics):
    texts, labels = topics(4)
    with pytest.raises(ValueError, match="brings groups of its own"):
        augment(
            texts,
            labels,
            inverter=fake,
            n_samples=5,
            pairing=WithinGroup(labels),
            label_check="within-class",
        )
    with pytest.raises(ValueError, match="needs a class with two different texts"):
        augment(["a b", "c d"], ["x", "y"], inverter=fake, n_samples=5, label_check="within-class")
    with pytest.warns(UserWarning, match=r"1 class\(es\) have a single text, such as 'war'"):
        made = augment(
            [*texts, "guns"],
            [*labels, "war"],
            inverter=fake,
            n_samples=20,
            random_state=0,
            label_check="within-class",
        )
    assert "war" not in made.labels


def test_judge_that_does_not_know_a_class(fake, topics, says):
    with pytest.raises(ValueError, match="'sky', which the judge does not know"):
        augment(
            *topics(4),
            inverter=fake,
            n_samples=5,
            label_check=LabelCheck(judge=says(["food", "sport"], lambda text: [1, 0])),
        )


def test_sentences_of_nothing_are_written_again(fake, topics):
    texts, labels = topics()
    write, count = fake._write, iter(range(10**6))
    fake._write = lambda target: "" if next(count) % 4 == 0 else write(target)
    made = augment(
        texts, labels, inverter=fake, n_samples=30, random_state=0, label_check="none", selection=1
    )
    assert len(made) == 30
    assert "" not in made.texts
    assert "rejected: nothing was written" in made.rejections


def test_long_texts_are_cut(fake):
    with pytest.warns(UserWarning, match=r"1 text\(s\) have more than the 50 words"):
        found = check_sentences(fake, ["word " * 10_000, "two words"])
    assert found == [" ".join(["word"] * 50), "two words"]


def test_single_words_are_told(fake):
    with pytest.warns(UserWarning, match=r"1 text\(s\) are a single word"):
        check_sentences(fake, ["word", "two words"])


def test_repeated_texts_are_told():
    texts = ["soup bread", "Soup  bread", "moon star", "moon star", "goal match", ""]
    with pytest.warns(UserWarning, match=r"repeats.*: 2 of 6; 3 distinct texts"):
        distinct_texts(texts, np.array(["a"] * len(texts)))


class Pieces:
    """A tokenizer that knows a few words."""

    unk_token = "[UNK]"

    def __init__(self, known: str) -> None:
        self.order = known.split()
        self._known = set(self.order)

    def tokenize(self, text):
        pieces = []
        for word in text.lower().strip(".").split():
            pieces += [word] if word in self._known else [word[0], *(f"##{x}" for x in word[1:])]
        return pieces

    def convert_tokens_to_ids(self, pieces):
        return [self.order.index(one) if one in self.order else 0 for one in pieces]

    def __len__(self):
        return 60


def speaking(tokenizer):
    """Return what has an encoder with this tokenizer."""
    cut = partial(cut_to_pieces, SimpleNamespace(tokenizer=tokenizer))
    ways = {"pieces": lambda text: cut(text)[0], "ranks": lambda text: cut(text)[1]}
    return SimpleNamespace(encoder=SimpleNamespace(**ways))


def speaks(known):
    tokenizer = Pieces(known)
    return speaking(tokenizer)


def test_foreign_texts_are_told():
    english = speaks("the film was a delight from start to finish")
    with pytest.warns(UserWarning, match=r"1 of 2 text\(s\).*'Der Film war gut.'.*scraps"):
        check_sentences(english, ["The film was a delight.", "Der Film war gut."])


def test_texts_of_rare_words_are_foreign():
    rare = "le film etait un grand plaisir"
    english = speaks(f"the film was a delight from start to finish {rare}")
    with pytest.warns(UserWarning, match=r"1 of 2 text\(s\).*'Le film etait.*rare ones"):
        check_sentences(english, ["The film was a delight.", "Le film etait un grand plaisir."])


def test_foreign_texts_are_told_by_a_compiled_tokenizer():
    tokenizers = pytest.importorskip("tokenizers")
    known = {"[UNK]": 0, "the": 1, "film": 2, "was": 3, "good": 4, ".": 5, "d": 6, "##er": 7}
    known |= {f"[unused{at}]": at for at in range(8, 60)}
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(known, unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.Lowercase()
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    reads = speaking(made)
    with pytest.warns(UserWarning, match=r"1 of 2 text\(s\).*'Der Film war gut.'"):
        check_sentences(reads, ["The film was good.", "Der Film war gut."])


def test_pieces_of_words_count_for_the_length():
    english = speaks("the film was a delight from start to finish")
    english.encoder.max_tokens = 12
    texts = ["The film was a delight.", "The film was quite a nuisance."]
    with pytest.warns(UserWarning, match=r"1 text\(s\) have more than the 12 words or pieces"):
        assert check_sentences(english, texts) == texts


def test_a_language_without_blanks_is_foreign_not_a_single_word():
    english = speaks("the film was a delight from start to finish")
    english.encoder.pieces = list  # each sign by itself, as in a vocabulary of English
    with pytest.warns(UserWarning, match="scraps of words") as told:
        check_sentences(english, ["这部电影从头到尾都很精彩"])
    assert len(told) == 1


def test_a_strange_name_now_and_then_is_not_foreign():
    english = speaks("the film was a delight from start to finish")
    texts = ["The film was a delight."] * 19 + ["Qwrtz xyzzy plugh was a film."]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_sentences(english, texts) == texts


def test_an_encoder_without_tokenizer_is_not_asked(fake):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_sentences(fake, ["Der Film war gut.", "Фильм был прекрасен."])


@pytest.mark.parametrize("kind", [set, frozenset])
def test_texts_without_an_order_are_refused(fake, topics, kind):
    texts, labels = topics(4)
    with pytest.raises(TypeError, match=f"texts must be in an order, got a {kind.__name__}"):
        augment(kind(texts), labels, inverter=fake, n_samples=5)


def test_nan_in_embeddings_goes_no_further(fake, topics):
    encode = fake.encode
    fake.encode = lambda texts: encode(texts) * np.nan
    with pytest.raises(ValueError, match="NaN"):
        augment(*topics(4), inverter=fake, n_samples=5, random_state=0)


@pytest.mark.parametrize("inverter", [b"nano", 3])
def test_what_is_no_inverter_is_refused(topics, inverter):
    with pytest.raises(TypeError, match=r"inverter must be an Inverter.*or the name of one"):
        augment(*topics(), inverter=inverter, n_samples=4)
    with pytest.raises(TypeError, match="inverter must be an Inverter"):
        morph("one text", "another text", inverter=inverter)


def test_sentences_that_have_drifted_are_warned_of(fake, topics):
    fake.vocabulary, fake._points = fake.vocabulary[:10], fake._points[:10]  # food alone
    with pytest.warns(UserWarning, match=r"mean closeness is 0\.\d\d, below 0\.75"):
        augment(*topics(), inverter=fake, n_samples=9, label_check="none", random_state=0)


def test_emoji_are_told_where_the_encoder_does_not_know_them():
    texts = ["It is so fine \U0001f600 here.", "It is here."]
    english = speaks("it is so fine here")
    english.encoder.ranks = lambda text: [0.0] * len(text.split())
    english.encoder.pieces = lambda text: [one if one.isascii() else "" for one in text.split()]
    with pytest.warns(UserWarning, match=r"1 text\(s\) hold emoji, such as 'It is so fine"):
        check_sentences(english, texts)
    english.encoder.pieces = str.split
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_sentences(english, texts)
