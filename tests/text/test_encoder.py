"""The encoder: read the quick way, it says what sentence-transformers says."""

from __future__ import annotations

import json
import shutil
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from vicinal.text import Encoder, _readers  # noqa: E402
from vicinal.text.models import lasting_name, resolve_model  # noqa: E402

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "on", "mat"]
WORDS += ["a", "fine", "day", "##s", ".", ","]
TEXTS = ["The cats sat on the mat.", "a fine day", "", "day " * 50, "the cat", "Café, 東京"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small random BERT, as Hugging Face saves it."""
    path = tmp_path_factory.mktemp("bert")
    (path / "vocab.txt").write_text("\n".join(WORDS), "utf-8")
    transformers.BertTokenizerFast(str(path / "vocab.txt"), model_max_length=32).save_pretrained(
        path
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = transformers.BertConfig(
            vocab_size=len(WORDS),
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=32,
            max_position_embeddings=32,
        )
        model = transformers.BertModel(config)
    with torch.no_grad():
        for one in model.parameters():
            one.add_(0.1 * torch.randn(one.shape, generator=torch.Generator().manual_seed(1)))
    model.save_pretrained(path)
    return path


def test_a_plain_bert_is_pooled_as_transformers_would(folder):
    encoder = Encoder(folder, dtype="float32", batch_size=2)
    assert isinstance(encoder.model, _readers.BertEncoder)
    model = transformers.BertModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    found = encoder.encode(TEXTS)
    for text, mine in zip(TEXTS, found, strict=True):
        rows = tokenizer([text], return_tensors="pt", truncation=True, max_length=32)
        with torch.inference_mode():
            expected = model(**rows).last_hidden_state[0].mean(0).numpy()
        assert mine == pytest.approx(expected, abs=2e-5)


def test_both_ways_of_reading_agree_in_embeddings_and_fingerprint(folder, monkeypatch):
    pytest.importorskip("sentence_transformers")
    quick = Encoder(folder, dtype="float32")
    monkeypatch.setattr(_readers.PlainReader, "fits", staticmethod(lambda folder: False))
    general = Encoder(folder, dtype="float32")
    assert isinstance(general._reader, _readers.GeneralReader)
    assert quick.encode(TEXTS) == pytest.approx(general.encode(TEXTS), abs=2e-5)
    assert quick.fingerprint == general.fingerprint
    assert (quick.dim, quick.max_tokens) == (general.dim, general.max_tokens)
    quick.normalize = general.normalize = True
    assert quick.encode(TEXTS) == pytest.approx(general.encode(TEXTS), abs=2e-5)


def test_a_fingerprint_follows_the_weights(folder):
    encoder = Encoder(folder)
    before = encoder.fingerprint
    assert before == Encoder(folder, max_tokens=3).fingerprint
    with torch.no_grad():
        encoder.model.norm.bias[0] += 1
    assert encoder.fingerprint != before


def test_embeddings_follow_the_weights_in_bfloat16_too(folder):
    encoder = Encoder(folder, dtype="bfloat16")
    before = encoder.encode(TEXTS)
    assert before == pytest.approx(Encoder(folder, dtype="float32").encode(TEXTS), abs=0.1)
    with torch.no_grad():
        encoder.model.norm.weight.mul_(-1)
    assert not np.allclose(encoder.encode(TEXTS), before, atol=0.1)


def test_embeddings_and_fingerprint_follow_an_optimizer_that_counts_no_changes(folder):
    encoder = Encoder(folder, dtype="bfloat16")
    before, known = encoder.encode(TEXTS), encoder.fingerprint
    optimizer = torch.optim.AdamW(encoder.model.parameters(), lr=0.5, fused=True)
    sum(one.sum() for one in encoder.model.parameters()).backward()
    optimizer.step()
    assert encoder.fingerprint != known
    assert not np.allclose(encoder.encode(TEXTS), before, atol=0.1)


def test_long_texts_are_cut(folder):
    short = Encoder(folder, dtype="float32", max_tokens=5)
    assert short.encode(["the cat sat on the mat"]) == pytest.approx(
        Encoder(folder, dtype="float32").encode(["the cat sat"]), abs=1e-5
    )


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("config.json", {"model_type": "roberta"}),
        ("config.json", {"hidden_act": "relu"}),
        ("config.json", {"position_embedding_type": "relative_key"}),
        ("config.json", {"is_decoder": True}),
        ("modules.json", [{"type": "x.Transformer", "path": ""}, {"type": "x.Dense", "path": "1"}]),
        ("pooling", {"pooling_mode_cls_token": True}),
        ("sentence_bert_config.json", {"do_lower_case": True}),
        ("config_sentence_transformers.json", {"default_prompt_name": "query"}),
    ],
)
def test_what_is_not_a_plain_mean_pooled_bert_goes_the_general_way(tmp_path, name, changes):
    parts = [
        {"type": f"x.{kind}", "path": path}
        for kind, path in (("Transformer", ""), ("Pooling", "1"))
    ]
    (tmp_path / "1").mkdir()
    files = {
        "config.json": {"model_type": "bert", "hidden_act": "gelu"},
        "modules.json": parts,
        "1/config.json": {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False},
        "model.safetensors": {},
        "tokenizer.json": {},
    }
    for each, said in files.items():
        (tmp_path / each).write_text(json.dumps(said))
    assert _readers.PlainReader.fits(tmp_path)
    name = "1/config.json" if name == "pooling" else name
    said = changes if isinstance(changes, list) else {**files.get(name, {}), **changes}
    (tmp_path / name).write_text(json.dumps(said))
    assert not _readers.PlainReader.fits(tmp_path)


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "general"])
def test_pieces_are_those_of_the_tokenizer(folder, monkeypatch, plain):
    if not plain:
        pytest.importorskip("sentence_transformers")
        monkeypatch.setattr(_readers.PlainReader, "fits", staticmethod(lambda folder: False))
    encoder = Encoder(folder)
    assert encoder.pieces("The cats, a dog.") == ["the", "cat", "##s", ",", "a", "", "."]
    assert encoder.pieces("") == []
    size = len(encoder.ranks("The cats, a dog."))
    assert size == 7
    assert 0 < encoder.ranks("the")[0] < 1
    for tells in (encoder.pieces, encoder.ranks):
        with pytest.raises(TypeError, match="text must be a string, got list"):
            tells(["The cat."])


def test_a_name_on_no_hub_is_asked_for_once(monkeypatch):
    pytest.importorskip("sentence_transformers")
    import huggingface_hub

    asked, waited = [], []

    def unreachable(url, **settings):
        asked.append(url)
        raise RuntimeError("no such host")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", unreachable)
    monkeypatch.setattr(time, "sleep", waited.append)
    with pytest.raises(OSError, match=r"'no-such/model' could not be loaded .* say 'offline'\."):
        Encoder("no-such/model")
    assert (len(asked), waited) == (1, [])


def test_a_tokenizer_without_its_unknown_token_is_refused(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "bert")
    path = tmp_path / "bert" / "tokenizer.json"
    said = json.loads(path.read_text("utf-8"))
    said["added_tokens"] = [one for one in said["added_tokens"] if one["content"] != "[UNK]"]
    del said["model"]["vocab"]["[UNK]"]
    path.write_text(json.dumps(said), "utf-8")
    with pytest.raises(ValueError, match=r"lacks the token '\[UNK\]'. Add it there"):
        Encoder(tmp_path / "bert")


@pytest.fixture
def kept(folder, tmp_path):
    """An encoder with a cache, what it says of texts, and the file where that is kept."""
    encoder = Encoder(folder, dtype="float32", cache=tmp_path / "cache")
    said = encoder.encode(TEXTS)
    (path,) = (tmp_path / "cache").iterdir()
    return encoder, said, path


@pytest.mark.parametrize("bytes_left", [0, 9, -10])
def test_a_damaged_entry_of_the_cache_is_made_anew(kept, bytes_left):
    encoder, said, path = kept
    whole = path.read_bytes()
    path.write_bytes(whole[:bytes_left])
    assert np.array_equal(encoder.encode(TEXTS), said)
    assert path.read_bytes() == whole


def test_an_entry_of_the_cache_with_other_rows_is_made_anew(kept):
    encoder, said, path = kept
    np.save(path, said[:-1])
    assert np.array_equal(encoder.encode(TEXTS), said)


def test_what_is_in_the_cache_is_not_encoded_again(kept, monkeypatch):
    encoder, said, _ = kept
    monkeypatch.setattr(encoder, "_encode", None)
    assert np.array_equal(encoder.encode(TEXTS), said)


def test_the_cache_knows_bfloat16_from_float32(kept):
    encoder, said, path = kept
    half = Encoder(encoder.name, dtype="bfloat16", cache=path.parent)
    assert not np.array_equal(half.encode(TEXTS), said)
    assert np.array_equal(half.encode(TEXTS), Encoder(encoder.name, dtype="bfloat16").encode(TEXTS))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"{"),
        ("model.safetensors", b""),
        ("model.safetensors", b"\xff" * 40),
        ("tokenizer.json", b"{}"),
        ("tokenizer.json", b""),
        ("modules.json", b'[{"type": "Transformer"}]'),
    ],
)
def test_a_damaged_model_is_named(folder, tmp_path, name, content):
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model" / name).write_bytes(content)
    with pytest.raises(OSError, match=r"Model '.*model' could not be loaded \(.+\)\. "):
        Encoder(tmp_path / "model")


@pytest.mark.parametrize("below", ["", "/deeper/still"])
def test_a_cache_that_is_a_file_is_named(tmp_path, below):
    (tmp_path / "notes").write_text("42")
    with pytest.raises(FileExistsError, match=r"cache must be a folder, got .*notes' is a file\."):
        Encoder("no-such/model", cache=f"{tmp_path / 'notes'}{below}")


@pytest.mark.parametrize(
    "device",
    [
        "foo",
        pytest.param(
            "cuda", marks=pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is here")
        ),
    ],
)
def test_a_device_that_is_not_there_is_named(folder, device):
    with pytest.raises(ValueError, match=f"device '{device}' cannot be used here"):
        Encoder(folder, device=device)


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "general"])
def test_an_encoder_moves_to_a_device_that_is_there(folder, monkeypatch, plain):
    if not plain:
        pytest.importorskip("sentence_transformers")
        monkeypatch.setattr(_readers.PlainReader, "fits", staticmethod(lambda folder: False))
    encoder = Encoder(folder, dtype="float32", device="cpu")
    before = encoder.encode(TEXTS)
    with pytest.raises(ValueError, match="device 'foo' cannot be used here"):
        encoder.to("foo")
    there = "cuda" if torch.cuda.is_available() else "cpu"
    assert encoder.to(there) is encoder
    assert encoder.encode(TEXTS) == pytest.approx(before, abs=1e-4)
    encoder.to("meta")
    assert {one.device.type for one in encoder.model.parameters()} == {"meta"}


@pytest.fixture
def gpt2(tmp_path):
    """A small random GPT-2, whose tokenizer knows nothing to fill rows up with."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocab = {word: at for at, word in enumerate([*WORDS, "</s>"])}
    inner = Tokenizer(models.WordLevel(vocab, "[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    settings = {"tokenizer_object": inner, "unk_token": "[UNK]", "padding_side": "left"}
    transformers.PreTrainedTokenizerFast(
        **settings, eos_token="</s>", model_max_length=32
    ).save_pretrained(tmp_path)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.GPT2Model(
            transformers.GPT2Config(
                vocab_size=len(vocab), n_embd=16, n_layer=2, n_head=2, n_positions=32
            )
        ).save_pretrained(tmp_path)
    return tmp_path, settings


def test_without_a_padding_token_rows_are_filled_up_behind_a_mask(gpt2):
    pytest.importorskip("sentence_transformers")
    folder, _ = gpt2
    texts = ["the cat sat on the mat", "a fine day", "cat"]
    together = Encoder(folder, dtype="float32").encode(texts)
    model = transformers.GPT2Model.from_pretrained(folder).eval()
    for text, mine in zip(texts, together, strict=True):
        ids = torch.tensor([[WORDS.index(word) for word in text.split()]])
        with torch.inference_mode():
            expected = model(ids).last_hidden_state[0].mean(0).numpy()
        assert mine == pytest.approx(expected, abs=2e-5)


def test_without_any_token_to_fill_up_with_a_remedy_is_given(gpt2):
    pytest.importorskip("sentence_transformers")
    folder, settings = gpt2
    transformers.PreTrainedTokenizerFast(**settings).save_pretrained(folder)
    with pytest.raises(ValueError, match="neither pad_token nor eos_token"):
        Encoder(folder)


def test_half_a_character_is_refused_before_it_is_read(folder):
    with pytest.raises(ValueError, match=r"texts at position 1 must be text that UTF-8 can hold"):
        Encoder(folder).encode(["the cat", "the \ud83d"])


def test_it_is_a_step_of_a_pipeline(folder):
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline

    from vicinal.learn import MixupClassifier

    encoder = Encoder(folder, dtype="float32")
    model = make_pipeline(encoder, MixupClassifier(random_state=0))
    texts, labels = ["the cat", "a fine day", "the mat", "fine day"] * 3, ["a", "b"] * 6
    assert model.fit(texts, labels).predict_proba(texts[:2]).shape == (2, 2)
    assert len(cross_val_score(model, texts, labels, cv=2)) == 2


def test_the_folder_of_the_one_who_asks_is_read(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve_model("~/mine") == lasting_name("~/mine") == str(tmp_path / "mine")
