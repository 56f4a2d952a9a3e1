"""Tables larger than memory, on the command line."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vicinal.table import TableSynthesizer
    from vicinal.table.stream import Streamed

__all__ = ["asks_for_stream", "check_stream", "parse_rows", "stream"]

#: Rows of the pool and of the first file that are compared in the end.
COMPARED = 100_000


def parse_rows(rows: str | None, name: str = "rows", least: int = 1) -> int | None:
    """Return a number of rows given as 1000, 1_000 or 1e8.

    Raises
    ------
    ValueError
        If it is no whole number, or below the least.
    """
    if rows is None:
        return None
    try:
        number = int(rows)
    except ValueError:
        try:
            wide = float(rows)
        except ValueError:
            wide = float("nan")
        if not wide.is_integer():
            raise ValueError(
                f"{name} must be a whole number such as 1000 or 1e8, got {rows!r}."
            ) from None
        number = int(wide)
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {rows}.")
    return number


def asks_for_stream(source: str, output: str, **asked: object) -> bool:
    """Tell whether a table goes from files to a folder, piece by piece.

    Parameters
    ----------
    source, output : str
        As they were given.
    **asked : object
        Options that only make sense then; True or not None where they were given.

    Returns
    -------
    bool
        True for a pattern, a folder or an address to read from, a folder to write to, and where
        one of the options was given.
    """
    many = "://" in source or os.path.isdir(source)
    many = many or (glob.has_magic(source) and not os.path.exists(source))
    folder = output.endswith(("/", os.sep)) or os.path.isdir(output)
    return many or folder or any(value not in (None, False) for value in asked.values())


def check_stream(output: str, others: Mapping[str, object]) -> None:
    """Refuse what a stream cannot do.

    Parameters
    ----------
    output : str
        Where to write to.
    others : mapping of str to object
        Options that need whole tables, None where they were not given.

    Raises
    ------
    ValueError
        If one of them was given, or the output is named like a file.
    """
    for name, value in others.items():
        if value:
            raise ValueError(
                f"--{name} needs the whole table in memory, so it does not go with many files, "
                "--memory, --resume or a folder to write to. Leave it out, or name one file to "
                "read and one to write."
            )
    from vicinal.io import SUFFIXES

    if any(output.lower().endswith(suffix) for suffix in SUFFIXES) and not os.path.isdir(output):
        raise ValueError(
            f"output {output} is named like a file, but many files, --memory and --resume write "
            f"a folder of Parquet files. Name a folder, such as -o {_folder_name(output)}/."
        )


def _folder_name(output: str) -> str:
    return Path(output).name.split(".")[0] or "synthetic"


def stream(
    synthesizer: TableSynthesizer,
    source: str,
    output: str,
    rows: int | None,
    *,
    memory: str | None,
    pool: int | None,
    resume: bool,
    engine: str,
    address: str | None,
    save_model: Path | None,
) -> None:
    """Read, learn, draw and write, and say what was done.

    Parameters
    ----------
    synthesizer : TableSynthesizer
        Settings.
    source, output : str
        Files, and a folder.
    rows : int, optional
        How many to draw.
    memory : str, optional
        Limit.
    pool : int, optional
        Rows to hold and to mix.
    resume : bool
        Whether to go on with an interrupted run.
    engine : str
        "local" or "ray".
    address : str, optional
        Of a Ray cluster.
    save_model : Path, optional
        Where to keep what was learned.
    """
    from vicinal.jobs.run import parse_engine
    from vicinal.jobs.staging import staging_of
    from vicinal.table.stream import stream_table

    try:
        done: Streamed = stream_table(
            synthesizer,
            source,
            output,
            rows,
            memory=memory,
            max_rows=pool,
            engine=parse_engine(engine, address=address),
            resume=resume,
            progress=sys.stderr.isatty(),
        )
    except KeyboardInterrupt:
        staging = staging_of(output)
        if staging.exists():
            typer.echo(
                f"What is done stays in {staging}; the same command with --resume goes on with "
                "it. It holds real rows: remove it if you do not want to.",
                err=True,
            )
        raise
    if done.model is None:
        lost = (
            ""
            if save_model is None
            else f" The model is not kept there: {save_model} was not made."
        )
        typer.echo(f"{done.summary()}{lost}")
        return
    if save_model is not None:
        done.model.save(save_model)
    typer.echo(_summary(done))


def _summary(done: Streamed) -> str:
    from vicinal.jobs.places import part_name
    from vicinal.report import compare
    from vicinal.table.stream.source import open_parquet

    model = done.model
    if model is None:
        return ""
    pool = model._state.rows
    with open_parquet(f"{done.output}/{part_name(0)}") as file:
        first = next(file.iter_batches(COMPARED))
    import pyarrow as pa

    synthetic = pa.Table.from_batches([first])
    shown = [column for column in model.columns_ if column.name in synthetic.column_names]
    real = pool.slice(0, COMPARED).select([column.name for column in shown])
    text = compare(real, synthetic, shown).summary()
    return (
        f"{text}\n(of {real.num_rows:,} real and {synthetic.num_rows:,} synthetic rows)\n\n"
        f"{done.summary()}"
    )
