"""The card of an inverter: what it is, where it came from, what it can do."""

from __future__ import annotations

import math
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
Its owner can say more about it here."""
_TASK_PREFACE = (
    _PREFACE.replace("text-generation", "text-generation, text-classification")
    .replace("# An inverter", "# An inverter with a task")
    .replace("sentences: load", "sentences, and tells classes apart: load")
    .replace("text.Inverter", "text.TaskInverter")
)
_MEASURED = re.compile(r"(closeness|below_0\.7|bleu|per_second)_(\d+)(_crossover)?")
_HEADS = {
    "closeness": "closeness",
    "below_0.7": "below 0.7",
    "bleu": "BLEU",
    "per_second": "sentences/s",
}


def read_preface(path: Path) -> str:
    """Return what a person wrote at the head of a card, or nothing."""
    if not path.is_file():
        return ""
    found = path.read_text("utf-8").partition(_LINE)[0].rstrip()
    return "" if found in (_PREFACE, _TASK_PREFACE) else found


def write_card(said: Mapping[str, Any], preface: str = "", classes: Sequence[Any] = ()) -> str:
    """Return a card in Markdown, after what a person wrote; with classes, that of a task."""
    own = _TASK_PREFACE if len(classes) else _PREFACE
    parts = [preface or own, _LINE, _identity(said, classes)]
    notes = said.get("notes") or {}
    figures = [one for one in notes.get("figures") or [] if isinstance(one, Mapping)]
    if figures:
        parts.append(_figures(figures))
    for name, head in (("training", "Training"), ("aligned", "Alignment"), ("task", "Task")):
        if isinstance(notes.get(name), Mapping):
            parts.append(f"## {head}\n\n" + _settings(notes[name]))
    history = [one for one in notes.get("history") or [] if isinstance(one, Mapping)]
    if history:
        parts.append(_losses(history))
    return "\n\n".join(parts) + "\n"


def _identity(said: Mapping[str, Any], classes: Sequence[Any]) -> str:
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
    if len(classes):
        rows.append(("classes", ", ".join(map(_cell, classes))))
    return "## What it is\n\n" + _table(("part", "here"), rows)


_TUNING = {"frozen": "as published", "lora": "with low-rank matrices", "whole": "trained"}


def _norms(encoder: Mapping[str, Any]) -> str:
    return "normalized" if encoder["normalize"] else "not normalized"


def _figures(figures: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for one in figures:
        ways = {(int(m[2]), m[3] or "") for m in map(_MEASURED.fullmatch, one) if m}
        for count, way in sorted(ways):
            shown = [_number(one.get(f"{name}_{count}{way}")) for name in _HEADS]
            said = f"{count}, crossover" if way else str(count)
            rows.append([str(one.get("set", "")), str(one.get("lines", "")), said, *shown])
    heads = ("held-out lines", "lines", "candidates", *_HEADS.values())
    return (
        "## Measured\n\n"
        "Closeness is the cosine between a sentence's embedding and that of what was written, on "
        "average; below 0.7 is the share of sentences that went astray. Of several candidates the "
        "nearest counts; with crossover it then takes over words from the others. The pace is that "
        "of the machine that measured.\n\n"
    ) + _table(heads, rows)


def _settings(said: Mapping[str, Any]) -> str:
    rows: list[tuple[str, str]] = []
    for name, value in said.items():
        if isinstance(value, Mapping):
            rows += [(f"{name}: {key}", _number(one)) for key, one in value.items()]
        else:
            rows.append((name, _number(value)))
    return _table(("setting", "value"), rows)


def _losses(history: Sequence[Mapping[str, Any]]) -> str:
    steps = [0, len(history) - 1]
    held_out = [one.get("validation_loss", math.inf) for one in history]
    steps.append(held_out.index(min(held_out)))
    rows = [
        [_number(int(one["step"])), *(_rounded(one.get(n)) for n in ("loss", "validation_loss"))]
        for one in (history[at] for at in sorted(set(steps)))
    ]
    return (
        "## Loss\n\n"
        "Mean negative log-likelihood of a token, in the last training: at its first and last "
        "evaluation, and where it was lowest on texts held out, whose weights were taken.\n\n"
    ) + _table(("step", "texts learned from", "texts held out"), rows)


def _rounded(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _cell(value: Any) -> str:
    return " ".join(str(value).replace("|", r"\|").split())


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
