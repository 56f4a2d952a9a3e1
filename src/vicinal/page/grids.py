"""A table of figures, as templates want it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Grid", "grid_of"]

#: Rows of a folded table.
TABLED = 300


@dataclass(frozen=True)
class Grid:
    """A table of figures.

    Attributes
    ----------
    title : str
        What it holds.
    head : tuple of str
        Names of its columns.
    rows : sequence of sequence of str
        Cells; the first of a row names it.
    left_out : int
        Rows that are not shown.
    words : tuple of int
        Columns that hold words and not figures.
    """

    title: str
    head: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    left_out: int = 0
    words: tuple[int, ...] = (0,)


def grid_of(
    title: str,
    head: tuple[str, ...],
    rows: Iterable[Sequence[str]],
    words: tuple[int, ...] = (0,),
) -> Grid:
    """Return a table of the first rows, which knows how many more there are."""
    every = list(rows)
    return Grid(title, head, every[:TABLED], max(len(every) - TABLED, 0), words)
