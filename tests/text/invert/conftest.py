"""Small inverters: an encoder that counts words, and random networks."""

from __future__ import annotations

import numpy as np
import pytest

PIECES = ["the", "cat", "dog", "sat", "ran", "on", "mat", "a", "fine", "day", ",", ".", "!", "?"]
WORDS = [
    "the",
    "cat",
    "dog",
    "sat",
    "ran",
    "on",
    "mat",
    "a",
    "fine",
    "day",
    "said",
    ":",
    "sentence",
    "of",
    "that",
    "meaning",
]
DIM, SIZE = 8, 16


class Bag:
    """An encoder that counts words."""

    name, dim, normalize, max_tokens = "bag", DIM, False, 64

    def __init__(self, fingerprint: str = "0123456789abcdef") -> None:
        self.fingerprint = fingerprint

    def encode(self, texts, *, progress=False):
        found = np.zeros((len(texts), DIM), np.float32)
        for at, text in enumerate(texts):
            for word in text.lower().replace(".", " .").split():
                found[at, sum(map(ord, word)) % DIM] += 1
        return found

    def to(self, device):
        return self


@pytest.fixture
def bag():
    return Bag


@pytest.fixture
def texts():
    return ["the cat sat on the mat.", "a fine day", "the dog ran", "", "mat"]


@pytest.fixture
def small():
    """An inverter of nano's kind with random weights, always the same."""
    torch = pytest.importorskip("torch")
    from vicinal.text.invert import Adaptor, Inverter, NanoDecoder
    from vicinal.text.invert.codec import SPECIALS, Codec
    from vicinal.text.invert.network import NanoNetwork, NanoShape

    with torch.random.fork_rng():
        torch.manual_seed(3)
        shape = NanoShape(
            len(SPECIALS) + len(PIECES), width=24, inner=32, heads=4, layers=2, positions=16
        )
        network = NanoNetwork(shape)
        with torch.no_grad():
            network.words.weight.mul_(2)
        adaptor = Adaptor(DIM, 24, soft_tokens=2, hidden=16)
    return Inverter(Bag(), adaptor, NanoDecoder(network, Codec(PIECES)))


@pytest.fixture(scope="session")
def tokenizer():
    """A tokenizer of a few words."""
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocab = {word: at for at, word in enumerate(["<pad>", "<unk>", "<s>", "</s>", *WORDS])}
    made = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
    )


@pytest.fixture(scope="session")
def bert(tmp_path_factory):
    """A small random BERT, as Hugging Face saves it."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("bert")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PIECES]
    (folder / "vocab.txt").write_text("\n".join(tokens), "utf-8")
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    shape = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": DIM}
    shape |= {"intermediate_size": 16, "max_position_embeddings": 32}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = transformers.BertConfig(vocab_size=len(tokens), **shape)
        transformers.BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def causal():
    """Makes a small random causal model whose scores differ enough to tell tokens apart."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    shape = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": SIZE}
    shape |= {"intermediate_size": 32, "max_position_embeddings": 64}

    def make(kind: str, size: int):
        if kind == "llama":
            config = transformers.LlamaConfig(vocab_size=size, **shape)
        elif kind == "gpt2":
            config = transformers.GPT2Config(
                vocab_size=size, n_embd=SIZE, n_layer=2, n_head=2, n_positions=64
            )
        else:
            config = transformers.BertConfig(vocab_size=size, is_decoder=True, **shape)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            made = transformers.AutoModelForCausalLM.from_config(config).eval()
        with torch.no_grad():
            for one in made.parameters():
                if one.ndim == 2:
                    one.mul_(8)
        return made

    return make
