"""Checks of nano's parts on hand-computed cases: `python training/test_nano.py`, or pytest."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nano_codec import CAP, EOS, FORMAL, INFORMAL, JOIN, Codec, normalise
from nano_data import Batch
from nano_model import Inverter, InverterConfig
from nano_train import Recipe, Trainer, load_weights
from torch.nn import functional

PIECES = [
    "i",
    "'",
    "m",
    "tom",
    ",",
    ".",
    "3",
    "14",
    '"',
    "hello",
    "mc",
    "donald",
    "-",
    "##s",
    "well",
    "known",
    "?",
    "(",
]
PIECES += [")", "usa", "s", "the"]
SMALL = InverterConfig(
    vocab=20,
    embedding=6,
    width=24,
    inner=32,
    heads=12,
    layers=2,
    positions=12,
    soft_tokens=3,
    adaptor=8,
)


def small_inverter() -> Inverter:
    """Make a random network, small enough to check by hand."""
    torch.manual_seed(0)
    return Inverter(SMALL).eval()


def test_codec_returns_the_line() -> None:
    """Case, contractions, quotes, decimals, hyphens, camel case and odd spacing survive."""
    codec = Codec(PIECES)
    for line in (
        "I'm Tom.",
        "Tom's well-known.",
        "3.14, 3 , 14.",
        '"Hello," Tom said.'.replace(" said", ""),
        "Hello McDonald (USA).",
        "hello tom",
        "The USA's Toms' well?",
        "tom Is HELLO".replace("Is", "I"),
    ):
        ids = codec.encode(line)
        assert ids is not None, line
        assert codec.decode(ids) == line


def test_codec_writes_markers_only_where_the_rules_fail() -> None:
    """An ordinary sentence needs one marker, for the name."""
    codec = Codec(PIECES)
    name = codec.ids
    assert codec.encode("Hello, Tom.") == [
        FORMAL,
        name["hello"],
        name[","],
        CAP,
        name["tom"],
        name["."],
        EOS,
    ]
    assert codec.encode("hello, i'm tom") == [
        INFORMAL,
        *(name[t] for t in ("hello", ",", "i", "'", "m", "tom")),
        EOS,
    ]
    assert codec.encode("McDonald.") == [
        FORMAL,
        name["mc"],
        JOIN,
        CAP,
        name["donald"],
        name["."],
        EOS,
    ]


def test_codec_refuses_what_it_cannot_spell_and_reads_nonsense() -> None:
    """No unknown token; markers out of place do no harm."""
    codec = Codec(PIECES)
    assert codec.encode("Hello, 中.") is None
    assert codec.decode([FORMAL, JOIN, JOIN, CAP, codec.ids["##s"], CAP, EOS, EOS]) == "S"
    assert normalise("“Café”  …") == '"Cafe" ...'


def test_loss_is_shifted_by_one_and_masked() -> None:
    """The loss equals a position-by-position sum over two rows, one of them padded."""
    model = small_inverter()
    embedding = torch.randn(2, 6)
    ids = torch.tensor([[1, 5, 6, 7, 3], [2, 8, 3, 0, 0]])
    terms = []
    for row, length in ((0, 5), (1, 3)):
        for position in range(
            length - 1
        ):  # a prefix that ends at `position` predicts the next token
            prefix = ids[row : row + 1, : position + 1]
            scores = model.logits(model.hidden(embedding[row : row + 1], prefix)[:, -1])
            terms.append(functional.cross_entropy(scores, ids[row, position + 1 : position + 2]))
    expected = torch.stack(terms).mean()
    assert torch.allclose(model.loss(embedding, ids, torch.tensor([5, 3])), expected, atol=1e-5)


def test_no_position_sees_what_follows() -> None:
    """Changing the last token changes no earlier state; changing the embedding changes them all."""
    model = small_inverter()
    embedding, ids = torch.randn(1, 6), torch.tensor([[1, 5, 6, 7, 3]])
    other = ids.clone()
    other[0, -1] = 9
    before, after = model.hidden(embedding, ids), model.hidden(embedding, other)
    assert torch.allclose(before[:, :-1], after[:, :-1], atol=1e-6)
    assert not torch.allclose(before[:, -1], after[:, -1])
    assert bool(((model.hidden(embedding + 1, ids) - before).abs().amax(-1) > 1e-4).all())


def test_generation_with_cache_equals_generation_without() -> None:
    """Greedy ids are the ones found by running the whole prefix again for each token."""
    model = small_inverter()
    with torch.no_grad():
        model.words.weight.mul_(3)
    embedding = torch.randn(4, 6)
    written = model.generate(embedding, style=1, end=3, banned=(0, 1, 2), max_tokens=10)
    for row, found in enumerate(written):
        ids = [1]
        while len(ids) < 10 and ids[-1] != 3:
            scores = model.logits(
                model.hidden(embedding[row : row + 1], torch.tensor([ids]))[:, -1]
            )[0]
            scores[:3] = -np.inf
            ids.append(int(scores.argmax()))
        assert found == ids


def test_a_resumed_run_equals_an_unbroken_one() -> None:
    """Fourteen steps at once, and eleven, a checkpoint and three more, end in the same weights."""
    corpus: Any = None  # not touched by train_step
    recipe = Recipe(warmup=2, decay_start=4, decay_steps=4)

    def batch(step: int) -> Batch:
        generator = torch.Generator().manual_seed(step)
        ids = torch.randint(4, 20, (3, 6), generator=generator)
        return Batch(torch.randn(3, 6, generator=generator), ids, torch.tensor([6, 5, 4]))

    whole, first, second = (Trainer(small_inverter(), corpus, recipe, "cpu") for _ in range(3))
    for step in range(14):
        whole.train_step(batch(step))
    for step in range(11):
        first.train_step(batch(step))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "last.safetensors"
        first.save(path)
        second.load(path)
        again, notes = load_weights(path)
    assert (second.step, second.sentences, notes["step"]) == (11, 33, "11")
    assert torch.equal(again.words.weight, first.averaged().words.weight)
    for step in range(11, 14):
        second.train_step(batch(step))
    for name, one, other in zip(whole.names, whole.parameters, second.parameters, strict=True):
        assert torch.equal(one, other), name
    assert all(torch.equal(a, b) for a, b in zip(whole.average, second.average, strict=True))


if __name__ == "__main__":
    for name, check in list(globals().items()):
        if name.startswith("test_"):
            check()
            print("ok", name)
