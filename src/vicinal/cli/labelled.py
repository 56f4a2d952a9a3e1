"""Reading labelled texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vicinal._checks import check_column
from vicinal.cli.options import Reading

Labelled = tuple[list[str], list[Any]]


def read_labelled(asked: Reading, source: Path, text: str, label: str) -> Labelled:
    """Read texts and their labels; an empty cell is an empty text."""
    from vicinal.text.labels import listed_labels

    table = asked.read(source)
    check_column("text", text, table.column_names)
    check_column("label", label, table.column_names)
    if text == label:
        raise ValueError(
            f"text and label are one column, {text!r}. Name the column of the texts with --text, "
            "and that of their classes with --label."
        )
    texts = ["" if one is None else str(one) for one in table[text].to_pylist()]
    labels = table[label].to_pylist()
    return texts, listed_labels(labels, f"label column of {source}", _row)


def read_texts(asked: Reading, option: str, source: Path, text: str) -> list[str]:
    """Read the column of texts of an option's file; an empty cell is an empty text."""
    table = asked.read(source)
    check_column(f"{option} {source}", text, table.column_names)
    return ["" if one is None else str(one) for one in table[text].to_pylist()]


def read_measured(
    asked: Reading,
    source: Path,
    text: str,
    label: str,
    learned: Labelled,
    unknown: bool = False,
) -> tuple[Labelled, Labelled, list[str]]:
    """Read rows to measure on, and bring their labels and those learned from to one kind."""
    # each file is read for itself: 0 and 1 are numbers in one and text in the other where that has
    # a class by another name
    import numpy as np

    from vicinal.text.labels import class_numbers

    texts, labels = read_labelled(asked, source, text, label)
    known = learned[1]
    if {type(one) for one in labels} != {type(one) for one in known}:
        labels, known = _as_text(labels, known), _as_text(known, labels)
    there, outside = set(known), []
    if unknown:
        outside = [one for one, of in zip(texts, labels, strict=True) if of not in there]
        kept = [at for at, of in enumerate(labels) if of in there]
        texts, labels = [texts[at] for at in kept], [labels[at] for at in kept]
        if not labels:
            raise ValueError(f"No row of {source} has a label that was learned. Name another file.")
    class_numbers(labels, np.array(sorted(there)), "test labels", _row)
    return (learned[0], known), (texts, labels), outside


def _as_text(labels: list[Any], others: list[Any]) -> list[str]:
    """Return labels as text; true and false as the other file spells them, else in lower case."""
    spelt = {one.lower(): one for one in others if isinstance(one, str)}
    true, false = spelt.get("true", "true"), spelt.get("false", "false")
    return [(true if one else false) if isinstance(one, bool) else str(one) for one in labels]


def _row(at: int) -> str:
    return f"in row {at + 1:,}, not counting a header"
