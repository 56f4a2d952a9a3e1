"""The commands at work on real data that come with the package."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from vicinal.cli.app import app
from vicinal.cli.inverters import check_extras
from vicinal.cli.tables import table
from vicinal.cli.texts import morph, text

__all__ = ["demo"]

#: Two questions of the bundled ones.
LEFT, RIGHT = "Is the exchange rate current?", "Can I change my pin at a cash machine?"
#: Sentences made of the bundled texts.
ROWS = 100


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")] = Path(
        "demo"
    ),
    texts: Annotated[
        bool, typer.Option("--text", help="Mix bundled sentences, not a table.")
    ] = False,
) -> None:
    """Turn a bundled real table into a synthetic one and show what was kept."""
    if texts:
        check_extras()
    output.mkdir(parents=True, exist_ok=True)
    if texts:
        _mix_texts(output)
    else:
        _mix_table(output)


def _mix_table(output: Path) -> None:
    from vicinal.data import adult_sample

    real, synthetic = output / "people.csv", output / "synthetic.csv"
    real.write_bytes(adult_sample())
    typer.echo(f"$ vicinal table {real} -o {synthetic} --target income --seed 7\n")
    table(str(real), str(synthetic), target="income", seed=7, report=output / "report.html")
    typer.echo("\nThe first rows, real and synthetic:\n")
    for path in (real, synthetic):
        with path.open(encoding="utf-8") as file:
            typer.echo("".join(islice(file, 4)))


def _mix_texts(output: Path) -> None:
    from vicinal.data import banking_sample

    real, made = output / "questions.csv", output / "mixed.csv"
    path, report = output / "morph.html", output / "mixed.html"
    real.write_bytes(banking_sample())
    typer.echo(f'$ vicinal morph "{LEFT}" "{RIGHT}" --html {path}\n')
    morph(LEFT, RIGHT, html=path)
    typer.echo(f"\n$ vicinal text {real} -n {ROWS} -o {made} --seed 7 --report {report}\n")
    text(real, str(made), rows=str(ROWS), seed=7, report=report)
    typer.echo("\nThe rows of the highest and the lowest confidence:\n")
    _show_rows(made)


def _show_rows(made: Path) -> None:
    """Show three rows of the highest and three of the lowest confidence."""
    from vicinal.io import read_table

    rows = sorted(read_table(made).to_pylist(), key=lambda row: -row["confidence"])
    for at, row in enumerate([*rows[:3], *rows[-3:]]):
        if at == 3:
            typer.echo("...")
        typer.echo(f"{row['confidence']:.2f}  {row['text']}")
        share = 100 * row["lam"]
        for parent, name in ((share, "left"), (100 - share, "right")):
            typer.echo(f"      {parent:3.0f} %  {row[f'{name}_text']}")
