"""One word for a thing, the field's: words that are not to come back into names, pages and docs."""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import is_dataclass
from pathlib import Path

import pytest

import vicinal
from vicinal.page.result import Result

SOURCE = Path(vicinal.__file__).parent
ROOT = SOURCE.parents[1]
FACES = ("vicinal", "io", "learn", "nn", "report", "table", "text")

#: What is not said any more, and what is said in its place.
SAID = {
    r"neighbour": "neighbor",
    r"normalis": "normaliz",
    r"tokenis": "tokeniz",
    r"lopsided": "label_threshold",
    r"\bguards?\b": "label check",
    r"\bre-?checks?\b|second look": "label check",
    r"share closer|closer than chance": "DCR share",
    r"hangs? together": "association",
    r"on the front\b|\bthe front\b": "Pareto front, not dominated",
    r"\blearn(t|ed) rows\b|rows learn(t|ed) from": "training rows",
    r"near[- ]copies": "near-duplicates",
    r"nearest over second": "NNDR",
    r"\btwins?\b": "audit model",
    r"\bbear in mind\b": "Warnings",
    r"less that of real rows": "minus the score of real rows",
    r"recombin": "crossover",
    r"`(low|highest)`|--privacy (low|highest)": "off, max",
    r"--(law|alpha|delta|eps|parents|guard|rows)\b": "--weights, --max-rows, ...",
}
#: In what is said of tables.
OF_TABLES = {r"\balike\b": "similarity"}
TABLES = ("README.md", "report.md", "tune.md", "tables.md", "report.html.j2", "tune.html.j2")
#: In public names and parameters also these.
NAMED = {
    r"^n rows$|^rows$|^size$|^n$": "n_samples or max_rows",
    r"^patience$": "max_attempts",
    r"^(Wanted|Learned|Draft|Anatomy|Maker|Choosing|Inverts)$": "see the architecture",
}


def texts() -> list[Path]:
    """Return what a person reads: documents and templates."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    found.remove(ROOT / "docs" / "morphs.md")  # holds sentences as they were written
    return [*found, *sorted(SOURCE.rglob("*.j2"))]


def public_names() -> set[str]:
    """Return the names of all faces, of their methods and of all parameters."""
    names: set[str] = set()
    for face in FACES:
        module = importlib.import_module(face if face == "vicinal" else f"vicinal.{face}")
        for name in module.__all__:
            one = getattr(module, name)
            members = [name for name in vars(one) if name[0] != "_"] if inspect.isclass(one) else []
            names |= {name, *members}
            # figures of a result are told, not asked for
            told = inspect.isclass(one) and (
                issubclass(one, Result) or (face == "report" and is_dataclass(one))
            )
            asked = [] if told else [one]
            for member in [*asked, *(getattr(one, name) for name in members)]:
                if inspect.isroutine(member) or inspect.isclass(member):
                    names |= set(inspect.signature(member).parameters)
    return names


def test_public_names_are_the_fields():
    names = public_names()
    assert len(names) > 200
    wrong = [
        f"{name}: say {better}"
        for name in sorted(names)
        for word, better in {**SAID, **NAMED}.items()
        if re.search(word, name.replace("_", " "), re.IGNORECASE)
    ]
    assert not wrong, "\n".join(wrong)


def test_options_are_the_fields(monkeypatch, capsys):
    import sys

    from vicinal import cli

    said = ""
    for name in ("table", "columns", "report", "collapse", "tune", "train", "morph", "text"):
        monkeypatch.setattr(sys, "argv", ["vicinal", name, "--help"])
        cli.main()
        said += capsys.readouterr().out
    assert "--output" in said
    wrong = [f"{w}: say {b}" for w, b in SAID.items() if re.search(w, said, re.IGNORECASE)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", texts(), ids=lambda path: path.name)
def test_documents_and_pages_are_in_the_fields_words(path):
    wrong = [
        f"{path.name}:{number}: {found.group()}: say {better}"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for word, better in (SAID | (OF_TABLES if path.name in TABLES else {})).items()
        if (found := re.search(word, line, re.IGNORECASE))
    ]
    assert not wrong, "\n".join(wrong)
