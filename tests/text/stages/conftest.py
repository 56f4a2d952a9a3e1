"""A small encoder, and a small causal language model that is really trained, for the stages."""

from __future__ import annotations

import hashlib
import itertools
import signal
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
import pytest

ADJECTIVES = ["big", "small", "red", "old", "young", "happy", "sad", "quick", "quiet", "cold"]
NOUNS = ["dog", "cat", "bird", "horse", "child", "teacher", "doctor", "singer", "farmer", "king"]
VERBS = ["sees", "likes", "hears", "follows", "finds", "helps", "calls", "paints"]
WORDS = ["the", ".", *ADJECTIVES, *NOUNS, *VERBS]


def sentences() -> list[str]:
    """8,000 sentences of six words, in a fixed shuffled order."""
    every = [
        f"the {a} {n} {v} the {m} ."
        for a, n, v, m in itertools.product(ADJECTIVES, NOUNS, VERBS, NOUNS)
    ]
    order = np.random.default_rng(0).permutation(len(every))
    return [every[at] for at in order]


class SmallEncoder:
    """Embeds a text as a sum of fixed vectors of its words, each turned by its place."""

    name, dim, normalize, max_tokens, batch_size = "small", 48, False, 64, 64

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.vectors = {word: rng.standard_normal(self.dim) for word in WORDS}
        self.places = rng.standard_normal((64, self.dim))
        self.fingerprint = f"small-{seed}"
        self.calls = 0

    def encode(self, texts, *, progress=False):
        self.calls += len(texts)
        rows = np.zeros((len(texts), self.dim), np.float32)
        for at, text in enumerate(texts):
            for place, word in enumerate(text.split()[:64]):
                rows[at] += self.vectors.get(word, self.places[0]) * self.places[place]
        return rows / 3


def make_tokenizer():
    """One id a word."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = ["<pad>", "<s>", "</s>", "<unk>", ":", *WORDS]
    inner = Tokenizer(models.WordLevel({name: at for at, name in enumerate(names)}, "<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    )


@lru_cache(maxsize=1)
def language_model(steps: int = 120):
    """GPT-2's shape, two layers, trained on sentences after some of their words in any order."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    words = make_tokenizer()
    rng = np.random.default_rng(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=len(words), n_positions=32, n_embd=64, n_layer=2, n_head=4,
                resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=1, eos_token_id=2,
            )
        )  # fmt: skip
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        pool = sentences()[2000:]
        for _ in range(steps):
            rows = []
            for at in rng.integers(len(pool), size=64):
                ids = words(pool[at])["input_ids"]
                hints = rng.permutation([ids[1], ids[2], ids[3], ids[5]])
                rows.append([*hints, 4, *ids, 2])
            batch = torch.tensor(np.array(rows))
            labels = batch.clone()
            labels[:, :5] = -100
            optimizer.zero_grad()
            model(input_ids=batch, labels=labels).loss.backward()
            optimizer.step()
        optimizer.zero_grad()
    return model.eval().requires_grad_(False), words


def state_hash(model) -> str:
    """Hash of all weights."""
    total = hashlib.sha256()
    for name, one in model.state_dict().items():
        total.update(name.encode() + one.detach().numpy().tobytes())
    return total.hexdigest()


def build(decoder_class=None, *, encoder=None, model=None, **settings):
    """Return an inverter whose adaptor has learned nothing."""
    import torch

    from vicinal.text.invert.adaptor import Adaptor
    from vicinal.text.invert.huggingface import HuggingFaceDecoder
    from vicinal.text.invert.inverter import Inverter

    own, words = language_model()
    decoder = (decoder_class or HuggingFaceDecoder)(
        model or own, words, prompt="{} :", name="small", **settings
    )
    encoder = encoder or SmallEncoder()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        adaptor = Adaptor(
            encoder.dim, decoder.width, soft_tokens=4, hidden=128, loudness=decoder.loudness
        )
    return Inverter(encoder, adaptor, decoder)


def same(left, right) -> bool:
    """Whether two inverters have the same adaptor, to the last bit."""
    a, b = left.adaptor.state_dict(), right.adaptor.state_dict()
    return all(bool((a[name] == b[name]).all()) for name in a)


@pytest.fixture(autouse=True)
def keyboard():
    """Ctrl-C raises, also where tests run in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def small() -> SimpleNamespace:
    """Return what is above, for tests that cannot import it."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    return SimpleNamespace(
        sentences=sentences,
        Encoder=SmallEncoder,
        language_model=language_model,
        tokenizer=make_tokenizer,
        state_hash=state_hash,
        build=build,
        same=same,
    )
