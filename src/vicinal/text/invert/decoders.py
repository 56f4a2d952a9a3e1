"""What an inverter asks of a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

__all__ = ["Decoded", "Decoder", "pad_rows"]

Floats = npt.NDArray[np.float32]


class Decoded(NamedTuple):
    """Sentences that a language model wrote, and how likely it held each.

    Parameters
    ----------
    sentences : list of list of str
        A row for each embedding.
    log_likelihood : ndarray of shape (n_embeddings, n_sentences)
        Mean log-probability a token.
    """

    sentences: list[list[str]]
    log_likelihood: Floats

    @classmethod
    def of(cls, lines: list[str], log_likelihood: Floats) -> Decoded:
        """Return lines in rows as long as those of their log-likelihoods (B, n)."""
        n = log_likelihood.shape[1]
        return cls([lines[at : at + n] for at in range(0, len(lines), n)], log_likelihood)


class Decoder(Protocol):
    """A causal language model that reads soft tokens and writes sentences.

    ``Inverter(encoder, adaptor, decoder)`` takes anything that has these methods, so that a model
    can be run by another engine (``docs/inversion.md`` has an example). One that only writes has
    nothing ``trainable``, and need not give a ``loss``; ``crossover`` asks for ``log_likelihood``.

    Attributes
    ----------
    kind : str
        Which class of decoder it is, in a saved folder.
    width : int
        Length of a soft token.
    batch : int
        Sentences that are best written at once.
    """

    kind: str
    width: int
    batch: int

    @property
    def trainable(self) -> list[nn.Parameter]:
        """What learns; nothing where it is frozen."""

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each sentence, which is not cut, with its end token."""

    def room(self, soft_tokens: int) -> int:
        """Return how many tokens a sentence may have beside so many soft tokens."""

    def loss(self, soft: Tensor, rows: Sequence[Sequence[int]]) -> Tensor:
        """Return the mean negative log-likelihood of the sentences' tokens.

        Parameters
        ----------
        soft : Tensor of shape (B, S, C)
            Soft tokens; gradients reach them also through a frozen model.
        rows : sequence of sequence of int
            Ids of B sentences; what lies beyond :meth:`room` is left out.

        Returns
        -------
        Tensor
            One number; padding and what stands before the sentences do not count.
        """

    def log_likelihood(self, soft: Tensor, texts: Sequence[str]) -> Floats:
        """Return the mean log-probability a token of given sentences.

        Parameters
        ----------
        soft : Tensor of shape (B, S, C)
            Soft tokens.
        texts : sequence of str
            B sentences.

        Returns
        -------
        ndarray of shape (B,)
            At temperature 1, the end included.
        """

    def decode(
        self,
        soft: Tensor,
        temperatures: Sequence[float] = (0.0,),
        *,
        beams: int = 1,
        max_tokens: int | None = None,
        generator: np.random.Generator | None = None,
    ) -> Decoded:
        """Write sentences for each row of soft tokens, one at each temperature.

        Parameters
        ----------
        soft : Tensor of shape (B, S, C)
            Soft tokens, read once for all sentences of a row where that is possible.
        temperatures : sequence of float, default (0.0,)
            0 takes the likeliest token each time; above, tokens are drawn.
        beams : int, default 1
            Sentences followed at once; with more than one, nothing is drawn.
        max_tokens : int, optional
            Longest sentence, markers included.
        generator : numpy.random.Generator, optional
            What draws are made with.

        Returns
        -------
        Decoded
            B rows, with a sentence for each temperature.
        """

    def to(self, device: str) -> Any:
        """Move to a device."""

    def train(self, mode: bool = True) -> Any:
        """Switch dropout on where the model learns, or off."""

    def describe(self) -> dict[str, Any]:
        """Return what a saved inverter has to say about it, as JSON."""

    def save(self, folder: Path, *, half: bool = False) -> None:
        """Write files of its own, where it has any, with weights in float16 where ``half``."""

    def weights(self) -> Mapping[str, Tensor]:
        """Return the tensors to be kept beside the adaptor's."""


def pad_rows(
    rows: Sequence[Sequence[int]], room: int, pad: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return ids (B, T) of sentences, cut to the room there is, and their lengths (B,)."""
    rows = [row[:room] for row in rows]
    lengths = torch.tensor([len(row) for row in rows])
    ids = torch.full((len(rows), int(lengths.max())), pad)
    for at, row in enumerate(rows):
        ids[at, : len(row)] = torch.tensor(row)
    return ids.to(device), lengths.to(device)
