"""What a quick writer says of an embedding, towards which a slower one leans."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import softmax
from torch import Tensor

from vicinal._types import Floats32

#: Sentences that a guide writes for each embedding.
DRAFTS = 8
#: A draft whose closeness is higher by this counts e times as much.
SPREAD = 0.05
#: What a token gains that all drafts hold, in nats.
STRENGTH = 4.0


class Hints(NamedTuple):
    """Drafts of a guide, a row for each embedding.

    Parameters
    ----------
    drafts : list of list of str
        Sentences that say about what each embedding stands for.
    weights : ndarray of shape (n_embeddings, n_drafts)
        What each counts; 1 in all for an embedding.
    """

    drafts: list[list[str]]
    weights: Floats32

    @classmethod
    def of(cls, drafts: list[list[str]], closeness: Floats32) -> Hints:
        """Return drafts that count the more, the closer they are (n_embeddings, n_drafts)."""
        return cls(drafts, softmax(closeness / SPREAD, axis=1).astype(np.float32))

    def part(self, span: slice) -> Hints:
        """Return the hints for some of the embeddings."""
        return Hints(self.drafts[span], self.weights[span])


def gains(
    hints: Hints,
    tokenize: Callable[[Sequence[str]], list[list[int]]],
    text_of: Callable[[int], str],
    size: int,
) -> Tensor:
    """Return what each of ``size`` tokens of a language model gains (n_embeddings, size), in nats.

    >>> hints = Hints([["a cat"]], np.ones((1, 1), np.float32))
    >>> gains(hints, lambda texts: [[0, 1] for _ in texts], ["a", "cat"].__getitem__, 3)
    tensor([[0., 4., 0.]])
    """
    found = torch.zeros(len(hints.drafts), size)
    for row, drafts, weights in zip(found, hints.drafts, hints.weights.tolist(), strict=True):
        # a word is one token within a sentence, and another where it begins one
        within = tokenize([f" {draft}" for draft in drafts])
        for ids, more, weight in zip(tokenize(drafts), within, weights, strict=True):
            row[[one for one in {*ids, *more} if _says_something(text_of(one))]] += weight
    return STRENGTH * found


@lru_cache(maxsize=1 << 16)
def _says_something(token: str) -> bool:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    word = token.strip().lower()
    return word not in ENGLISH_STOP_WORDS and any(map(str.isalnum, word))
