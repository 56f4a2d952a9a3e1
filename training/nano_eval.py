"""Figures and samples of an inverter: how near its sentences come to what they were made from."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from nano_codec import CAP, EOS, FORMAL, GAP, INFORMAL, JOIN, LOWER, PAD, UPPER, Codec
from nano_data import Statistics
from nano_model import Encoder, Inverter

__all__ = ["Writer", "closeness", "evaluate", "held_out", "show_interpolations", "show_samples"]

BANNED = (PAD, FORMAL, INFORMAL)
MARKERS = (CAP, UPPER, LOWER, JOIN, GAP)


@dataclass
class Writer:
    """An inverter with all it needs to go from sentences to embeddings and back."""

    model: Inverter
    codec: Codec
    statistics: Statistics
    encoder: Encoder
    device: str = "cpu"

    def write(
        self, embeddings: np.ndarray, temperature: float = 0.0, seed: int = 0, style: int = FORMAL
    ) -> list[str]:
        """One sentence per embedding, 256 at a time."""
        generator = torch.Generator(self.device).manual_seed(seed)
        lines: list[str] = []
        for start in range(0, len(embeddings), 256):
            inputs = self.statistics.standardise(embeddings[start : start + 256]).to(self.device)
            with torch.autocast(self.device, torch.bfloat16):
                written = self.model.generate(
                    inputs, style, EOS, BANNED, temperature=temperature, generator=generator
                )
            lines.extend(self.codec.decode(ids) for ids in written)
        return lines

    def best_of(
        self, embeddings: np.ndarray, candidates: int, temperature: float = 0.6, seed: int = 0
    ) -> tuple[list[str], np.ndarray]:
        """Find the nearest of some candidates (the first greedy, the others sampled)."""
        best = self.write(embeddings)
        score = closeness(embeddings, self.encoder.encode(best))
        for number in range(1, candidates):
            lines = self.write(embeddings, temperature, seed + number)
            scores = closeness(embeddings, self.encoder.encode(lines))
            for row in np.flatnonzero(scores > score):
                best[row], score[row] = lines[row], scores[row]
        return best, score


def closeness(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Row-wise cosine."""
    cosine: np.ndarray = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return cosine


def held_out(lines: Sequence[str], count: int) -> list[str]:
    """Take the first `count` lines of 5 to 20 words."""
    return [line for line in lines if 5 <= len(line.split()) <= 20][:count]


def _bleu(written: Sequence[str], real: Sequence[str]) -> float | None:
    try:
        import sacrebleu
    except ModuleNotFoundError:
        return None
    return round(float(sacrebleu.corpus_bleu(list(written), [list(real)]).score), 2)


def evaluate(
    writer: Writer, lines: Sequence[str], candidates: Sequence[int] = (1,), name: str = "open"
) -> dict[str, object]:
    """Measure closeness (mean, share below 0.7), BLEU and pace, for some numbers of candidates."""
    target = writer.encoder.encode(lines)
    figures: dict[str, object] = {"set": name, "lines": len(lines)}
    for count in candidates:
        begun = time.monotonic()
        written, scores = writer.best_of(target, count)
        figures[f"closeness_{count}"] = round(float(scores.mean()), 4)
        figures[f"below_0.7_{count}"] = round(float((scores < 0.7).mean()), 4)
        figures[f"bleu_{count}"] = _bleu(written, lines)
        figures[f"per_second_{count}"] = round(len(lines) / (time.monotonic() - begun), 1)
    return figures


def show_samples(writer: Writer, lines: Sequence[str]) -> str:
    """Sentences and what came back, to read."""
    target = writer.encoder.encode(lines)
    written = writer.write(target)
    scores = closeness(target, writer.encoder.encode(written))
    return "\n".join(
        f"  {score:.2f} {real}\n    -> {back}"
        for real, back, score in zip(lines, written, scores, strict=True)
    )


def show_interpolations(writer: Writer, lines: Sequence[str], pairs: int, seed: int = 0) -> str:
    """Random pairs, morphed at the ratios 1, 0.75, 0.5, 0.25 and 0 of the left sentence."""
    rng = random.Random(seed)
    shown: list[str] = []
    for _ in range(pairs):
        left, right = rng.sample(list(lines), 2)
        a, b = writer.encoder.encode([left, right])
        ratios = (1.0, 0.75, 0.5, 0.25, 0.0)
        written = writer.write(np.stack([lam * a + (1 - lam) * b for lam in ratios]))
        shown.append(f"  [{left}] + [{right}]")
        shown.extend(f"    {lam:.2f} {line}" for lam, line in zip(ratios, written, strict=True))
    return "\n".join(shown)


def record(path: Path, figures: dict[str, object]) -> None:
    """Append one JSON line."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(figures) + "\n")
