"""The command that trains text classifiers, and compares ways to train them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from vicinal._checks import check_choice, check_count
from vicinal.cli.app import command
from vicinal.cli.labelled import read_labelled, read_measured, read_texts
from vicinal.cli.options import (
    Label,
    PairLaw,
    Reading,
    Seed,
    Source,
    Text,
    advanced,
    check_apart,
    parse_weights,
    parse_whole,
)
from vicinal.cli.output import check_report, watched, write_report


@dataclass(frozen=True, kw_only=True)
class TrainOptions(Reading):
    """Of ``vicinal train``."""

    source: Source
    text: Text = "text"
    label: Label = "label"
    test: Annotated[
        Path | None, typer.Option(help="Rows to measure on; a fifth is put aside without.")
    ] = None
    method: Annotated[
        str, typer.Option(help="none, input, sentence, hidden or dmix; several with commas.")
    ] = "dmix"
    model: Annotated[
        str, typer.Option(help="offline, char (any language), a folder or a hub name.")
    ] = "offline"
    epochs: Annotated[
        str, typer.Option(help="Passes over the texts; auto ends where validation says so.")
    ] = "6"
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Scale probabilities by one temperature.")
    ] = False
    unknown: Annotated[
        str | None,
        typer.Option(
            help="across: learn what is of no class too; test rows of other labels are such."
        ),
    ] = None
    outside: Annotated[
        Path | None, typer.Option(help="Texts of no class, to measure whether they are told apart.")
    ] = None
    balanced: Annotated[bool, typer.Option(help="Weigh classes by their rarity.")] = False
    seeds: Annotated[int, typer.Option(help="Runs of each method.")] = 1
    seed: Seed = 0
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to keep the classifier in.")
    ] = None
    report: Annotated[
        Path | None, typer.Option(help="Write the figures: .html, .md, .txt or .json.")
    ] = None
    metric: Annotated[
        str | None,
        advanced("Of dmix: hyperbolic (default), euclidean, cosine or stereographic."),
    ] = None
    tau: Annotated[
        float | None, advanced("Of dmix: share of the texts that partners are from, 0.5.")
    ] = None
    weights: PairLaw = None
    warmup: Annotated[
        int | None, advanced("Epochs at the beginning that do not mix: 1, and 0 for char.")
    ] = None
    batch_size: Annotated[int, advanced("Texts in a step, even.")] = 16
    learning_rate: Annotated[float | None, advanced("Highest rate.")] = None
    max_tokens: Annotated[int, advanced("Longer texts are cut.")] = 128


@command
def train(asked: TrainOptions) -> None:
    """Train a text classifier with mixup, or compare methods."""
    from vicinal.text.classifier.presets import METHODS
    from vicinal.text.models import check_installed

    methods = [check_choice("method", one.strip(), METHODS) for one in asked.method.split(",")]
    several = len(methods) > 1 or asked.seeds > 1
    _check(asked, methods, several)
    settings: dict[str, Any] = {
        "model": asked.model,
        "metric": asked.metric or "hyperbolic",
        "tau": 0.5 if asked.tau is None else asked.tau,
        "weights": parse_weights(asked.weights),
        "epochs": asked.epochs if asked.epochs == "auto" else parse_whole("epochs", asked.epochs),
        "calibrate": "temperature" if asked.calibrate else None,
        "unknown": asked.unknown,
        "warmup_epochs": asked.warmup,
        "batch_size": asked.batch_size,
        "learning_rate": asked.learning_rate,
        "max_tokens": asked.max_tokens,
        "class_weight": "balanced" if asked.balanced else None,
    }
    check_installed()
    rows = read_labelled(asked, asked.source, asked.text, asked.label)
    measured, outside = None, list[str]()
    if asked.test is not None:
        some = asked.unknown is not None
        rows, measured, outside = read_measured(
            asked, asked.test, asked.text, asked.label, rows, some
        )
    if asked.outside is not None:
        outside += read_texts(asked, "outside", asked.outside, asked.text)
    from vicinal.text import compare_methods

    kept: list[Any] = []
    found = compare_methods(
        *rows,
        methods,
        test=measured,
        outside=outside,
        seeds=asked.seeds,
        random_state=asked.seed,
        keep=None if several else kept.append,
        progress=watched(),
        **settings,
    )
    typer.echo(found.summary())
    if asked.output is not None:
        kept[0].save_pretrained(asked.output)
        aside = "" if measured is not None else " (it has not learned from those put aside)"
        typer.echo(f"\nClassifier: {asked.output}{aside}.")
    if asked.report is not None:
        write_report(found, asked.report)
        typer.echo(f"\nReport: {asked.report}.")


def _check(asked: TrainOptions, methods: list[str], several: bool) -> None:
    """Refuse options that do not go together, and places that cannot be written to."""
    check_count("seeds", asked.seeds)
    if "dmix" not in methods:
        _refuse("the method dmix", asked.method, tau=asked.tau, metric=asked.metric)
    if set(methods) == {"none"}:
        _refuse("a method that mixes", asked.method, weights=asked.weights, warmup=asked.warmup)
    if asked.output is not None:
        if several:
            raise ValueError(
                f"output keeps one classifier, got {len(methods)} methods and {asked.seeds} seeds. "
                "Choose one method and one seed, or leave output out."
            )
        from vicinal.text.classifier.saving import check_target

        check_target(asked.output)
    if asked.report is not None:
        check_report("report", asked.report)
    check_apart(asked.source, asked.test, asked.outside, output=asked.output, report=asked.report)


def _refuse(needed: str, method: str, **options: object) -> None:
    """Refuse options that no method takes."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        go, them = ("goes", "it") if len(given) == 1 else ("go", "them")
        raise ValueError(
            f"{' and '.join(given)} {go} with {needed}, and method is {method}. Leave {them} out."
        )
