"""The command that trains text classifiers, and compares ways to train them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vicinal._checks import check_choice, check_column, check_count, check_number
from vicinal.cli.app import app
from vicinal.cli.options import Source, read
from vicinal.cli.reports import check_report

if TYPE_CHECKING:
    import pyarrow as pa

    from vicinal.text.comparison import Comparison

__all__ = ["train"]

#: Written in the style of the other pages, whose frame it fills.
_PAGE = """{% extends "base.html.j2" %}
{% from "parts.html.j2" import facts as fact_line %}
{% block page %}
<header>
<p class="eyebrow">{{ title }}</p>
<h1>{{ headline }}</h1>
{{ fact_line(facts) }}
</header>
<section>
<h2>Macro-F1 of each method</h2>
<figure class="single">{{ chart }}</figure>
<div class="wide" tabindex="0" role="region" aria-label="Methods">
<table>
<thead><tr>{% for name in header %}<th scope="col"{% if not loop.first %} class="n"{% endif %}>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}
<tr>{% for cell in row %}<td{% if not loop.first %} class="n"{% endif %}>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
</div>
<p>{{ reading }}</p>
<p class="aside">{{ settings }}</p>
</section>
{% endblock %}
"""  # noqa: E501


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
        str, typer.Option(help="hyperbolic, euclidean, cosine or stereographic.")
    ] = "hyperbolic",
    tau: Annotated[float, typer.Option(help="Share of the texts that partners are from.")] = 0.1,
    law: Annotated[str, typer.Option(help="Law of weights: beta or epbeta.")] = "beta",
    alpha: Annotated[float, typer.Option(help="Of the Beta law.")] = 0.4,
    model: Annotated[
        str, typer.Option(help="offline, char (any language), a folder or a hub name.")
    ] = "offline",
    epochs: Annotated[int, typer.Option(help="Passes over the texts.")] = 6,
    warmup: Annotated[int, typer.Option(help="Epochs at the beginning that do not mix.")] = 0,
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
    from vicinal.text._recipes import METHODS
    from vicinal.text.models import check_installed

    methods = [check_choice("method", one.strip(), METHODS) for one in method.split(",")]
    check_count("seeds", seeds)
    check_choice("law", law, ["beta", "epbeta"])
    check_number("alpha", alpha, low=0.0, open_low=True)
    if output is not None:
        if len(methods) > 1 or seeds > 1:
            raise ValueError(
                f"output keeps one classifier, got {len(methods)} methods and {seeds} seeds. "
                "Choose one method and one seed, or leave output out."
            )
        from vicinal.text._saving import check_target

        check_target(output)
    if report is not None:
        check_report("report", report)
    check_installed()
    rows = _columns(read(source), text, label, str(source))
    measured = None if test is None else _columns(read(test), text, label, str(test))
    settings: dict[str, Any] = {
        "model": model,
        "metric": metric,
        "tau": tau,
        "weights": _law(law, alpha),
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


def _law(law: str, alpha: float) -> Any:
    from vicinal.weights import Beta, EpBeta

    return EpBeta() if law == "epbeta" else Beta(alpha)


def _columns(table: pa.Table, text: str, label: str, name: str) -> tuple[list[str], list[Any]]:
    """Return texts and labels of a table; an empty cell is an empty text."""
    from vicinal.text._labels import listed_labels

    check_column("text", text, table.column_names)
    check_column("label", label, table.column_names)
    if not table.num_rows:
        raise ValueError(f"{name} has no rows.")
    texts = ["" if one is None else str(one) for one in table[text].to_pylist()]
    return texts, listed_labels(table[label].to_pylist(), f"label column of {name}")


def _compare(
    rows: tuple[list[str], list[Any]],
    measured: tuple[list[str], list[Any]] | None,
    methods: list[str],
    seeds: int,
    seed: int,
    settings: dict[str, Any],
) -> Comparison:
    from vicinal.text.comparison import compare_methods

    def say(name: str, number: int, f1: float) -> None:
        if sys.stderr.isatty():
            typer.echo(f"{name}, seed {number + 1} of {seeds}: macro-F1 {100 * f1:.1f}", err=True)

    return compare_methods(
        *rows, methods, test=measured, seeds=seeds, random_state=seed, progress=say, **settings
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
    from vicinal.text.comparison import compare_methods

    kept: list[Any] = []
    found = compare_methods(
        *rows,
        [method],
        test=measured,
        seeds=1,
        random_state=seed,
        keep=kept.append,
        **settings,
    )
    typer.echo(found.summary())
    if output is not None:
        kept[0].save(output)
        aside = "" if measured is not None else " (it has not learnt from those put aside)"
        typer.echo(f"\nClassifier: {output}{aside}.")
    return found


def _write(found: Comparison, path: Path) -> None:
    from vicinal.report.plain import write_json
    from vicinal.table.files import replacing

    suffix = path.suffix.lower()
    if suffix == ".json":
        write_json(found, path)
        return
    text = _page(found) if suffix == ".html" else f"{found.summary()}\n"
    with replacing(path) as sink:
        sink.write(text.encode("utf-8", "replace"))


def _page(found: Comparison) -> str:
    """Return a comparison as one self-contained page."""
    from vicinal import __version__
    from vicinal.report.estimate import Estimate
    from vicinal.report.page import _environment
    from vicinal.report.page.charts.intervals import IntervalRow, interval_rows
    from vicinal.report.page.words import clean

    drawn = [
        IntervalRow("", one.method, Estimate(one.mean, one.mean - one.half, one.mean + one.half))
        for one in found.scores
    ]
    ends = [f for one in found.scores for f in (min(one.f1), max(one.f1))]
    best = max(found.scores, key=lambda one: one.mean)
    chart = interval_rows(
        "f1",
        "Macro-F1 of each method",
        drawn,
        low=max(0.0, min(ends) - 0.05),
        high=min(1.0, max(ends) + 0.05),
    )
    shared = ", ".join(f"{key} {value}" for key, value in found.settings.items())
    page = _environment().from_string(_PAGE)
    return clean(
        page.render(
            title="Ways to train a text classifier",
            version=__version__,
            headline=f"Highest macro-F1: {best.method}, {100 * best.mean:.1f}",
            facts=found.facts,
            header=found.header,
            rows=found.rows,
            chart=chart,
            reading=found.reading,
            settings=f"Settings of all methods: {shared}.",
        )
    )
