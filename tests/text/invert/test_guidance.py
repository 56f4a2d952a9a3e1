"""What a guide's drafts change in writing, and what they leave as it is."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from vicinal.text.invert import (  # noqa: E402
    Candidates,
    HuggingFaceDecoder,
    Inverter,
    TrainingOptions,
    align,
    refine,
)
from vicinal.text.invert.confidence import Confidence  # noqa: E402
from vicinal.text.invert.decoding import Rules, write  # noqa: E402
from vicinal.text.invert.guidance import STRENGTH, Hints, gains  # noqa: E402

DIM = 8


class Says:
    """A guide whose drafts are always the same."""

    def __init__(self, encoder, *drafts):
        self.encoder, self.drafts = encoder, list(drafts)

    def candidates(self, rows, n_samples, *, random_state):
        embedded = np.repeat(self.encoder.encode(self.drafts)[None], len(rows), 0)
        likely = np.zeros((len(rows), len(self.drafts)), np.float32)
        return Candidates([self.drafts] * len(rows), embedded, likely)


@pytest.fixture
def targets():
    return np.random.default_rng(0).normal(size=(40, DIM)).astype(np.float32)


def test_a_draft_counts_the_more_the_closer_it_is():
    hints = Hints.of([["one", "two"]], np.array([[0.9, 0.8]], np.float32))
    assert hints.weights.sum() == pytest.approx(1)
    assert hints.weights[0, 0] / hints.weights[0, 1] == pytest.approx(np.exp(0.1 / 0.05), rel=1e-5)


def test_tokens_gain_by_the_weight_of_the_drafts_that_hold_them_unless_they_say_nothing():
    words = ["cat", "the", ".", "dog", "</s>", "unsaid"]
    hints = Hints([["the cat .", "dog cat cat"]], np.array([[0.75, 0.25]], np.float32))
    found = gains(
        hints,
        lambda texts: [[*map(words.index, text.split()), 4] for text in texts],
        lambda token: {"</s>": ""}.get(words[token], words[token]),
        len(words),
    )
    assert found.tolist() == [[STRENGTH, 0, 0, 0.25 * STRENGTH, 0, 0]]


def said(lines, word):
    return sum(word in line.lower().split() for line in lines)


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.8, "random_state": 1}, {"beams": 3}])
def test_what_the_guide_says_is_said_more_often(small, targets, settings):
    with torch.no_grad():
        small.decoder.network.words.weight.mul_(0.2)  # so that other words fit, too
    plain, _ = small.generate(targets, **settings)
    word = min(("cat", "dog", "mat", "day"), key=lambda one: said(plain, one))
    small.guide = Says(small.encoder, f"a {word} on the {word}")
    guided, _ = small.generate(targets, **settings)
    assert said(guided, word) > said(plain, word)
    small.guide = Says(small.encoder, "the on a")  # nothing
    assert small.generate(targets, **settings)[0] == plain


class Even:
    """A network that likes token 1 best, then 2, then 3, and 0 and 4 not at all."""

    def begin(self, soft):
        return self.next_scores(torch.zeros(len(soft)), 0, self), self

    def next_scores(self, tokens, at, memory):
        return torch.tensor([-9.0, 0.3, 0.2, 0.1, -9.0]).repeat(len(tokens), 1)

    def take(self, rows, *, spare=False):
        pass


@pytest.mark.parametrize("beams", [1, 2])
def test_a_token_that_fits_is_favored_until_it_is_written(beams):
    rules = Rules(-1, 0, max_tokens=5, no_repeat=0)
    favored = torch.tensor([[0.0, 0.0, 0.0, 2.0, 99.0], [0.0, 0.0, 4.0, 2.0, 0.0]])
    rows, _ = write(
        Even(), torch.zeros(2, 1, 1), [0.0], rules, beams=beams, generator=None, gains=favored
    )
    assert [sorted(row[1:]) for row in rows] == [[1, 1, 1, 3], [1, 1, 2, 3]]
    if beams == 1:
        assert [row[1:] for row in rows] == [[3, 1, 1, 1], [2, 3, 1, 1]]


@pytest.mark.parametrize("beams", [1, 2])
def test_a_likelihood_is_the_writers_own(tokenizer, causal, beams):
    decoder = HuggingFaceDecoder(causal("llama", len(tokenizer)), tokenizer, prompt="{} :")
    soft = torch.randn(6, 2, 16, generator=torch.Generator().manual_seed(0))
    hints = Hints([["cat mat", "cat dog day"]] * 6, np.full((6, 2), 0.5, np.float32))
    ids, likely = decoder._write(soft, beams=beams, max_tokens=6, hints=hints)
    assert ids != decoder._write(soft, beams=beams, max_tokens=6)[0]
    losses, real = decoder._losses(soft, ids)
    assert torch.allclose(likely.flatten(), -losses.sum(1) / real.sum(1), rtol=1e-3)


def test_any_language_model_can_be_guided(tokenizer, causal):
    decoder = HuggingFaceDecoder(causal("gpt2", len(tokenizer)), tokenizer, prompt="{}")
    soft = torch.randn(6, 2, 16, generator=torch.Generator().manual_seed(0))
    hints = Hints([["dog"], ["cat"]] * 3, np.ones((6, 1), np.float32))
    lines, _ = decoder.decode(soft, max_tokens=12, hints=hints)
    plain, _ = decoder.decode(soft, max_tokens=12)

    def right(rows):
        return sum(w in row[0].split() for w, row in zip(["dog", "cat"] * 3, rows, strict=True))

    assert right(lines) > right(plain)
    alone, _ = decoder.decode(soft[3:4], max_tokens=12, hints=hints.part(slice(3, 4)))
    assert alone == [lines[3]]


def test_an_end_gains_nothing(tokenizer, causal):
    decoder = HuggingFaceDecoder(causal("llama", len(tokenizer)), tokenizer, prompt="{}")
    found = decoder._gains(Hints([["a cat unknown"]], np.ones((1, 1), np.float32)))[0]
    assert found.nonzero()[:, 0].tolist() == tokenizer.convert_tokens_to_ids(["cat"])
    assert found.max() == STRENGTH


def test_fewer_rows_are_the_first_of_more(small, targets):
    quick = Inverter(small.encoder, small.adaptor, small.decoder)
    said = {"closeness": 5.0, "log_likelihood": 1.0, "label": 0.3, "words": -0.1}
    said |= {"repeated": -0.5, "intercept": -3.0, "typical": 0.5, "least": 0.2}
    small.notes["confidence"] = said
    assert small.confidence == Confidence(**said)
    for wrong in ("high", said | {"least": 2}, {"least": 0.2}, said | {"closeness": "5"}):
        small.notes["confidence"] = wrong
        with pytest.raises((TypeError, ValueError), match=r"confidence"):
            _ = small.confidence
    small.notes["confidence"] = said
    small.guide = quick
    assert small.confidence is None  # that is of sentences without one
    small.notes["kept"] = 0.4
    assert small.readers_kept is None
    small.guide = None
    assert small.readers_kept == 0.4
    small.notes["kept"] = 4
    with pytest.raises(ValueError, match=r"kept of notes must be a finite number in \[0, 1\]"):
        _ = small.readers_kept
    small.guide = quick
    more = small.candidates(targets, 4, random_state=0)
    assert small.candidates(targets[:7], 4, random_state=0).sentences == more.sentences[:7]
    assert small.generate(targets[:7])[0] == small.generate(targets)[0][:7]


def test_what_cannot_guide_is_refused(small, bag):
    with pytest.raises(ValueError, match=r"guide must be an inverter of the encoder 'bag'"):
        small.guide = Says(bag("another"), "cat")
    with pytest.raises(TypeError, match=r"guide must be an inverter or None, got str"):
        small.guide = "nano"
    with pytest.raises(ValueError, match="another inverter"):
        small.guide = small
    assert small.guide is None


def test_a_guide_is_loaded_by_name_and_is_not_kept_in_a_folder(small, bag, targets, tmp_path):
    small.save_pretrained(tmp_path / "quick")
    guided = Inverter.from_pretrained(tmp_path / "quick", encoder=bag(), guide=tmp_path / "quick")
    assert guided.guide.generate(targets)[0] == small.generate(targets)[0]
    guided.save_pretrained(tmp_path / "kept")
    assert Inverter.from_pretrained(tmp_path / "kept", encoder=bag()).guide is None


def test_rows_in_parts_are_not_guided(small):
    from vicinal.text.augment.packed import Packed

    small.guide = Says(small.encoder, "cat")
    with pytest.raises(ValueError, match=r"without a guide .* Set inverter.guide = None"):
        Packed.of(small)


def test_who_goes_on_learning_keeps_its_guide(small, texts):
    small.guide = Says(small.encoder, "cat")
    said = [f"{text} the dog" for text in texts]
    options = TrainingOptions(steps=1, batch_size=2, validation=0)
    assert align(small, said, options=options, random_state=0).guide is small.guide
    task = refine(small, said, ["a", "b", "a", "b", "a"], tune="head", random_state=0)
    assert task.guide is small.guide
