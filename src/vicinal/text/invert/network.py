"""Nano's decoder network: soft tokens go in, the sentence they stand for is predicted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vicinal.text._blocks import NEVER, Block, attend
from vicinal.text.invert.codec import FORMAL


@dataclass(frozen=True)
class NanoShape:
    """Sizes of nano's decoder."""

    vocab: int
    width: int = 384
    inner: int = 1536
    heads: int = 12
    layers: int = 6
    positions: int = 96


class Memory:
    """Keys and values of all layers for the positions read so far, with room for more."""

    # Attention reads the room as well, under a mask: batched products of whole tensors are several
    # times as fast as those of slices.
    ROOM = 32  # positions added at once

    def __init__(self, pairs: list[tuple[Tensor, Tensor]]) -> None:
        self.held = torch.stack([torch.stack(pair) for pair in pairs])  # (L, 2, B, H, T, D)
        self.length = self.held.shape[4]
        self.mask = self.held.new_zeros(self.length)

    def reserve(self) -> None:
        """Make room for one more position."""
        if self.length == self.held.shape[4]:
            self.take(torch.arange(self.held.shape[2], device=self.held.device), spare=True)
        self.mask[self.length] = 0.0

    def take(self, rows: Tensor, *, spare: bool = False) -> None:
        """Go on with some of the rows, each as often as it is named, with room to spare."""
        *layers, _, heads, before, size = self.held.shape
        wide = self.length + self.ROOM if spare else before
        used = self.held[..., : self.length, :]
        self.held = self.held.new_empty(*layers, len(rows), heads, wide, size)
        torch.index_select(used, 2, rows, out=self.held[..., : self.length, :])
        self.held[..., self.length :, :] = 0.0
        self.mask = self.held.new_full((wide,), NEVER)
        self.mask[: self.length] = 0.0

    def drop(self, going: Tensor) -> Tensor:
        """Forget the rows that do not go on; return which rows are left, in their new order."""
        # the last rows take the places of those that are gone: a small share is copied, not all
        left = int(going.sum())
        order = torch.arange(left, device=going.device)
        holes = (~going[:left]).nonzero()[:, 0]
        order[holes] = going[left:].nonzero()[:, 0] + left
        for pair in self.held:
            for kept in pair:
                kept[holes, :, : self.length] = kept[order[holes], :, : self.length]
        self.held = self.held[:, :, :left]
        return order


class NanoNetwork(nn.Module):  # type: ignore[misc]  # torch is Any here
    """A causal decoder of post-norm layers, with the output layer tied to the word vectors."""

    def __init__(self, shape: NanoShape) -> None:
        super().__init__()
        self.config = shape
        self.words = nn.Embedding(shape.vocab, shape.width)
        self.positions = nn.Embedding(shape.positions, shape.width)
        self.norm = nn.LayerNorm(shape.width, eps=1e-12)
        blocks = (Block(shape.width, shape.heads, shape.inner) for _ in range(shape.layers))
        self.blocks = nn.ModuleList(blocks)
        self.bias = nn.Parameter(torch.zeros(shape.vocab))

    def embed(self, ids: Tensor, start: int = 0) -> Tensor:
        """Return word plus position vectors of ids that begin at position `start`."""
        vectors: Tensor = self.words(ids) + self.positions.weight[start : start + ids.shape[1]]
        return vectors

    def read(self, x: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Pass vectors (B, T, C) through all layers; return states, and keys and values."""
        kind = x.device.type
        if torch.is_autocast_enabled(kind):
            x = x.to(torch.get_autocast_dtype(kind))
        x = self.norm(x)
        mask = torch.full((x.shape[1], x.shape[1]), NEVER, device=x.device).triu(1)
        pairs = []
        for block in self.blocks:
            x, pair = block(x, mask)
            pairs.append(pair)
        return x, pairs

    def step(self, x: Tensor, memory: Memory) -> Tensor:
        """Pass the vectors (B, 1, C) of one new position, and remember it."""
        memory.reserve()
        at = memory.length
        x = self.norm(x)
        for layer, block in enumerate(self.blocks):
            q, k, v = block.split(x)
            keys, values = memory.held[layer]
            keys[:, :, at : at + 1], values[:, :, at : at + 1] = k, v
            x = block.finish(x, attend(q, keys, values, memory.mask))
        memory.length += 1
        return x

    def begin(self, soft: Tensor) -> tuple[Tensor, Memory]:
        """Read soft tokens and the style token; return scores, and what is to be remembered."""
        style = torch.full((len(soft), 1), FORMAL, device=soft.device)
        x, pairs = self.read(torch.cat((soft, self.embed(style)), 1))
        return self.logits(x[:, -1]), Memory(pairs)

    def next_scores(self, tokens: Tensor, at: int, memory: Memory) -> Tensor:
        """Return scores after one more token of each row."""
        return self.logits(self.step(self.embed(tokens[:, None], at), memory)[:, -1])

    def states(self, soft: Tensor, ids: Tensor) -> Tensor:
        """Return states (B, T, C) at the sentence positions; the one at t predicts token t + 1."""
        x, _ = self.read(torch.cat((soft, self.embed(ids)), 1))
        return x[:, soft.shape[1] :]

    def logits(self, states: Tensor) -> Tensor:
        """Return the scores of the next token, by the tied output layer."""
        return functional.linear(states, self.words.weight, self.bias)

    def loss(self, soft: Tensor, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the mean cross entropy of ids (B, T), given soft tokens (B, S, C)."""
        # soft, style and padding positions are never predicted
        scores, targets, _ = self._predicted(soft, ids, lengths)
        # bfloat16 scores take a third of the time off the head on a CPU
        with torch.autocast(scores.device.type, enabled=False):
            return functional.cross_entropy(scores, targets)

    def log_likelihood(self, soft: Tensor, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the mean log-probability (B,) of the tokens of each row; see :meth:`loss`."""
        scores, targets, real = self._predicted(soft, ids, lengths)
        scores = scores.float()
        likely = scores.gather(1, targets[:, None])[:, 0] - scores.logsumexp(1)
        return likely.new_zeros(real.shape).masked_scatter(real, likely).sum(1) / real.sum(1)

    def _predicted(
        self, soft: Tensor, ids: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return scores (N, V) of the N predicted tokens, these (N,), and where they stand."""
        states = self.states(soft, ids[:, :-1])  # (B, T - 1, C)
        real = torch.arange(1, ids.shape[1], device=ids.device) < lengths[:, None]
        return self.logits(states[real]), ids[:, 1:][real], real
