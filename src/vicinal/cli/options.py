"""Arguments and options, each said once, and what becomes of their values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vicinal._progress import reporting
from vicinal.cli.app import ADVANCED
from vicinal.cli.output import watched

if TYPE_CHECKING:
    import pyarrow as pa

    from vicinal.io import Dialect
    from vicinal.table import Schema
    from vicinal.weights import WeightLaw


def advanced(text: str, *names: str, **more: Any) -> Any:
    """Return an option that few need."""
    return typer.Option(*names, help=text, rich_help_panel=ADVANCED, **more)


Source = Annotated[Path, typer.Argument(help="CSV, TSV (.gz too), Parquet, Arrow or JSON lines.")]
NSamples = Annotated[
    str | None,
    typer.Option(
        "--n-samples",
        "-n",
        metavar="NUMBER",
        help="Rows to make, e.g. 1e6 (default: as many as read).",
    ),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--column", help="NAME=KIND where detection is wrong, e.g. zip=category."),
]
SchemaFile = Annotated[
    Path | None,
    typer.Option("--schema", help="What columns are, as `vicinal columns --json` wrote it."),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Refuse cells that do not fit; they count as missing otherwise."),
]
Rules = Annotated[
    list[str] | None,
    typer.Option(
        "--rule",
        help="Rule between columns to keep besides those found, e.g. 'total = a + b', "
        "'start <= end', 'zip -> city'; 'off' for none.",
    ),
]
Target = Annotated[str | None, typer.Option(help="Column that a model will predict.")]
Within = Annotated[list[str] | None, typer.Option(help="Column whose groups are never mixed.")]
Entity = Annotated[
    str | None,
    typer.Option(
        help="Column that says whose each row is: whole entities are mixed, and -n counts them."
    ),
]
Time = Annotated[
    str | None,
    typer.Option(
        help="Column that orders the rows of an entity; alone, of one series, whose days, weeks or "
        "years are mixed."
    ),
]
ShowRows = Annotated[
    bool,
    typer.Option(
        "--show-rows",
        help="Show real rows in the report, those nearest to synthetic ones and some others: "
        "not to be handed on.",
    ),
]
Seed = Annotated[int, typer.Option(help="The same seed, the same result.")]
Text = Annotated[str, typer.Option(help="Column of the texts.")]
Label = Annotated[str, typer.Option(help="Column of the classes.")]
Law = Annotated[
    str | None,
    advanced("Law of weights: epbeta:DELTA[:EPS], sphere:PARENTS, beta:ALPHA, uniform, fixed:LAM."),
]
PairLaw = Annotated[
    str | None,
    advanced("Law of weights of two parents: epbeta:DELTA[:EPS], beta:ALPHA, uniform, fixed:LAM."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with an interrupted run into a folder.")
]
Device = Annotated[str | None, advanced("Where networks run, such as cuda.")]
Engine = Annotated[str, advanced("local, or ray for many machines.")]
Address = Annotated[str | None, advanced("Of a Ray cluster, e.g. auto.")]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How the text files are written that a command reads."""

    encoding: Annotated[
        str | None, advanced("Of the text files that are read, e.g. cp1252; found if not said.")
    ] = None
    separator: Annotated[
        str | None, advanced("Between the fields of CSV files; found if not said.")
    ] = None

    @property
    def dialect(self) -> Dialect:
        """What was said of them."""
        from vicinal.io import Dialect

        return Dialect(self.separator, self.encoding)

    def read(self, source: str | Path) -> pa.Table:
        """Read a table."""
        from vicinal.io import read_table

        with reporting(watched()) as tell:
            tell("Reading", 0, 0)
            return read_table(source, self.dialect)


def check_apart(*read: str | Path | None, **written: str | Path | None) -> None:
    """Refuse to write over what is read, or twice to one file; ``written`` by their options."""
    from vicinal.io import same_file

    names: dict[str, str | Path] = {}
    for name, target in written.items():
        if target is None:
            continue
        name = name.replace("_", "-")
        if any(one is not None and same_file(one, target) for one in read):
            raise ValueError(
                f"{name} is the file that is read, {target}, and would replace it. Name another "
                "file."
            )
        for other, there in names.items():
            if same_file(there, target):
                raise ValueError(f"{other} and {name} are one file, {target}. Name two.")
        names[name] = target


def check_shown(show_rows: bool, *reports: Path | None) -> None:
    """Refuse to show rows where no report is written."""
    if show_rows and not any(reports):
        raise ValueError(
            "--show-rows is about a report, and none is written. Name a page: --report report.html "
            "with `vicinal table`, -o report.html with `vicinal report`."
        )


def parse_kinds(pairs: list[str] | None) -> dict[str, str] | None:
    """Return column kinds given as NAME=KIND."""
    if not pairs:
        return None
    kinds = {}
    for pair in pairs:
        name, sign, kind = pair.rpartition("=")
        if not sign or not name:
            raise ValueError(f"column must be NAME=KIND, such as zip=category, got {pair!r}.")
        kinds[name] = kind
    return kinds


def parse_rules(said: list[str] | None) -> str | list[str]:
    """Return rules as a synthesizer takes them."""
    if not said:
        return "auto"
    return "off" if said == ["off"] else said


def parse_schema(path: Path | None) -> Schema | None:
    """Return the schema of a file."""
    from vicinal.table import Schema

    return None if path is None else Schema.from_json(path)


def parse_weights(weights: str | None) -> WeightLaw | None:
    """Return the law that was asked for, None where none was."""
    from vicinal.weights import parse_law

    return None if weights is None else parse_law(weights)


def parse_whole(name: str, number: str | None, least: int = 1) -> int | None:
    """Return a whole number given as 1000, 1_000 or 1e8."""
    if number is None:
        return None
    try:
        whole = int(number)
    except ValueError:
        try:
            wide = float(number)
        except ValueError:
            wide = float("nan")
        if not wide.is_integer():
            raise ValueError(
                f"{name} must be a whole number such as 1000 or 1e8, got {number!r}."
            ) from None
        whole = int(wide)
    if whole < least:
        raise ValueError(f"{name} must be at least {least}, got {number}.")
    return whole
