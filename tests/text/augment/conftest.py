"""An inverter that needs no network: words are points, and sentences their sums."""

from __future__ import annotations

import zlib
from types import SimpleNamespace

import numpy as np
import pytest

from vicinal._random import as_generator

DIM = 24
_WORDS = {
    "food": "soup bread cheese apple lunch dinner salt pepper cook taste",
    "sport": "goal match team ball score coach league race player win",
    "sky": "moon star planet orbit comet rocket galaxy sun telescope dust",
}
TOPICS = {topic: words.split() for topic, words in _WORDS.items()}


def word_vector(word: str) -> np.ndarray:
    """Return the point of a word: near its topic's where it has one."""
    word = word.lower().strip(".,!?")
    own = np.random.default_rng(zlib.crc32(word.encode())).normal(size=DIM)
    for number, (_, words) in enumerate(sorted(TOPICS.items())):
        if word in words:
            center = np.zeros(DIM)
            center[number * 8 : number * 8 + 8] = 3.0
            return center + own
    return 0.3 * own


class FakeInverter:
    """Writes by taking, word after word, what brings the sum nearest; candidates by noise."""

    def __init__(self, words: int = 4) -> None:
        self.encoder = SimpleNamespace(max_tokens=50)
        self.words = words
        self.vocabulary = [word for words in TOPICS.values() for word in words]
        self._points = np.stack([word_vector(word) for word in self.vocabulary])
        self.calls = 0

    def encode(self, texts):
        rows = [np.mean([word_vector(w) for w in t.split()] or [np.zeros(DIM)], 0) for t in texts]
        return np.array(rows, np.float32).reshape(len(rows), DIM)

    def log_likelihood(self, embeddings, texts):
        return -np.ones(len(texts), np.float32)

    def candidates(self, embeddings, n_samples=4, *, random_state=None):
        self.calls += 1
        rng = as_generator(random_state)
        targets = np.asarray(embeddings, float)
        sentences = []
        for target in targets:
            noise = rng.normal(size=(n_samples, DIM))
            noise[0] = 0
            sentences.append([self._write(target + 0.3 * one) for one in noise])
        found = (
            np.stack([self.encode(row) for row in sentences])
            if len(targets)
            else (np.empty((0, n_samples, DIM), np.float32))
        )
        return FakeCandidates(sentences, found, -np.ones(found.shape[:2], np.float32))

    def _write(self, target):
        chosen = []
        total = np.zeros(DIM)
        for count in range(1, self.words + 1):
            miss = ((total + self._points) / count - target) ** 2
            at = int(miss.sum(1).argmin())
            chosen.append(self.vocabulary[at])
            total = total + self._points[at]
        return " ".join(chosen)


class FakeCandidates:
    """As an inverter's."""

    def __init__(self, sentences, embeddings, log_likelihood) -> None:
        self.sentences, self.embeddings = sentences, embeddings
        self.log_likelihood = log_likelihood

    def closeness(self, targets):
        norms = np.linalg.norm(self.embeddings, axis=-1) * np.linalg.norm(targets, axis=-1)[:, None]
        return np.einsum("ncd,nd->nc", self.embeddings, targets) / norms


def labelled_texts(each: int = 20, seed: int = 0, words: int = 4) -> tuple[list[str], list[str]]:
    """Return distinct sentences about three topics, and their topics."""
    rng = np.random.default_rng(seed)
    texts: dict[str, str] = {}
    for topic, vocabulary in TOPICS.items():
        while sum(one == topic for one in texts.values()) < each:
            texts[" ".join(rng.choice(vocabulary, words, replace=False))] = topic
    order = rng.permutation(len(texts))
    items = list(texts.items())
    return [items[at][0] for at in order], [items[at][1] for at in order]


@pytest.fixture
def fake() -> FakeInverter:
    return FakeInverter()


@pytest.fixture
def topics():
    """Return a maker of distinct labelled sentences about three topics."""
    return labelled_texts


@pytest.fixture
def says():
    """Return a maker of classifiers that say what a function of the text says."""

    class Says:
        def __init__(self, classes, of_text) -> None:
            self.classes_, self._of_text = np.asarray(classes), of_text

        def predict_proba(self, texts):
            return np.array([self._of_text(text) for text in texts], float)

    return Says
