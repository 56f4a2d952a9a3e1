"""Texts and sentences in a plane, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vicinal._types import Array, Floats


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
