"""The command that opens the studio."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from vicinal._checks import check_count
from vicinal._extras import need
from vicinal.cli.app import command


@dataclass(frozen=True, kw_only=True)
class StudioOptions:
    """Of ``vicinal studio``."""

    source: Annotated[
        Path | None, typer.Argument(help="A table to begin with; others are dropped on the page.")
    ] = None
    port: Annotated[int, typer.Option(help="Of 127.0.0.1; a busy one gives way to the next.")] = (
        8765
    )
    browser: Annotated[bool, typer.Option(help="Open the page.")] = True


@command
def studio(asked: StudioOptions) -> None:
    """Try settings and sentences in the browser."""
    check_count("port", asked.port, low=1)
    need("The studio", "starlette", "uvicorn", "jinja2", extra="studio")
    from vicinal.studio.server import serve
    from vicinal.studio.table import read_source

    first = None if asked.source is None else read_source(str(asked.source))
    try:
        serve(first, asked.port, show=asked.browser, tell=lambda said: typer.echo(said, err=True))
    except KeyboardInterrupt:  # the way to end it
        typer.echo("Ended; what was in memory is gone.", err=True)
