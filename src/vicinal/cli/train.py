"""The command that trains text classifiers, and compares ways to train them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vicinal._checks import check_choice, check_count
from vicinal.cli.app import app
from vicinal.cli.labelled import read_labelled, read_measured, weight_law
from vicinal.cli.options import Source
from vicinal.cli.reports import check_report

if TYPE_CHECKING:
    from vicinal.text.classifier.comparison import Comparison

__all__ = ["train"]


@app.command()
def train(
    source: Source,
    text: Annotated[str, typer.Option(help="Column of the texts.")] = "text",
    label: Annotated[str, typer.Option(help="Column of the classes.")] = "label",
    test: Annotated[
        Path | None, typer.Option(help="Rows to measure on; a fifth is put aside without.")
    ] = None,
    method: Annotated[
        str, typer.Option(help="none, input, sentence, hidden or dmix; several with commas.")
    ] = "dmix",
    metric: Annotated[
        str | None,
        typer.Option(help="Of dmix: hyperbolic (default), euclidean, cosine or stereographic."),
    ] = None,
    tau: Annotated[
        float | None, typer.Option(help="Of dmix: share of the texts that partners are from, 0.5.")
    ] = None,
    law: Annotated[
        str | None, typer.Option(help="Law of weights: beta (default) or epbeta.")
    ] = None,
    alpha: Annotated[float | None, typer.Option(help="Of the Beta law: 0.4.")] = None,
    model: Annotated[
        str, typer.Option(help="offline, char (any language), a folder or a hub name.")
    ] = "offline",
    epochs: Annotated[int, typer.Option(help="Passes over the texts.")] = 6,
    warmup: Annotated[
        int | None,
        typer.Option(help="Epochs at the beginning that do not mix: 1, and 0 for char."),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Texts in a step, even.")] = 16,
    learning_rate: Annotated[float | None, typer.Option(help="Highest rate.")] = None,
    max_tokens: Annotated[int, typer.Option(help="Longer texts are cut.")] = 128,
    balanced: Annotated[bool, typer.Option(help="Weigh classes by their rarity.")] = False,
    seeds: Annotated[int, typer.Option(help="Runs of each method.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed, the same result.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to keep the classifier in.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the figures: .html, .md, .txt or .json.")
    ] = None,
) -> None:
    """Train a text classifier, mixing texts as it learns; or compare ways to."""
    from vicinal.text.classifier.presets import METHODS
    from vicinal.text.models import check_installed

    methods = [check_choice("method", one.strip(), METHODS) for one in method.split(",")]
    check_count("seeds", seeds)
    if "dmix" not in methods:
        _refuse("the method dmix", method, tau=tau, metric=metric)
    if methods == ["none"] * len(methods):
        _refuse("a method that mixes", method, law=law, alpha=alpha, warmup=warmup)
    weights = weight_law(law or "beta", alpha, 0.4)
    if output is not None:
        if len(methods) > 1 or seeds > 1:
            raise ValueError(
                f"output keeps one classifier, got {len(methods)} methods and {seeds} seeds. "
                "Choose one method and one seed, or leave output out."
            )
        from vicinal.text.classifier.saving import check_target

        check_target(output)
    if report is not None:
        check_report("report", report)
    check_installed()
    rows = read_labelled(source, text, label)
    measured = None
    if test is not None:
        rows, measured = read_measured(test, text, label, rows)
    settings: dict[str, Any] = {
        "model": model,
        "metric": metric or "hyperbolic",
        "tau": 0.5 if tau is None else tau,
        "weights": weights,
        "epochs": epochs,
        "warmup_epochs": warmup,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "max_tokens": max_tokens,
        "class_weight": "balanced" if balanced else None,
    }
    if len(methods) > 1 or seeds > 1:
        found = _compare(rows, measured, methods, seeds, seed, settings)
        typer.echo(found.summary())
    else:
        found = _train(rows, measured, methods[0], seed, settings, output)
    if report is not None:
        _write(found, report)
        typer.echo(f"\nReport: {report}.")


def _refuse(needed: str, method: str, **options: object) -> None:
    """Refuse options that no method takes."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        go, them = ("goes", "it") if len(given) == 1 else ("go", "them")
        raise ValueError(
            f"{' and '.join(given)} {go} with {needed}, and method is {method}. Leave {them} out."
        )


def _compare(
    rows: tuple[list[str], list[Any]],
    measured: tuple[list[str], list[Any]] | None,
    methods: list[str],
    seeds: int,
    seed: int,
    settings: dict[str, Any],
) -> Comparison:
    from vicinal.text.classifier.comparison import compare_methods

    return compare_methods(
        *rows,
        methods,
        test=measured,
        seeds=seeds,
        random_state=seed,
        progress=sys.stderr.isatty(),
        **settings,
    )


def _train(
    rows: tuple[list[str], list[Any]],
    measured: tuple[list[str], list[Any]] | None,
    method: str,
    seed: int,
    settings: dict[str, Any],
    output: Path | None,
) -> Comparison:
    """Train once, keep the classifier if asked to, and say how good it is."""
    from vicinal.text.classifier.comparison import compare_methods

    kept: list[Any] = []
    found = compare_methods(
        *rows,
        [method],
        test=measured,
        seeds=1,
        random_state=seed,
        progress=sys.stderr.isatty(),
        keep=kept.append,
        **settings,
    )
    typer.echo(found.summary())
    if output is not None:
        kept[0].save_pretrained(output)
        aside = "" if measured is not None else " (it has not learned from those put aside)"
        typer.echo(f"\nClassifier: {output}{aside}.")
    return found


def _write(found: Comparison, path: Path) -> None:
    from vicinal.io import replacing

    suffix = path.suffix.lower()
    if suffix == ".json":
        found.to_json(path)
    elif suffix == ".html":
        found.to_html(path)
    else:
        with replacing(path) as sink:
            sink.write(f"{found.summary()}\n".encode("utf-8", "replace"))
