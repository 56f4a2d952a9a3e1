"""Arguments and options that several commands take."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pyarrow as pa

    from vicinal.weights import WeightLaw

__all__ = [
    "Kinds",
    "Source",
    "Target",
    "check_apart",
    "parse_kinds",
    "parse_weights",
    "read",
]

Source = Annotated[Path, typer.Argument(help="CSV, TSV (.gz too), Parquet, Arrow or JSON lines.")]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--column", help="NAME=KIND where detection is wrong, e.g. zip=category."),
]
Target = Annotated[str | None, typer.Option(help="Column that a model will predict.")]


def read(source: Path) -> pa.Table:
    """Read a table."""
    from vicinal.io import read_table

    return read_table(source)


def check_apart(source: str | Path, **targets: str | Path | None) -> None:
    """Refuse to write over what is read.

    Parameters
    ----------
    source : str or path
        What is read.
    **targets : str, path or None
        What is to be written, by the name of its option.

    Raises
    ------
    ValueError
        If both are one file.
    """
    for name, target in targets.items():
        if target is None or not os.path.exists(target) or not os.path.exists(source):
            continue
        if os.path.samefile(source, target):
            raise ValueError(
                f"{name} is the file that is read, {target}, and would replace it. Name another "
                "file."
            )


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


def parse_weights(
    weights: str | None, parents: int | None, delta: float | None, eps: float | None
) -> WeightLaw | None:
    """Return the law that options ask for, None where they ask for none.

    Raises
    ------
    ValueError
        If options exclude each other, or a law cannot be read.
    """
    from vicinal.weights import EpBeta, SphereWeights, parse_law

    asked = {
        "weights": weights is not None,
        "parents": parents is not None,
        "delta or eps": delta is not None or eps is not None,
    }
    several = [name for name, is_asked in asked.items() if is_asked]
    if len(several) > 1:
        raise ValueError(f"{' and '.join(several)} exclude each other. Leave all but one out.")
    if weights is not None:
        return parse_law(weights)
    if parents is not None:
        return SphereWeights(parents)
    if not several:
        return None
    return EpBeta(0.1 if delta is None else delta, 0.3 if eps is None else eps)
