"""Pairings: who mixes with whom.

A pairing answers for output positions. Position ``t`` of a plan belongs to left row ``t`` modulo
the number of rows, round after round; the pairing adds the partners. Permutation pairings make
the partners of a round, taken together, distributed exactly as the data: with a law that
preserves covariance, any of them keeps it, near or far (see ``docs/theory.md``).
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_count
from vicinal._random import CHUNK_ROWS, RandomState, Seeds
from vicinal.neighbours import kd_leaves, nearest_rows

if TYPE_CHECKING:
    from vicinal.balance import FairNeighbours

__all__ = [
    "LocalPermutation",
    "Neighbourhood",
    "Pairing",
    "Permutation",
    "Random",
    "WithinGroup",
]

IndexArray = npt.NDArray[np.integer[Any]]
Rows: TypeAlias = int | npt.NDArray[Any]

#: Called with output positions ``start`` and ``stop`` inside one chunk; returns the row numbers
#: of all parents, shape (stop - start, n_parents), left parent first. Chunks may be asked for in
#: any order and from several threads.
ParentSource: TypeAlias = Callable[[int, int], IndexArray]

#: Partner maps of small tables are drawn for as many passes at once as make this many rows.
ROUND_ROWS = 4096
#: From this many rows on a permutation is drawn in two levels, blocks and rows within blocks.
TWO_LEVEL_ROWS = 1 << 18
BLOCK_ROWS = 64

#: First words of the seeds of what a pairing draws (1 is the weights', see ``plan``).
_LAST_PASS, _PARTNERS, _TREES = 2, 3, 4


class Pairing(ABC):
    """Chooses partners. Subclasses implement :meth:`source`."""

    @abstractmethod
    def source(self, rows: Rows, n_samples: int, n_parents: int, seeds: Seeds) -> ParentSource:
        """Return the function that gives the parents of output positions.

        Parameters
        ----------
        rows : int or ndarray of shape (n_rows, n_features)
            Number of rows, or the rows.
        n_samples : int
            Length of the plan.
        n_parents : int
            Parents of a mixed row.
        seeds : Seeds
            Where random numbers come from.

        Returns
        -------
        callable
            ``source(start, stop)`` returns row numbers of shape (stop - start, n_parents).
        """

    def pair(self, rows: int | npt.ArrayLike, random_state: RandomState = None) -> IndexArray:
        """Return one partner for every row.

        Parameters
        ----------
        rows : int or array_like of shape (n_rows, n_features)
            Number of rows, or the rows for a pairing that looks at them.
        random_state : int, numpy.random.Generator or None
            Seed.

        Returns
        -------
        ndarray of int, shape (n_rows,)
            Row numbers.
        """
        data: Rows = int(rows) if isinstance(rows, (int, np.integer)) else np.asarray(rows)
        n_rows = check_count("rows", count_rows(data))
        source = self.source(data, n_rows, 2, Seeds(random_state))
        starts = range(0, n_rows, CHUNK_ROWS)
        return np.concatenate([source(at, min(at + CHUNK_ROWS, n_rows))[:, 1] for at in starts])


def count_rows(rows: Rows) -> int:
    """Return the number of rows, given as such or as an array."""
    return rows if isinstance(rows, int) else len(rows)


class _Rounds:
    """Left rows of output positions, and the pass that each belongs to.

    Complete passes visit every row once, in order; the last incomplete one takes a random subset.
    """

    def __init__(self, n_rows: int, n_samples: int, seeds: Seeds) -> None:
        self.n_rows = n_rows
        self.index = np.dtype(np.int32 if n_rows < 2**31 else np.int64)
        self._complete = n_samples - n_samples % n_rows
        rng = seeds.generator(_LAST_PASS)
        last = rng.choice(n_rows, n_samples - self._complete, replace=False, shuffle=False)
        self._last = np.sort(last).astype(self.index)

    def left(self, start: int, stop: int) -> IndexArray:
        """Return left rows of output positions."""
        if start >= self._complete:
            return self._last[start - self._complete : stop - self._complete]
        row = start % self.n_rows
        rows = np.arange(row, row + stop - start)
        if row + stop - start > self.n_rows:
            rows %= self.n_rows
        rows = rows.astype(self.index)
        if stop > self._complete:
            rows[self._complete - start :] = self._last[: stop - self._complete]
        return rows


class _Maps(ABC):
    """Partner maps of a few passes in a row."""

    @abstractmethod
    def partners(self, turn: int, rows: IndexArray, number: int) -> IndexArray:
        """Return partner ``number`` (from 1) of rows in pass ``turn`` of these passes."""


class _Cycles(_Maps):
    """The rows of each group form one random cycle; partner p is p links away."""

    def __init__(self, order: IndexArray, starts: IndexArray, passes: int, rng: Any) -> None:
        from vicinal._permute import link_cycles

        self._following = link_cycles(order, starts, passes, rng)

    def partners(self, turn: int, rows: IndexArray, number: int) -> IndexArray:
        for _ in range(number):
            rows = self._following[turn].take(rows)
        return rows


class _Blocks(_Maps):
    """Permute blocks of rows, and rows within blocks, and turn the whole by a random offset.

    The offset alone makes the partner of any given row uniform over all rows; the two levels
    take apart what the offset leaves together, down to blocks of ``BLOCK_ROWS``.
    """

    def __init__(self, rounds: _Rounds, n_parents: int, rng: np.random.Generator) -> None:
        n_rows = rounds.n_rows
        n_blocks = n_rows // BLOCK_ROWS
        self._n_rows = n_rows
        self._maps = [
            (
                rng.permutation(n_blocks).astype(rounds.index),
                rng.integers(0, BLOCK_ROWS // 2, n_blocks, dtype=np.uint8) * 2 + 1,
                rng.integers(0, BLOCK_ROWS, n_blocks, dtype=np.uint8),
                int(rng.integers(n_rows)),
            )
            for _ in range(1, n_parents)
        ]

    def partners(self, turn: int, rows: IndexArray, number: int) -> IndexArray:
        from vicinal._permute import block_partners

        return block_partners(rows, *self._maps[number - 1], self._n_rows)


def _permuting_source(
    rounds: _Rounds,
    n_parents: int,
    seeds: Seeds,
    draw: Callable[[int, np.random.Generator], _Maps],
    together: int = 1,
) -> ParentSource:
    """Join passes to a source; the maps of ``together`` passes are drawn at once."""
    n_rows = rounds.n_rows
    lock = Lock()

    @lru_cache(maxsize=2 if n_rows > TWO_LEVEL_ROWS else 8)
    def drawn(number: int) -> _Maps:
        return draw(together, seeds.generator(_PARTNERS, number))

    def source(start: int, stop: int) -> IndexArray:
        parents = np.empty((stop - start, n_parents), rounds.index, order="F")
        parents[:, 0] = rounds.left(start, stop)
        for number in range(start // n_rows, (stop - 1) // n_rows + 1):
            begin, end = max(number * n_rows, start), min((number + 1) * n_rows, stop)
            here = slice(begin - start, end - start)
            with lock:
                maps = drawn(number // together)
            for partner in range(1, n_parents):
                parents[here, partner] = maps.partners(number % together, parents[here, 0], partner)
        return parents

    return source


@dataclass(frozen=True)
class Random(Pairing):
    """Partners drawn independently and uniformly from all rows.

    Examples
    --------
    >>> Random().pair(5, random_state=0).shape
    (5,)
    """

    def source(self, rows: Rows, n_samples: int, n_parents: int, seeds: Seeds) -> ParentSource:
        """Return the function that gives the parents of output positions."""
        rounds = _Rounds(count_rows(rows), n_samples, seeds)

        def source(start: int, stop: int) -> IndexArray:
            rng = seeds.generator(_PARTNERS, start // CHUNK_ROWS)
            parents = np.empty((stop - start, n_parents), rounds.index, order="F")
            parents[:, 0] = rounds.left(start, stop)
            for partner in range(1, n_parents):
                parents[:, partner] = rng.integers(
                    0, rounds.n_rows, stop - start, dtype=rounds.index
                )
            return parents

        return source


@dataclass(frozen=True)
class Permutation(Pairing):
    """Partners are a random permutation of the rows, a new one for each pass.

    Every row is a partner as often as it is a left parent, so the partners, taken together, are
    distributed exactly as the data.

    Parameters
    ----------
    blocks : bool, optional
        Whether to draw the permutation in two levels: blocks of 64 neighbouring rows, then rows
        within each block, then a random offset. A processor fetches such partners several times
        faster. The partner of a row is still uniform over all rows, but the 64 rows of a block
        share a partner block, so on data sorted by some column the cross moments of pairs vary as
        if there were 64 times fewer pairs. Left out, it is used from 262,144 rows on.

    Examples
    --------
    >>> sorted(Permutation().pair(5, random_state=0).tolist())
    [0, 1, 2, 3, 4]
    """

    blocks: bool | None = None

    def source(self, rows: Rows, n_samples: int, n_parents: int, seeds: Seeds) -> ParentSource:
        """Return the function that gives the parents of output positions."""
        n_rows = count_rows(rows)
        large = n_rows >= TWO_LEVEL_ROWS if self.blocks is None else self.blocks
        two_level = large and n_rows >= 2 * BLOCK_ROWS

        if not two_level:
            return grouped_source(np.zeros(n_rows, np.uint8), n_samples, n_parents, seeds)
        rounds = _Rounds(n_rows, n_samples, seeds)

        def draw(_passes: int, rng: np.random.Generator) -> _Maps:
            return _Blocks(rounds, n_parents, rng)

        return _permuting_source(rounds, n_parents, seeds, draw)


@dataclass(frozen=True, eq=False)
class WithinGroup(Pairing):
    """Partners from the same group, a random permutation of each group.

    Conditional on the group, mean and covariance are kept as they are without groups over all
    rows. Partners of one row are distinct where its group is large enough.

    Parameters
    ----------
    groups : array_like of shape (n_rows,)
        Group of each row: any sortable labels.

    Warns
    -----
    UserWarning
        Where a group has one row: it can only be mixed with itself, that is, copied.

    Examples
    --------
    >>> WithinGroup(["a", "b", "a", "b"]).pair(4, random_state=0)
    array([2, 3, 0, 1], dtype=int32)
    """

    groups: npt.ArrayLike

    def source(self, rows: Rows, n_samples: int, n_parents: int, seeds: Seeds) -> ParentSource:
        """Return the function that gives the parents of output positions."""
        n_rows = count_rows(rows)
        labels = np.asarray(self.groups)
        if labels.shape != (n_rows,):
            raise ValueError(
                f"groups must have one label for each of the {n_rows} rows, got shape "
                f"{labels.shape}."
            )
        codes = compact_codes(labels)
        alone = int((np.bincount(codes) == 1).sum())
        if alone:
            warnings.warn(
                f"{alone} group(s) have a single row, which can only be copied. Merge rare "
                "groups, or group by fewer columns.",
                UserWarning,
                stacklevel=3,
            )
        return grouped_source(codes, n_samples, n_parents, seeds)


def compact_codes(labels: npt.NDArray[Any]) -> IndexArray:
    """Return codes of the distinct labels from 0, in the narrowest type: it sorts fastest."""
    try:
        distinct, codes = np.unique(labels, return_inverse=True)
    except TypeError:
        kinds = sorted({type(label).__name__ for label in labels})
        raise TypeError(
            f"groups must hold labels that can be sorted, got a mixture of {', '.join(kinds)}. "
            "Turn them into strings, or give missing ones a label of their own."
        ) from None
    return codes.astype(np.min_scalar_type(max(len(distinct) - 1, 0)))


def grouped_source(codes: IndexArray, n_samples: int, n_parents: int, seeds: Seeds) -> ParentSource:
    """Return the source that permutes rows within groups, given as codes from 0."""
    rounds = _Rounds(len(codes), n_samples, seeds)
    order = np.argsort(codes, kind="stable").astype(rounds.index)
    starts = np.concatenate([[0], np.cumsum(np.bincount(codes))])

    def draw(passes: int, rng: np.random.Generator) -> _Maps:
        return _Cycles(order, starts, passes, rng)

    together = max(1, ROUND_ROWS // len(codes))
    return _permuting_source(rounds, n_parents, seeds, draw, together)


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

    def __post_init__(self) -> None:
        check_count("leaf_rows", self.leaf_rows, low=3, hint="A leaf of one row only copies it.")

    def source(self, rows: Rows, n_samples: int, n_parents: int, seeds: Seeds) -> ParentSource:
        """Return the function that gives the parents of output positions."""
        X = _as_points("LocalPermutation", rows)
        codes = kd_leaves(X, self.leaf_rows, seeds.generator(_TREES))
        return grouped_source(codes, n_samples, n_parents, seeds)


@dataclass(frozen=True)
class Neighbourhood(Pairing):
    """Partners drawn from the k nearest neighbours of each row.

    Neighbours are drawn with chances under which every row is drawn as often as every other
    (see :mod:`vicinal.balance`), so that partners, taken together, are distributed as the data,
    and a law that preserves covariance keeps it here too. Partners are drawn independently: they
    may repeat, or now and then be the row itself.

    Parameters
    ----------
    k : int, default 20
        Size of the neighbourhood. Exact up to 50,000 rows, approximate above.

    Examples
    --------
    >>> partners = Neighbourhood(1).pair([[0.0], [0.1], [5.0], [5.1]], random_state=0)
    >>> (partners // 2).tolist()
    [0, 0, 1, 1]
    """

    k: int = 20

    def __post_init__(self) -> None:
        check_count("k", self.k)

    def source(self, rows: Rows, n_samples: int, n_parents: int, seeds: Seeds) -> ParentSource:
        """Return the function that gives the parents of output positions."""
        from vicinal.balance import FairNeighbours

        X = _as_points("Neighbourhood", rows)
        near = FairNeighbours(nearest_rows(X, self.k, rng=seeds.generator(_TREES)))
        return neighbour_source(near, n_samples, n_parents, seeds)


def neighbour_source(
    near: FairNeighbours, n_samples: int, n_parents: int, seeds: Seeds
) -> ParentSource:
    """Return the source that draws partners from known neighbours."""
    rounds = _Rounds(len(near), n_samples, seeds)

    def source(start: int, stop: int) -> IndexArray:
        rng = seeds.generator(_PARTNERS, start // CHUNK_ROWS)
        parents = np.empty((stop - start, n_parents), np.int32, order="F")
        parents[:, 0] = rounds.left(start, stop)
        parents[:, 1:] = near.draw(parents[:, 0], n_parents - 1, rng)
        return parents

    return source


def _as_points(name: str, rows: Rows) -> npt.NDArray[np.floating[Any]]:
    """Return the rows as a finite float matrix, or say that this pairing needs one."""
    if isinstance(rows, int):
        raise ValueError(
            f"{name} looks at the rows: pass an array of shape (n_rows, n_features), "
            f"got only their number {rows}."
        )
    X = np.asarray(rows, dtype=None if rows.dtype in (np.float32, np.float64) else np.float64)
    if X.ndim != 2 or X.shape[1] == 0:
        raise ValueError(f"{name} needs an array of shape (n_rows, n_features), got {X.shape}.")
    if not np.isfinite(X).all():
        raise ValueError(f"{name} needs finite numbers, got NaN or infinity. Fill them first.")
    return X
