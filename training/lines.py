"""The lines that the trainers of this folder learn from, and the options that they share."""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Sequence
from pathlib import Path

TRAIN, VALID, FOREIGN = (
    "english-open-train.txt.gz",
    "english-open-valid.txt.gz",
    "english-research-valid.txt.gz",
)


def options(about: str, name: str) -> argparse.ArgumentParser:
    """Return a parser with what every trainer is asked."""
    root = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    corpus = root.parent / "shared" / "corpus"
    parser.add_argument("--corpus", type=Path, default=corpus, help="folder of english-open-*")
    parser.add_argument(
        "--work", type=Path, default=root / ".cache" / name, help="folder for all that is made"
    )
    parser.add_argument("--sentences", type=int, help="lines to learn from (default: all)")
    parser.add_argument("--epochs", type=float, default=1.0, help="passes over them")
    parser.add_argument("--batch", type=int, default=64, help="sentences in a step")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--evaluate", action="store_true", help="print figures, train nothing")
    parser.add_argument("--lines", type=int, default=500, help="held-out lines for --evaluate")
    return parser


def read_lines(path: Path, most: int | None = None, skip: int = 0) -> list[str]:
    """Return the non-empty lines of a gzipped UTF-8 file, as many as asked for after some."""
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        lines = (line.rstrip("\n") for line in stream)
        found = [line for line in lines if line.strip()]
    return found[skip:][:most]


def held_out(lines: Sequence[str], count: int | None = None) -> list[str]:
    """Take the first lines of 5 to 20 words, or all."""
    return [line for line in lines if 5 <= len(line.split()) <= 20][:count]
