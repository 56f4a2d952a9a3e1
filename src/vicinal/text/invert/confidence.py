"""How sure a sentence is to be kept, as readers graded those of an inverter."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from vicinal._checks import check_number
from vicinal._types import Floats

#: What keeps the odds of a label finite.
SOFTENED = 0.01
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")
#: Shorter words, such as "the", come again in good sentences, too; more than so many count as that.
_LONG, _MOST = 4, 2
#: What of the distance between other texts and the graded ones lowers or raises all shares. Between
#: these it told nothing; a writer far from what it has learned is trusted less all the same.
_BETWEEN = 0.25


def log_odds(preference: Floats) -> Floats:
    """Return the log odds by which a label check prefers labels, from its shares of them."""
    return np.asarray(np.log((preference + SOFTENED) / (1 - preference + SOFTENED)), float)


def lengths(texts: Sequence[str]) -> tuple[Floats, Floats]:
    """Return of each text its words (n,), and its longer ones that stand in it already (n,)."""
    split = [[one.lower() for one in _WORD.findall(text)] for text in texts]
    long = [[one for one in words if len(one) >= _LONG] for words in split]
    again = [min(_MOST, len(words) - len(set(words))) for words in long]
    return np.array([len(words) for words in split], float), np.array(again, float)


@dataclass(frozen=True)
class Confidence:
    """The share of sentences that readers kept unedited, by what is measured on a sentence.

    A logistic function, fitted to sentences that were graded; ``inverter.notes["confidence"]``. How
    close and likely a usual sentence is depends on the texts, how many are kept hardly does:
    :meth:`of_task` fits its level to usual ones.

    Parameters
    ----------
    closeness, log_likelihood, label, words, repeated, intercept : float
        Its coefficients: of the cosine, of the mean log-probability a token, of the log odds by
        which the label check prefers the row's label, of the number of words, of the words of four
        letters or more that stand in the sentence already (two at most count), and of none.
    typical : float
        Sum of all but the intercept of a usual sentence where it was fitted: the likeliest of a
        mixture that passes the label check.
    least : float
        Share from 0 to 1 below which sentences are not worth a reader's time.

    Raises
    ------
    TypeError, ValueError
        If one of them is no finite number, or ``least`` no share.

    Examples
    --------
    >>> confidence = Confidence(5.0, 1.0, 0.3, -0.1, -1.0, -2.0, typical=1.0, least=0.15)
    >>> texts = ["A fine film, a fine cast.", "A fine film with a cast."]
    >>> confidence(texts, np.full(2, 0.8), np.full(2, -1.0), np.full(2, 0.5))
    array([0.35434369, 0.59868766])
    >>> confidence.of_task(texts, np.full(2, 0.8), np.full(2, -1.0), np.full(2, 0.5)).intercept
    -2.45
    """

    closeness: float
    log_likelihood: float
    label: float
    words: float
    repeated: float
    intercept: float
    typical: float
    least: float

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            check_number(f"{name} of confidence", value)
        check_number("least of confidence", self.least, low=0, high=1)

    @classmethod
    def of(cls, said: Any) -> Confidence:
        """Return it as notes hold it."""
        names = {one.name for one in fields(cls)}
        if not isinstance(said, Mapping) or {*said} != names:
            raise ValueError(
                f"notes['confidence'] must hold {', '.join(sorted(names))}, got {said!r}. Install "
                "the package of the inverter that goes with this vicinal, or leave the note out: "
                "the likelihood stands for it then."
            )
        return cls(**said)

    def __call__(
        self, texts: Sequence[str], closeness: Floats, log_likelihood: Floats, preference: Floats
    ) -> Floats:
        """Return the share (n,) of each sentence."""
        told = self._told(texts, closeness, log_likelihood, preference) + self.intercept
        with np.errstate(over="ignore"):  # of a sentence that is impossible
            shares: Floats = np.nan_to_num(np.asarray(1 / (1 + np.exp(-told)), float))
        return shares

    def of_task(
        self, texts: Sequence[str], closeness: Floats, log_likelihood: Floats, preference: Floats
    ) -> Confidence:
        """Return it for other texts, by some sentences (n,) written from these at random."""
        told = self._told(texts, closeness, log_likelihood, preference)
        told = told[np.isfinite(told)]
        # sentences of a text differ as much as texts do: so far a mean of n of them is believed
        off = float((self.typical - told).sum()) / (len(told) + 1)
        return replace(self, intercept=self.intercept + (1 - _BETWEEN) * off)

    def _told(
        self, texts: Sequence[str], closeness: Floats, log_likelihood: Floats, preference: Floats
    ) -> Floats:
        """Return the sum of all but the intercept (n,)."""
        words, repeated = lengths(texts)
        told = self.closeness * closeness + self.log_likelihood * log_likelihood
        told = told + self.label * log_odds(preference)
        return np.asarray(told + self.words * words + self.repeated * repeated, float)
