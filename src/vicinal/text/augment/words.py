"""What the words of a sentence say of its class, whatever its embedding."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from vicinal._types import Floats, Ints

#: Words, and the sign of a question.
_WORD = r"(?u)\b\w+\b|\?"


class WordJudge:
    """Complement naive Bayes of words and pairs of words (Rennie et al., ICML 2003).

    Sentences are chosen by their embeddings, which makes a judge of embeddings too kind; this one
    takes another view. The parents have their say: it is to object, not to agree.
    """

    said_by = "the words of the texts say"

    def __init__(self, texts: Sequence[str], codes: Ints, n_classes: int) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.naive_bayes import ComplementNB

        self._tokens = TfidfVectorizer(
            ngram_range=(1, 2), token_pattern=_WORD, sublinear_tf=True, dtype=np.float32
        )
        self._model = ComplementNB().fit(self._tokens.fit_transform(texts), codes)
        self._n_classes = n_classes

    @classmethod
    def of(cls, texts: Sequence[str], codes: Ints, n_classes: int) -> WordJudge | None:
        """Return it, or None where there is one class, or no words, such as of emoji alone."""
        if len(np.unique(codes)) < 2 or not any(re.search(_WORD, text) for text in texts):
            return None
        return cls(texts, codes, n_classes)

    def __call__(self, sentences: Sequence[str], embeddings: Any, parents: Ints | None) -> Floats:
        """Return class probabilities (n, n_classes), all alike where no word is known."""
        found = np.zeros((len(sentences), self._n_classes))
        if len(sentences):
            seen = self._tokens.transform(sentences)
            found[:, self._model.classes_] = self._model.predict_proba(seen)
        return found
