"""Commands that make tables."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vicinal._checks import printable
from vicinal._progress import reporting
from vicinal.cli.app import command
from vicinal.cli.folders import check_folder_run, find_files, is_folder, is_many, resumable
from vicinal.cli.options import (
    Address,
    Engine,
    Entity,
    Kinds,
    Law,
    NSamples,
    Reading,
    Resume,
    Rules,
    SchemaFile,
    ShowRows,
    Source,
    Strict,
    Target,
    Time,
    Within,
    advanced,
    check_apart,
    check_shown,
    parse_kinds,
    parse_rules,
    parse_schema,
    parse_weights,
    parse_whole,
)
from vicinal.cli.output import OUT, check_report, watched, write_report
from vicinal.cli.screen import show, show_opening, show_table

if TYPE_CHECKING:
    import pyarrow as pa

    from vicinal.report import Fidelity
    from vicinal.table import TableSynthesizer
    from vicinal.table.presets import MixingSettings
    from vicinal.table.schema import Column
    from vicinal.table.stream import Streamed

#: Training rows, and rows of the first file, that are compared after a run into a folder.
COMPARED = 100_000


@dataclass(frozen=True, kw_only=True)
class TableOptions(Reading):
    """Of ``vicinal table``."""

    source: Annotated[
        str,
        typer.Argument(
            help="CSV, TSV (.gz too), Parquet, Arrow or JSON lines; or a folder or 'pattern' of "
            "such files, of any size if Parquet."
        ),
    ]
    output: Annotated[
        str, typer.Option("--output", "-o", help="File to write; for many files a folder/.")
    ]
    n_samples: NSamples = None
    target: Target = None
    privacy: Annotated[
        str, typer.Option(help="off, balanced, high or max: how far rows stay from real ones.")
    ] = "balanced"
    within: Within = None
    entity: Entity = None
    time: Time = None
    where: Annotated[
        list[str] | None, typer.Option(help="Condition on every row, e.g. 'age>=40'.")
    ] = None
    column: Kinds = None
    rule: Rules = None
    schema: SchemaFile = None
    strict: Strict = False
    seed: Annotated[
        int | None, typer.Option(help="The same seed, the same rows; drawn where left out.")
    ] = None
    report: Annotated[
        Path | None, typer.Option(help="Write a full report: .html, .json, .txt or .md.")
    ] = None
    show_rows: ShowRows = False
    save_model: Annotated[
        Path | None, typer.Option(help="Keep the fitted synthesizer (it holds the training rows).")
    ] = None
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Memory to stay within, e.g. 2GB.")
    ] = None
    resume: Resume = False
    identifiers: Annotated[
        str | None, advanced("Columns of identifiers: replace (default) or drop.")
    ] = None
    text: Annotated[str | None, advanced("Columns of free text: drop (default) or replace.")] = None
    min_count: Annotated[
        int | None,
        advanced("Values that fewer rows hold are not written out (default 5, at off 1)."),
    ] = None
    rare: Annotated[
        str, advanced("What becomes of categories of fewer rows: replace, merge or keep.")
    ] = "replace"
    weights: Law = None
    marginals: Annotated[
        str, advanced("normal-score keeps columns, raw keeps mean and covariance.")
    ] = "normal-score"
    neighbors: Annotated[int | None, advanced("Size of a neighborhood.")] = None
    candidates: Annotated[
        int | None,
        advanced("Rows drawn for each that is kept (default 4, at off 1, which is fastest)."),
    ] = None
    categories: Annotated[
        str | None, advanced("parent or columnwise: where categories come from.")
    ] = None
    plan: Annotated[
        Path | None,
        advanced("Write which rows were mixed to this table file; it tells the training rows."),
    ] = None
    max_rows: Annotated[
        str | None, advanced("Training rows to hold and mix, at most.", metavar="NUMBER")
    ] = None
    engine: Engine = "local"
    address: Address = None


@dataclass(frozen=True, kw_only=True)
class ColumnsOptions(Reading):
    """Of ``vicinal columns``."""

    source: Source
    column: Kinds = None
    schema: SchemaFile = None
    strict: Strict = False
    json: Annotated[
        Path | None,
        typer.Option(
            help="JSON of all this to write, to read by a program, or to edit and give back as "
            "--schema; - for standard output, instead of text."
        ),
    ] = None


@command
def table(asked: TableOptions) -> None:
    """Turn a real table into a synthetic one of the same structure.

    With --memory, --max-rows, --resume, many files or a folder to write to, rows are read and
    written chunk by chunk, and the output is a folder of Parquet files.
    """
    from vicinal.io.remote import local_path
    from vicinal.table import TableSynthesizer
    from vicinal.table.presets import check_parameters

    output = local_path(asked.output)
    in_chunks = (
        is_many(asked.source)
        or is_folder(output)
        or asked.resume
        or asked.engine != "local"
        or any(one is not None for one in (asked.memory, asked.max_rows, asked.address))
    )
    _check_outputs(asked, output, in_chunks)
    n_samples = parse_whole("n-samples", asked.n_samples)
    synthesizer = TableSynthesizer(
        asked.privacy,
        weights=parse_weights(asked.weights),
        marginals=asked.marginals,
        within=asked.within,
        target=asked.target,
        neighbors=asked.neighbors,
        candidates=asked.candidates,
        categories=asked.categories,
        kinds=parse_kinds(asked.column),
        schema=parse_schema(asked.schema),
        strict=asked.strict,
        identifiers=asked.identifiers,
        text=asked.text,
        min_count=asked.min_count,
        rare=asked.rare,
        entity=asked.entity,
        time=asked.time,
        rules=parse_rules(asked.rule),
        random_state=asked.seed,
    )
    check_parameters(synthesizer)
    if asked.privacy == "off":
        warnings.warn(
            "--privacy off writes rows close to single real ones, and numbers that one row alone "
            "holds: for internal use only. Hand on what balanced, high or max make.",
            UserWarning,
            stacklevel=2,
        )
    if asked.plan is not None:
        warnings.warn(
            f"--plan: who has {asked.plan} beside the synthetic table can work out numbers of the "
            "training rows. Keep it like the real table, and hand on the synthetic table alone.",
            UserWarning,
            stacklevel=2,
        )
    if in_chunks:
        _stream(asked, synthesizer, output, n_samples)
    else:
        _whole(asked, synthesizer, output, n_samples)


def _check_outputs(asked: TableOptions, output: str, in_chunks: bool) -> None:
    """Refuse what could not be written, before anything is read."""
    from vicinal.io import check_file, check_output

    check_shown(asked.show_rows, asked.report)
    read = [asked.source, asked.schema]
    if in_chunks:
        why = "many files, --memory, --max-rows, --resume or a folder to write to"
        whole = {"where": asked.where, "report": asked.report, "plan": asked.plan}
        check_folder_run(output, why, whole)
        read = [*find_files(asked.source), asked.schema]
    else:
        check_output(output)
    written = {"save_model": asked.save_model, "plan": asked.plan, "report": asked.report}
    check_apart(*read, output=output, **written)
    if asked.plan is not None:
        check_output(asked.plan)
    if asked.save_model is not None:
        check_file(asked.save_model)
    if asked.report is not None:
        check_report("report", asked.report)


def _whole(
    asked: TableOptions, synthesizer: TableSynthesizer, output: str, n_samples: int | None
) -> None:
    """Synthesize one file into another."""
    from vicinal.io import dialect_of, together, write_table

    with reporting(watched()) as tell:
        real = asked.read(asked.source)
        tell("Fitting", 0, 0)
        synthesizer.fit(real, progress=tell)
        tell("Drawing rows", 0, 0)
        synthetic, plan = synthesizer.sample(
            n_samples, where=asked.where, return_plan=True, progress=tell
        )
        with together():
            tell("Writing", 0, 0)
            write_table(synthetic, output, dialect_of(real))
            if asked.plan is not None:
                write_table(plan.to_arrow(), asked.plan)
            if asked.save_model is not None:
                synthesizer.save(asked.save_model)
            if asked.report is None:
                tell("Comparing", 0, 0)
                fidelity = _compared(synthesizer, real, synthetic, asked.where)
            else:
                from vicinal.report import audit

                found = audit(
                    synthesizer,
                    real,
                    synthetic,
                    plan,
                    where=asked.where,
                    show_rows=asked.show_rows,
                    random_state=0,  # the report says it, and the rows' own is to be kept secret
                    progress=tell,
                )
                write_report(found, asked.report)
                fidelity = found.fidelity
    typer.echo(f"{_method(synthesizer.settings_)}\n")
    show(fidelity)
    typer.echo(f"\n{real.num_rows:,} rows read, {synthetic.num_rows:,} written to {output}.")
    if asked.report is not None:
        typer.echo()
        show_opening(found)
        typer.echo(f"Report: {asked.report}.")


def _stream(
    asked: TableOptions, synthesizer: TableSynthesizer, output: str, n_samples: int | None
) -> None:
    """Synthesize files of any size into a folder, and say what was done."""
    from vicinal.jobs.run import parse_engine
    from vicinal.table.stream import stream_table
    from vicinal.table.stream.source import find_source

    with resumable(output):
        done = stream_table(
            synthesizer,
            find_source(asked.source, asked.dialect),
            output,
            n_samples,
            memory=asked.memory,
            max_rows=parse_whole("max-rows", asked.max_rows, 2),
            resume=asked.resume,
            engine=parse_engine(asked.engine, address=asked.address),
            progress=watched(),
        )
    model, saved = done.model, asked.save_model
    if model is None:
        lost = f" The model is not kept there: {saved} was not made." if saved else ""
        typer.echo(f"{done.summary()}{lost}")
        return
    if saved is not None:
        try:
            model.save(saved)
        except OSError as error:
            raise OSError(
                f"{output} is whole and stays, but the model was not kept: {error} Name another "
                "file for --save-model, and another folder."
            ) from error
    typer.echo(_summary_of_chunks(done, model))


@command
def columns(asked: ColumnsOptions) -> None:
    """Print kinds, formats and rules of a table."""
    from vicinal.io import check_file
    from vicinal.table import infer_schema
    from vicinal.table.panel.find import find_panel

    if asked.json is not None and asked.json != OUT:
        check_file(asked.json)
        check_apart(asked.source, asked.schema, json=asked.json)
    given = asked.read(asked.source)
    found = infer_schema(
        given,
        parse_kinds(asked.column),
        schema=parse_schema(asked.schema),
        strict=asked.strict,
    )
    if asked.json == OUT:
        typer.echo(found.to_json(), nl=False)
        return
    names = [printable(one.name) for one in found.columns]
    width = max(map(len, ["column", *names]))
    heads = ("column", "kind", "distinct", "missing", "what becomes of it")
    rows = [
        (
            name,
            one.kind,
            f"{one.n_distinct:,}",
            f"{one.n_missing:,}",
            _becomes(one) + (f" ({printable(one.note)})" if one.note else ""),
        )
        for name, one in zip(names, found.columns, strict=True)
    ]
    if not show_table(heads, rows, (2, 3)):
        for name, kind, distinct, missing, becomes in (heads, *rows):
            typer.echo(f"{name:<{width}}  {kind:<10} {distinct:>9} {missing:>8}  {becomes}")
    if found.rules:
        texts = [printable(text) for text in found.rules]
        width = max(map(len, texts))
        typer.echo("\nRules that every row keeps, and every synthetic row will:")
        for text, evidence in zip(texts, found.rules.values(), strict=True):
            typer.echo(f"  {text:<{width}}  {evidence}")
    panel = find_panel(found.read(given))
    if panel is not None:
        typer.echo(f"\n{printable(panel.advice)}")
    if asked.json is not None:
        found.to_json(asked.json)
        typer.echo(f"\nJSON: {asked.json}.")


def _becomes(column: Column) -> str:
    """Return what a synthetic table does with a column."""
    from vicinal.table import KINDS
    from vicinal.table.presets import FEW_VALUES

    few = column.mixed and column.n_distinct <= FEW_VALUES
    return "taken from a parent: few values" if few else KINDS[column.kind]


def _method(settings: MixingSettings) -> str:
    """Return how rows were mixed."""
    how = f"method {settings.method}, weights {settings.weights}, marginals {settings.marginals}"
    if settings.method == "neighborhood":
        how += f", neighbors {settings.neighbors}"
    return f"{how}, within {', '.join(settings.within)}" if settings.within else how


def _compared(
    synthesizer: TableSynthesizer, real: pa.Table, synthetic: pa.Table, where: list[str] | None
) -> Fidelity:
    """Return how like the real rows that meet conditions synthetic ones are, at a glance."""
    from vicinal.report import compare
    from vicinal.table.conditions import parse_where, rows_matching
    from vicinal.table.written import read_conditions

    schema = synthesizer.schema_
    real, synthetic = schema.read(real), schema.read(synthetic)
    if where:
        conditions = read_conditions(parse_where(where), schema.formats)
        real = real.filter(rows_matching(real, conditions))
    return compare(real, synthetic, synthesizer.columns_)


def _summary_of_chunks(done: Streamed, model: Any) -> str:
    import pyarrow as pa

    from vicinal.jobs.places import part_name
    from vicinal.report import compare
    from vicinal.table.stream.source import open_parquet

    pool = model._state.rows
    with open_parquet(f"{done.output}/{part_name(0)}") as file:
        rows = pa.Table.from_batches([next(file.iter_batches(COMPARED))])
    synthetic = model.schema_.read(rows)
    shown = [column for column in model.columns_ if column.name in synthetic.column_names]
    real = pool.slice(0, COMPARED).select([column.name for column in shown])
    text = compare(real, synthetic, shown).summary()
    return (
        f"{text}\n(of {real.num_rows:,} real and {synthetic.num_rows:,} synthetic rows)\n\n"
        f"{done.summary()}"
    )
