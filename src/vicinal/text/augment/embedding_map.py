"""Texts and sentences in a plane, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vicinal._types import Array, Floats
from vicinal.text.augment.ratio import COINCIDENT


@dataclass(frozen=True, eq=False)
class EmbeddingMap:
    """Where texts and sentences lie in the plane in which the texts given vary most."""

    source: Floats  # (n_texts, 2), NaN for texts that no sentence is made of
    written: Floats  # (n, 2)
    explained: float  # share of the variance of the texts' embeddings


class Plane:
    """The first two principal components of embeddings (n, d)."""

    def __init__(self, embeddings: Array) -> None:
        from sklearn.decomposition import PCA

        self._pca = PCA(min(2, *embeddings.shape), svd_solver="covariance_eigh").fit(embeddings)
        #: Share of the variance.
        self.explained = float(self._pca.explained_variance_ratio_.sum())

    def __call__(self, embeddings: Array) -> Floats:
        """Return places (m, 2) of embeddings (m, d)."""
        places = np.zeros((len(embeddings), 2))
        if len(embeddings):
            found = self._pca.transform(embeddings)
            places[:, : found.shape[1]] = found
        return places


class PlaneBetween:
    """The line from one embedding (d,) to another, and the direction in which others leave it."""

    def __init__(self, left: Array, right: Array, others: Array) -> None:
        self._left = np.asarray(left, float)
        span = np.asarray(right, float) - self._left
        length = float(np.linalg.norm(span))
        if not length > COINCIDENT * float(np.linalg.norm(self._left)):
            raise ValueError("the two embeddings must differ, for there is no line through one.")
        across = span / length
        off = np.asarray(others, float) - self._left  # (n, d)
        off -= np.outer(off @ across, across)
        sizes, directions = np.linalg.svd(off, full_matrices=False)[1:]
        up = directions[0] if np.mean(off @ directions[0]) >= 0 else -directions[0]
        self._axes = np.stack([across, up], axis=1)  # (d, 2)
        #: Share of the squared distances from the line.
        self.explained = float(sizes[0] ** 2 / max(np.sum(sizes**2), 1e-300))

    def __call__(self, embeddings: Array) -> Floats:
        """Return places (m, 2) of embeddings (m, d): along the line, and off it."""
        places: Floats = (np.asarray(embeddings, float) - self._left) @ self._axes
        return places
