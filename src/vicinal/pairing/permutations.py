"""Partners from permutations of all rows, of groups and of places, and from near rows."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_count
from vicinal._points import plain
from vicinal._random import CHUNK_ROWS, RandomState, Seeds
from vicinal.pairing._rounds import (
    PARTNERS,
    TWO_LEVEL_ROWS,
    IndexArray,
    Maps,
    ParentSource,
    Rounds,
    Rows,
    as_points,
    count_rows,
    permuting_source,
    tabled_source,
)
from vicinal.pairing.neighbors import kd_leaves, nearest_rows

if TYPE_CHECKING:
    from vicinal.pairing.balance import FairNeighbors

__all__ = [
    "LocalPermutation",
    "Neighborhood",
    "Pairing",
    "ParentSource",
    "Permutation",
    "Random",
    "WithinGroup",
    "compact_codes",
    "grouped_source",
]

#: Partner maps of small tables are drawn for as many passes at once as make this many rows.
ROUND_ROWS = 4096
BLOCK_ROWS = 64

#: First words of the seeds of trees and of groups (see ``_rounds`` for the others).
_TREES, _GROUPS = 4, 5


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
        data: Rows = int(rows) if isinstance(rows, (int, np.integer)) else _as_array(rows)
        n_rows = check_count("rows", count_rows(data))
        source = self.source(data, n_rows, 2, Seeds(random_state))
        starts = range(0, n_rows, CHUNK_ROWS)
        return np.concatenate([source(at, min(at + CHUNK_ROWS, n_rows))[:, 1] for at in starts])


def _as_array(rows: npt.ArrayLike) -> npt.NDArray[Any]:
    if type(rows).__module__.startswith("torch"):
        return plain(rows)
    try:
        return np.asarray(rows)
    except ValueError:
        raise ValueError("rows must all have the same number of features.") from None


class _Cycles(Maps):
    """The rows of each group form one random cycle; partner p is p links away."""

    def __init__(self, order: IndexArray, starts: IndexArray, passes: int, rng: Any) -> None:
        from vicinal.pairing._permute import link_cycles

        self._following = link_cycles(order, starts, passes, rng)

    def partners(self, turn: int, rows: IndexArray, number: int) -> IndexArray:
        for _ in range(number):
            rows = self._following[turn].take(rows)
        return rows


class _Blocks(Maps):
    """Permute blocks of rows, and rows within blocks, and turn the whole by a random offset.

    The offset alone makes the partner of any given row uniform over all rows; the two levels
    take apart what the offset leaves together, down to blocks of ``BLOCK_ROWS``.
    """

    def __init__(self, rounds: Rounds, n_parents: int, rng: np.random.Generator) -> None:
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
        from vicinal.pairing._permute import block_partners

        return block_partners(rows, *self._maps[number - 1], self._n_rows)


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
        rounds = Rounds(count_rows(rows), n_samples, seeds)

        def source(start: int, stop: int) -> IndexArray:
            rng = seeds.generator(PARTNERS, start // CHUNK_ROWS)
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
        Whether to draw the permutation in two levels: blocks of 64 neighboring rows, then rows
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
        rounds = Rounds(n_rows, n_samples, seeds)

        def draw(_passes: int, rng: np.random.Generator) -> Maps:
            return _Blocks(rounds, n_parents, rng)

        return permuting_source(rounds, n_parents, seeds, draw)


@dataclass(frozen=True, eq=False)
class WithinGroup(Pairing):
    """Partners from the same group: a random permutation of each group, or as a pairing says.

    Conditional on the group, mean and covariance are kept as they are without groups over all
    rows. Partners of one row are distinct where its group is large enough.

    Parameters
    ----------
    groups : array_like of shape (n_rows,)
        Group of each row: any sortable labels.
    pairing : Pairing, optional
        Chooses among the rows of a group as if there were no others, for instance
        ``Farthest(0.1)``. Its partners are drawn for the whole plan at once.

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
    pairing: Pairing | None = None

    def __post_init__(self) -> None:
        if self.pairing is not None and not isinstance(self.pairing, Pairing):
            raise TypeError(
                f"pairing must be a Pairing such as vicinal.Random(), got {self.pairing!r}."
            )

    def source(self, rows: Rows, n_samples: int, n_parents: int, seeds: Seeds) -> ParentSource:
        """Return the function that gives the parents of output positions."""
        codes = group_codes(self.groups, count_rows(rows))
        alone = int((np.bincount(codes) == 1).sum())
        if alone:
            warnings.warn(
                f"{alone} group(s) have a single row, which can only be copied. Merge rare "
                "groups, or group by fewer columns.",
                UserWarning,
                stacklevel=3,
            )
        if self.pairing is None:
            return grouped_source(codes, n_samples, n_parents, seeds)
        return _inner_source(self.pairing, rows, codes, n_samples, n_parents, seeds)


def _inner_source(
    pairing: Pairing,
    rows: Rows,
    codes: IndexArray,
    n_samples: int,
    n_parents: int,
    seeds: Seeds,
) -> ParentSource:
    """Let a pairing choose within each group, for all passes at once."""
    rounds = Rounds(len(codes), n_samples, seeds)
    passes = -(-n_samples // len(codes))
    table = np.empty((passes, len(codes), n_parents - 1), rounds.index)
    order = np.argsort(codes, kind="stable").astype(rounds.index)
    for group, members in enumerate(np.split(order, np.cumsum(np.bincount(codes))[:-1])):
        if len(members) == 1:
            table[:, members] = members[0]
            continue
        total = passes * len(members)
        inside: Rows = len(members) if isinstance(rows, int) else rows[members]
        own = Seeds(seeds.generator(_GROUPS, group))
        try:
            source = pairing.source(inside, total, n_parents, own)
        except ValueError as error:
            raise ValueError(f"Among the {len(members)} rows of one group: {error}") from error
        starts = range(0, total, CHUNK_ROWS)
        drawn = [source(at, min(at + CHUNK_ROWS, total))[:, 1:] for at in starts]
        table[:, members] = members[np.concatenate(drawn)].reshape(passes, len(members), -1)
    return tabled_source(rounds, table)


def group_codes(groups: npt.ArrayLike, n_rows: int) -> IndexArray:
    """Return the group of each row as a code from 0, or say that the labels do not fit."""
    labels = np.asarray(groups)
    if labels.shape != (n_rows,):
        raise ValueError(
            f"groups must have one label for each of the {n_rows} rows, got shape {labels.shape}."
        )
    return compact_codes(labels)


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
    rounds = Rounds(len(codes), n_samples, seeds)
    order = np.argsort(codes, kind="stable").astype(rounds.index)
    starts = np.concatenate([[0], np.cumsum(np.bincount(codes))])

    def draw(passes: int, rng: np.random.Generator) -> Maps:
        return _Cycles(order, starts, passes, rng)

    together = max(1, ROUND_ROWS // len(codes))
    return permuting_source(rounds, n_parents, seeds, draw, together)


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
        X = as_points("LocalPermutation", rows)
        codes = kd_leaves(X, self.leaf_rows, seeds.generator(_TREES))
        return grouped_source(codes, n_samples, n_parents, seeds)


@dataclass(frozen=True)
class Neighborhood(Pairing):
    """Partners drawn from the k nearest neighbors of each row.

    Neighbors are drawn with chances under which every row is drawn as often as every other
    (see :mod:`vicinal.pairing.balance`), so that partners, taken together, are distributed as
    the data, and a law that preserves covariance keeps it here too. Partners are drawn
    independently: they may repeat, or now and then be the row itself.

    Parameters
    ----------
    k : int, default 20
        Size of the neighborhood. Exact up to 50,000 rows, approximate above.

    Examples
    --------
    >>> partners = Neighborhood(1).pair([[0.0], [0.1], [5.0], [5.1]], random_state=0)
    >>> (partners // 2).tolist()
    [0, 0, 1, 1]
    """

    k: int = 20

    def __post_init__(self) -> None:
        check_count("k", self.k)

    def source(self, rows: Rows, n_samples: int, n_parents: int, seeds: Seeds) -> ParentSource:
        """Return the function that gives the parents of output positions."""
        from vicinal.pairing.balance import FairNeighbors

        X = as_points("Neighborhood", rows)
        near = FairNeighbors(nearest_rows(X, self.k, rng=seeds.generator(_TREES)))
        return neighbor_source(near, n_samples, n_parents, seeds)


def neighbor_source(
    near: FairNeighbors, n_samples: int, n_parents: int, seeds: Seeds
) -> ParentSource:
    """Return the source that draws partners from known neighbors."""
    rounds = Rounds(len(near), n_samples, seeds)

    def source(start: int, stop: int) -> IndexArray:
        rng = seeds.generator(PARTNERS, start // CHUNK_ROWS)
        parents = np.empty((stop - start, n_parents), np.int32, order="F")
        parents[:, 0] = rounds.left(start, stop)
        parents[:, 1:] = near.draw(parents[:, 0], n_parents - 1, rng)
        return parents

    return source
