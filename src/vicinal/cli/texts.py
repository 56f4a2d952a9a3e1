"""Commands that write sentences: one between two, or many to train on."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vicinal._checks import check_choice, check_count, check_number
from vicinal._progress import reporting
from vicinal.cli.app import command, say_aside
from vicinal.cli.folders import check_folder_run, is_folder, resumable
from vicinal.cli.inverters import InverterOptions, keep_inverter, make_inverter, refine_inverter
from vicinal.cli.labelled import read_labelled, read_texts
from vicinal.cli.options import (
    Address,
    Engine,
    Label,
    NSamples,
    PairLaw,
    Reading,
    Resume,
    Seed,
    Source,
    Text,
    advanced,
    check_apart,
    parse_weights,
    parse_whole,
)
from vicinal.cli.output import check_report, watched, write_report

if TYPE_CHECKING:
    import pyarrow as pa

    from vicinal.pairing import Pairing
    from vicinal.text import Augmented, Morph

PAIRINGS = ("farthest", "random", "nearest")
#: What a set of made sentences can be reported as.
REPORTS = (".html", ".txt", ".md")


@dataclass(frozen=True, kw_only=True)
class _Selection:
    """How the best of several candidates is chosen."""

    candidates: Annotated[int, typer.Option(help="Sentences tried, of which the best is kept.")] = 4
    rank: Annotated[str, advanced("Best candidate by both, closeness or ratio.")] = "both"
    fluency: Annotated[
        float, advanced("What likely English counts beside closeness and ratio.")
    ] = 2.0
    crossover: Annotated[
        int, advanced("How often the best takes over words from another: closer, worse English.")
    ] = 0
    judge: Annotated[
        str | None,
        advanced("Language model that says what is likely English: a folder or a hub name."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class MorphOptions(InverterOptions, _Selection):
    """Of ``vicinal morph``."""

    left: Annotated[str, typer.Argument(help="A sentence, in quotes.")]
    right: Annotated[str, typer.Argument(help="Another.")]
    steps: Annotated[int, typer.Option(help="Sentences to write, both ends included.")] = 5
    report: Annotated[
        Path | None, typer.Option(help="Write the sentences with figures: .html, .json, .txt, .md.")
    ] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
    seed: Seed = 0


@dataclass(frozen=True, kw_only=True)
class TextOptions(InverterOptions, _Selection, Reading):
    """Of ``vicinal text``."""

    source: Source
    output: Annotated[
        str, typer.Option("--output", "-o", help="File to write; or a folder/ of many.")
    ]
    n_samples: NSamples = None
    text: Text = "text"
    label: Label = "label"
    pairing: Annotated[str, typer.Option(help="Who is mixed: farthest, random or nearest.")] = (
        "farthest"
    )
    tau: Annotated[
        float | None,
        typer.Option(
            help="Share of the texts, farthest or nearest, that partners are from (default 0.2)."
        ),
    ] = None
    label_check: Annotated[
        str,
        typer.Option(
            help="Sentences that are not what their label says: filter replaces, relabel relabels, "
            "none keeps them; within-class keeps them, and mixes texts of one class."
        ),
    ] = "filter"
    refine: Annotated[
        bool,
        typer.Option(
            "--refine", help="Teach the encoder the labels first, from 400 texts on (slow)."
        ),
    ] = False
    per_class: Annotated[int | None, typer.Option(help="Sentences of each class.")] = None
    tries: Annotated[
        int | None,
        typer.Option(
            help="Pairs tried for each row; the sentence of most confidence stays (default: "
            "12 where the writer knows its confidence, as smol does, else 1)."
        ),
    ] = None
    only: Annotated[
        list[str] | None, typer.Option(help="Class to make sentences of; may be said again.")
    ] = None
    seed: Seed = 0
    report: Annotated[
        Path | None, typer.Option(help="Write figures and rows to look at: .html, .txt or .md.")
    ] = None
    review: Annotated[
        Path | None,
        typer.Option(help="Write a page to accept, reject, edit and relabel rows on: .html."),
    ] = None
    resume: Resume = False
    metric: Annotated[
        str | None,
        advanced("hyperbolic (farthest), euclidean (nearest), cosine or stereographic."),
    ] = None
    weights: PairLaw = None
    label_threshold: Annotated[
        float, advanced("Label weight from which on a sentence has to be of its class.")
    ] = 0.7
    keep: Annotated[
        float, advanced("Share of a class's sentences that 'filter' keeps at most; fewer intrude.")
    ] = 1.0
    balance: Annotated[
        bool, advanced("As many as each class lacks to be as large as the largest.", "--balance")
    ] = False
    drop_repeats: Annotated[
        bool,
        advanced("Drop sentences that repeat a text given or made, or nearly.", "--drop-repeats"),
    ] = False
    min_closeness: Annotated[
        float | None, advanced("Drop sentences less close to the mixed embedding, e.g. 0.75.")
    ] = None
    min_confidence: Annotated[
        float | None,
        advanced("Drop sentences of less confidence; 0 drops none (default of smol: 0.2)."),
    ] = None
    protect: Annotated[
        str | None, advanced("Regular expression of what stays as it is, e.g. '\\{\\{.*?\\}\\}'.")
    ] = None
    against: Annotated[
        Path | None, advanced("Table, such as a test set, that no sentence may repeat or be near.")
    ] = None
    label_separator: Annotated[
        str | None, advanced("What parts several labels of one text, e.g. ';'.")
    ] = None
    append_original: Annotated[
        bool, advanced("Write the rows read as well, before the others.", "--append-original")
    ] = False
    keep_columns: Annotated[
        bool, advanced("Keep other columns, from the heavier parent.", "--keep-columns")
    ] = False
    pool: Annotated[
        Path | None, advanced("Table of real texts, the nearest of which stands beside each row.")
    ] = None
    engine: Engine = "local"
    address: Address = None
    workers: Annotated[int | None, advanced("Of Ray; as many as there is room for.")] = None
    gpus: Annotated[float | None, advanced("GPUs of a worker, e.g. 0.25 for four to a GPU.")] = None


@command
def morph(asked: MorphOptions) -> None:
    """Write the sentences between two sentences."""
    check_count("steps", asked.steps, low=2, hint="Both ends count.")
    check_count("seed", asked.seed, low=0)
    selection = _selection(asked)
    if asked.report is not None:
        check_report("report", asked.report)
    check_apart(
        asked.align_on, report=asked.report, save_inverter=asked.save_inverter,
        checkpoint=asked.checkpoint,
    )  # fmt: skip
    asked.check()
    if asked.is_new and asked.align_on is None:
        raise ValueError(
            "llm needs sentences to be aligned on: --align-on FILE, one to a line. Or give an "
            "inverter that is aligned, with --writer."
        )
    from vicinal.text import morph as between
    from vicinal.text.augment.interpolate import check_ends

    check_ends(asked.left, asked.right)
    with reporting(watched()) as tell:
        tell("Loading the writer", 0, 0)
        writer = make_inverter(asked, [], asked.seed)
        keep_inverter(writer, asked.save_inverter)
        tell("Writing", 0, 0)
        found = between(
            asked.left,
            asked.right,
            asked.steps,
            inverter=writer,
            selection=selection,
            random_state=asked.seed,
        )
    if asked.report is not None:
        write_report(found, asked.report)
    if asked.as_json:
        typer.echo(_json(found))
    elif sys.stdout.isatty():
        typer.echo(str(found))
    else:
        typer.echo(_plain(found))


@command
def text(asked: TextOptions) -> None:
    """Make labelled sentences by mixing those of a table.

    With a folder to write to, --engine ray or --resume, sentences are made and written in chunks,
    partners are looked for among 4,096 texts at a time, and the output is a folder of Parquet
    files.
    """
    of_ray = (asked.address, asked.workers, asked.gpus)
    in_chunks = is_folder(asked.output) or asked.resume or asked.engine != "local"
    in_chunks = in_chunks or any(one is not None for one in of_ray)
    _check_outputs(asked, in_chunks)
    count = parse_whole("n-samples", asked.n_samples)
    check_count("seed", asked.seed, low=0)
    settings = _settings(asked)
    pool = _pool(asked)
    if asked.refine and asked.label_separator is not None:
        raise ValueError(
            "refine teaches single classes, and label-separator gives a text several. Leave one of "
            "them out."
        )
    asked.check(asked.refine)
    with reporting(watched()) as tell:
        texts, labels = read_labelled(asked, asked.source, asked.text, asked.label)
        settings["row_config"] = _of_kind(settings["row_config"], labels)
        if asked.keep_columns:
            _check_columns(asked, labels)
        tell("Loading the writer", 0, 0)
        writer: Any = make_inverter(asked, texts, asked.seed)
        if asked.refine:
            writer = refine_inverter(writer, texts, labels, asked, asked.seed)
        keep_inverter(writer, asked.save_inverter)
        n_samples = len(texts) if count is None else count
        if in_chunks:
            settings |= {"engine": _engine(asked), "workers": asked.workers, "resume": asked.resume}
            _write_chunks(writer, texts, labels, n_samples, asked.output, settings)
        else:
            _write_whole(asked, writer, texts, labels, n_samples, pool, settings)


def _check_outputs(asked: TextOptions, in_chunks: bool) -> None:
    """Refuse what could not be written, before anything is read."""
    from vicinal.io import check_output

    if in_chunks:
        from vicinal.jobs.staging import check_destination
        from vicinal.text.augment.parts import check_workers

        check_folder_run(
            asked.output,
            "--engine ray, --resume or a folder to write to",
            {"report": asked.report, "review": asked.review},
        )
        check_destination(asked.output, asked.resume)
        check_workers(_engine(asked), asked.workers)
        if asked.engine == "ray" and asked.device is not None:
            raise ValueError(
                "--device is about this machine, and --engine ray works on others. Say --gpus, "
                "such as --gpus 1, for workers that use one."
            )
    else:
        check_output(asked.output)
    written = {
        "save_inverter": asked.save_inverter,
        "checkpoint": asked.checkpoint,
        "report": asked.report,
        "review": asked.review,
    }
    others = (asked.align_on, asked.against, asked.pool)
    check_apart(asked.source, *others, output=asked.output, **written)
    alone = (asked.pool, asked.keep_columns, asked.append_original, asked.guide, asked.judge)
    if in_chunks and any(alone):
        raise ValueError(
            "pool, keep-columns, append-original, guide and judge are for one file, not for a "
            "folder of many, --engine ray or --resume. Name a file to write."
        )
    if asked.report is not None:
        if asked.report.suffix.lower() == ".json":
            raise ValueError(
                f"report is written as {', '.join(REPORTS)}, got {str(asked.report)!r}. For the "
                "rows as JSON lines, name the output .jsonl."
            )
        check_report("report", asked.report)
    if asked.review is not None:
        check_report("review", asked.review)


def _settings(asked: TextOptions) -> dict[str, Any]:
    """Return what :func:`vicinal.text.augment` takes beside texts, labels and writer."""
    from vicinal.text import LabelCheck

    check_number("label-threshold", asked.label_threshold, low=0.5, high=1, open_low=True)
    return {
        "pairing": _pairing(asked.pairing, asked.tau, asked.metric),
        "weights": parse_weights(asked.weights),
        "label_check": LabelCheck(asked.label_check, asked.label_threshold, asked.keep),
        "selection": _selection(asked),
        "row_config": _rows(asked),
        "random_state": asked.seed,
    }


def _pool(asked: TextOptions) -> list[str] | None:
    """Return real texts to look among, before anything is written for them."""
    if asked.pool is None:
        return None
    found = read_texts(asked, "pool", asked.pool, asked.text)
    if not any(map(str.strip, found)):
        raise ValueError(f"{asked.pool} holds no text in column {asked.text!r}. Name real texts.")
    return found


def _rows(asked: TextOptions) -> Any:
    """Return which rows are wanted; classes that look like numbers are told apart later."""
    from vicinal.text import RowConfig

    if asked.n_samples is not None and (asked.per_class is not None or asked.balance):
        raise ValueError(
            "n-samples, per-class and balance all say how many rows. Give one of them."
        )
    held = (
        None if asked.against is None else read_texts(asked, "against", asked.against, asked.text)
    )
    return RowConfig(
        tries=asked.tries,
        only=asked.only,
        per_class=asked.per_class,
        balance=asked.balance,
        drop_repeats=asked.drop_repeats,
        min_closeness=asked.min_closeness,
        min_confidence=asked.min_confidence,
        against=held,
        protect=asked.protect,
        label_separator=asked.label_separator,
    )


def _selection(asked: TextOptions | MorphOptions) -> Any:
    from vicinal.text import SelectionConfig

    return SelectionConfig(
        asked.candidates, asked.rank, asked.crossover, asked.fluency, asked.judge
    )


def _engine(asked: TextOptions) -> Any:
    from vicinal.jobs.run import parse_engine

    return parse_engine(asked.engine, address=asked.address, gpus=asked.gpus)


def _write_whole(
    asked: TextOptions,
    writer: Any,
    texts: list[str],
    labels: list[Any],
    n_samples: int,
    pool: list[str] | None,
    settings: dict[str, Any],
) -> None:
    import pyarrow as pa

    from vicinal.io import together, write_table
    from vicinal.text import augment, nearest_texts

    made = augment(
        texts, labels, inverter=writer, n_samples=n_samples, progress=watched(), **settings
    )
    if not len(made):
        raise ValueError(
            f"No sentence was left to write. {made.summary()} {asked.output} is as it was."
        )
    table = pa.table(made.columns())
    if pool is not None:
        for name, column in nearest_texts(made, pool, inverter=writer).items():
            table = table.append_column(name, pa.array(column))
    table = _beside(asked, made, table)
    said = f"{len(texts):,} texts read, {len(made):,} sentences written to {asked.output}."
    with together():
        write_table(table, asked.output)
        if asked.report is not None:
            write_report(made, asked.report)
            said += f"\nReport: {asked.report}."
        if asked.review is not None:
            others = table.slice(table.num_rows - len(made)).drop_columns(list(made.columns()))
            made.to_review(asked.review, others.to_pydict())
            said += f"\nReview: {asked.review}. Open it in a browser."
        said = f"{made.summary()}\n\n{said}"
    say_aside(said)


def _of_kind(rows: Any, labels: list[Any]) -> Any:
    """Return wanted rows with classes of the labels' kind: an option is always text."""
    if rows.only is None:
        return rows
    known = {str(one): one for one in labels}
    known |= {name.lower(): one for name, one in known.items() if isinstance(one, bool)}
    return replace(rows, only=[known.get(one, one) for one in rows.only])


def _other_columns(asked: TextOptions, source: pa.Table) -> list[str]:
    """Return the columns that are kept beside made ones."""
    told = (asked.text, asked.label)
    return [one for one in source.column_names if asked.keep_columns and one not in told]


def _check_columns(asked: TextOptions, labels: list[Any]) -> None:
    """Refuse columns that would be written twice, before anything is."""
    from vicinal.text.augment.augmented import column_names
    from vicinal.text.augment.nearest import COLUMNS
    from vicinal.text.labels import label_parts

    classes = {part for one in set(labels) for part in label_parts(one, asked.label_separator)}
    made = {*column_names([*classes]), *(COLUMNS if asked.pool else ())}
    twice = [one for one in _other_columns(asked, asked.read(asked.source)) if one in made]
    if twice:
        raise ValueError(
            f"keep-columns would write {twice[0]!r} twice, which is also a column of the made "
            "rows. Rename it in the file."
        )


def _beside(asked: TextOptions, made: Augmented, table: pa.Table) -> pa.Table:
    """Return made rows with what is wanted beside them: other columns, and rows read."""
    import numpy as np
    import pyarrow as pa

    if not (asked.keep_columns or asked.append_original):
        return table
    source = asked.read(asked.source)
    other = _other_columns(asked, source)
    taken = source.take(pa.array(np.where(made.lam >= 0.5, made.left, made.right)))
    for name in other:
        table = table.append_column(name, taken[name])
    if asked.append_original:
        texts, labels = read_labelled(asked, asked.source, asked.text, asked.label)
        given = pa.table({"text": texts, "label": labels})
        for name in other:
            given = given.append_column(name, source[name])
        table = pa.concat_tables([given, table], promote_options="default")
    return table


def _write_chunks(
    writer: Any,
    texts: list[str],
    labels: list[Any],
    n_samples: int,
    output: str,
    settings: dict[str, Any],
) -> None:
    from vicinal.text import augment_parts

    with resumable(output):
        done = augment_parts(
            texts, labels, output, n_samples, inverter=writer, progress=watched(), **settings
        )
    if done.kept == done.parts:
        say_aside(f"{done.output} is complete already; nothing was done.")
        return
    kept = f" ({done.kept:,} of these before the interruption)" if done.kept else ""
    said = (
        f"{len(texts):,} texts read, {done.rows:,} sentences written to {done.output} in "
        f"{done.parts:,} file(s){kept}."
    )
    say_aside(f"{done.summary()}\n\n{said}")


def _pairing(name: str, tau: float | None, metric: str | None) -> Pairing:
    """Return who is mixed with whom."""
    from vicinal.pairing import Farthest, Nearest, Random

    check_choice("pairing", name, PAIRINGS)
    if name == "random":
        given = [one for one, value in (("tau", tau), ("metric", metric)) if value is not None]
        if given:
            raise ValueError(
                f"{' and '.join(given)} goes with farthest or nearest partners, and pairing is "
                "random. Leave it out."
            )
        return Random()
    share = 0.2 if tau is None else tau
    if name == "nearest":
        return Nearest(tau=share, metric=metric or "euclidean")
    return Farthest(share, metric=metric or "hyperbolic")


def _plain(found: Morph) -> str:
    """Return a morph as tab-separated lines, for other programs."""
    lines = ["lam\tmeasured\tcloseness\tsentence"]
    rows = zip(found.lam, found.lam_measured, found.closeness, found.sentences, strict=True)
    for lam, measured, closeness, sentence in rows:
        shown = "" if math.isnan(measured) else f"{measured:.4f}"
        lines.append(f"{lam:.4f}\t{shown}\t{closeness:.4f}\t{' '.join(sentence.split())}")
    return "\n".join(lines)


def _json(found: Morph) -> str:
    names = ("lam", "lam_measured", "closeness", "log_likelihood")
    columns = [[_number(one) for one in getattr(found, name)] for name in names]
    steps = [
        dict(zip(names, figures, strict=True)) | {"sentence": sentence}
        for *figures, sentence in zip(*columns, found.sentences, strict=True)
    ]
    whole = {"left": found.left, "right": found.right, "steps": steps}
    return json.dumps(whole, ensure_ascii=False, indent=1)


def _number(value: Any) -> float | None:
    """Return a figure as JSON has it: JSON knows neither NaN nor infinity."""
    figure = float(value)
    return figure if math.isfinite(figure) else None
