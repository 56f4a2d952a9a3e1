"""Partners of the same group, and of other groups."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal._points import plain
from vicinal._random import CHUNK_ROWS, PlanKey, Seeds
from vicinal._types import Array, Indices
from vicinal.pairing.base import (
    Pairing,
    ParentSource,
    Rounds,
    Rows,
    as_points,
    check_pairing,
    count_rows,
)
from vicinal.pairing.distance import ByDistance
from vicinal.pairing.permutation import Random, grouped_source


@dataclass(frozen=True, eq=False)
class _Grouped(Pairing):
    """Labels of the rows, and a pairing that chooses among the rows they leave."""

    groups: npt.ArrayLike
    pairing: Pairing | None = None
    grouped = True

    @property
    def needs_points(self) -> bool:  # type: ignore[override]
        return self.pairing is not None and self.pairing.needs_points

    @property
    def refresh(self) -> int | None:  # type: ignore[override]
        return None if self.pairing is None else self.pairing.refresh

    def distances(self, X: npt.ArrayLike, partners: npt.ArrayLike) -> npt.NDArray[np.floating[Any]]:
        if self.pairing is None:
            return super().distances(X, partners)
        return self.pairing.distances(X, partners)

    def take(self, indices: Indices) -> Pairing:
        labels = plain(self.groups)
        if labels.ndim != 1 or len(labels) <= indices.max(initial=-1):
            raise ValueError(
                f"groups must have one label for each row, got shape {labels.shape} and row "
                f"{indices.max()}."
            )
        return replace(self, groups=labels[indices])

    def _codes(self, n_rows: int) -> Indices:
        labels = plain(self.groups)
        if labels.shape != (n_rows,):
            raise ValueError(
                f"groups must have one label for each of the {n_rows} rows, got shape "
                f"{labels.shape}."
            )
        return compact_codes(labels)


@dataclass(frozen=True, eq=False)
class WithinGroup(_Grouped):
    """Partners from the same group: a random permutation of each group, or as a pairing says.

    Mean and covariance of each group are kept as those of all rows are without groups.

    Parameters
    ----------
    groups : array_like of shape (n_rows,)
        Group of each row: any sortable labels.
    pairing : Pairing, optional
        Chooses among the rows of a group as if there were no others: ``Farthest(0.1)``.

    Warns
    -----
    UserWarning
        Where a group has one row, which can only be copied.

    Examples
    --------
    >>> WithinGroup(["a", "b", "a", "b"]).pair(4, random_state=0)
    array([2, 3, 0, 1], dtype=int32)
    """

    def __post_init__(self) -> None:
        if self.pairing is not None:
            check_pairing(self.pairing)

    def source(self, X: Rows, n_samples: int, n_parents: int, seeds: Seeds) -> ParentSource:
        """Return the function that gives the parents of output positions."""
        codes = self._codes(count_rows(X))
        alone = int((np.bincount(codes) == 1).sum())
        if alone:
            message = f"{alone} group(s) have a single row, which can only be copied. Merge them."
            warnings.warn(message, UserWarning, stacklevel=3)
        if self.pairing is None:
            return grouped_source(codes, n_samples, n_parents, seeds)
        return _inner_source(self.pairing, X, codes, n_samples, n_parents, seeds)


def _inner_source(
    pairing: Pairing, X: Rows, codes: Indices, n_samples: int, n_parents: int, seeds: Seeds
) -> ParentSource:
    """Let a pairing choose within each group, for all passes at once."""
    rounds = Rounds(codes, n_samples, n_parents, seeds)
    table = np.empty((rounds.passes, len(codes), n_parents - 1), rounds.index)
    order = np.argsort(codes, kind="stable").astype(rounds.index)
    for group, members in enumerate(np.split(order, np.cumsum(np.bincount(codes))[:-1])):
        if len(members) == 1:
            table[:, members] = members[0]
            continue
        total = rounds.passes * len(members)
        inside: Rows = len(members) if isinstance(X, int) else X[members]
        own = Seeds(seeds.generator(PlanKey.GROUPS, group))
        try:
            source = pairing.take(members).source(inside, total, n_parents, own)
        except ValueError as error:
            raise ValueError(f"Among the {len(members)} rows of one group: {error}") from error
        starts = range(0, total, CHUNK_ROWS)
        drawn = [source(at, min(at + CHUNK_ROWS, total))[:, 1:] for at in starts]
        table[:, members] = members[np.concatenate(drawn)].reshape(rounds.passes, len(members), -1)
    return rounds.tabled(table)


@dataclass(frozen=True, eq=False)
class AcrossGroup(_Grouped):
    """Partners from other groups, any of them or as a pairing by distance says.

    Parameters
    ----------
    groups : array_like of shape (n_rows,)
        Group of each row, for instance its class label: any sortable labels.
    pairing : Farthest, Nearest or Random, optional
        Chooses among the rows of other groups: ``Farthest(0.1)`` from the farthest tenth of them.

    Raises
    ------
    ValueError
        If all rows are of one group, or the pairing is balanced.

    Examples
    --------
    >>> AcrossGroup(["a", "b", "b"]).pair(3, random_state=0)[1:]
    array([0, 0], dtype=int32)
    """

    def __post_init__(self) -> None:
        if self.pairing is None or isinstance(self.pairing, Random):
            return
        if not isinstance(self.pairing, ByDistance):
            raise TypeError(
                f"pairing must be a Farthest, a Nearest or a Random pairing, got {self.pairing!r}."
            )
        if self.pairing.balanced:
            raise ValueError(
                "balanced=True does not go with AcrossGroup: where a group holds more than half "
                "of the rows, no permutation takes every row to another one. Leave it out."
            )

    def source(self, X: Rows, n_samples: int, n_parents: int, seeds: Seeds) -> ParentSource:
        """Return the function that gives the parents of output positions."""
        n_rows = count_rows(X)
        codes = self._codes(n_rows)
        if int(codes.max()) == 0:
            raise ValueError(
                f"groups must name at least two groups, got one for all {n_rows} rows: no row "
                "has a partner in another group."
            )
        rounds = Rounds(X, n_samples, n_parents, seeds)
        if isinstance(self.pairing, ByDistance):
            points = as_points(type(self.pairing).__name__, X)
            return self.pairing.outside(points, codes, rounds)
        from vicinal.pairing._candidates import Outside, even_source

        return even_source(rounds, Outside(n_rows, codes))


def compact_codes(labels: Array) -> Indices:
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
