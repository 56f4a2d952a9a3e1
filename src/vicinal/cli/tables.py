"""Commands that make tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vicinal.cli.app import app
from vicinal.cli.options import (
    Kinds,
    Source,
    Target,
    check_apart,
    parse_kinds,
    parse_weights,
    read,
)
from vicinal.cli.reports import check_report, write_report
from vicinal.cli.streams import asks_for_stream, check_stream, parse_rows, stream

if TYPE_CHECKING:
    import pyarrow as pa

    from vicinal.table import TableSynthesizer

#: Rows from which a progress bar is worth showing.
PROGRESS_ROWS = 500_000


@app.command()
def table(
    source: Annotated[
        str,
        typer.Argument(
            help="CSV, TSV (.gz too), Parquet, Arrow or JSON lines; or a folder or 'pattern' of "
            "such files, of any size if Parquet."
        ),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="File to write; for many files a folder/.")
    ],
    rows: Annotated[
        str | None,
        typer.Option(
            "--rows", "-n", metavar="NUMBER", help="Rows to draw, e.g. 1e6; as many as read."
        ),
    ] = None,
    target: Target = None,
    privacy: Annotated[
        str, typer.Option(help="off, balanced, high or max: how far rows stay from real ones.")
    ] = "balanced",
    within: Annotated[
        list[str] | None, typer.Option(help="Column whose groups are never mixed.")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Condition on every row, e.g. 'age>=40'.")
    ] = None,
    marginals: Annotated[
        str, typer.Option(help="normal-score keeps columns, raw keeps mean and covariance.")
    ] = "normal-score",
    weights: Annotated[
        str | None,
        typer.Option(help="Law: epbeta:DELTA[:EPS], sphere:PARENTS, beta:ALPHA, uniform."),
    ] = None,
    parents: Annotated[int | None, typer.Option(help="Rows mixed into one, 3 or more.")] = None,
    delta: Annotated[
        float | None, typer.Option(help="EpBeta's distance from the left row, 0 to 1.")
    ] = None,
    eps: Annotated[float | None, typer.Option(help="EpBeta's reach beyond [0, 1].")] = None,
    neighbors: Annotated[int | None, typer.Option(help="Size of a neighborhood.")] = None,
    categories: Annotated[
        str | None, typer.Option(help="parent or columnwise: where categories come from.")
    ] = None,
    identifiers: Annotated[str | None, typer.Option(help="replace or drop.")] = None,
    text: Annotated[str | None, typer.Option(help="drop or replace.")] = None,
    column: Kinds = None,
    seed: Annotated[int | None, typer.Option(help="The same seed, the same rows.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a full report: .html, .json, .txt or .md.")
    ] = None,
    save_model: Annotated[
        Path | None, typer.Option(help="Keep the learned synthesizer (it holds the rows).")
    ] = None,
    plan: Annotated[
        Path | None, typer.Option(help="Write which rows were mixed to this table file.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Memory to stay within, e.g. 2GB.")
    ] = None,
    pool: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="Rows to hold and mix, if they are not all."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run into a folder.")
    ] = False,
    engine: Annotated[str, typer.Option(help="local, or ray for many machines.")] = "local",
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster, e.g. auto.")] = None,
) -> None:
    """Turn a real table into a synthetic one of the same structure.

    With --memory, --pool, --resume, many files or a folder to write to, rows are read and written
    piece by piece, and the output is a folder of Parquet files.
    """
    from vicinal.io import check_file, check_output, write_table
    from vicinal.io.remote import is_remote, local_path
    from vicinal.table import TableSynthesizer
    from vicinal.table.presets import check_parameters

    output = local_path(output)
    pieces = asks_for_stream(
        source,
        output,
        memory=memory,
        pool=pool,
        resume=resume,
        ray=engine != "local",
        address=address,
    ) or is_remote(output)
    if pieces:
        check_stream(output, {"where": where, "report": report, "plan": plan})
    for path in (None if pieces else output, plan):
        if path is not None:
            check_output(path)
    if not pieces:
        check_apart(source, output=output, plan=plan, report=report)
    if save_model is not None:
        check_file(save_model)
    if report is not None:
        check_report("report", report)
    count, held = parse_rows(rows), parse_rows(pool, "pool", 2)
    synthesizer = TableSynthesizer(
        privacy,
        weights=parse_weights(weights, parents, delta, eps),
        marginals=marginals,
        within=within,
        target=target,
        neighbors=neighbors,
        categories=categories,
        kinds=parse_kinds(column),
        identifiers=identifiers,
        text=text,
        random_state=seed,
    )
    check_parameters(synthesizer)
    if pieces:
        stream(
            synthesizer,
            source,
            output,
            count,
            memory=memory,
            pool=held,
            resume=resume,
            engine=engine,
            address=address,
            save_model=save_model,
        )
        return
    real = read(Path(source))
    synthesizer.fit(real)
    synthetic, drawn = _sample(synthesizer, count, where)
    write_table(synthetic, output)
    if plan is not None:
        write_table(drawn.to_arrow(), plan)
    if save_model is not None:
        synthesizer.save(save_model)
    summary = _summary(synthesizer, real, synthetic, where)
    read_and_written = f"{real.num_rows:,} rows read, {synthetic.num_rows:,} written to {output}."
    typer.echo(f"{summary}\n\n{read_and_written}")  # also where the report then fails
    if report is not None:
        from vicinal.report import audit

        found = audit(synthesizer, real, synthetic, drawn, where=where, random_state=seed or 0)
        write_report(found, report)
        typer.echo(f"\n{found.verdict.headline}\nReport: {report}.")


@app.command()
def columns(source: Source, column: Kinds = None) -> None:
    """Say what each column of a table is, and what becomes of it."""
    from vicinal.table import KINDS, detect_columns

    found = detect_columns(read(source), parse_kinds(column))
    width = max(len(one.name) for one in found)
    heads = f"{'kind':<10} {'distinct':>9} {'missing':>8}  what becomes of it"
    typer.echo(f"{'column':<{width}}  {heads}")
    for one in found:
        note = f" ({one.note})" if one.note else ""
        typer.echo(
            f"{one.name:<{width}}  {one.kind:<10} {one.n_distinct:>9,} {one.n_missing:>8,}  "
            f"{KINDS[one.kind]}{note}"
        )


def _sample(
    synthesizer: TableSynthesizer, rows: int | None, where: list[str] | None
) -> tuple[pa.Table, Any]:
    total = rows or synthesizer.n_rows_
    progress = total >= PROGRESS_ROWS and sys.stderr.isatty()
    drawn: tuple[pa.Table, Any]
    drawn = synthesizer.sample(total, where=where, return_plan=True, progress=progress)
    return drawn


def _summary(
    synthesizer: TableSynthesizer, real: pa.Table, synthetic: pa.Table, where: list[str] | None
) -> str:
    from vicinal.report import compare
    from vicinal.table.conditions import parse_where, rows_matching

    if where:
        real = real.filter(rows_matching(real, parse_where(where)))
    settings = synthesizer.settings_
    how = f"method {settings.method}, weights {settings.weights}, marginals {settings.marginals}"
    if settings.method == "neighborhood":
        how += f", neighbors {settings.neighbors}"
    if settings.within:
        how += f", within {', '.join(settings.within)}"
    return f"{how}\n\n{compare(real, synthetic, synthesizer.columns_).summary()}"
