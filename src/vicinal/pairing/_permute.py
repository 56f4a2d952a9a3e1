"""Compiled inner loops of the permutation pairings."""

from __future__ import annotations

from typing import Any

import numpy as np

from vicinal._compiled import compiled


@compiled()
def link_cycles(order: Any, starts: Any, draws: Any, following: Any) -> None:
    """Link the rows of each group, ``order[starts[g]:starts[g + 1]]``, in one random cycle."""
    largest = 0  # np.diff would take seconds to compile
    for group in range(len(starts) - 1):
        largest = max(largest, starts[group + 1] - starts[group])
    place = np.empty(largest, order.dtype)
    for turn in range(len(draws)):
        for group in range(len(starts) - 1):
            first = starts[group]
            size = starts[group + 1] - first
            for i in range(size):
                place[i] = i
            for i in range(size - 1, 0, -1):  # Sattolo: every single cycle equally likely
                j = int(draws[turn, first + i] * i)
                place[i], place[j] = place[j], place[i]
            for i in range(size):
                following[turn, order[first + i]] = order[first + place[i]]


@compiled()
def move_blocks(
    rows: Any, partners: Any, to_block: Any, step: Any, shift: Any, offset: int, n_rows: int
) -> None:
    """Send rows through a permutation of blocks of 64 rows, and of rows within each block."""
    n_blocks = len(to_block)
    for i in range(len(rows)):
        row = np.int64(rows[i])
        block = row >> 6
        if block < n_blocks:
            within = (row * np.int64(step[block]) + np.int64(shift[block])) & 63
            row = (np.int64(to_block[block]) << 6) | within
        row += offset
        partners[i] = row - n_rows if row >= n_rows else row
