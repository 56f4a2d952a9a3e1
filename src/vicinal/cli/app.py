"""What all commands share: the program itself, its exit codes, and how it speaks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from vicinal._checks import first_line

__all__ = ["app", "main"]

app = typer.Typer(
    name="vicinal",
    help="Mixup you can trust, steer and read.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: Exit code after Ctrl-C, as shells have it.
INTERRUPTED = 130


def main() -> None:
    """Run the command line; bad input ends in one line and exit code 2, Ctrl-C in 130."""
    try:
        with _notes():
            code = app(standalone_mode=False)
    except (ValueError, TypeError, OSError, ImportError) as error:
        _say(f"Error: {error}")
        raise SystemExit(2) from None
    except MemoryError as error:
        _say(f"Error: There is too little memory ({first_line(error)}). Ask for fewer rows.")
        raise SystemExit(2) from None
    except Exception as error:
        usage = getattr(error, "format_message", None)  # what the parser has to say
        if usage is None:
            raise
        _say(f"Error: {usage().rstrip('.')}. See `vicinal --help`.")
        raise SystemExit(2) from None
    if code == INTERRUPTED:
        _say("Interrupted; nothing was left half-written.")
    if code:
        raise SystemExit(code)


def _say(text: str) -> None:
    """Write to standard error, which leaves standard output to what was asked for."""
    typer.echo(text, err=True)


@contextmanager
def _notes() -> Iterator[None]:
    """Show the package's warnings as one-line notes."""
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = lambda message, *_, **__: _say(f"Note: {message}")
        yield


def _show_version(asked: bool) -> None:
    if asked:
        from vicinal import __version__

        typer.echo(f"vicinal {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Mixup you can trust, steer and read."""
