"""Judges that know nothing of the parents of what they judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import log_softmax

from vicinal._types import Floats, Ints
from vicinal.text.augment.label_check import NeighborJudge

#: Strengths of the ridge that are tried, and how steeply scores become probabilities.
RIDGES = np.geomspace(1e-3, 1e2, 26)
STEEPS = np.geomspace(0.3, 100.0, 30)
#: A row that the others say nothing about has a leverage of 1, and no residual without itself.
LEAST = 1e-9
#: Judged at once, and looked at to choose the ridge.
BLOCK_ROWS = 4096


class LinearJudge:
    r"""A linear classifier, as if fitted without the parents of what it judges.

    Classes are regressed on embeddings, all classes of the same weight. With parents :math:`S`,
    hat matrix :math:`H`, residuals :math:`R` and weights :math:`k(x)` of the rows in :math:`f(x)`,
    the scores of a sentence :math:`x` without them are exactly
    :math:`f_{-S}(x) = f(x) - k_S(x) (I - H_{SS})^{-1} R_S`, so nothing is fitted again. The ridge
    is chosen by the squared error of rows left out one by one, and the steepness of the softmax by
    their log-loss. Cook, "Detection of influential observation in linear regression", 1977.
    """

    said_by = "a classifier of the other texts says"

    def __init__(self, embeddings: Any, codes: Ints, n_classes: int) -> None:
        real = np.asarray(embeddings, float)
        self._middle = real.mean(axis=0)
        scale = np.sqrt(np.square(real - self._middle).sum(axis=1).mean())
        self._scale = scale if scale > 0 else 1.0
        sizes = np.bincount(codes, minlength=n_classes)
        root = np.sqrt(len(codes) / (n_classes * sizes[codes]))[:, None]  # (n, 1)
        wanted = np.eye(n_classes)[codes] * root
        self._left, self._values, right = np.linalg.svd(self._rows(real) * root, False)
        self._right, self._known = right.T, self._left.T @ wanted
        some = np.arange(0, len(real), -(-len(real) // BLOCK_ROWS))
        self._shrunk = min(
            (self._shrink(ridge) for ridge in RIDGES),
            key=lambda one: float(np.square(self._left_out(one, wanted, some)[0]).sum()),
        )
        self._residuals = wanted - self._left @ (self._shrunk[0][:, None] * self._known)
        fitted = self._left_out(self._shrunk, wanted, some)[1] / root[some]
        share, own = root[some, 0] ** 2, (np.arange(len(some)), codes[some])
        self._steep = max(
            STEEPS.tolist(),
            key=lambda steep: float(share @ log_softmax(steep * fitted, axis=1)[own]),
        )

    def __call__(self, sentences: Sequence[str], embeddings: Any, parents: Ints | None) -> Floats:
        """Return class probabilities, as fitted without ``parents`` (-1: none)."""
        scores = self._steep * self.scores(embeddings, parents)
        return np.asarray(np.exp(log_softmax(scores, axis=1)), float)

    def scores(self, embeddings: Any, parents: Ints | None = None) -> Floats:
        """Return regression scores (n, n_classes), fitted without ``parents`` (n, k; -1: none)."""
        found = np.asarray(embeddings, float)
        out = np.empty((len(found), self._known.shape[1]))
        for start in range(0, len(found), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            seen = self._rows(found[block]) @ self._right * self._shrunk[1]  # (b, r)
            out[block] = seen @ self._known
            if parents is not None:
                out[block] -= self._owed(seen, parents[block])
        return out

    def _owed(self, seen: Floats, parents: Ints) -> Floats:
        """Return what the scores owe to the parents."""
        there = parents >= 0
        for column in range(1, parents.shape[1]):  # one that is named twice is left out once
            there[:, column] &= (parents[:, :column] != parents[:, column, None]).all(axis=1)
        rows = np.where(there[..., None], self._left[parents], 0.0)  # (b, k, r)
        residuals = np.where(there[..., None], self._residuals[parents], 0.0)
        hat = np.einsum("bkr,r,blr->bkl", rows, self._shrunk[0], rows)
        weights = np.einsum("br,bkr->bk", seen, rows)
        solved = np.linalg.solve(np.eye(parents.shape[1]) - hat, residuals)
        return np.asarray(np.einsum("bk,bkc->bc", weights, solved))

    def _rows(self, embeddings: Floats) -> Floats:
        scaled = (embeddings - self._middle) / self._scale
        return np.column_stack([scaled, np.ones(len(scaled))])

    def _shrink(self, ridge: float) -> tuple[Floats, Floats]:
        """Return what a ridge leaves of fitted values, and of the weights of the rows."""
        squared = self._values**2
        return squared / (squared + ridge), self._values / (squared + ridge)

    def _left_out(
        self, shrunk: tuple[Floats, Floats], wanted: Floats, rows: Ints
    ) -> tuple[Floats, Floats]:
        """Return errors and fitted values of rows, each fitted without itself."""
        left = self._left[rows]
        fitted = left @ (shrunk[0][:, None] * self._known)
        leverage = np.square(left) @ shrunk[0]
        error = (wanted[rows] - fitted) / np.maximum(1 - leverage, LEAST)[:, None]
        return error, wanted[rows] - error


class MeanJudge:
    """The mean of what the nearest real texts and a linear classifier say: they err elsewhere."""

    said_by = "the other texts say"

    def __init__(self, embeddings: Any, codes: Ints, n_classes: int, k: int) -> None:
        self._neighbors = NeighborJudge(embeddings, codes, n_classes, k)
        self._linear = LinearJudge(embeddings, codes, n_classes)

    def __call__(self, sentences: Sequence[str], embeddings: Any, parents: Ints | None) -> Floats:
        """Return the mean of both."""
        near = self._neighbors(sentences, embeddings, parents)
        return (near + self._linear(sentences, embeddings, parents)) / 2
