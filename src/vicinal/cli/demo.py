"""The commands at work on real data that come with the package."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from vicinal.cli.app import command
from vicinal.cli.inverters import check_extras
from vicinal.cli.tables import TableOptions, table
from vicinal.cli.texts import MorphOptions, TextOptions, morph, text

#: Two questions of the bundled ones.
LEFT, RIGHT = "Is the exchange rate current?", "Can I change my pin at a cash machine?"
#: Sentences made of the bundled texts.
ROWS = 100


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """Of ``vicinal demo``."""

    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")] = Path(
        "demo"
    )
    text: Annotated[bool, typer.Option("--text", help="Mix bundled sentences, not a table.")] = (
        False
    )


@command
def demo(asked: DemoOptions) -> None:
    """Synthesize a bundled table, or mix bundled sentences."""
    if asked.text:
        check_extras()
    asked.output.mkdir(parents=True, exist_ok=True)
    if asked.text:
        _mix_texts(asked.output)
    else:
        _mix_table(asked.output)


def _lay_out(data: bytes, path: Path) -> None:
    """Write a bundled sample, unless another file is there."""
    if path.exists() and path.read_bytes() != data:
        raise FileExistsError(
            f"{path} is there already, and is not the bundled sample. Name another folder: "
            "--output."
        )
    path.write_bytes(data)


def _mix_table(output: Path) -> None:
    from vicinal.data import adult_sample

    real, synthetic = output / "people.csv", output / "synthetic.csv"
    _lay_out(adult_sample(), real)
    typer.echo(f"$ vicinal table {real} -o {synthetic} --target income --seed 7\n")
    table(
        TableOptions(
            source=str(real),
            output=str(synthetic),
            target="income",
            seed=7,
            report=output / "report.html",
        )
    )
    typer.echo("\nThe first rows, real and synthetic:\n")
    for path in (real, synthetic):
        with path.open(encoding="utf-8") as file:
            typer.echo("".join(islice(file, 4)))


def _mix_texts(output: Path) -> None:
    from vicinal.data import banking_sample

    real, made = output / "questions.csv", output / "mixed.csv"
    path, report, review = (output / f"{name}.html" for name in ("morph", "mixed", "review"))
    _lay_out(banking_sample(), real)
    typer.echo(f'$ vicinal morph "{LEFT}" "{RIGHT}" --report {path}\n')
    morph(MorphOptions(left=LEFT, right=RIGHT, report=path))
    pages = f"--report {report} --review {review}"
    typer.echo(f"\n$ vicinal text {real} -n {ROWS} -o {made} --seed 7 {pages}\n")
    text(
        TextOptions(
            source=real,
            output=str(made),
            n_samples=str(ROWS),
            seed=7,
            report=report,
            review=review,
        )
    )
    typer.echo("\nRows of the highest and of the lowest confidence:\n")
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
