"""Nano while it is trained: the package's decoder and an adaptor in one network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from vicinal.text._readers import BertEncoder
from vicinal.text.invert.adaptor import Adaptor
from vicinal.text.invert.network import NanoNetwork, NanoShape

__all__ = ["Inverter", "InverterConfig"]


@dataclass(frozen=True)
class InverterConfig(NanoShape):
    """Shape of decoder and adaptor."""

    embedding: int = 384
    soft_tokens: int = 8
    adaptor: int = 1024

    def decoder(self) -> NanoShape:
        """Return the decoder's share."""
        said = asdict(self)
        return NanoShape(**{name: said[name] for name in NanoShape.__dataclass_fields__})


class Inverter(NanoNetwork):
    """Standardized sentence embedding -> soft tokens -> causal decoder."""

    config: InverterConfig

    def __init__(self, config: InverterConfig) -> None:
        super().__init__(config)
        c = config
        self.adaptor = nn.Sequential(
            nn.Linear(c.embedding, c.adaptor),
            nn.GELU(),
            nn.Linear(c.adaptor, c.soft_tokens * c.width),
        )

    @torch.no_grad()
    def warm_start(
        self, encoder: BertEncoder, sources: Sequence[int | None], log_frequency: Tensor
    ) -> None:
        """Take the encoder's layers and word vectors.

        Parameters
        ----------
        encoder : BertEncoder
            Where the weights come from.
        sources : sequence of int or None
            For each token of this vocabulary, the encoder's row to copy; None for a new token,
            which starts near the mean.
        log_frequency : Tensor of shape (vocab,)
            First output bias.
        """
        known = torch.tensor([-1 if source is None else source for source in sources])
        rows = encoder.words.weight.float()
        new = known < 0
        noise = (
            0.1
            * rows.std(0)
            * torch.randn(len(known), rows.shape[1], generator=torch.Generator().manual_seed(0))
        )
        self.words.weight.copy_(
            torch.where(new[:, None], rows[known[~new]].mean(0) + noise, rows[known.clamp(min=0)])
        )
        positions = encoder.positions.weight + encoder.kinds.weight[0]
        self.positions.weight.copy_(positions[: self.config.positions].float())
        self.norm.load_state_dict(encoder.norm.state_dict())
        for mine, theirs in zip(self.blocks, encoder.blocks, strict=True):
            mine.load_state_dict(theirs.state_dict())
        self.bias.copy_(log_frequency)

    def soft(self, embedding: Tensor) -> Tensor:
        """Turn standardized embeddings (B, E) into soft tokens (B, S, C)."""
        flat: Tensor = self.adaptor(embedding)
        return flat.view(-1, self.config.soft_tokens, self.config.width)

    def batch_loss(self, embedding: Tensor, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the loss of padded ids (B, T), given standardized embeddings (B, E)."""
        return self.loss(self.soft(embedding), ids, lengths)

    def parts(self, mean: Tensor, scale: float) -> tuple[Adaptor, NanoNetwork]:
        """Return copies of adaptor and decoder as the package knows them.

        Parameters
        ----------
        mean : Tensor of shape (E,)
            Center of the embeddings.
        scale : float
            What they are divided by.

        Returns
        -------
        tuple of Adaptor and NanoNetwork
            In float32.
        """
        c = self.config
        adaptor = Adaptor(c.embedding, c.width, soft_tokens=c.soft_tokens, hidden=c.adaptor)
        adaptor.net.load_state_dict(self.adaptor.state_dict())
        adaptor.mean.copy_(mean)
        adaptor.scale.fill_(scale)
        decoder = NanoNetwork(c.decoder())
        state = self.state_dict()
        decoder.load_state_dict({name: state[name] for name in decoder.state_dict()})
        return adaptor.to(self.bias.device), decoder.to(self.bias.device)
