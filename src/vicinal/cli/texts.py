"""Commands that write sentences: one between two, or many to train on."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vicinal._checks import check_choice, check_count, check_number
from vicinal.cli.app import app
from vicinal.cli.inverters import (
    Corpus,
    Kept,
    Learning,
    Model,
    Passes,
    Reader,
    Resumed,
    SoftTokens,
    Wanted,
    Written,
    keep_inverter,
    make_inverter,
    refine_inverter,
)
from vicinal.cli.labelled import read_labelled, weight_law
from vicinal.cli.options import Source, check_apart
from vicinal.cli.reports import check_report, write_report
from vicinal.cli.streams import parse_rows
from vicinal.cli.textparts import asks_for_parts, check_alone, check_parts, write_parts

if TYPE_CHECKING:
    from vicinal.pairing import Pairing
    from vicinal.text.augment import Augmented, Morph, SelectionConfig

__all__ = ["morph", "text"]

PAIRINGS = ("farthest", "random", "nearest")
#: What a set of made sentences can be reported as.
REPORTS = (".html", ".txt", ".md")

Device = Annotated[str | None, typer.Option(help="Where networks run, such as cuda.")]
Rank = Annotated[str, typer.Option(help="Best candidate by both, closeness or ratio.")]
Crossover = Annotated[
    int, typer.Option(help="How often the best takes over words from another; 0 is quicker.")
]
Seed = Annotated[int, typer.Option(help="The same seed, the same sentences.")]


@app.command()
def morph(
    left: Annotated[str, typer.Argument(help="A sentence, in quotes.")],
    right: Annotated[str, typer.Argument(help="Another.")],
    steps: Annotated[int, typer.Option(help="Sentences to write, both ends included.")] = 5,
    html: Annotated[Path | None, typer.Option(help="Write a page as well.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    candidates: Annotated[int, typer.Option(help="Sentences tried for each step.")] = 8,
    rank: Rank = "both",
    crossover: Crossover = 3,
    inverter: Written = None,
    llm: Model = None,
    encoder: Reader = None,
    align_on: Corpus = None,
    align_epochs: Passes = None,
    soft_tokens: SoftTokens = None,
    checkpoint: Resumed = None,
    save_inverter: Kept = None,
    device: Device = None,
    seed: Seed = 0,
) -> None:
    """Write the sentences between two sentences."""
    check_count("steps", steps, low=2, hint="Both ends count.")
    config = _selection(candidates, rank, crossover, seed)
    if html is not None:
        check_report("html", html)
    learning = Learning(align_on, align_epochs, soft_tokens)
    wanted = Wanted(inverter, llm, encoder, learning, checkpoint, save_inverter, device)
    wanted.check()
    if wanted.is_new and align_on is None:
        raise ValueError(
            "llm needs sentences to be aligned on: --align-on FILE, one to a line. Or give an "
            "inverter that is aligned, with --inverter."
        )
    from vicinal.text.augment.interpolate import morph as between

    writer = make_inverter(wanted, [], seed)
    keep_inverter(writer, save_inverter)
    found = between(
        left,
        right,
        steps,
        inverter=writer,
        selection=config,
        random_state=seed,
    )
    if html is not None:
        found.to_html(html)
    if as_json:
        typer.echo(_json(found))
    elif sys.stdout.isatty():
        typer.echo(str(found))
    else:
        typer.echo(_plain(found))


@app.command()
def text(
    source: Source,
    output: Annotated[
        str, typer.Option("--output", "-o", help="File to write; or a folder/ of many.")
    ],
    rows: Annotated[
        str | None,
        typer.Option(
            "--rows", "-n", metavar="NUMBER", help="Sentences to make, e.g. 1e6; as many as read."
        ),
    ] = None,
    text: Annotated[str, typer.Option(help="Column of the texts.")] = "text",
    label: Annotated[str, typer.Option(help="Column of the classes.")] = "label",
    pairing: Annotated[
        str, typer.Option(help="Who is mixed: farthest, random or nearest.")
    ] = "farthest",
    tau: Annotated[
        float | None,
        typer.Option(help="Share of the texts that partners are from, farthest or nearest: 0.2."),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(help="hyperbolic (farthest), euclidean (nearest), cosine or stereographic."),
    ] = None,
    law: Annotated[str, typer.Option(help="Law of weights: beta or epbeta.")] = "beta",
    alpha: Annotated[float, typer.Option(help="Of the Beta law.")] = 1.0,
    label_check: Annotated[
        str,
        typer.Option(
            help="What becomes of sentences that are not what their label says: filter, relabel, "
            "within-class or none."
        ),
    ] = "filter",
    label_threshold: Annotated[
        float, typer.Option(help="Label weight from which on a sentence has to be of its class.")
    ] = 0.7,
    keep: Annotated[
        float, typer.Option(help="Share of a class's sentences that 'filter' keeps at most.")
    ] = 0.7,
    candidates: Annotated[int, typer.Option(help="Sentences tried for each row.")] = 4,
    rank: Rank = "both",
    crossover: Crossover = 3,
    refine: Annotated[
        bool,
        typer.Option(
            "--refine", help="Teach the encoder the labels first, from 400 texts on (slow)."
        ),
    ] = False,
    inverter: Written = None,
    llm: Model = None,
    encoder: Reader = None,
    align_on: Corpus = None,
    align_epochs: Passes = None,
    soft_tokens: SoftTokens = None,
    checkpoint: Resumed = None,
    save_inverter: Kept = None,
    device: Device = None,
    seed: Seed = 0,
    report: Annotated[
        Path | None, typer.Option(help="Write figures and rows to look at: .html, .txt or .md.")
    ] = None,
    engine: Annotated[str, typer.Option(help="local, or ray for many machines.")] = "local",
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster, e.g. auto.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Of Ray; as many as there is room for.")
    ] = None,
    gpus: Annotated[
        float | None, typer.Option(help="GPUs of a worker, e.g. 0.25 for four to a GPU.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run into a folder.")
    ] = False,
) -> None:
    """Make labelled sentences by mixing those of a table.

    With a folder to write to, --engine ray or --resume, sentences are made and written in chunks,
    partners are looked for among 4,096 texts at a time, and the output is a folder of Parquet
    files.
    """
    from vicinal.io import check_output, write_table
    from vicinal.jobs.run import parse_engine
    from vicinal.text.augment.label_check import LabelCheck, as_label_check

    on_ray = {"ray": engine != "local", "address": address, "workers": workers, "gpus": gpus}
    parts = asks_for_parts(output, resume=resume, **on_ray)
    count = parse_rows(rows)
    if parts:
        where = parse_engine(engine, address=address, gpus=gpus)
        check_parts(output, resume, where, workers)
        check_alone({"report": report}, {"device": device} if engine == "ray" else {})
    else:
        check_output(output)
    check_apart(source, output=output, report=report)
    if report is not None:
        _check_report(report)
    as_label_check(label_check)
    check_number("label_threshold", label_threshold, low=0.5, high=1, open_low=True)
    check = LabelCheck(label_check, label_threshold, keep)
    config = _selection(candidates, rank, crossover, seed)
    chosen = _pairing(pairing, tau, metric)
    weights = weight_law(law, alpha)
    learning = Learning(align_on, align_epochs, soft_tokens)
    wanted = Wanted(inverter, llm, encoder, learning, checkpoint, save_inverter, device)
    wanted.check(refine)
    texts, labels = read_labelled(source, text, label)
    import pyarrow as pa

    from vicinal.text.augment.augmenting import augment

    settings: dict[str, Any] = {
        "pairing": chosen,
        "weights": weights,
        "label_check": check,
        "selection": config,
        "random_state": seed,
    }
    n = len(texts) if count is None else count
    writer: Any = make_inverter(wanted, texts, seed)
    if refine:
        writer = refine_inverter(writer, texts, labels, wanted, seed)
    keep_inverter(writer, save_inverter)
    if parts:
        settings |= {"engine": where, "workers": workers, "resume": resume}
        write_parts(writer, texts, labels, n, output, settings)
        return
    show = sys.stderr.isatty()
    made: Augmented = augment(
        texts, labels, inverter=writer, n_samples=n, progress=show, **settings
    )
    if not len(made):
        raise ValueError(f"No sentence was left to write. {made.summary()} {output} is as it was.")
    write_table(pa.table(made.columns()), output)
    said = f"{len(texts):,} texts read, {len(made):,} sentences written to {output}."
    typer.echo(f"{made.summary()}\n\n{said}", err=True)
    if report is not None:
        write_report(made, report)
        typer.echo(f"Report: {report}.", err=True)


def _selection(candidates: int, rank: str, crossover: int, seed: int) -> SelectionConfig:
    from vicinal.text.augment.selection import SelectionConfig

    check_count("seed", seed, low=0)
    return SelectionConfig(candidates, rank, crossover)


def _check_report(path: Path) -> None:
    if path.suffix.lower() == ".json":
        raise ValueError(
            f"report is written as {', '.join(REPORTS)}, got {str(path)!r}. For the rows as JSON "
            "lines, name the output .jsonl."
        )
    check_report("report", path)


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
