"""Checks of nano's training on hand-computed cases: `python training/test_nano.py`, or pytest."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from nano_data import Batch, choose_vocabulary, word_counts
from nano_model import Inverter, InverterConfig
from nano_polish import Polisher, advantages
from nano_train import Recipe, Trainer, load_weights
from nano_trigrams import Trigrams
from torch.nn import functional

from vicinal.text.invert.codec import SPECIALS

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


def test_the_vocabulary_keeps_the_commonest_pieces_and_all_characters() -> None:
    """Pieces that are seen seldom are left out, characters are not."""
    counts = word_counts(["the cat sat", "the cats sat", "The cat", "a b"] * 3)
    kept = choose_vocabulary(
        counts, ["the", "cat", "##s", "sat", "c", "##a", "a", "b", "z"], size=len(SPECIALS) + 6
    )
    assert len(kept) <= 6
    assert {"the", "cat"} <= set(kept)
    assert {"a", "b"} <= set(kept)  # characters stay however rare
    assert "z" not in kept


def test_the_shipped_parts_are_the_network_that_was_trained() -> None:
    """Adaptor and decoder of the package give the loss of the network in training."""
    model = small_inverter()
    adaptor, network = model.parts(torch.arange(6.0), 2.5)
    embedding = torch.randn(2, 6)
    ids, lengths = torch.tensor([[1, 5, 6, 7, 3], [2, 8, 3, 0, 0]]), torch.tensor([5, 3])
    expected = model.batch_loss((embedding - torch.arange(6.0)) / 2.5, ids, lengths)
    assert torch.allclose(network.loss(adaptor(embedding), ids, lengths), expected, atol=1e-6)


def test_names_of_weights_stay_as_older_checkpoints_have_them() -> None:
    """A checkpoint that was written before can be read."""
    block = ("qkv", "out", "norm1", "up", "down", "norm2")
    names = {f"blocks.{n}.{part}.{kind}" for n in range(2) for part in block for kind in KINDS}
    names |= {f"adaptor.{n}.{kind}" for n in (0, 2) for kind in KINDS}
    names |= {"words.weight", "positions.weight", "norm.weight", "norm.bias", "bias"}
    assert {name for name, _ in small_inverter().named_parameters()} == names


KINDS = ("weight", "bias")


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
            scores = model.logits(model.states(model.soft(embedding[row : row + 1]), prefix)[:, -1])
            terms.append(functional.cross_entropy(scores, ids[row, position + 1 : position + 2]))
    expected = torch.stack(terms).mean()
    assert torch.allclose(
        model.batch_loss(embedding, ids, torch.tensor([5, 3])), expected, atol=1e-5
    )


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


def test_advantages_are_about_the_mean_of_their_group() -> None:
    """Two groups by hand; blame weakens what lies below the mean."""
    found = advantages(np.array([[1.0, 3.0], [10.0, 10.0]]), blame=0.5)
    assert np.allclose(found, np.array([[-0.5, 1.0], [0.0, 0.0]]) * np.sqrt(2))


def test_trigrams_by_hand() -> None:
    """Shares of one, two and three in a row, interpolated; alike ids count as one."""
    trigrams = Trigrams(np.array([1, 5, 6, 3, 2, 5, 7, 3]), 10, {2: 1})
    five = 0.1 * 2.5 / 13 + 0.9 * 2 / 2  # follows the first id both times
    six = 0.1 * 1.5 / 13 + 0.3 * 1 / 2 + 0.6 * 1 / 2
    assert np.isclose(trigrams([2, 5, 6]), np.log([five, six]).mean())
    assert trigrams([1, 5, 9]) < trigrams([1, 5, 7])


def test_learning_from_draws_favors_what_is_worth_more() -> None:
    """One step along the policy's gradient raises one sentence's likelihood over the other's."""
    corpus: Any = SimpleNamespace(
        tokens=np.array([1, 5, 6, 3]), codec=range(20), lengths=np.array([9]), embedded=1
    )
    polisher = Polisher(small_inverter(), corpus, 10, "cpu")
    target = torch.randn(1, 6).expand(2, -1)
    rows = [[1, 5, 6, 3], [1, 7, 8, 9, 3]]

    def gap() -> float:
        with torch.no_grad():
            good, bad = (
                polisher.model.batch_loss(target[:1], torch.tensor([row]), torch.tensor([len(row)]))
                for row in rows
            )
        return float(bad - good)

    before = gap()
    polisher._learn(target, rows, torch.tensor([1.0, -1.0]) / 7)
    polisher.optimizer.step()
    assert gap() > before + 0.001


if __name__ == "__main__":
    for name, check in list(globals().items()):
        if name.startswith("test_"):
            check()
            print("ok", name)
