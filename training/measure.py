"""Figures and samples of an inverter: how near its sentences come to what they were made from."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from lines import FOREIGN, VALID, held_out, read_lines

from vicinal.text.invert import Inverter
from vicinal.text.invert.candidates import cosine


def _bleu(written: Sequence[str], real: Sequence[str]) -> float | None:
    try:
        import sacrebleu
    except ModuleNotFoundError:
        return None
    return round(float(sacrebleu.corpus_bleu(list(written), [list(real)]).score), 2)


def evaluate(
    inverter: Inverter,
    lines: Sequence[str],
    candidates: Sequence[int] = (1,),
    name: str = "open",
    crossover: int = 0,
) -> dict[str, object]:
    """Measure closeness (mean, share below 0.7), BLEU and pace, for some numbers of candidates.

    Where `crossover` is above 0, candidates also exchange spans, so often.
    """
    target = inverter.encode(lines)
    figures: dict[str, object] = {"set": name, "lines": len(lines)}
    ways = [(count, 0) for count in candidates]
    ways += [(count, crossover) for count in candidates if crossover and count > 1]
    for count, steps in sorted(ways):
        begun = time.monotonic()
        written, scores = inverter.invert(target, count, crossover=steps, random_state=0)
        way = f"{count}_crossover" if steps else f"{count}"
        figures[f"closeness_{way}"] = round(float(scores.mean()), 4)
        figures[f"below_0.7_{way}"] = round(float((scores < 0.7).mean()), 4)
        figures[f"bleu_{way}"] = _bleu(written, lines)
        figures[f"per_second_{way}"] = round(len(lines) / (time.monotonic() - begun), 1)
    return figures


def evaluate_mixtures(
    inverter: Inverter, lines: Sequence[str], candidates: Sequence[int] = (1,)
) -> dict[str, object]:
    """Measure closeness of sentences between lines, the first half with the second."""
    left, right = np.split(inverter.encode(lines[: len(lines) // 2 * 2]), 2)
    target = np.concatenate([lam * left + (1 - lam) * right for lam in (0.75, 0.5, 0.25)])
    figures: dict[str, object] = {"set": "mixtures", "lines": len(target)}
    for count in candidates:
        _, scores = inverter.invert(target, count, random_state=0)
        figures[f"closeness_{count}"] = round(float(scores.mean()), 4)
        # over pairs: three mixtures of one are alike
        spread = scores.reshape(3, -1).mean(0).std(ddof=1) / np.sqrt(len(left))
        figures[f"error_{count}"] = round(float(spread), 4)
    return figures


def show_samples(inverter: Inverter, lines: Sequence[str]) -> str:
    """Sentences and what came back, to read."""
    target = inverter.encode(lines)
    written, _ = inverter.generate(target)
    scores = cosine(target, inverter.encode(written))
    return "\n".join(
        f"  {score:.2f} {real}\n    -> {back}"
        for real, back, score in zip(lines, written, scores, strict=True)
    )


def show_interpolations(inverter: Inverter, lines: Sequence[str], pairs: int, seed: int = 0) -> str:
    """Random pairs, morphed at the ratios 1, 0.75, 0.5, 0.25 and 0 of the left sentence."""
    rng = random.Random(seed)
    shown: list[str] = []
    for _ in range(pairs):
        left, right = rng.sample(list(lines), 2)
        a, b = inverter.encode([left, right])
        ratios = (1.0, 0.75, 0.5, 0.25, 0.0)
        written, _ = inverter.generate(np.stack([lam * a + (1 - lam) * b for lam in ratios]))
        shown.append(f"  [{left}] + [{right}]")
        shown.extend(f"    {lam:.2f} {line}" for lam, line in zip(ratios, written, strict=True))
    return "\n".join(shown)


def report(inverter: Inverter, corpus: Path, count: int, ways: Sequence[int], steps: int) -> list:
    """Print samples and morphs; measure on held-out lines, open ones and others, and print that."""
    every = held_out(read_lines(corpus / VALID))
    lines, others = every[:count], every[count : 2 * count]
    print(show_samples(inverter, lines[:20]))
    print(show_interpolations(inverter, lines, 8))
    sets = {"open": lines}
    if (corpus / FOREIGN).exists():
        sets["research (out of domain)"] = held_out(read_lines(corpus / FOREIGN), count)
    figures = [evaluate(inverter, some, ways, name, steps) for name, some in sets.items()]
    print(*map(json.dumps, figures), sep="\n", flush=True)
    if len(others) >= 4:
        print(json.dumps(evaluate_mixtures(inverter, others, ways)), flush=True)
    return figures
