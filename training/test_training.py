"""Checks of the trainers on hand-computed cases: `python -m pytest training`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import smol
import torch
from nano_polish import Polished, advantages, polish
from nano_trigrams import Trigrams
from nano_vocabulary import choose_vocabulary, word_counts

from vicinal._random import Seeds
from vicinal.text.invert import Adaptor, Inverter, NanoDecoder
from vicinal.text.invert.codec import SPECIALS, Codec
from vicinal.text.invert.fitting import Sentences
from vicinal.text.invert.network import NanoNetwork, NanoShape

WORDS = ["a", "dog", "cat", "sat", "ran", "the", "saw", "."]
LINES = [f"The {a} {v} the {b}." for a in WORDS[1:3] for v in ("saw", "ran") for b in WORDS[1:3]]


class SmallEncoder:
    """Embeds a text by the words it holds."""

    name, dim, normalize, max_tokens, fingerprint = "small", 6, False, 64, "small"

    def encode(self, texts, *, progress=False):
        """Return embeddings (n, 6)."""
        rows = [[text.lower().count(word) + len(text) / 30 for word in WORDS[:6]] for text in texts]
        return np.array(rows, np.float32)


def small_inverter() -> Inverter:
    """Make a random inverter, small enough to check by hand."""
    codec = Codec(WORDS)
    torch.manual_seed(0)
    shape = NanoShape(len(codec), width=24, inner=32, heads=12, layers=2, positions=12)
    adaptor = Adaptor(6, 24, soft_tokens=3, hidden=8)
    return Inverter(SmallEncoder(), adaptor, NanoDecoder(NanoNetwork(shape), codec))


def weights(inverter: Inverter) -> list[torch.Tensor]:
    """Return all weights."""
    parts = (inverter.adaptor, inverter.decoder.network)
    return [one for part in parts for one in part.parameters()]


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


def test_a_resumed_polish_equals_an_unbroken_one(tmp_path: Path) -> None:
    """Five steps at once, and a signal in the third and then the rest, end in the same weights."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    whole, stopped, again = (small_inverter() for _ in range(3))
    polish(whole, LINES, 5, tmp_path / "whole", 0)
    encode, calls = stopped.encoder.encode, []

    def interrupted(texts, **kwargs):
        calls.append(1)
        if len(calls) == 4:  # the first call is of the lines, and one more of each step
            signal.raise_signal(signal.SIGINT)
        return encode(texts, **kwargs)

    stopped.encoder.encode = interrupted
    with pytest.raises(KeyboardInterrupt):
        polish(stopped, LINES, 5, tmp_path / "parts", 0)
    signal.signal(signal.SIGINT, before)
    assert len(calls) == 4
    polish(again, LINES, 5, tmp_path / "parts", 0)
    new = weights(small_inverter())
    assert not all(torch.equal(*pair) for pair in zip(weights(whole), new, strict=True))
    assert all(torch.equal(*pair) for pair in zip(weights(whole), weights(again), strict=True))


def test_what_smol_learned_comes_back_from_its_file(tmp_path: Path) -> None:
    """A file holds all that learns, under the names that older files have."""
    from tokenizers import Tokenizer, models
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({"<s>": 0, "a": 1}, "<s>"))
    words = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<s>")
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    config = LlamaConfig(vocab_size=2, num_attention_heads=2, **shape)
    lora = {"r": 2, "target_modules": list(smol.PROJECTIONS)}

    def built(seed: int, lora: dict[str, Any] | None) -> Inverter:
        return Inverter.build(
            SmallEncoder(), (LlamaForCausalLM(config), words), hidden=8, norm=True, prompt="{}",
            lora=lora, random_state=seed,
        )  # fmt: skip

    one, other, frozen = built(0, lora), built(1, lora), built(1, None)
    smol.export(one, tmp_path / "smol.safetensors")
    there = smol.read(tmp_path / "smol.safetensors")
    assert {"adaptor.f.0.weight", "adaptor.n.bias", "adaptor.g", "embedding.size"} <= set(there)
    layer = "lora.base_model.model.model.layers.0.mlp.down_proj.lora_A.default.weight"
    assert there[layer].dtype == torch.float16
    smol.take(other, there)
    smol.take(frozen, there)  # of what learned the adaptor alone
    assert set(smol.learned(frozen)) == {name for name in there if not name.startswith("lora.")}
    for name, value in smol.learned(frozen).items():
        assert torch.equal(value, smol.learned(other)[name]), name
    for name, value in smol.learned(one).items():
        assert torch.allclose(smol.learned(other)[name], value, rtol=2e-3, atol=1e-4), name


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
    made = small_inverter()
    tokens = [made.decoder.codec.encode(line) or [] for line in LINES]
    model = Polished(made, Sentences(made.encode(LINES), tokens, 0.0, Seeds(0)))
    target, rows = torch.randn(1, 6).expand(2, -1), [[1, 9, 10, 3], [1, 11, 12, 13, 3]]

    def gap() -> float:
        with torch.no_grad():
            good, bad = (made.decoder.loss(made.adaptor(target[:1]), [row]) for row in rows)
        return float(bad - good)

    before = gap()
    model.policy(target, rows, torch.tensor([1.0, -1.0]) / 7).backward()
    torch.optim.AdamW(model.parameters(), lr=1e-3).step()
    assert gap() > before + 0.001
