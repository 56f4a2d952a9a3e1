"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Kinds", "Source", "parse_kinds", "read"]

Source = Annotated[Path, typer.Argument(help="CSV, TSV (.gz too), Parquet, Arrow or JSON lines.")]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--column", help="NAME=KIND where detection is wrong, e.g. zip=category."),
]


def read(source: Path) -> pa.Table:
    """Read a table."""
    from vicinal.table import read_table

    return read_table(source)


def parse_kinds(pairs: list[str] | None) -> dict[str, str] | None:
    """Return column kinds given as NAME=KIND.

    Raises
    ------
    ValueError
        If one is not of that form.
    """
    if not pairs:
        return None
    kinds = {}
    for pair in pairs:
        name, sign, kind = pair.rpartition("=")
        if not sign or not name:
            raise ValueError(f"column must be NAME=KIND, such as zip=category, got {pair!r}.")
        kinds[name] = kind
    return kinds
