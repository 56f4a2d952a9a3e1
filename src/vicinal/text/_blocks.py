"""The transformer layer that the plain sentence encoder and nano's decoder are made of."""

from __future__ import annotations

import copy
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

Net = TypeVar("Net", bound=nn.Module)

#: Added to a score that must not count.
NEVER = -1e9
Pair = tuple[Tensor, Tensor]

_NAMES = {
    "out": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "norm2": "output.LayerNorm",
}
_PARTS = ("query", "key", "value")


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Scaled dot-product attention with an additive mask; q, k and v are (B, H, T, D)."""
    # On a CPU plain batched products are, for sentences, five times as fast as the fused kernel.
    if q.device.type != "cpu":
        return functional.scaled_dot_product_attention(
            q, k, v, attn_mask=None if mask is None else mask.to(q.dtype)
        )
    batch, heads, length, size = q.shape
    keys = k.shape[2]
    q, k, v = (t.reshape(batch * heads, -1, size) for t in (q * size**-0.5, k, v))
    if mask is None:
        scores = torch.bmm(q, k.transpose(1, 2))
    else:
        mask = (
            mask.to(q.dtype).expand(batch, heads, length, keys).reshape(batch * heads, length, keys)
        )
        scores = torch.baddbmm(mask, q, k.transpose(1, 2))
    return torch.bmm(scores.softmax(-1), v).view(batch, heads, length, size)


class Block(nn.Module):  # type: ignore[misc]  # torch is Any here
    """One post-norm transformer layer with fused query, key and value."""

    def __init__(self, width: int, heads: int, inner: int, eps: float = 1e-12) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        self.norm2 = nn.LayerNorm(width, eps=eps)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values (B, H, T, D) of states (B, T, C)."""
        batch, length, width = x.shape
        q, k, v = (
            self.qkv(x)
            .view(batch, length, 3, self.heads, width // self.heads)
            .permute(2, 0, 3, 1, 4)
        )
        return q, k, v

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """Return the layer's output (B, T, C) from its input and what attention found."""
        x = self.norm1(x + self.out(attended.transpose(1, 2).reshape(x.shape)))
        y: Tensor = self.norm2(x + self.down(functional.gelu(self.up(x))))
        return y

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Pair]:
        """Return output (B, T, C), and the keys and values."""
        q, k, v = self.split(x)
        return self.finish(x, attend(q, k, v, mask)), (k, v)

    def as_bert(self, layer: int) -> dict[str, Tensor]:
        """Return the weights, or views of them, by the names of a BERT checkpoint."""
        at = f"encoder.layer.{layer}."
        found = {}
        for kind in ("weight", "bias"):
            for mine, theirs in _NAMES.items():
                found[f"{at}{theirs}.{kind}"] = getattr(getattr(self, mine), kind)
            for part, rows in zip(_PARTS, getattr(self.qkv, kind).chunk(3), strict=True):
                found[f"{at}attention.self.{part}.{kind}"] = rows
        return found


def state_of(network: nn.Module) -> object:
    """Return what differs once weights have moved or changed."""
    weights = [one.detach() for one in network.parameters()]
    if not weights:
        return None
    # fused optimizers change weights without counting it
    first = torch.cat([one.reshape(-1)[:4].float().cpu() for one in weights])
    return weights[0].device, sum(one._version for one in weights), first.numpy().tobytes()


class HalfCopy(Generic[Net]):
    """A copy of a network in bfloat16, made anew when the weights have changed."""

    def __init__(self, network: Net) -> None:
        self.network = network
        self._made: tuple[object, Net] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> HalfCopy[Net]:
        # the copied network's weights change on their own, by the same count of steps
        return HalfCopy(copy.deepcopy(self.network, memo))

    def get(self) -> Net:
        """Return the copy."""
        state = state_of(self.network)
        if self._made is None or self._made[0] != state:
            self._made = state, copy.deepcopy(self.network).to(torch.bfloat16).eval()
        return self._made[1]
