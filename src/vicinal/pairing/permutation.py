"""Partners drawn from all rows: independently, or as permutations of rows or of places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vicinal._checks import check_count
from vicinal._random import PlanKey, Seeds
from vicinal._types import Indices
from vicinal.pairing.base import (
    TWO_LEVEL_ROWS,
    Pairing,
    ParentSource,
    Rounds,
    Rows,
    as_points,
    count_rows,
)
from vicinal.pairing.neighbors import kd_leaves

#: Partner maps of small tables are drawn for as many passes at once as make this many rows.
ROUND_ROWS = 4096
BLOCK_ROWS = 64


@dataclass(frozen=True)
class Random(Pairing):
    """Partners drawn independently and uniformly from all rows.

    Examples
    --------
    >>> Random().pair(5, random_state=0).shape
    (5,)
    """

    def source(self, X: Rows, n_samples: int, n_parents: int, seeds: Seeds) -> ParentSource:
        """Return the function that gives the parents of output positions."""
        rounds = Rounds(X, n_samples, n_parents, seeds)

        def draw(left: Indices, rng: np.random.Generator) -> Indices:
            return rng.integers(0, rounds.n_rows, (n_parents - 1, len(left)), rounds.index).T

        return rounds.drawn(draw)


@dataclass(frozen=True)
class Permutation(Pairing):
    """Partners are a random permutation of the rows, a new one for each pass.

    Every row is a partner as often as it is a left parent, so the partners, taken together, are
    distributed exactly as the data.

    Parameters
    ----------
    blocks : bool, optional
        Whether to permute blocks of 64 rows, then rows within each block, then add a random
        offset, which is several times faster to fetch. A partner is still uniform over all rows,
        but a block shares a partner block: on sorted data the cross moments of pairs vary as if
        there were 64 times fewer pairs. Left out, it is used from 262,144 rows on.

    Examples
    --------
    >>> sorted(Permutation().pair(5, random_state=0).tolist())
    [0, 1, 2, 3, 4]
    """

    blocks: bool | None = None

    def source(self, X: Rows, n_samples: int, n_parents: int, seeds: Seeds) -> ParentSource:
        """Return the function that gives the parents of output positions."""
        n_rows = count_rows(X)
        large = n_rows >= TWO_LEVEL_ROWS if self.blocks is None else self.blocks
        if not (large and n_rows >= 2 * BLOCK_ROWS):
            return grouped_source(np.zeros(n_rows, np.uint8), n_samples, n_parents, seeds)
        rounds = Rounds(X, n_samples, n_parents, seeds)
        return rounds.mapped(lambda rng: _Blocks(n_rows, rounds.index, rng))


@dataclass(frozen=True)
class LocalPermutation(Pairing):
    """Partners from the same k-d tree leaf, a random permutation of each leaf.

    Mean and covariance are kept as with :class:`Permutation`; shapes with bends and several modes
    survive too, and mixed rows stay near their parents.

    Parameters
    ----------
    leaf_rows : int, default 64
        Most rows in a leaf. Fewer is more local.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> sorted(LocalPermutation(8).pair(X, random_state=0)) == list(range(100))
    True
    """

    leaf_rows: int = 64
    needs_points = True

    def __post_init__(self) -> None:
        check_count("leaf_rows", self.leaf_rows, low=3, hint="A leaf of one row only copies it.")

    def source(self, X: Rows, n_samples: int, n_parents: int, seeds: Seeds) -> ParentSource:
        """Return the function that gives the parents of output positions."""
        points = as_points("LocalPermutation", X)
        codes = kd_leaves(points, self.leaf_rows, seeds.generator(PlanKey.TREES))
        return grouped_source(codes, n_samples, n_parents, seeds)


def grouped_source(codes: Indices, n_samples: int, n_parents: int, seeds: Seeds) -> ParentSource:
    """Permute rows within groups, given as codes from 0: partner p is p links away in a cycle."""
    rounds = Rounds(codes, n_samples, n_parents, seeds)
    order = np.argsort(codes, kind="stable").astype(rounds.index)
    starts = np.concatenate([[0], np.cumsum(np.bincount(codes))])

    def draw(passes: int, rng: np.random.Generator) -> Any:
        from vicinal.pairing._permute import link_cycles

        following = np.empty((passes, len(order)), order.dtype)
        link_cycles(order, starts, rng.random((passes, len(order))), following)

        def partners(turn: int, rows: Indices, number: int) -> Indices:
            for _ in range(number):
                rows = following[turn].take(rows)
            return rows

        return partners

    return rounds.mapped_together(draw, max(1, ROUND_ROWS // len(codes)))


class _Blocks:
    """Permute blocks of rows, and rows within blocks, and turn the whole by a random offset."""

    # the offset alone makes the partner of a row uniform; the levels take apart what it leaves

    def __init__(self, n_rows: int, index: Any, rng: np.random.Generator) -> None:
        n_blocks = n_rows // BLOCK_ROWS  # rows behind the last complete block stay where they are
        self._map = (
            rng.permutation(n_blocks).astype(index),
            # row i of a block goes to row step * i + shift modulo 64: odd steps permute
            rng.integers(0, BLOCK_ROWS // 2, n_blocks, dtype=np.uint8) * 2 + 1,
            rng.integers(0, BLOCK_ROWS, n_blocks, dtype=np.uint8),
            int(rng.integers(n_rows)),
            n_rows,
        )

    def __call__(self, rows: Indices) -> Indices:
        from vicinal.pairing._permute import move_blocks

        partners = np.empty_like(rows)
        move_blocks(rows, partners, *self._map)
        return partners
