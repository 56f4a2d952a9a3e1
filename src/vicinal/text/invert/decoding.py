"""How nano writes: greedily, by drawing, or along several beams, with a memory of what it read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vicinal.text.invert.network import Memory, NanoNetwork

__all__ = ["Rules", "beam_search", "decode", "draw", "repeats"]


#: Rows that have ended are dropped once fewer than this share of a batch still goes on.
_WORTH = 0.9


@dataclass(frozen=True)
class Rules:
    """What may be written."""

    #: First token of every row, and the one that ends it.
    style: int
    end: int
    #: Never written.
    banned: Sequence[int] = ()
    #: Of a row, the style token included.
    max_tokens: int = 64
    #: No run of so many tokens comes twice in a row; 0 allows everything.
    no_repeat: int = 3

    def ban(self, scores: Tensor, ids: Tensor, length: int) -> None:
        """Set what may not follow the first `length` ids of each row to minus infinity."""
        scores[:, list(self.banned)] = -torch.inf
        if length == 1:
            scores[:, self.end] = -torch.inf
        if self.no_repeat:
            rows, tokens = repeats(ids[:, :length], self.no_repeat)
            scores[rows, tokens] = -torch.inf


def repeats(ids: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return rows and next tokens that would write a run of `size` tokens a second time."""
    length = ids.shape[1]
    starts = length - size + 1
    if starts < 1:
        none = torch.zeros(0, dtype=torch.long, device=ids.device)
        return none, none
    same = torch.ones(ids.shape[0], starts, dtype=torch.bool, device=ids.device)
    for back in range(size - 1):  # the last size - 1 tokens against every run before them
        same &= ids[:, back : back + starts] == ids[:, length - size + 1 + back, None]
    rows, places = same.nonzero(as_tuple=True)
    return rows, ids[rows, places + size - 1]


def draw(scores: Tensor, temperature: Tensor, uniforms: Tensor) -> Tensor:
    """Draw a token (B,) for each row of scores (B, V) by inverting its distribution at a number.

    A row's token depends on nothing but that row: its temperature and its uniform number.
    """
    shares = torch.softmax(scores / temperature[:, None], -1).cumsum(-1)
    aims = (uniforms.clamp(max=1 - 2**-20) * shares[:, -1])[:, None]
    return torch.searchsorted(shares, aims, right=True)[:, 0].clamp(max=scores.shape[1] - 1)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def decode(
    network: NanoNetwork, soft: Tensor, temperatures: Tensor, uniforms: Tensor, rules: Rules
) -> tuple[list[list[int]], Tensor]:
    """Write R rows of ids for each of B embeddings; what stands before them is read once.

    One for each temperature (R,), by uniforms (B, R, T): the rows of one embedding together, and
    their mean log-probabilities a token, before any rule and at temperature 1.
    """
    count, each = soft.shape[0], len(temperatures)
    x, memory = _begin(network, soft, rules.style)
    rows = torch.arange(count * each, device=soft.device)
    if each > 1:
        x = x.repeat_interleave(each, 0)
        memory.take(rows // each, memory.length + memory.ROOM)
    heat = temperatures.to(soft.device).repeat(count)
    numbers = uniforms.to(soft.device).flatten(0, 1)
    limit = min(rules.max_tokens, network.config.positions)
    ids = torch.full((len(rows), limit), rules.style, device=soft.device)
    written, live = torch.ones_like(rows), rows  # of all rows; rows that still stand in x
    total = torch.zeros(len(rows), device=soft.device)
    going = torch.ones_like(rows, dtype=torch.bool)  # of the live ones, those that have not ended
    for length in range(1, limit):
        scores = network.logits(x[:, -1]).float()
        normalizer = scores.logsumexp(-1)
        rules.ban(scores, ids[live], length)
        tokens = scores.argmax(-1)
        warm = (heat[live] > 0) & going
        if bool(warm.any()):
            tokens[warm] = draw(scores[warm], heat[live][warm], numbers[live, length][warm])
        at = live[going]
        ids[at, length] = tokens[going]
        total[at] += (scores.gather(1, tokens[:, None])[:, 0] - normalizer)[going]
        written[at] += 1
        going &= tokens != rules.end
        left = int(going.sum())
        if not left:
            break
        if left < _WORTH * len(live):
            kept = memory.drop(going)
            live, tokens, going = live[kept], tokens[kept], going[kept]
        if length + 1 < limit:
            x = network.step(network.embed(tokens[:, None], length), memory)
    lines = [row[:n] for row, n in zip(ids.tolist(), written.tolist(), strict=True)]
    return lines, total / (written - 1).clamp(min=1)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def beam_search(
    network: NanoNetwork, soft: Tensor, beams: int, rules: Rules
) -> tuple[list[list[int]], Tensor]:
    """Write the row of ids with the highest mean log-probability that some beams find, and that."""
    count = soft.shape[0]
    x, memory = _begin(network, soft, rules.style)
    x = x.repeat_interleave(beams, 0)
    memory.take(torch.arange(count * beams, device=soft.device) // beams)
    limit = min(rules.max_tokens, network.config.positions)
    ids = torch.full((count * beams, limit), rules.style, device=soft.device)
    total = torch.full((count, beams), -torch.inf, device=soft.device)
    total[:, 0] = 0.0  # all beams begin alike: one may spread
    ended = torch.zeros(count * beams, dtype=torch.bool, device=soft.device)
    lengths = torch.ones(count * beams, dtype=torch.long, device=soft.device)
    first = torch.arange(count, device=soft.device)[:, None] * beams
    for length in range(1, limit):
        scores = network.logits(x[:, -1]).float().log_softmax(-1)
        rules.ban(scores, ids, length)
        scores[ended] = -torch.inf
        scores[ended, rules.end] = 0.0  # a finished beam stays as it is
        vocab = scores.shape[1]
        total, best = (total[..., None] + scores.view(count, beams, -1)).flatten(1).topk(beams)
        source, tokens = (best // vocab + first).flatten(), (best % vocab).flatten()
        ids, ended, lengths = ids[source], ended[source], lengths[source]
        ids[:, length] = tokens
        lengths += (~ended).long()
        ended |= tokens == rules.end
        if bool(ended.all()) or length + 1 == limit:
            break
        memory.take(source)
        x = network.step(network.embed(tokens[:, None], length), memory)
    means = total / (lengths.view(count, beams) - 1).clamp(min=1)
    value, place = means.max(-1)
    chosen = first[:, 0] + place
    lines = [row[:n] for row, n in zip(ids[chosen].tolist(), lengths[chosen].tolist(), strict=True)]
    return lines, value


def _begin(network: NanoNetwork, soft: Tensor, style: int) -> tuple[Tensor, Memory]:
    """Read soft tokens and the style token; return the last state and what is to be remembered."""
    ids = torch.full((soft.shape[0], 1), style, device=soft.device)
    x, pairs = network.read(torch.cat((soft, network.embed(ids)), 1))
    return x[:, -1:], Memory(pairs)
