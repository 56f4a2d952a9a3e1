"""How sure a sentence is to be kept, as readers graded those of an inverter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from vicinal._checks import check_number
from vicinal._types import Floats

#: What keeps the odds of a label finite.
SOFTENED = 0.01


def log_odds(preference: Floats) -> Floats:
    """Return the log odds by which a label check prefers labels, from its shares of them."""
    return np.asarray(np.log((preference + SOFTENED) / (1 - preference + SOFTENED)), float)


@dataclass(frozen=True)
class Confidence:
    """The share of sentences that readers kept unedited, by closeness, likelihood and label check.

    A logistic function, fitted to sentences that were graded; ``inverter.notes["confidence"]``.

    Parameters
    ----------
    closeness, log_likelihood, label, intercept : float
        Its coefficients: of the cosine, of the mean log-probability a token, of the log odds by
        which the label check prefers the row's label, and of none of them.
    least : float
        Share from 0 to 1 below which sentences are not worth a reader's time.

    Raises
    ------
    TypeError, ValueError
        If one of them is no finite number, or ``least`` no share.

    Examples
    --------
    >>> confidence = Confidence(5.0, 1.0, 0.3, -3.0, least=0.15)
    >>> confidence(np.array([0.4, 0.8]), np.array([-1.0, -1.0]), np.array([0.5, 0.5]))
    array([0.11920292, 0.5       ])
    """

    closeness: float
    log_likelihood: float
    label: float
    intercept: float
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
                f"notes['confidence'] must hold {', '.join(sorted(names))}, got {said!r}. Leave it "
                "out, and the likelihood stands for it."
            )
        return cls(**said)

    def __call__(self, closeness: Floats, log_likelihood: Floats, preference: Floats) -> Floats:
        """Return the share (n,) of each sentence."""
        told = self.closeness * closeness + self.log_likelihood * log_likelihood + self.intercept
        told = told + self.label * log_odds(preference)
        with np.errstate(over="ignore"):  # of a sentence that is impossible
            shares: Floats = np.nan_to_num(np.asarray(1 / (1 + np.exp(-told)), float))
        return shares
