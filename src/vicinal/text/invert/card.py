"""The card of an inverter: what it is, where it came from, what it can do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["read_preface", "write_card"]

#: What follows this line is written anew each time an inverter is saved.
_LINE = "<!-- What follows is written when the inverter is saved. -->"
_PREFACE = """---
library_name: vicinal
tags: [text-generation, embedding-inversion, mixup]
---

# An inverter

Turns sentence embeddings back into sentences: load it with `vicinal.text.Inverter.from_pretrained`.
It was aligned by its owner, who can say more about it here."""
_MEASURED = re.compile(r"(closeness|below_0\.7|bleu|per_second)_(\d+)")
_HEADS = {
    "closeness": "closeness",
    "below_0.7": "below 0.7",
    "bleu": "BLEU",
    "per_second": "sentences/s",
}


def read_preface(path: Path) -> str:
    """Return what a person wrote at the head of a card, or nothing.

    Parameters
    ----------
    path : path
        A card.

    Returns
    -------
    str
        Everything before what is written by itself.
    """
    if not path.is_file():
        return ""
    return path.read_text("utf-8").partition(_LINE)[0].rstrip()


def write_card(said: Mapping[str, Any], preface: str = "") -> str:
    """Return a card in Markdown.

    Parameters
    ----------
    said : mapping
        What the JSON file of a saved inverter says.
    preface : str
        What comes first, as a person wrote it.

    Returns
    -------
    str
        The card.
    """
    parts = [preface or _PREFACE, _LINE, _identity(said)]
    notes = said.get("notes") or {}
    figures = [one for one in notes.get("figures") or [] if isinstance(one, Mapping)]
    if figures:
        parts.append(_figures(figures))
    if isinstance(notes.get("training"), Mapping):
        parts.append(_training(notes["training"]))
    return "\n\n".join(parts) + "\n"


def _identity(said: Mapping[str, Any]) -> str:
    encoder, adaptor, decoder = said["encoder"], said["adaptor"], said["decoder"]
    model = decoder.get("name", "nano's own, kept here")
    how = decoder.get("tuning", "whole")
    rows = [
        ("encoder", f"{encoder['name']}, fingerprint `{encoder['fingerprint']}`"),
        ("its embeddings", f"length {encoder['dim']}, {_norms(encoder)}"),
        ("language model", f"{model}, {_TUNING[how]}"),
        ("soft tokens", f"{adaptor['soft_tokens']}, through a layer of {adaptor['hidden']}"),
        ("format", f"{said['format']} {said['version']}, written by vicinal {said['vicinal']}"),
    ]
    return "## What it is\n\n" + _table(("part", "here"), rows)


_TUNING = {"frozen": "as published", "lora": "with low-rank matrices", "whole": "trained"}


def _norms(encoder: Mapping[str, Any]) -> str:
    return "normalised" if encoder["normalise"] else "not normalised"


def _figures(figures: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for one in figures:
        counts = sorted({int(m[2]) for m in map(_MEASURED.fullmatch, one) if m})
        for count in counts:
            shown = [_number(one.get(f"{name}_{count}")) for name in _HEADS]
            rows.append([str(one.get("set", "")), str(one.get("lines", "")), str(count), *shown])
    heads = ("held-out lines", "lines", "candidates", *_HEADS.values())
    return (
        "## Measured\n\n"
        "Closeness is the cosine between a sentence's embedding and that of what was written, on "
        "average; below 0.7 is the share of sentences that went astray. Of several candidates the "
        "nearest counts. The pace is that of the machine that measured.\n\n"
    ) + _table(heads, rows)


def _training(training: Mapping[str, Any]) -> str:
    rows: list[tuple[str, str]] = []
    for name, value in training.items():
        if isinstance(value, Mapping):
            rows += [(f"{name}: {key}", _number(one)) for key, one in value.items()]
        else:
            rows.append((name, _number(value)))
    return "## Training\n\n" + _table(("setting", "value"), rows)


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
