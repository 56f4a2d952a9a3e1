"""What an inverter asks of a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from vicinal._types import Floats32
from vicinal.text.invert.guidance import Hints


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
    log_likelihood: Floats32

    @classmethod
    def of(cls, lines: list[str], log_likelihood: Floats32) -> Decoded:
        """Return lines in rows as long as those of their log-likelihoods (B, n)."""
        n = log_likelihood.shape[1]
        return cls([lines[at : at + n] for at in range(0, len(lines), n)], log_likelihood)


class Decoder(Protocol):
    """A causal language model that reads soft tokens and writes sentences.

    ``Inverter(encoder, adaptor, decoder)`` takes anything that has these methods, so that a model
    can be run by another engine, such as vLLM. One that only writes has
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
        """Return the mean negative log-likelihood of the tokens of B sentences, one number.

        Soft tokens (B, S, C) get gradients also through a frozen model; what lies beyond
        :meth:`room`, padding and what stands before the sentences do not count.
        """

    def log_likelihood(self, soft: Tensor, texts: Sequence[str]) -> Floats32:
        """Return the mean log-probability (B,) a token of sentences, their ends included."""

    def decode(
        self,
        soft: Tensor,
        temperatures: Sequence[float] = (0.0,),
        *,
        beams: int = 1,
        max_tokens: int | None = None,
        generator: np.random.Generator | None = None,
        hints: Hints | None = None,
    ) -> Decoded:
        """Write sentences for each row of soft tokens (B, S, C), one at each temperature.

        At 0 the likeliest token is taken each time, above tokens are drawn by the ``generator``; of
        several ``beams`` the likeliest sentence is taken, and nothing is drawn. A sentence has
        ``max_tokens`` at most, markers included. Words of ``hints`` are favored; they are given
        to the decoder of an inverter that has a guide.
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
