"""What an inverter asks of a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

__all__ = ["Decoder", "Written", "WrittenSeveral"]

#: Sentences, and the mean log-probability a token of each.
Written = tuple[list[str], npt.NDArray[np.float32]]
#: The same for several sentences a row.
WrittenSeveral = tuple[list[list[str]], npt.NDArray[np.float32]]


class Decoder(Protocol):
    """A causal language model that reads soft tokens and writes sentences."""

    kind: str
    width: int
    #: Sentences that are best written at once.
    batch: int

    @property
    def trainable(self) -> list[nn.Parameter]:
        """What learns; nothing where it is frozen."""

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each sentence, with its end token."""

    def room(self, soft_tokens: int) -> int:
        """Return how many tokens a sentence may have beside so many soft tokens."""

    def loss(self, soft: Tensor, rows: Sequence[Sequence[int]]) -> Tensor:
        """Return the mean negative log-likelihood of the sentences' tokens, given soft tokens."""

    def log_likelihood(self, soft: Tensor, texts: Sequence[str]) -> npt.NDArray[np.float32]:
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

    def generate(
        self,
        soft: Tensor,
        *,
        temperature: float = 0.0,
        beams: int = 1,
        max_tokens: int | None = None,
        generator: np.random.Generator | None = None,
    ) -> Written:
        """Write one sentence for each row of soft tokens.

        Parameters
        ----------
        soft : Tensor of shape (B, S, C)
            Soft tokens.
        temperature : float, default 0.0
            0 takes the likeliest token each time.
        beams : int, default 1
            Sentences followed at once; with more than one, nothing is drawn.
        max_tokens : int, optional
            Longest sentence, markers included.
        generator : numpy.random.Generator, optional
            What draws are made with.

        Returns
        -------
        tuple of list of str and ndarray of shape (B,)
            Sentences, and the mean log-probability a token of each.
        """

    def candidates(
        self,
        soft: Tensor,
        n: int,
        *,
        temperature: float,
        max_tokens: int | None = None,
        generator: np.random.Generator,
    ) -> WrittenSeveral:
        """Write the likeliest sentence and n - 1 drawn ones for each row of soft tokens.

        Parameters
        ----------
        soft : Tensor of shape (B, S, C)
            Soft tokens, read once for all sentences of a row where that is possible.
        n : int
            Sentences a row.
        temperature : float
            Of the drawn ones.
        max_tokens : int, optional
            Longest sentence, markers included.
        generator : numpy.random.Generator
            What draws are made with.

        Returns
        -------
        tuple of list of list of str and ndarray of shape (B, n)
            Sentences, and the mean log-probability a token of each.
        """

    def to(self, device: str) -> Any:
        """Move to a device."""

    def train(self, mode: bool = True) -> Any:
        """Switch dropout on, or off."""

    def describe(self) -> dict[str, Any]:
        """Return what a saved inverter has to say about it, as JSON."""

    def save(self, folder: Path) -> None:
        """Write files of its own, where it has any."""

    def weights(self) -> Mapping[str, Tensor]:
        """Return the tensors to be kept beside the adaptor's."""
