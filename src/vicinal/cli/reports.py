"""Commands that measure tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from vicinal._progress import reporting
from vicinal.cli.app import command
from vicinal.cli.options import (
    Kinds,
    Reading,
    Seed,
    ShowRows,
    Source,
    Target,
    Within,
    check_apart,
    check_shown,
    parse_kinds,
)
from vicinal.cli.output import Json, Page, check_reports, watched, write_reports


@dataclass(frozen=True, kw_only=True)
class _Measuring(Reading):
    """What every command here takes."""

    output: Page = None
    json: Json = None
    column: Kinds = None
    seed: Seed = 0

    @property
    def kinds(self) -> dict[str, str] | None:
        """What was said of columns."""
        return parse_kinds(self.column)

    def check(self, *read: Path | None) -> None:
        """Refuse what could not be written, or is read."""
        check_reports(output=self.output, json=self.json)
        check_apart(*read, output=self.output, json=self.json)

    def write(self, found: Any) -> None:
        """Write a result where it is wanted, and print it."""
        write_reports(found, self.output, self.json)


@dataclass(frozen=True, kw_only=True)
class ReportOptions(_Measuring):
    """Of ``vicinal report``."""

    real: Source
    synthetic: Annotated[Path, typer.Argument(help="The table made from it.")]
    holdout: Annotated[
        Path | None, typer.Option(help="Real rows that the generator never saw.")
    ] = None
    target: Target = None
    groups: Annotated[
        str | None, typer.Option(help="Category whose groups are compared one by one as well.")
    ] = None
    show_rows: ShowRows = False
    plan: Annotated[
        Path | None, typer.Option(help="Which rows were mixed, as `vicinal table --plan` wrote it.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class AuditOptions(_Measuring):
    """Of ``vicinal audit``."""

    source: Source
    privacy: Annotated[
        str, typer.Option(help="off, balanced, high or max: the setting to attack.")
    ] = "balanced"
    target: Target = None
    shadows: Annotated[
        int, typer.Option(help="Synthetic tables to make with and without the attacked records.")
    ] = 64
    records: Annotated[int, typer.Option(help="Records to attack: those far from others.")] = 200
    max_rows: Annotated[int, typer.Option(help="Rows that take part, at most.")] = 10_000


@dataclass(frozen=True, kw_only=True)
class CollapseOptions(_Measuring):
    """Of ``vicinal collapse``."""

    source: Source
    generations: Annotated[
        int, typer.Option("--generations", "-g", help="Rounds of synthesis from synthesis.")
    ] = 50
    weights: Annotated[
        str,
        typer.Option(
            help="Laws, commas between: uniform, beta:ALPHA, epbeta:DELTA[:EPS], sphere:PARENTS, "
            "fixed:LAM."
        ),
    ] = "uniform,beta:0.1,epbeta:0.1"
    target: Target = None
    within: Within = None
    marginals: Annotated[
        str, typer.Option(help="raw is what theory is about; normal-score keeps columns.")
    ] = "raw"
    max_rows: Annotated[int, typer.Option(help="Rows of a generation, at most.")] = 20_000


@dataclass(frozen=True, kw_only=True)
class TuneOptions(_Measuring):
    """Of ``vicinal tune``."""

    source: Source
    target: Target = None
    limit: Annotated[
        float, typer.Option(help="Highest DCR share that is allowed; 0.5 is ideal.")
    ] = 0.55
    max_risk: Annotated[
        float, typer.Option(help="Highest risk of an attack that is allowed; 0 is ideal.")
    ] = 0.2
    max_rows: Annotated[int, typer.Option(help="Training rows, at most.")] = 10_000
    repeats: Annotated[int, typer.Option(help="How often to split and draw anew.")] = 1


@command
def report(asked: ReportOptions) -> None:
    """Say what a synthetic table kept, gives away, and is good for."""
    from vicinal.io import read_table
    from vicinal.plan import MixPlan
    from vicinal.report import evaluate

    asked.check(asked.real, asked.synthetic, asked.holdout, asked.plan)
    check_shown(asked.show_rows, asked.output, asked.json)
    with reporting(watched()) as tell:
        real, synthetic = asked.read(asked.real), asked.read(asked.synthetic)
        holdout = None if asked.holdout is None else asked.read(asked.holdout)
        plan = None if asked.plan is None else MixPlan.from_arrow(read_table(asked.plan))
        found = evaluate(
            real,
            synthetic,
            holdout,
            asked.target,
            plan,
            kinds=asked.kinds,
            groups=asked.groups,
            show_rows=asked.show_rows,
            random_state=asked.seed,
            progress=tell,
        )
    asked.write(found)


@command
def audit(asked: AuditOptions) -> None:
    """Attack a setting on a table, to tell who was in the data."""
    from functools import partial

    from vicinal.report import audit_synthesizer
    from vicinal.table import TableSynthesizer
    from vicinal.table.presets import check_parameters

    asked.check(asked.source)
    make = partial(
        TableSynthesizer,
        asked.privacy,
        target=asked.target,
        kinds=asked.kinds,
        identifiers="drop",
        text="drop",
    )
    check_parameters(make())
    with reporting(watched()) as tell:
        found = audit_synthesizer(
            make,
            asked.read(asked.source),
            shadows=asked.shadows,
            records=asked.records,
            kinds=asked.kinds,
            max_rows=asked.max_rows,
            random_state=asked.seed,
            progress=tell,
        )
    asked.write(found)


@command
def collapse(asked: CollapseOptions) -> None:
    """Synthesize from synthesis, again and again."""
    from vicinal.report import measure_collapse
    from vicinal.weights import parse_laws

    asked.check(asked.source)
    laws = parse_laws(asked.weights)
    with reporting(watched()) as tell:
        found = measure_collapse(
            asked.read(asked.source),
            weights=laws,
            generations=asked.generations,
            target=asked.target,
            marginals=asked.marginals,
            within=asked.within,
            kinds=asked.kinds,
            max_rows=asked.max_rows,
            random_state=asked.seed,
            progress=tell,
        )
    asked.write(found)


@command
def tune(asked: TuneOptions) -> None:
    """Try settings of the synthesizer on a table, and recommend one."""
    from vicinal.report import tune as try_settings

    asked.check(asked.source)
    with reporting(watched()) as tell:
        found = try_settings(
            asked.read(asked.source),
            asked.target,
            limit=asked.limit,
            max_risk=asked.max_risk,
            max_rows=asked.max_rows,
            repeats=asked.repeats,
            kinds=asked.kinds,
            source=str(asked.source),
            random_state=asked.seed,
            progress=tell,
        )
    asked.write(found)
