"""Compiled inner loops of the permutation pairings."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal._compiled import compiled

__all__ = ["block_partners", "link_cycles"]

IndexArray = npt.NDArray[np.integer[Any]]


@compiled()
def _link(order: Any, starts: Any, draws: Any, following: Any) -> None:
    place = np.empty(np.diff(starts).max(), order.dtype)
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


def link_cycles(
    order: IndexArray, starts: IndexArray, passes: int, rng: np.random.Generator
) -> IndexArray:
    """Link the rows of each group in one random cycle, anew for each pass.

    Parameters
    ----------
    order : ndarray of int, shape (n_rows,)
        Row numbers, group after group.
    starts : ndarray of int64, shape (n_groups + 1,)
        Where groups start in ``order``, and its length.
    passes : int
        Number of independent draws.
    rng : numpy.random.Generator
        Source of random numbers.

    Returns
    -------
    ndarray of int, shape (passes, n_rows)
        The row that follows each row. A row alone in its group follows itself.
    """
    following = np.empty((passes, len(order)), order.dtype)
    _link(order, starts, rng.random((passes, len(order))), following)
    return following


@compiled()
def _block(
    rows: Any, partners: Any, to_block: Any, step: Any, shift: Any, offset: int, n_rows: int
) -> None:
    n_blocks = len(to_block)
    for i in range(len(rows)):
        row = np.int64(rows[i])
        block = row >> 6
        if block < n_blocks:
            within = (row * np.int64(step[block]) + np.int64(shift[block])) & 63
            row = (np.int64(to_block[block]) << 6) | within
        row += offset
        partners[i] = row - n_rows if row >= n_rows else row


def block_partners(
    rows: IndexArray,
    to_block: IndexArray,
    step: IndexArray,
    shift: IndexArray,
    offset: int,
    n_rows: int,
) -> IndexArray:
    """Send rows through a two-level permutation of ``n_rows`` rows, in blocks of 64.

    Parameters
    ----------
    rows : ndarray of int, shape (n,)
        Row numbers.
    to_block : ndarray of int, shape (n_blocks,)
        A permutation of the complete blocks; rows behind them stay where they are.
    step, shift : ndarray of int, shape (n_blocks,)
        Row ``i`` of a block goes to row ``step * i + shift`` modulo 64 of its new block; an odd
        step makes that a permutation.
    offset : int
        Added to every row at the end, modulo ``n_rows``.
    n_rows : int
        Number of rows.

    Returns
    -------
    ndarray of int, shape (n,)
        Row numbers of the type of ``rows``.
    """
    partners = np.empty_like(rows)
    _block(rows, partners, to_block, step, shift, offset, n_rows)
    return partners
