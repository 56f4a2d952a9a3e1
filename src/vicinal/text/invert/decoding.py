"""How sentences are written: greedily, by drawing, or along several beams, with a memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from vicinal._checks import check_number
from vicinal.text._cores import on_cores, spans

#: Rows that have ended are dropped once fewer than this share of a batch still goes on.
_WORTH = 0.9
#: A token gains nothing where it is less likely than this share of the likeliest, as a logarithm.
_FITS = math.log(0.02)


class Memory(Protocol):
    """What a network remembers of the rows that it reads."""

    def take(self, rows: Tensor, *, spare: bool = False) -> None:
        """Go on with some of the rows, each as often as it is named, with room to ``spare``."""

    def drop(self, going: Tensor) -> Tensor:
        """Forget the rows that do not go on; return which rows are left, in their new order."""


class Network(Protocol):
    """A causal language model, one token after the other."""

    def begin(self, soft: Tensor) -> tuple[Tensor, Any]:
        """Read soft tokens (B, S, C); return the first tokens' scores (B, V), and a memory."""

    def next_scores(self, tokens: Tensor, at: int, memory: Any) -> Tensor:
        """Read tokens (B,), the one ``at`` such a place of each row; return scores (B, V)."""


@dataclass(frozen=True)
class Rules:
    """What may be written."""

    #: What every row begins with, and the token that ends it.
    style: int
    end: int
    #: Never written.
    banned: Sequence[int] = ()
    #: Of a row, what it begins with included.
    max_tokens: int = 64
    #: No run of so many tokens comes twice in a row; 0 allows everything.
    no_repeat: int = 3

    def ban(self, scores: Tensor, ids: Tensor, length: int) -> None:
        """Set what may not follow the first `length` ids of each row to minus infinity."""
        scores[:, list(self.banned)] = -torch.inf
        if length == 1:
            scores[:, self.end] = -torch.inf
        if self.no_repeat:
            begin = 0 if self.style >= 0 else 1  # below 0 it is no token
            rows, tokens = repeats(ids[:, begin:length], self.no_repeat)
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
    """Draw a token (B,) for each row of scores (B, V) by inverting its distribution at a number."""
    # a row's token depends on nothing but its temperature and its uniform number
    shares = torch.softmax(scores / temperature[:, None], -1)
    torch.cumsum(shares, -1, out=shares)
    aims = (uniforms.clamp(max=1 - 2**-20) * shares[:, -1])[:, None]
    return torch.searchsorted(shares, aims, right=True)[:, 0].clamp(max=scores.shape[1] - 1)


def write(
    network: Network,
    soft: Tensor,
    temperatures: Sequence[float],
    rules: Rules,
    *,
    beams: int,
    generator: np.random.Generator | None,
    gains: Tensor | None = None,
    parts: int = 1,
) -> tuple[list[list[int]], Tensor]:
    """Write a row of ids for each embedding and temperature, or the best of some beams.

    ``gains`` (B, V) are added to the scores of tokens until they are written.
    """
    heat = torch.tensor([check_number("temperature", one, low=0) for one in temperatures])
    if beams > 1:
        ids, likely = beam_search(network, soft, beams, rules, gains)
        return ids, likely[:, None]
    uniforms = torch.zeros(len(soft), len(heat), rules.max_tokens)
    if bool(heat.any()):
        rng = np.random.default_rng() if generator is None else generator
        uniforms = torch.from_numpy(rng.random(uniforms.shape, np.float32))

    def part(span: slice) -> tuple[list[list[int]], Tensor]:
        found: tuple[list[list[int]], Tensor] = decode(
            network, soft[span], heat, uniforms[span], rules,
            None if gains is None else gains[span],
        )  # fmt: skip
        return found

    cut = spans(len(soft), -(-len(soft) // parts) or 1)
    found = list(on_cores(part, cut, soft.device))
    likely = torch.cat([some for _, some in found]).view(len(soft), len(heat))
    return [row for some, _ in found for row in some], likely


class _Gains:
    """What tokens gain in each row, for as long as the row has not written them."""

    def __init__(self, gains: Tensor | None, each: int) -> None:
        self._left = None if gains is None else gains.repeat_interleave(each, 0)

    def copied(self, scores: Tensor) -> Tensor:
        """Return scores that can be changed; where nothing gains, those are the only ones."""
        return scores if self._left is None else scores.clone()

    def added(self, scores: Tensor, rows: Tensor) -> Tensor:
        if self._left is None:
            return scores
        fits = scores >= scores.max(-1, keepdim=True).values + _FITS
        return scores + self._left[rows] * fits

    def drop(self, rows: Tensor, tokens: Tensor) -> None:
        if self._left is not None:
            self._left[rows, tokens] = 0.0

    def take(self, rows: Tensor) -> None:
        if self._left is not None:
            self._left = self._left[rows]


@torch.inference_mode()  # type: ignore[untyped-decorator]
def decode(
    network: Network,
    soft: Tensor,
    temperatures: Tensor,
    uniforms: Tensor,
    rules: Rules,
    gains: Tensor | None = None,
) -> tuple[list[list[int]], Tensor]:
    """Write R rows of ids for each of B embeddings; what stands before them is read once."""
    # the rows of one embedding together, and their mean log-probabilities a token, before any rule
    # and at temperature 1
    count, each = soft.shape[0], len(temperatures)
    scores, memory = network.begin(soft)
    rows = torch.arange(count * each, device=soft.device)
    if each > 1:
        scores = scores.repeat_interleave(each, 0)
        memory.take(rows // each, spare=True)
    heat = temperatures.to(soft.device).repeat(count)
    numbers = uniforms.to(soft.device).flatten(0, 1)
    favored = _Gains(gains, each)
    ids = torch.full((len(rows), rules.max_tokens), rules.style, device=soft.device)
    written, live = torch.ones_like(rows), rows  # of all rows; rows that still stand in the scores
    total = torch.zeros(len(rows), device=soft.device)
    going = torch.ones_like(rows, dtype=torch.bool)  # of the live ones, those that have not ended
    for length in range(1, rules.max_tokens):
        scores = scores.float()
        shares = scores.log_softmax(-1)
        allowed = favored.copied(scores)
        rules.ban(allowed, ids[live], length)
        leaning = favored.added(allowed, live)
        tokens = leaning.max(-1).indices  # three times as quick as argmax
        warm = (heat[live] > 0) & going
        if bool(warm.any()):
            tokens[warm] = draw(leaning[warm], heat[live][warm], numbers[live, length][warm])
        favored.drop(live, tokens)
        at = live[going]
        ids[at, length] = tokens[going]
        total[at] += shares.gather(1, tokens[:, None])[going, 0]
        written[at] += 1
        going &= tokens != rules.end
        left = int(going.sum())
        if not left:
            break
        if left < _WORTH * len(live):
            kept = memory.drop(going)
            live, tokens, going = live[kept], tokens[kept], going[kept]
        if length + 1 < rules.max_tokens:
            scores = network.next_scores(tokens, length, memory)
    lines = [row[:n] for row, n in zip(ids.tolist(), written.tolist(), strict=True)]
    return lines, total / (written - 1).clamp(min=1)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def beam_search(
    network: Network, soft: Tensor, beams: int, rules: Rules, gains: Tensor | None = None
) -> tuple[list[list[int]], Tensor]:
    """Write the row of ids with the highest mean score that some beams find, and how likely it is.

    A score is a log-probability, and what the token gains.
    """
    count, limit = soft.shape[0], rules.max_tokens
    scores, memory = network.begin(soft)
    scores = scores.repeat_interleave(beams, 0)
    rows = torch.arange(count * beams, device=soft.device)
    memory.take(rows // beams)
    favored = _Gains(gains, beams)
    ids = torch.full((count * beams, limit), rules.style, device=soft.device)
    total = torch.full((count, beams), -torch.inf, device=soft.device)
    total[:, 0] = 0.0  # all beams begin alike: one may spread
    likely = torch.zeros(count * beams, device=soft.device)
    ended = torch.zeros(count * beams, dtype=torch.bool, device=soft.device)
    lengths = torch.ones(count * beams, dtype=torch.long, device=soft.device)
    first = torch.arange(count, device=soft.device)[:, None] * beams
    for length in range(1, limit):
        scores = scores.float().log_softmax(-1)
        allowed = favored.copied(scores)
        rules.ban(allowed, ids, length)
        leaning = favored.added(allowed, rows)
        for some in (scores, leaning):  # a finished beam stays as it is
            some[ended] = -torch.inf
            some[ended, rules.end] = 0.0
        vocab = scores.shape[1]
        total, best = (total[..., None] + leaning.view(count, beams, -1)).flatten(1).topk(beams)
        source, tokens = (best // vocab + first).flatten(), (best % vocab).flatten()
        likely = likely[source] + scores[source, tokens]
        ids, ended, lengths = ids[source], ended[source], lengths[source]
        favored.take(source)
        favored.drop(rows, tokens)
        ids[:, length] = tokens
        lengths += (~ended).long()
        ended |= tokens == rules.end
        if bool(ended.all()) or length + 1 == limit:
            break
        memory.take(source)
        scores = network.next_scores(tokens, length, memory)
    written = (lengths - 1).clamp(min=1)
    place = (total / written.view(count, beams)).argmax(-1)
    chosen = first[:, 0] + place
    lines = [row[:n] for row, n in zip(ids[chosen].tolist(), lengths[chosen].tolist(), strict=True)]
    return lines, (likely / written)[chosen]
