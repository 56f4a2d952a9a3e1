"""The base class of pairings, and what its subclasses share: passes over the rows.

A *pass* visits every row once as left parent: in order, but for the last, which takes a random
subset where it is incomplete.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_count
from vicinal._points import doubles, plain, which_rows
from vicinal._random import CHUNK_ROWS, PlanKey, RandomState, Seeds
from vicinal._types import Array, Indices
from vicinal.geometry import rowwise_distance

Rows: TypeAlias = int | Array

#: Called with output positions ``start`` and ``stop`` inside one chunk; returns the row numbers
#: of all parents, shape (stop - start, n_parents), left parent first. Chunks may be asked for in
#: any order and from several threads.
ParentSource: TypeAlias = Callable[[int, int], Indices]
#: Called with a pass, counted from 0, rows and the number of a partner, from 1; returns partners.
PartnerMap: TypeAlias = Callable[[int, Indices, int], Indices]

#: From this many rows on a permutation is drawn in two levels, blocks and rows within blocks.
TWO_LEVEL_ROWS = 1 << 18


class Pairing:
    """Who mixes with whom: the base class of all pairings.

    A pairing of your own is one method, :meth:`partners`. It goes wherever a pairing is asked for.

    Attributes
    ----------
    needs_points : bool
        Whether :meth:`partners` reads the rows, not their number alone; a subclass sets it.
    grouped : bool
        Whether the pairing holds labels of given rows, so that it fits those rows alone.
    refresh : int or None
        In training: embed the rows anew after so many epochs.

    Examples
    --------
    Rows that follow one another, as in a time series:

    >>> class NextRow(Pairing):
    ...     def partners(self, X, rng):
    ...         return (np.arange(X) + 1) % X
    >>> NextRow().pair(4)
    array([1, 2, 3, 0], dtype=int32)

    A row with about the same first column:

    >>> class SimilarAge(Pairing):
    ...     needs_points = True
    ...
    ...     def partners(self, X, rng):
    ...         order = np.argsort(X[:, 0])
    ...         partner = np.empty(len(X), int)
    ...         partner[order] = np.roll(order, 1)
    ...         return partner
    >>> SimilarAge().pair([[30.0], [60.0], [31.0], [58.0]])
    array([1, 3, 0, 2], dtype=int32)
    """

    needs_points: bool = False
    grouped: bool = False
    refresh: int | None = None

    def partners(self, X: Rows, rng: np.random.Generator) -> npt.ArrayLike:
        """Draw one partner for every row; called once for each pass and each further parent.

        Parameters
        ----------
        X : int or ndarray of shape (n_rows, n_features)
            Number of rows; with ``needs_points`` the rows, finite floats.
        rng : numpy.random.Generator
            The one source of random numbers.

        Returns
        -------
        array_like of int, shape (n_rows,)
            Row numbers from 0.

        Raises
        ------
        NotImplementedError
            If a subclass has neither this method nor :meth:`source`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no method partners(X, rng). Write it, see vicinal.Pairing."
        )

    def source(self, X: Rows, n_samples: int, n_parents: int, seeds: Seeds) -> ParentSource:
        """Return the function that gives the parents of output positions.

        Pairings that draw chunk by chunk have this method in place of :meth:`partners`.

        Parameters
        ----------
        X : int or ndarray of shape (n_rows, n_features)
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
        data = as_points(type(self).__name__, X) if self.needs_points else count_rows(X)
        rounds = Rounds(X, n_samples, n_parents, seeds)
        return rounds.mapped(lambda rng: self._checked(self.partners(data, rng), rounds).take)

    def pair(self, X: int | npt.ArrayLike, random_state: RandomState = None) -> Indices:
        """Return one partner for every row.

        Parameters
        ----------
        X : int or array_like of shape (n_rows, n_features)
            Number of rows, or the rows for a pairing that needs them.
        random_state : int, numpy.random.Generator or None
            Seed.

        Returns
        -------
        ndarray of int, shape (n_rows,)
            Row numbers.

        Raises
        ------
        ValueError, TypeError
            If the rows are not what the pairing needs.
        """
        data: Rows = int(X) if isinstance(X, (int, np.integer)) else as_rows(X)
        n_rows = check_count("X", count_rows(data), hint="It is the rows, or their number.")
        source = self.source(data, n_rows, 2, Seeds(random_state))
        starts = range(0, n_rows, CHUNK_ROWS)
        return np.concatenate([source(at, min(at + CHUNK_ROWS, n_rows))[:, 1] for at in starts])

    def distances(self, X: npt.ArrayLike, partners: npt.ArrayLike) -> npt.NDArray[np.floating[Any]]:
        """Return how far rows are from their partners, by the distance that is paired by.

        Parameters
        ----------
        X : array_like of shape (n_rows, n_features)
            All rows.
        partners : array_like of int, shape (n_rows,)
            Number of each row's partner.

        Returns
        -------
        ndarray of shape (n_rows,)
            Distances; Euclidean unless the pairing has its own.

        Raises
        ------
        ValueError
            If a distance is not finite, or partners are not the number of a row for each row.

        Examples
        --------
        >>> from vicinal import Permutation
        >>> Permutation().distances([[0.0], [3.0]], [1, 0])
        array([3., 3.])
        """
        points = as_points(type(self).__name__, as_rows(X))
        others = points[check_partners("partners must be", partners, len(points))]
        return np.asarray(rowwise_distance(points, others))

    def take(self, indices: Indices) -> Pairing:
        """Return the pairing for the rows with these numbers: a grouped one keeps their labels."""
        return self

    def _checked(self, drawn: npt.ArrayLike, rounds: Rounds) -> Indices:
        name = f"{type(self).__name__}.partners must return"
        return check_partners(name, drawn, rounds.n_rows).astype(rounds.index)


def check_pairing(pairing: Any) -> Pairing:
    """Return what is a pairing, and refuse anything else."""
    if not isinstance(pairing, Pairing):
        raise TypeError(
            f"pairing must be a Pairing such as vicinal.Permutation(), got {pairing!r}."
        )
    return pairing


def check_partners(what: str, partners: npt.ArrayLike, n_rows: int) -> Indices:
    """Return one row number for each of ``n_rows`` rows; ``what`` begins the message."""
    found = plain(partners)
    if found.shape != (n_rows,) or found.dtype.kind not in "iu":
        raise ValueError(
            f"{what} one row number for each of the {n_rows} rows, got {found.dtype} of shape "
            f"{found.shape}."
        )
    if int(found.min()) < 0 or int(found.max()) >= n_rows:
        raise ValueError(
            f"{what} numbers from 0 to {n_rows - 1}, got {found.min()} to {found.max()}."
        )
    return found


def as_rows(rows: npt.ArrayLike) -> Array:
    """Return rows as an array; refuse what NumPy takes for a single object."""
    try:
        found = plain(rows)
    except ValueError:
        raise ValueError("X must have the same number of features in all rows.") from None
    if found.ndim == 0:
        raise ValueError(
            f"X must be an array of rows, got {type(rows).__name__}. Pass a dense array, such as "
            "X.toarray()."
        )
    return found


def count_rows(rows: Rows) -> int:
    """Return the number of rows, given as such or as an array."""
    return rows if isinstance(rows, int) else len(rows)


class Rounds:
    """The passes of a plan: left rows of output positions, and sources that add partners."""

    def __init__(self, X: Rows, n_samples: int, n_parents: int, seeds: Seeds) -> None:
        self.n_rows, self.n_parents, self.seeds = count_rows(X), n_parents, seeds
        self.index = np.dtype(np.int32 if self.n_rows < 2**31 else np.int64)
        self.passes = -(-n_samples // self.n_rows)
        self._complete = n_samples - n_samples % self.n_rows
        rng = seeds.generator(PlanKey.LAST_PASS)
        last = rng.choice(self.n_rows, n_samples - self._complete, replace=False, shuffle=False)
        self._last = np.sort(last).astype(self.index)

    def left(self, start: int, stop: int) -> Indices:
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

    def _parents(self, start: int, stop: int) -> Indices:
        """Return room for parents, shape (stop - start, n_parents), the left ones filled in."""
        parents = np.empty((stop - start, self.n_parents), self.index, order="F")
        parents[:, 0] = self.left(start, stop)
        return parents

    def drawn(self, draw: Callable[[Indices, np.random.Generator], Indices]) -> ParentSource:
        """Draw chunk by chunk: ``draw`` gives (n, n_parents - 1) partners of n left rows."""

        def source(start: int, stop: int) -> Indices:
            parents = self._parents(start, stop)
            rng = self.seeds.generator(PlanKey.PARTNERS, start // CHUNK_ROWS)
            parents[:, 1:] = draw(parents[:, 0], rng)
            return parents

        return source

    def tabled(self, table: Indices) -> ParentSource:
        """Look partners up in a table of shape (passes, n_rows, n_parents - 1)."""

        def source(start: int, stop: int) -> Indices:
            parents = self._parents(start, stop)
            parents[:, 1:] = table[np.arange(start, stop) // self.n_rows, parents[:, 0]]
            return parents

        return source

    def mapped(
        self, draw: Callable[[np.random.Generator], Callable[[Indices], Indices]]
    ) -> ParentSource:
        """Draw a map from rows to partners for each pass and each further parent."""

        def draw_pass(_passes: int, rng: np.random.Generator) -> PartnerMap:
            maps = [draw(rng) for _ in range(1, self.n_parents)]
            return lambda _turn, rows, number: maps[number - 1](rows)

        return self.mapped_together(draw_pass)

    def mapped_together(
        self, draw: Callable[[int, np.random.Generator], PartnerMap], together: int = 1
    ) -> ParentSource:
        """Draw the maps of ``together`` passes at once."""
        n_rows = self.n_rows
        lock = Lock()

        @lru_cache(maxsize=2 if n_rows > TWO_LEVEL_ROWS else 8)
        def drawn(number: int) -> PartnerMap:
            return draw(together, self.seeds.generator(PlanKey.PARTNERS, number))

        def source(start: int, stop: int) -> Indices:
            parents = self._parents(start, stop)
            for number in range(start // n_rows, (stop - 1) // n_rows + 1):
                here = slice(max(number * n_rows - start, 0), (number + 1) * n_rows - start)
                with lock:
                    partners = drawn(number // together)
                for partner in range(1, self.n_parents):
                    parents[here, partner] = partners(number % together, parents[here, 0], partner)
            return parents

        return source


def as_points(name: str, rows: Rows) -> npt.NDArray[np.floating[Any]]:
    """Return the rows as a finite float matrix, or say that this pairing needs one."""
    if isinstance(rows, int):
        raise ValueError(
            f"{name} looks at the rows: pass an array of shape (n_rows, n_features), got {rows}."
        )
    if rows.dtype.kind not in "fiubO":
        raise TypeError(
            f"{name} looks at the rows, which must be numbers, got dtype {rows.dtype}. Embed texts "
            "and encode categories first."
        )
    try:
        rows = doubles(rows) if rows.dtype.kind == "O" else rows
        X = np.asarray(rows, dtype=None if rows.dtype in (np.float32, np.float64) else np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name} looks at the rows, which must be real numbers, all of one width ({error})."
        ) from None
    if X.ndim != 2 or X.shape[1] == 0:
        raise ValueError(f"{name} needs an array of shape (n_rows, n_features), got {X.shape}.")
    if not np.isfinite(X).all():
        raise ValueError(
            f"{name} needs finite numbers, got NaN or infinity in {which_rows(~np.isfinite(X))}. "
            "Fill them first."
        )
    return X
