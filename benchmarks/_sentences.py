"""What the benchmarks of written sentences share: lines, the inverter's name, word statistics."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
CACHE = Path(__file__).parents[1] / ".cache"
DOCS = Path(__file__).parents[1] / "docs"
#: Goes up where the same weights begin to write other sentences.
WRITER = 2


def held_out_lines(low: int = 5, high: int = 20, file: str = "english-open-valid") -> list[str]:
    """Return held-out lines of so many words, in a random order that is always the same."""
    with gzip.open(CORPUS / f"{file}.txt.gz", "rt", encoding="utf-8") as opened:
        lines = [line for line in opened.read().splitlines() if low <= len(line.split()) <= high]
    order = np.random.default_rng(20260101).permutation(len(lines))
    return [lines[at] for at in order]


def inverter_key(source: str) -> str:
    """Return a short name for the weights of an inverter, and the way it writes."""
    from vicinal.text.invert.folder import find_folder

    total = hashlib.sha256(bytes([WRITER]))
    for path in sorted(find_folder(source).rglob("*.safetensors")):
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()[:12]


def words(text: str) -> list[str]:
    """Return the words of a text, without case and punctuation."""
    return [word for word in (one.strip(".,;:!?\"'()[]") for one in text.lower().split()) if word]


def distinct(texts: Iterable[str], n: int) -> float:
    """Return distinct-n: the share of runs of ``n`` words that are different."""
    runs = [
        tuple(found[at : at + n]) for found in map(words, texts) for at in range(len(found) - n + 1)
    ]
    return len(set(runs)) / len(runs) if runs else float("nan")


def overlap(text: str, parents: Sequence[str]) -> float:
    """Return the share of a text's words that are in one of its parents."""
    known = {word for parent in parents for word in words(parent)}
    found = words(text)
    return sum(word in known for word in found) / len(found) if found else 0.0
