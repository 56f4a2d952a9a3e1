"""From a sentence embedding to soft tokens that a language model reads."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from vicinal._types import Floats32


class Adaptor(nn.Module):  # type: ignore[misc]  # torch is Any here
    """A two-layer network between an encoder's space and the input space of a language model.

    Embeddings are centered and divided by one common number first.

    Parameters
    ----------
    embedding : int
        Length of an embedding.
    width : int
        Length of a soft token.
    soft_tokens : int, default 8
        How many stand for a sentence.
    hidden : int, default 1024
        Width of the layer between.
    loudness : float, default 1.0
        What soft tokens are multiplied by: best the standard deviation of the word vectors.
    norm : bool, default False
        Whether soft tokens pass a layer norm first.

    Examples
    --------
    >>> adaptor = Adaptor(384, 64, soft_tokens=4)
    >>> adaptor(torch.zeros(2, 384)).shape
    torch.Size([2, 4, 64])
    """

    mean: Tensor
    scale: Tensor
    loudness: Tensor

    def __init__(
        self,
        embedding: int,
        width: int,
        *,
        soft_tokens: int = 8,
        hidden: int = 1024,
        loudness: float = 1.0,
        norm: bool = False,
    ) -> None:
        super().__init__()
        self.embedding, self.width = embedding, width
        self.soft_tokens, self.hidden, self.norm = soft_tokens, hidden, norm
        self.net = nn.Sequential(
            nn.Linear(embedding, hidden), nn.GELU(), nn.Linear(hidden, soft_tokens * width)
        )
        self.normed = nn.LayerNorm(width) if norm else nn.Identity()
        self.register_buffer("mean", torch.zeros(embedding))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("loudness", torch.tensor(float(loudness)))

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def fit_scale(self, embeddings: Floats32) -> Adaptor:
        """Learn the center and the scale of embeddings (n_texts, embedding); return itself.

        Raises
        ------
        ValueError
            If all embeddings are equal.
        """
        mean = embeddings.mean(0, dtype=np.float64)
        scale = float(np.sqrt(np.square(embeddings - mean).mean()))
        if not scale > 0:
            raise ValueError("embeddings must differ, got equal ones only. Give more texts.")
        self.mean.copy_(torch.from_numpy(mean))
        self.scale.fill_(scale)
        return self

    def forward(self, embeddings: Tensor) -> Tensor:
        """Turn embeddings (B, E), as the encoder made them, into soft tokens (B, S, C)."""
        flat: Tensor = self.net((embeddings - self.mean) / self.scale)
        tokens: Tensor = self.normed(flat.view(-1, self.soft_tokens, self.width))
        return tokens * self.loudness
