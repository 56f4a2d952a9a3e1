"""What commands write beside their main output: pages, JSON and text."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from vicinal._checks import did_you_mean
from vicinal.cli.app import is_quiet
from vicinal.cli.screen import show

Page = Annotated[Path | None, typer.Option("--output", "-o", help="Page, text or JSON to write.")]
Json = Annotated[
    Path | None, typer.Option(help="JSON to write as well; - for standard output, instead of text.")
]

#: Standard output, as the name of a file.
OUT = Path("-")
#: What a report can be written as.
SUFFIXES = (".html", ".json", ".txt", ".md")
#: What a page alone can be called.
PAGES = (".html", ".htm")


def check_report(option: str, path: Path) -> None:
    """Refuse a report that could not be written, before work is done for it."""
    from vicinal.io import check_file

    suffix = path.suffix.lower()
    alone = {"review": PAGES, "json": (".json",)}
    known = alone.get(option, SUFFIXES)
    if suffix not in known:
        raise ValueError(
            f"{option} is written as {', '.join(known)}, got {str(path)!r}."
            f"{did_you_mean(suffix, known)}"
        )
    check_file(path)
    if suffix in PAGES:
        from vicinal.page.frame import check_installed

        check_installed()


def check_reports(**paths: Path | None) -> None:
    """Check every report that was asked for, by the option that named it."""
    for option, path in paths.items():
        if path not in {None, OUT}:
            check_report(option, path)


def write_report(found: Any, path: Path) -> None:
    """Write a result as its path's suffix says: page, JSON or text."""
    from vicinal.io import replacing

    suffix = path.suffix.lower()
    if suffix in PAGES:
        found.to_html(path)
    elif suffix == ".json":
        found.to_json(path)
    else:
        with replacing(path) as sink:
            sink.write(f"{found.summary()}\n".encode("utf-8", "replace"))


def write_reports(found: Any, *paths: Path | None) -> None:
    """Write every report that was asked for, and print the result."""
    from vicinal.io import together

    with together():
        for path in paths:
            if path is not None and path != OUT:
                write_report(found, path)
    if OUT in paths:
        typer.echo(json.dumps(found.to_dict(), ensure_ascii=False, allow_nan=False))
    else:
        show(found)


def watched() -> bool:
    """Tell whether somebody would see a progress bar on standard error."""
    return sys.stderr.isatty() and not is_quiet()
