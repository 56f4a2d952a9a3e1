"""smol, where the packages that it needs are installed."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

torch = pytest.importorskip("torch")

from vicinal.text._smollm2 import missing_packages  # noqa: E402
from vicinal.text.invert import Inverter  # noqa: E402
from vicinal.text.invert.folder import default_inverter, find_folder  # noqa: E402

lacks = missing_packages() or find_spec("vicinal_smol") is None
pytestmark = pytest.mark.skipif(bool(lacks), reason="smol or its language model is not installed")


def test_smol_is_the_default_is_small_and_writes_what_it_is_asked_for():
    assert default_inverter() == "smol"
    size = sum(path.stat().st_size for path in find_folder("smol").rglob("*") if path.is_file())
    assert size < 36e6
    smol = Inverter.from_pretrained("smol")
    texts = ["My card has not arrived.", "The garden was quiet."]
    found = smol.invert(smol.encode(texts))
    assert found.closeness.min() > 0.6
    for line, text in zip(found.sentences, texts, strict=True):
        assert line[0].isupper()
        assert line.endswith(".")
        assert set(line.lower().split()) & set(text.lower().split())
