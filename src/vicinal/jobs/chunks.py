"""Chunks of an output: each made by itself, anywhere, always the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Chunk:
    """Rows that are made together."""

    number: int  # from 0
    first: int  # its first row
    rows: int
    total: int  # rows of all chunks together
    seed: tuple[int, ...]  # eight 32-bit numbers: the root of its random numbers


def cut_chunks(total: int, sizes: Sequence[int], entropy: Sequence[int], key: int) -> list[Chunk]:
    """Cut rows into chunks of these sizes, taken in turn; a seed each, spawned with ``key``."""
    chunks: list[Chunk] = []
    first = 0
    while first < total:
        number = len(chunks)
        rows = min(sizes[number % len(sizes)], total - first)
        child = np.random.SeedSequence(entropy, spawn_key=(key, number)).generate_state(8)
        chunks.append(Chunk(number, first, rows, total, tuple(int(word) for word in child)))
        first += rows
    return chunks
