"""Who may be a partner by rank of distance, and the sources that draw from them."""

from __future__ import annotations

import itertools
from math import ceil

import numpy as np

from vicinal._random import PlanKey
from vicinal._threads import for_chunks
from vicinal._types import Floats, Indices
from vicinal.pairing._ranks import Scores, draw_beyond, exact_partners, sketch_thresholds
from vicinal.pairing.base import ParentSource, Rounds

#: Reference rows of a sketch. Where a few rows are far from all others, all thresholds err alike
#: and the mean error is that of one: a standard error of at most 0.8 % of the rows.
REFERENCE_ROWS = 4096
#: Rows of a block within which balanced partners are assigned.
ASSIGNED_ROWS = 512


class Outside:
    """Rows in the order of their groups, and for each the range that is not its candidate."""

    def __init__(self, n_rows: int, codes: Indices | None) -> None:
        codes = np.arange(n_rows) if codes is None else codes
        sizes = np.bincount(codes)
        self.order = np.argsort(codes, kind="stable")
        self.stops = np.cumsum(sizes)[codes[self.order]]
        self.starts = self.stops - sizes[codes[self.order]]
        self.place = np.argsort(self.order)


def even_source(rounds: Rounds, outside: Outside) -> ParentSource:
    """Return the source of partners drawn evenly from all candidates."""

    def draw(left: Indices, rng: np.random.Generator) -> Indices:
        place = outside.place[left]
        first, width = outside.starts[place], (outside.stops - outside.starts)[place]
        at = rng.integers(0, rounds.n_rows - width, (rounds.n_parents - 1, len(left)))
        return np.asarray(outside.order[at + width * (at >= first)].T)

    return rounds.drawn(draw)


def exact_source(scores: Scores, wanted: Indices, rounds: Rounds, outside: Outside) -> ParentSource:
    """Draw the partners of all passes in one go through the scores."""
    shape = rounds.n_rows, rounds.passes, rounds.n_parents - 1
    draws = shape[1] * shape[2]
    drawn = exact_partners(scores, outside.starts, outside.stops, wanted, draws, rounds.seeds)
    table = np.empty((shape[1], shape[0], shape[2]), rounds.index)
    table[:, outside.order] = outside.order[drawn].reshape(shape).transpose(1, 0, 2)
    return rounds.tabled(table)


def sketch_source(scores: Scores, share: Floats, rounds: Rounds, outside: Outside) -> ParentSource:
    """Estimate a threshold for every row, then draw until one lies beyond it."""
    n_rows = rounds.n_rows
    rng = rounds.seeds.generator(PlanKey.REFERENCE)
    limits = np.empty(n_rows, np.float32)
    single = bool((outside.stops - outside.starts == 1).all())
    # one reference for all rows, or one for each group from outside of it
    edges = [0, n_rows] if single else [0, *np.unique(outside.stops).tolist()]
    for begin, end in itertools.pairwise(edges):
        others = n_rows if single else n_rows - (end - begin)
        part = float(share[begin])
        chosen = np.sort(rng.choice(others, min(REFERENCE_ROWS, others), replace=False))
        if not single:
            chosen += (end - begin) * (chosen >= begin)
        limits[begin:end] = sketch_thresholds(scores, slice(begin, end), chosen, part)

    def draw(left: Indices, rng: np.random.Generator) -> Indices:
        at = outside.place[left]
        bounds = outside.starts[at], outside.stops[at], limits[at], share[at]
        return outside.order[draw_beyond(scores, at, *bounds, rounds.n_parents - 1, rng)]

    return rounds.drawn(draw)


def assign(scores: Scores, share: float, rounds: Rounds, rng: np.random.Generator) -> Indices:
    """Return a permutation whose partners are among the wanted, as far as one can be."""
    n_rows = rounds.n_rows
    partners = np.empty(n_rows, rounds.index)
    blocks = np.array_split(rng.permutation(n_rows), -(-n_rows // ASSIGNED_ROWS))
    noises = rng.integers(0, 2**63, len(blocks))

    def work(start: int, stop: int) -> None:
        for at in range(start, stop):
            noise = np.random.default_rng(noises[at])
            partners[blocks[at]] = _assign_block(scores, blocks[at], share, noise)

    for_chunks(work, len(blocks), 1)
    return partners


def _assign_block(
    scores: Scores, rows: Indices, share: float, noise: np.random.Generator
) -> Indices:
    from scipy.optimize import linear_sum_assignment

    size = len(rows)
    values = scores.left(rows) @ scores.right[rows].T
    np.fill_diagonal(values, -np.inf)
    rank = np.empty((size, size))
    np.put_along_axis(rank, np.argsort(-values, axis=1), np.arange(size)[None, :], axis=1)
    # nothing to pay among the wanted; beyond them, what the rank exceeds. The noise, less than a
    # rank, decides among equals.
    wanted = max(1, ceil(share * (size - 1) - 1e-9))
    cost = (rank + 1 - wanted).clip(min=0) + noise.random((size, size))
    np.fill_diagonal(cost, 1e6 * size)
    chosen: Indices = rows[linear_sum_assignment(cost)[1]]
    return chosen
