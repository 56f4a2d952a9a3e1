"""Results where somebody looks at a terminal: tables and colors; plain text anywhere else.

Rich leaves colors out where NO_COLOR is set; grades and marks are words and signs besides.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from vicinal.report import Fidelity, Report
    from vicinal.report.fidelity.columns import ColumnFidelity
    from vicinal.report.findings import Finding

#: Columns of a lesser similarity are marked.
MARKED = 0.95
COLORS = {"good": "green", "fair": "yellow", "poor": "bold red", "unproven": "cyan"}
#: Room that the figures of both tables take.
PAIR = 26


def show(found: Any) -> None:
    """Print a result, or text."""
    from vicinal.report import Fidelity, Report

    if sys.stdout.isatty() and isinstance(found, Report):
        _draw(*_report_parts(found))
    elif sys.stdout.isatty() and isinstance(found, Fidelity):
        _draw(_column_table(found), "", *found.notes())
    else:
        typer.echo(found if isinstance(found, str) else found.summary())


def show_table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int]) -> bool:
    """Print a table in a terminal; tell whether there is one."""
    if not sys.stdout.isatty():
        return False
    table = _table()
    for at, head in enumerate(heads):
        table.add_column(head, justify="right" if at in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(_plain, row))
    _draw(table)
    return True


def show_opening(found: Report) -> None:
    """Print the grades of a report, and what was found."""
    if sys.stdout.isatty():
        _draw(*_opening(found))
    else:
        typer.echo(found.opening())


def _draw(*parts: RenderableType) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    for part in parts:
        console.print(_plain(part) if isinstance(part, str) else part)


def _plain(text: str, style: str = "") -> Any:
    """Return text of which nothing is markup."""
    from rich.text import Text

    return Text(text, style)


def _table() -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)


def _opening(found: Report) -> Iterable[RenderableType]:
    table = _table()
    table.show_header = False
    for one in found.verdict.figures:
        grade = _plain(one.grade, COLORS.get(one.grade, ""))
        table.add_row(_plain(one.name, "bold"), grade, _plain(str(one.figure)), _plain(one.answer))
    yield table
    yield _plain("\nFindings", "bold")
    yield _findings_table(found.findings)


def _report_parts(found: Report) -> Iterable[RenderableType]:
    yield from _opening(found)
    yield ""
    yield _column_table(found.fidelity)
    yield from ("", *found.fidelity.notes(), "", found.privacy.summary())
    if found.utility is not None:
        yield from ("", found.utility.summary())
    yield from (f"\nWarning: {note}" for note in found.notes)


def _findings_table(found: Iterable[Finding]) -> Table:
    table = _table()
    table.show_header = False
    for one in found:
        grade = _plain(one.grade, COLORS.get(one.grade, ""))
        table.add_row(grade, _plain(one.says, "" if one.grade else "bold"))
    return table


def _column_table(found: Fidelity) -> Table:
    """Return one line for each column, real beside synthetic as far as there is room."""
    from rich.console import Console

    table = _table()
    table.add_column("column", overflow="fold")
    table.add_column("kind")
    table.add_column("similarity", justify="right")
    named = max([6, *(min(len(one.name), 30) for one in found.columns)])
    room = Console().width - named - 28
    missing = any(side > 0 for one in found.columns for side in one.missing)
    shown = ["missing"] * missing + ["mean", "deviation"]
    shown = shown[: max(room // PAIR, 0)]
    for head in shown:
        table.add_column(f"{head}\nreal", justify="right", no_wrap=True)
        table.add_column("\nsynthetic", justify="right", no_wrap=True, style="dim")
    for one in found.columns:
        cells = _plain(one.name), _plain(one.kind), _similarity(one)
        table.add_row(*cells, *(cell for head in shown for cell in _pair(one, head)))
    return table


def _similarity(one: ColumnFidelity) -> Any:
    if math.isnan(one.score):
        return _plain("")
    low = one.score < MARKED
    return _plain(f"{'▸ ' * low}{one.score:.3f}", "bold yellow" if low else "green")


def _pair(one: ColumnFidelity, head: str) -> Sequence[str]:
    if head == "missing":
        return [f"{side:.1%}" if side > 0 else "" for side in one.missing]
    return one.moments("mean" if head == "mean" else "std")
