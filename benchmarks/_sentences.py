"""What the benchmarks of written sentences share: lines, the inverter's name, word statistics."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
CACHE = Path(__file__).parents[1] / ".cache"
#: SmolLM2 as it is, behind an adaptor that learned: see ``frozen_inverter.py``.
FROZEN = CACHE / "smol_frozen" / "trained"
DOCS = Path(__file__).parents[1] / "docs"
#: Goes up where the same weights begin to write other sentences: nano's key was 76b98c048230 at 3,
#: 0edaa503408a at 4, and is 73ce1b7e4d3b at 5.
WRITER = 5


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


class Remembers:
    """An inverter that writes once for the same embeddings and seed, and looks at a text once."""

    #: Embeddings, and likelihoods, kept; then it begins anew.
    MOST = 100_000

    def __init__(self, inverter: Any) -> None:
        self._inverter, self.encoder = inverter, inverter.encoder
        self._written: dict[bytes, Any] = {}
        self._embedded: dict[str, Any] = {}
        self._likely: dict[tuple[bytes, str], float] = {}

    def encode(self, texts: Sequence[str]) -> Any:
        """Return embeddings."""
        if len(self._embedded) > self.MOST:
            self._embedded.clear()
        new = [one for one in dict.fromkeys(texts) if one not in self._embedded]
        if new:
            self._embedded.update(zip(new, self._inverter.encode(new), strict=True))
        found = np.array([self._embedded[one] for one in texts], np.float32)
        return found.reshape(len(texts), self._inverter.encoder.dim)

    def log_likelihood(self, embeddings: Any, texts: Sequence[str]) -> Any:
        """Return mean log-probabilities a token."""
        if len(self._likely) > self.MOST:
            self._likely.clear()
        keys = [(row.tobytes(), text) for row, text in zip(embeddings, texts, strict=True)]
        new = {key: at for at, key in enumerate(keys) if key not in self._likely}
        if new:
            asked = list(new.values())
            found = self._inverter.log_likelihood(embeddings[asked], [key[1] for key in new])
            self._likely.update(zip(new, found.tolist(), strict=True))
        return np.array([self._likely[key] for key in keys], np.float32)

    def candidates(self, embeddings: Any, n: int = 4, *, random_state: Any = None) -> Any:
        """Return candidates; the same ones for the same embeddings, number and seed."""
        state = repr((n, random_state.bit_generator.state)).encode()
        key = hashlib.sha256(np.ascontiguousarray(embeddings).tobytes() + state).digest()
        if key not in self._written:
            self._written[key] = self._inverter.candidates(embeddings, n, random_state=random_state)
        return self._written[key]


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
