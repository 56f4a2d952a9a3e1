"""Runs that write a folder of files in chunks, of tables and of sentences: what they refuse."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import typer


def is_many(source: str) -> bool:
    """Tell whether a source is a folder, a pattern or an address."""
    if "://" in source or os.path.isdir(source):
        return True
    return glob.has_magic(source) and not os.path.exists(source)


def find_files(source: str) -> list[str]:
    """Return the files of this machine that a source stands for."""
    from vicinal.table.stream.source import expand

    return [] if "://" in source else expand(source)


def is_folder(output: str) -> bool:
    """Tell whether an output is a folder, or an address of one."""
    return "://" in output or output.endswith(("/", os.sep)) or os.path.isdir(output)


def check_folder_run(output: str, why: str, whole: Mapping[str, object]) -> None:
    """Refuse an output named like a file, and options that need all rows in memory."""
    for name, value in whole.items():
        if value:
            raise ValueError(
                f"--{name} needs all rows in memory, so it does not go with {why}. Leave it out, "
                "or name one file to read and one to write."
            )
    from vicinal.io import SUFFIXES

    if any(output.lower().endswith(suffix) for suffix in SUFFIXES) and not os.path.isdir(output):
        name = Path(output).name.split(".")[0] or "synthetic"
        raise ValueError(
            f"output {output} is named like a file, but {why} write a folder of Parquet files. "
            f"Name a folder, such as -o {name}/."
        )


@contextmanager
def resumable(output: str) -> Iterator[None]:
    """Say where an interrupted run stays."""
    from vicinal.io.remote import is_remote
    from vicinal.jobs.staging import staging_of

    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        if not is_remote(output) and staging_of(output).exists():
            typer.echo(
                f"What is done stays in {staging_of(output)}; the same command with --resume goes "
                "on with it. It holds real rows: remove it if you do not want to.",
                err=True,
            )
        raise
