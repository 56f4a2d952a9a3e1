"""The card of an inverter: what it is, where it came from, what it can do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

#: What follows this line is written anew each time an inverter is saved.
_LINE = "<!-- What follows is written when the inverter is saved. -->"
_PREFACE = """---
library_name: vicinal
tags: [{}, embedding-inversion, mixup]
---

# An inverter

Turns sentence embeddings back into sentences: load it with `vicinal.text.{}.from_pretrained`.
Its owner can say more about it here."""
_OWN = _PREFACE.format("text-generation", "Inverter")
_OWN_WITH_TASK = _PREFACE.format("text-generation, text-classification", "TaskInverter")
_TUNING = {"frozen": "as published", "lora": "with low-rank matrices", "whole": "trained"}
_MEASURED = re.compile(r"(?:closeness|below_0\.7|bleu|per_second)_(\d+)((?:_crossover)?)")
_HEADS = {
    "closeness": "closeness",
    "below_0.7": "below 0.7",
    "bleu": "BLEU",
    "per_second": "sentences/s",
}
_ABOUT_FIGURES = (
    "Closeness is the cosine between a sentence's embedding and that of what was written, on "
    "average; below 0.7 is the share of sentences that went astray. Of several candidates the "
    "nearest counts; with crossover it then takes over words from the others. The pace is that "
    "of the machine that measured."
)
_ABOUT_LOSS = (
    "Mean negative log-likelihood of a token, in the last training: at its first and last "
    "evaluation, and where it was lowest on texts held out, whose weights were taken."
)


def read_preface(path: Path) -> str:
    """Return what a person wrote at the head of a card, or nothing."""
    found = path.read_text("utf-8").partition(_LINE)[0].rstrip() if path.is_file() else ""
    return "" if found in (_OWN, _OWN_WITH_TASK) else found


def write_card(said: Mapping[str, Any], preface: str = "", classes: Sequence[Any] = ()) -> str:
    """Return a card in Markdown, after what a person wrote; with classes, that of a task."""
    own = _OWN_WITH_TASK if classes else _OWN
    parts = [preface or own, _LINE, "## What it is", _identity(said, classes)]
    notes = said.get("notes") or {}
    if figures := _mappings(notes.get("figures")):
        parts += ["## Measured", _ABOUT_FIGURES, _figures(figures)]
    for name, head in (("training", "Training"), ("aligned", "Alignment"), ("task", "Task")):
        if isinstance(notes.get(name), Mapping):
            parts += [f"## {head}", _table(("setting", "value"), _flat(notes[name]))]
    if history := _mappings(notes.get("history")):
        parts += ["## Loss", _ABOUT_LOSS, _losses(history)]
    return "\n\n".join(parts) + "\n"


def _mappings(found: Any) -> list[Mapping[str, Any]]:
    return [one for one in found or [] if isinstance(one, Mapping)]


def _identity(said: Mapping[str, Any], classes: Sequence[Any]) -> str:
    encoder, adaptor, decoder = said["encoder"], said["adaptor"], said["decoder"]
    normalized = "normalized" if encoder["normalize"] else "not normalized"
    model, how = decoder.get("name", "nano's own, kept here"), decoder.get("tuning", "whole")
    rows = [
        ("encoder", f"{encoder['name']}, fingerprint `{encoder['fingerprint']}`"),
        ("its embeddings", f"length {encoder['dim']}, {normalized}"),
        ("language model", f"{model}, {_TUNING[how]}"),
        ("soft tokens", f"{adaptor['soft_tokens']}, through a layer of {adaptor['hidden']}"),
        ("format", f"{said['format']} {said['version']}, written by vicinal {said['vicinal']}"),
    ]
    if classes:
        rows.append(("classes", ", ".join(map(str, classes))))
    return _table(("part", "here"), rows)


def _figures(figures: Iterable[Mapping[str, Any]]) -> str:
    rows = []
    for one in figures:
        ways = {m.groups() for m in map(_MEASURED.fullmatch, one) if m}
        for count, way in sorted(ways, key=lambda pair: (int(pair[0]), pair[1])):
            shown = [one.get(f"{name}_{count}{way}") for name in _HEADS]
            said = count + way.replace("_", ", ")
            rows.append([one.get("set", ""), one.get("lines", ""), said, *shown])
    return _table(("held-out lines", "lines", "candidates", *_HEADS.values()), rows)


def _flat(said: Mapping[str, Any]) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in said.items():
        inner = value.items() if isinstance(value, Mapping) else ()
        rows += [(f"{name}: {key}", one) for key, one in inner] or [(name, value)]
    return rows


def _losses(history: Sequence[Mapping[str, Any]]) -> str:
    last = len(history) - 1
    lowest = min(range(last + 1), key=lambda at: history[at].get("validation_loss", float("inf")))
    rows = []
    for one in (history[at] for at in sorted({0, lowest, last})):
        losses = [one.get(name) for name in ("loss", "validation_loss")]
        shown = (None if loss is None else f"{loss:.3f}" for loss in losses)
        rows.append([int(one["step"]), *shown])
    return _table(("step", "texts learned from", "texts held out"), rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *([_cell(one) for one in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "-" if value is None else " ".join(str(value).replace("|", r"\|").split())
