"""What an inverter proposes for each embedding, and how near it comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vicinal._types import Floats32


def cosine(left: Floats32, right: Floats32) -> Floats32:
    """Return the cosine between vectors along the last axis; 0 where one of them is zero."""
    norms = np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1)
    dots = np.einsum("...d,...d->...", left, right)
    found: Floats32 = np.divide(dots, norms, out=np.zeros_like(dots), where=norms > 0)
    return found


class Inversion(NamedTuple):
    """Sentences, and how near each comes to the embedding it was made from.

    Parameters
    ----------
    sentences : list of str
        One for each embedding.
    closeness : ndarray of shape (n_embeddings,)
        Cosine between the embedding and that of the sentence.
    """

    sentences: list[str]
    closeness: Floats32


@dataclass(frozen=True)
class Candidates:
    """Several sentences for each embedding, encoded again.

    Parameters
    ----------
    sentences : list of list of str
        A row for each embedding, each round's likeliest sentence first; one may come twice.
    embeddings : ndarray of shape (n_embeddings, n_candidates, dim)
        Embeddings of the sentences.
    log_likelihood : ndarray of shape (n_embeddings, n_candidates)
        Mean log-probability a token, under the language model.
    """

    sentences: list[list[str]]
    embeddings: Floats32
    log_likelihood: Floats32

    def __len__(self) -> int:
        return len(self.sentences)

    def closeness(self, targets: Floats32) -> Floats32:
        """Return cosines (n_embeddings, n_candidates) to what was inverted (n_embeddings, dim)."""
        targets = np.asarray(targets, np.float32)
        _check_shape("targets", targets, self.embeddings[:, 0].shape)
        return cosine(self.embeddings, targets[:, None, :])

    def pick(self, scores: npt.NDArray[np.floating]) -> npt.NDArray[np.intp]:
        """Return where the highest score of each row (n_embeddings, n_candidates) stands first."""
        _check_shape("scores", scores, self.log_likelihood.shape)
        best: npt.NDArray[np.intp] = np.argmax(scores, axis=1)
        return best


def _check_shape(name: str, found: npt.ArrayLike, wanted: tuple[int, ...]) -> None:
    if np.shape(found) != wanted:
        raise ValueError(f"{name} must have shape {wanted}, got {np.shape(found)}.")
