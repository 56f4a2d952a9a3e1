"""What is of no class: mixtures of texts of different classes, as one class more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from vicinal._types import Floats
from vicinal.nn.hidden import HiddenMixup
from vicinal.pairing import AcrossGroup
from vicinal.plan import make_plan
from vicinal.weights import Uniform


@contextmanager
def pooled_states(net: torch.nn.Module) -> Iterator[list[Floats]]:
    """Give a list that fills with what comes to the head, batch by batch, as the network runs."""
    parts = HiddenMixup(net)
    head, place = parts.head, -1 if parts.pools_last else 0
    if head is None:
        raise ValueError("unknown='across' needs a model with a classification head.")
    found: list[Floats] = []

    def keep(module: Any, args: tuple[Any, ...]) -> None:
        state = args[0].detach()  # (B, H); (B, T, H) where the last token or the first counts
        found.append((state[:, place] if state.dim() == 3 else state).double().cpu().numpy())

    handle = head.register_forward_pre_hook(keep)
    try:
        yield found
    finally:
        handle.remove()


class UnknownHead:
    """A logistic regression on pooled states that knows one class more."""

    def __init__(self, coefficients: Floats, intercept: Floats) -> None:
        # in rows: files of arrays are written as they lie in memory
        self.coefficients = np.ascontiguousarray(coefficients)
        self.intercept = np.ascontiguousarray(intercept)

    @classmethod
    def fit(cls, states: Floats, classes: Iterable[int], rng: np.random.Generator) -> UnknownHead:
        """Learn from states (n_texts, n_features) and as many mixtures across classes."""
        from sklearn.linear_model import LogisticRegression

        codes = np.array(list(classes))
        across = make_plan(states, pairing=AcrossGroup(codes), weights=Uniform(), random_state=rng)
        rows = np.concatenate([states, across.apply(states)])
        numbers = np.concatenate([codes, np.full(len(states), codes.max() + 1)])
        model = LogisticRegression(max_iter=1000).fit(rows, numbers)
        return cls(model.coef_, model.intercept_)

    def proba(self, states: Floats) -> Floats:
        """Return the probability that a text is of no class, shape (n_texts,)."""
        scores = states @ self.coefficients.T + self.intercept
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        found: Floats = shares[:, -1] / shares.sum(axis=1)
        return found
