"""Commands that measure tables, and how their results are written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vicinal._checks import did_you_mean
from vicinal.cli.app import app
from vicinal.cli.options import Kinds, Source, parse_kinds, read

if TYPE_CHECKING:
    from vicinal.report import Report

__all__ = ["check_report", "write_report"]

#: What a report can be written as.
SUFFIXES = (".html", ".json", ".txt", ".md")


def check_report(option: str, path: Path) -> None:
    """Refuse a report that could not be written, before any work is done for it.

    Parameters
    ----------
    option : str
        Option that named it.
    path : path
        Where it is to be written.

    Raises
    ------
    ValueError
        If the suffix is not known.
    ImportError
        If a page is asked for and Jinja2 is not installed.
    OSError
        If the folder does not exist or cannot be written.
    """
    from vicinal.table.files import check_folder

    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(
            f"{option} is written as {', '.join(SUFFIXES)}, got {str(path)!r}."
            f"{did_you_mean(suffix, SUFFIXES)}"
        )
    check_folder(path)
    if suffix == ".html":
        from vicinal.report.page import check_installed

        check_installed()


def write_report(found: Any, path: Path) -> None:
    """Write a result as its path's suffix says: page, JSON or text."""
    from vicinal.table.files import replacing

    suffix = path.suffix.lower()
    if suffix == ".html":
        found.to_html(path)
    elif suffix == ".json":
        found.to_json(path)
    else:
        with replacing(path) as sink:
            sink.write(f"{found.summary()}\n".encode())


@app.command()
def report(
    real: Source,
    synthetic: Annotated[Path, typer.Argument(help="The table made from it.")],
    holdout: Annotated[
        Path | None, typer.Option(help="Real rows that the generator never saw.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="Column that a model will predict.")] = None,
    plan: Annotated[
        Path | None, typer.Option(help="Which rows were mixed, as `vicinal table --plan` wrote it.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Page, text or JSON to write.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="JSON to write as well.")] = None,
    column: Kinds = None,
    seed: Annotated[int, typer.Option(help="The same seed, the same figures.")] = 0,
) -> None:
    """Say what a synthetic table kept, gives away, and is good for."""
    from vicinal.plan import MixPlan
    from vicinal.report import evaluate

    for option, path in (("output", output), ("json", json)):
        if path is not None:
            check_report(option, path)
    found: Report = evaluate(
        read(real),
        read(synthetic),
        None if holdout is None else read(holdout),
        target,
        None if plan is None else MixPlan.from_arrow(read(plan)),
        kinds=parse_kinds(column),
        random_state=seed,
    )
    for path in (output, json):
        if path is not None:
            write_report(found, path)
    typer.echo(found.summary())
