"""Corpus on disk: lines, token ids, embeddings made as they are first needed, order of batches.

Everything lives in the work folder: `vocab.txt`, `tokens.npy` + `offsets.npy`, `embeddings.f16` (a
memory map filled from the front; `embedded.json` says how far) and `statistics.npz`. A half-written
file is never taken for a whole one.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from vicinal.text import Encoder
from vicinal.text.invert.codec import SPECIALS, Codec, cut, greedy_pieces, normalize
from vicinal.text.models import resolve_model

__all__ = [
    "CHUNK",
    "Batch",
    "Corpus",
    "Statistics",
    "choose_vocabulary",
    "load_codec",
    "read_lines",
    "word_counts",
    "word_pieces",
    "write_whole",
]

CHUNK = 16_384  # lines embedded, sorted by length and shuffled together


def read_lines(path: Path) -> list[str]:
    """Non-empty lines of a gzipped UTF-8 file."""
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        return [line.rstrip("\n") for line in stream if line.strip()]


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then rename it: it appears whole or not at all."""
    beside = path.with_name(f".{path.name}.part{path.suffix}")
    write(beside)
    beside.chmod(0o644)
    beside.replace(path)


def word_counts(lines: Iterable[str]) -> Counter[str]:
    """How often each lower-cased unit occurs."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(text.lower() for text, _ in cut(normalize(line)))
    return counts


def choose_vocabulary(
    counts: Counter[str], vocabulary: Sequence[str], size: int, rare: int = 3
) -> list[str]:
    """Choose the `size` commonest pieces, and every character seen at least `rare` times.

    Pieces of the encoder's whole vocabulary come back without special tokens, the commonest first;
    a line that holds a rarer character is not trained on.
    """
    known = set(vocabulary)
    pieces: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    for word, count in counts.items():
        for ch in word:
            characters[ch] += count
        for piece in greedy_pieces(word, known) or ():
            pieces[piece] += count
    singles = {ch for ch, count in characters.items() if count >= rare and ch in known}
    singles |= {"##" + ch for ch in singles if "##" + ch in known}
    for single in singles:
        pieces[single] += 0
    room = size - len(SPECIALS) - len(singles)
    kept = singles | set(
        [piece for piece, _ in pieces.most_common() if piece not in singles][:room]
    )
    return sorted(kept, key=lambda piece: (-pieces[piece], piece))


@dataclass(frozen=True)
class Statistics:
    """Center and one common scale of embeddings: ratios between them stay as they are."""

    mean: np.ndarray
    scale: float

    def standardize(self, embeddings: np.ndarray) -> Tensor:
        """Centerd and scaled embeddings, as a tensor."""
        return torch.from_numpy((embeddings.astype(np.float32) - self.mean) / self.scale)

    def center(self) -> Tensor:
        """Return the mean as a tensor."""
        return torch.from_numpy(self.mean)


@dataclass(frozen=True)
class Batch:
    """Sentences of like length."""

    embedding: Tensor  # (B, E), standardized
    ids: Tensor  # (B, T)
    lengths: Tensor  # (B,)


def load_codec(work: Path) -> Codec:
    """Load the codec of a work folder."""
    tokens = (work / "vocab.txt").read_text(encoding="utf-8").split("\n")
    return Codec(tokens[len(SPECIALS) :])


def word_pieces(encoder: Encoder) -> list[str]:
    """All WordPieces of an encoder, in id order."""
    path = Path(resolve_model(encoder.name)) / "tokenizer.json"
    ids: dict[str, int] = Tokenizer.from_file(str(path)).get_vocab()
    return sorted(ids, key=ids.__getitem__)


class Corpus:
    """Training sentences with their ids and embeddings.

    Parameters
    ----------
    path : Path
        Gzipped text, one sentence per line, in shuffled order.
    work : Path
        Folder for everything derived.
    encoder : Encoder
        Makes the embeddings.
    vocab : int
        Size of the vocabulary, if it is to be chosen now.
    max_tokens : int
        Longer lines (style and end tokens and markers counted) are left out of batches.
    seed : int
        Seed of the batch order.
    """

    def __init__(
        self, path: Path, work: Path, encoder: Encoder, vocab: int, max_tokens: int, seed: int
    ) -> None:
        self.work, self.encoder, self.seed, self.max_tokens = work, encoder, seed, max_tokens
        self.lines = read_lines(path)
        if not (work / "offsets.npy").exists():
            self._tokenize(vocab)
        self.codec = load_codec(work)
        self.tokens = np.load(work / "tokens.npy")
        self.offsets = np.load(work / "offsets.npy")
        if len(self.offsets) != len(self.lines) + 1:
            raise SystemExit(f"{work} was made from another corpus; give a fresh --work folder.")
        self.lengths = np.diff(self.offsets)
        self._open_embeddings()
        self.statistics = self._statistics()

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def chunks(self) -> int:
        """Chunks in one pass over the corpus."""
        return -(-len(self.lines) // CHUNK)

    def _tokenize(self, size: int) -> None:
        print("choosing the vocabulary and tokenizing (some minutes, once)", flush=True)
        pieces = choose_vocabulary(word_counts(self.lines), word_pieces(self.encoder), size)
        codec = Codec(pieces)
        tokens, ends, unspelled, inexact = [], [0], 0, 0
        for index, line in enumerate(self.lines):
            ids = codec.encode(line)
            if ids is None:
                unspelled += 1
            elif index % 100 == 0 and codec.decode(ids) != normalize(line):
                inexact += 1
            tokens.append(np.array(ids or [], dtype=np.uint16))
            ends.append(ends[-1] + len(tokens[-1]))
        print(
            f"lines {len(self.lines)}, not spelt {unspelled}, "
            f"not exact {inexact} of {len(self.lines) // 100} looked at"
        )
        write_whole(
            self.work / "vocab.txt",
            lambda p: p.write_text("\n".join(codec.tokens), encoding="utf-8"),
        )
        write_whole(self.work / "tokens.npy", lambda p: np.save(p, np.concatenate(tokens)))
        write_whole(self.work / "offsets.npy", lambda p: np.save(p, np.array(ends, dtype=np.int64)))

    def _open_embeddings(self) -> None:
        path, self._mark = self.work / "embeddings.f16", self.work / "embedded.json"
        width = self.encoder.dim
        fresh = not path.exists()
        self.embeddings = np.memmap(
            path, np.float16, "w+" if fresh else "r+", shape=(len(self.lines), width)
        )
        self.embedded = (
            0
            if fresh or not self._mark.exists()
            else int(json.loads(self._mark.read_text())["rows"])
        )

    def _embed_until(self, row: int) -> None:
        """Embed lines in file order until `row` are done (in whole chunks)."""
        while self.embedded < min(row, len(self.lines)):
            stop = min(self.embedded + CHUNK, len(self.lines))
            self.embeddings[self.embedded : stop] = self.encoder.encode(
                self.lines[self.embedded : stop]
            )
            self.embeddings.flush()
            self.embedded = stop
            write_whole(self._mark, lambda p: p.write_text(json.dumps({"rows": self.embedded})))

    def _statistics(self) -> Statistics:
        path = self.work / "statistics.npz"
        if not path.exists():
            self._embed_until(CHUNK)
            rows = self.embeddings[: self.embedded].astype(np.float32)
            mean = rows.mean(0)
            scale = float(np.sqrt(((rows - mean) ** 2).mean()))
            write_whole(path, lambda p: np.savez(p, mean=mean, scale=scale))
        with np.load(path) as stored:
            return Statistics(stored["mean"], float(stored["scale"]))

    def batches(self, epoch: int, chunk: int, positions: int, soft: int) -> list[np.ndarray]:
        """Row numbers of each batch of one chunk; depends on the seed and the arguments alone.

        The first epoch goes through the file in order: embeddings are made as they are needed.

        Parameters
        ----------
        epoch, chunk : int
            Which pass, and which part of it.
        positions : int
            Positions, soft tokens included, that a batch may fill.
        soft : int
            Soft tokens before each sentence.
        """
        span = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        if epoch == 0:
            rows = np.arange(len(self.lines))[span]
        else:
            rows = np.random.default_rng((self.seed, epoch)).permutation(len(self.lines))[span]
        rng = np.random.default_rng((self.seed, epoch, chunk))
        rows = rows[(self.lengths[rows] > 2) & (self.lengths[rows] <= self.max_tokens)]
        rows = rng.permutation(rows)
        rows = rows[np.argsort(self.lengths[rows], kind="stable")]
        found: list[np.ndarray] = []
        start = 0
        while start < len(rows):
            size = max(1, positions // (soft + int(self.lengths[rows[start]])))
            found.append(rows[start : start + size])
            start += size
        return [found[index] for index in rng.permutation(len(found))]

    def batch(self, rows: np.ndarray, device: str) -> Batch:
        """Gather the sentences of some rows, padded to the longest."""
        self._embed_until(int(rows.max()) + 1)
        lengths = torch.from_numpy(self.lengths[rows])
        ids = torch.zeros(len(rows), int(lengths.max()), dtype=torch.long)
        for at, row in enumerate(rows):
            span = self.tokens[self.offsets[row] : self.offsets[row + 1]]
            ids[at, : len(span)] = torch.from_numpy(span.astype(np.int64))
        embedding = self.statistics.standardize(self.embeddings[rows])
        return Batch(embedding.to(device), ids.to(device), lengths.to(device))

    def stream(
        self, epoch: int, chunk: int, batch: int, positions: int, soft: int
    ) -> Iterator[tuple[tuple[int, int, int], np.ndarray]]:
        """Yield rows of batch after batch, each with the place (epoch, chunk, batch) after it."""
        while True:
            rows = self.batches(epoch, chunk, positions, soft)
            for index in range(batch, len(rows)):
                yield (epoch, chunk, index + 1), rows[index]
            batch, chunk = 0, chunk + 1
            if chunk == self.chunks:
                epoch, chunk = epoch + 1, 0

    def log_frequency(self) -> Tensor:
        """Logarithm of the smoothed share of each token, without the style token and padding."""
        counts = np.bincount(self.tokens[:4_000_000], minlength=len(self.codec)).astype(np.float64)
        counts[:3] = 0.0
        return torch.from_numpy(np.log((counts + 0.5) / (counts.sum() + 0.5 * len(counts)))).float()
