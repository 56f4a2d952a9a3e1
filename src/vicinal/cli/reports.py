"""Commands that measure tables, and how their results are written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vicinal._checks import did_you_mean
from vicinal.cli.app import app
from vicinal.cli.options import Kinds, Source, Target, parse_kinds, read

if TYPE_CHECKING:
    from vicinal.report import Report

__all__ = ["check_report", "write_report"]

Page = Annotated[Path | None, typer.Option("--output", "-o", help="Page, text or JSON to write.")]
Json = Annotated[Path | None, typer.Option(help="JSON to write as well.")]
Seed = Annotated[int, typer.Option(help="The same seed, the same figures.")]

#: What a report can be written as.
SUFFIXES = (".html", ".json", ".txt", ".md")
#: What a page alone can be called.
PAGES = (".html", ".htm")


def check_report(option: str, path: Path) -> None:
    """Refuse a report that could not be written, before any work is done for it.

    Parameters
    ----------
    option : str
        Option that named it; "html" takes pages only.
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
    from vicinal.io import check_file

    suffix = path.suffix.lower()
    known = PAGES if option == "html" else SUFFIXES
    if suffix not in known:
        raise ValueError(
            f"{option} is written as {', '.join(known)}, got {str(path)!r}."
            f"{did_you_mean(suffix, known)}"
        )
    check_file(path)
    if suffix in PAGES:
        from vicinal.page.frame import check_installed

        check_installed()


def write_report(found: Any, path: Path) -> None:
    """Write a result as its path's suffix says: page, JSON or text."""
    from vicinal.io import replacing

    suffix = path.suffix.lower()
    if suffix == ".html":
        found.to_html(path)
    elif suffix == ".json":
        found.to_json(path)
    else:
        with replacing(path) as sink:
            sink.write(f"{found.summary()}\n".encode())


def check_reports(**paths: Path | None) -> None:
    """Check every report that was asked for, by the option that named it."""
    for option, path in paths.items():
        if path is not None:
            check_report(option, path)


def write_reports(found: Any, *paths: Path | None) -> None:
    """Write every report that was asked for, and print the result."""
    for path in paths:
        if path is not None:
            write_report(found, path)
    typer.echo(found.summary())


@app.command()
def report(
    real: Source,
    synthetic: Annotated[Path, typer.Argument(help="The table made from it.")],
    holdout: Annotated[
        Path | None, typer.Option(help="Real rows that the generator never saw.")
    ] = None,
    target: Target = None,
    plan: Annotated[
        Path | None, typer.Option(help="Which rows were mixed, as `vicinal table --plan` wrote it.")
    ] = None,
    output: Page = None,
    json: Json = None,
    column: Kinds = None,
    seed: Seed = 0,
) -> None:
    """Say what a synthetic table kept, gives away, and is good for."""
    from vicinal.plan import MixPlan
    from vicinal.report import evaluate

    check_reports(output=output, json=json)
    found: Report = evaluate(
        read(real),
        read(synthetic),
        None if holdout is None else read(holdout),
        target,
        None if plan is None else MixPlan.from_arrow(read(plan)),
        kinds=parse_kinds(column),
        random_state=seed,
    )
    write_reports(found, output, json)


@app.command()
def collapse(
    source: Source,
    generations: Annotated[
        int, typer.Option("--generations", "-g", help="Rounds of synthesis from synthesis.")
    ] = 50,
    weights: Annotated[
        str,
        typer.Option(
            help="Laws, commas between: uniform, beta:ALPHA, epbeta:DELTA[:EPS], sphere:PARENTS, "
            "fixed:LAM."
        ),
    ] = "uniform,beta:0.1,epbeta:0.1",
    target: Target = None,
    within: Annotated[
        list[str] | None, typer.Option(help="Column whose groups are never mixed.")
    ] = None,
    marginals: Annotated[
        str, typer.Option(help="raw is what theory is about; normal-score keeps columns.")
    ] = "raw",
    rows: Annotated[int, typer.Option(help="Rows of a generation, at most.")] = 20_000,
    output: Page = None,
    json: Json = None,
    column: Kinds = None,
    seed: Seed = 0,
) -> None:
    """Make each generation from the one before, and say what is left of the real table."""
    from vicinal.report import measure_collapse
    from vicinal.weights import parse_laws

    check_reports(output=output, json=json)
    laws = parse_laws(weights)
    found = measure_collapse(
        read(source),
        weights=laws,
        generations=generations,
        target=target,
        marginals=marginals,
        within=within,
        kinds=parse_kinds(column),
        max_rows=rows,
        random_state=seed,
        progress=sys.stderr.isatty(),
    )
    write_reports(found, output, json)


@app.command()
def tune(
    source: Source,
    target: Target = None,
    limit: Annotated[
        float,
        typer.Option(help="Largest DCR share to accept; 0.5 is ideal."),
    ] = 0.55,
    rows: Annotated[int, typer.Option(help="Rows to learn from, at most.")] = 10_000,
    repeats: Annotated[int, typer.Option(help="How often to split and draw anew.")] = 1,
    output: Page = None,
    json: Json = None,
    column: Kinds = None,
    seed: Seed = 0,
) -> None:
    """Try settings of the synthesizer on a table, and recommend one."""
    from vicinal.report import tune as try_settings

    check_reports(output=output, json=json)
    found = try_settings(
        read(source),
        target,
        limit=limit,
        max_rows=rows,
        repeats=repeats,
        kinds=parse_kinds(column),
        source=str(source),
        random_state=seed,
        progress=sys.stderr.isatty(),
    )
    write_reports(found, output, json)
