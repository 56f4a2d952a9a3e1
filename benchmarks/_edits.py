"""Four edits of words (EDA): replace, insert, swap and delete.

Written from the description in Wei and Zou, "EDA: Easy Data Augmentation Techniques for Boosting
Performance on Text Classification Tasks", EMNLP 2019. There replacements are synonyms of WordNet,
which has to be downloaded; here they are near words by the word vectors of the sentence encoder,
which are at hand. Near words are often, not always, synonyms: "good" is near to "great", and to
"bad".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from vicinal.text.models import resolve_model

#: Near words that a replacement is drawn from.
NEAR = 10
_EDGES = re.compile(r"^(\W*)(.*?)(\W*)$", re.DOTALL)


class Edits:
    """Edits of sentences, with the word vectors of a BERT-like encoder."""

    def __init__(self, model: str = "offline") -> None:
        from safetensors import safe_open
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        folder = Path(resolve_model(model))
        with safe_open(folder / "model.safetensors", "numpy") as held:
            name = next(key for key in held.keys() if key.endswith("word_embeddings.weight"))  # noqa: SIM118
            vectors = held.get_tensor(name).astype(np.float32)
        pieces = (folder / "vocab.txt").read_text("utf-8").splitlines()
        self._stop = ENGLISH_STOP_WORDS
        # whole words: parts of words and signs are no replacement
        kept = [
            at
            for at, piece in enumerate(pieces)
            if piece.isascii() and piece.isalpha() and len(piece) > 2 and piece not in self._stop
        ]
        self._words = [pieces[at] for at in kept]
        self._place = {word: at for at, word in enumerate(self._words)}
        vectors = vectors[kept] - vectors[kept].mean(0)
        self._vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        self.near = lru_cache(maxsize=None)(self._near)

    def _near(self, word: str) -> tuple[str, ...]:
        """Return the nearest words of a word, nearest first; none of a word that is not known."""
        at = self._place.get(word)
        if at is None:
            return ()
        closeness = self._vectors @ self._vectors[at]
        closeness[at] = -2.0
        best = np.argpartition(-closeness, NEAR)[:NEAR]
        return tuple(self._words[one] for one in best[np.argsort(-closeness[best])])

    def edit(
        self, texts: Sequence[str], n: int, alpha: float, rng: np.random.Generator
    ) -> tuple[list[str], np.ndarray]:
        """Return edited texts, and which text each was.

        Texts take turns in random order; each edit is one of the four, drawn evenly, of
        ``alpha`` of the words, one at least. A text that the edit cannot change stays as it is.
        """
        turns = -(-n // len(texts))
        rows = np.concatenate([rng.permutation(len(texts)) for _ in range(turns)])[:n]
        made = []
        for row in rows:
            words = texts[row].split()
            if words:
                kind = (self.replace, self.insert, swap, delete)[rng.integers(4)]
                words = kind(words, max(1, int(alpha * len(words))), rng)
            made.append(" ".join(words))
        return made, rows

    def replace(self, words: list[str], n: int, rng: np.random.Generator) -> list[str]:
        """Put near words in the places of ``n`` words that are not stop words."""
        words, left = list(words), n
        for at in rng.permutation(len(words)):
            before, core, after = _EDGES.match(words[at]).groups()  # type: ignore[union-attr]
            found = self.near(core.lower())
            if found and left:
                words[at] = before + found[rng.integers(len(found))] + after
                left -= 1
        return words

    def insert(self, words: list[str], n: int, rng: np.random.Generator) -> list[str]:
        """Put near words of ``n`` words anywhere."""
        near = [one for word in words if (one := self.near(_core(word)))]
        words = list(words)
        for _ in range(n if near else 0):
            found = near[rng.integers(len(near))]
            words.insert(rng.integers(len(words) + 1), found[rng.integers(len(found))])
        return words


def swap(words: list[str], n: int, rng: np.random.Generator) -> list[str]:
    """Let two words change places, ``n`` times."""
    words = list(words)
    for _ in range(n if len(words) > 1 else 0):
        one, other = rng.choice(len(words), 2, replace=False)
        words[one], words[other] = words[other], words[one]
    return words


def delete(words: list[str], n: int, rng: np.random.Generator) -> list[str]:
    """Leave each word out with probability ``n / len(words)``; one stays."""
    kept = [word for word in words if rng.random() >= n / len(words)]
    return kept or [words[rng.integers(len(words))]]


def _core(word: str) -> str:
    return _EDGES.match(word).group(2).lower()  # type: ignore[union-attr]
