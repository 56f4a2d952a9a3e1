"""Labelled sentences in any number, on the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from vicinal.jobs.ray import RayCluster

__all__ = ["asks_for_parts", "check_alone", "check_parts", "write_parts"]


def asks_for_parts(output: str, **asked: object) -> bool:
    """Tell whether sentences go to a folder of files, chunk by chunk.

    Parameters
    ----------
    output : str
        As it was given.
    **asked : object
        Options that only make sense then; True or not None where they were given.

    Returns
    -------
    bool
        True for a folder or an address to write to, and where one of the options was given.
    """
    folder = "://" in output or output.endswith(("/", os.sep)) or os.path.isdir(output)
    return folder or any(value not in (None, False) for value in asked.values())


def check_parts(output: str, resume: bool, engine: str | RayCluster, workers: int | None) -> None:
    """Refuse an output or an engine that cannot be, before anything is read."""
    from vicinal.io import SUFFIXES
    from vicinal.jobs.staging import check_destination
    from vicinal.text.augment.parts import check_workers

    if any(output.lower().endswith(suffix) for suffix in SUFFIXES) and not os.path.isdir(output):
        name = os.path.basename(output).split(".")[0] or "made"
        raise ValueError(
            f"output {output} is named like a file, but --engine ray and --resume write a folder "
            f"of Parquet files. Name a folder, such as -o {name}/."
        )
    check_destination(output, resume)
    check_workers(engine, workers)


def check_alone(whole: Mapping[str, object], here: Mapping[str, object]) -> None:
    """Refuse options that do not go with chunks.

    Parameters
    ----------
    whole, here : mapping of str to object
        Options that need all sentences in memory, and those that are about this machine; None
        where they were not given.

    Raises
    ------
    ValueError
        Naming the option.
    """
    for name, value in whole.items():
        if value is not None:
            raise ValueError(
                f"--{name} needs all sentences in memory, so it does not go with a folder to "
                "write to, --engine ray or --resume. Leave it out, or name one file to write."
            )
    for name, value in here.items():
        if value is not None:
            raise ValueError(
                f"--{name} is about this machine, and --engine ray works on others. Say --gpus, "
                "such as --gpus 1, for workers that use one."
            )


def write_parts(
    writer: Any,
    texts: Sequence[str],
    labels: Sequence[Any],
    n: int,
    output: str,
    settings: Mapping[str, Any],
) -> None:
    """Make sentences and say what was made.

    Parameters
    ----------
    writer : str, Inverter or TaskInverter
        What writes.
    texts, labels : sequence
        What was read.
    n : int
        Sentences to make.
    output : str
        Folder.
    settings : mapping
        Of :func:`vicinal.text.augment_parts`.
    """
    from vicinal.io.remote import is_remote
    from vicinal.jobs.staging import staging_of
    from vicinal.text.augment.parts import augment_parts

    watched = sys.stderr.isatty()
    try:
        done = augment_parts(
            texts, labels, output, n, inverter=writer, progress=watched, **settings
        )
    except KeyboardInterrupt:
        if not is_remote(output) and staging_of(output).exists():
            typer.echo(
                f"What is done stays in {staging_of(output)}; the same command with --resume goes "
                "on with it.",
                err=True,
            )
        raise
    if done.kept == done.parts:
        typer.echo(f"{done.output} is complete already; nothing was done.", err=True)
        return
    kept = f" ({done.kept:,} of these before the interruption)" if done.kept else ""
    said = (
        f"{len(texts):,} texts read, {done.rows:,} sentences written to {done.output} in "
        f"{done.parts:,} file(s){kept}."
    )
    typer.echo(f"{done.summary()}\n\n{said}", err=True)
