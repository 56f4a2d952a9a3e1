"""The program: how commands are made of their options, its exit codes, and how it speaks."""

from __future__ import annotations

import ast
import contextlib
import inspect
import os
import re
import shlex
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields
from itertools import pairwise
from typing import Annotated, Any, TypeVar, get_type_hints

import typer
from typer.core import TyperCommand
from typer.models import OptionInfo

from vicinal._checks import first_line, printable

app = typer.Typer(
    name="vicinal",
    help="Mixup you can trust, steer and read.",
    epilog="Start with `vicinal demo`, or with a table of yours: "
    "`vicinal table people.csv -o synthetic.csv --report report.html`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: Exit code after Ctrl-C, as shells have it.
INTERRUPTED = 130
#: Options that are for the program and not for a command, and may stand anywhere.
ANYWHERE = ("--debug", "--quiet")
#: Heading of the options that few need; the panel of such an option.
ADVANCED = "Advanced"

#: Options by the names that the library has for them.
_OPTIONS = {"random_state": "seed", "rules": "rule"}

Run = TypeVar("Run", bound=Callable[[Any], None])


class _Grouped(TyperCommand):
    """A command whose help lists the options that few need apart from the others."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], ADVANCED: []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                of_option = getattr(param, "rich_help_panel", None) or "Options"
                groups["Arguments" if param.param_type_name == "argument" else of_option].append(
                    record
                )
        for title, records in groups.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def command(run: Run) -> Run:
    """Make a command of a function of one dataclass, whose fields are arguments and options."""
    options = next(iter(get_type_hints(run).values()))
    hints = get_type_hints(options, include_extras=True)
    own = inspect.get_annotations(options)  # in the help, before those of its bases
    for one in fields(options):
        if isinstance(hints[one.name].__metadata__[0], OptionInfo):  # and not an argument
            _OPTIONS[one.name] = one.name.replace("_", "-")

    def call(**given: Any) -> None:
        run(options(**given))

    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                one.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if one.default is MISSING else one.default,
                annotation=hints[one.name],
            )
            for one in sorted(fields(options), key=lambda one: one.name not in own)
        ]
    )
    call.__annotations__ = {}
    app.command(run.__name__, cls=_Grouped, help=inspect.getdoc(run))(call)
    return run


def main() -> None:
    """Run the command line; what goes wrong ends in one line and exit code 2, Ctrl-C in 130."""
    words = [word for word in sys.argv[1:] if word not in ANYWHERE] or ["--help"]
    try:
        with _notes(), _stoppable(), _hushed():
            code = app(words, prog_name="vicinal", standalone_mode=False)
    except Exception as error:
        if "--debug" in sys.argv:
            traceback.print_exc()
        _say(f"Error: {_told(error)}")
        raise SystemExit(2) from None
    if code == INTERRUPTED:
        _say("Interrupted; nothing was left half-written.")
    if code:
        raise SystemExit(code)


def _told(error: Exception) -> str:
    """Return what to say of an error: what is ours in full, of others' what they say first."""
    usage = getattr(error, "format_message", None)  # what the parser has to say
    if usage is not None:
        path = getattr(getattr(error, "ctx", None), "command_path", "vicinal")
        said = usage().replace("?.", "?").rstrip(".")
        return f"{said}{'' if said.endswith('?') else '.'} See `{path} --help`."
    if isinstance(error, MemoryError):
        return f"There is too little memory ({first_line(error)}). Ask for fewer rows."
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    if isinstance(error, (ValueError, TypeError, OSError, ImportError)):
        return _as_typed(str(error))
    return (
        f"{type(error).__name__}: {first_line(error)}. This should have been said more clearly; "
        "--debug shows where it happened."
    )


def _as_typed(said: str) -> str:
    """Return a message of the library with the options of a command for its parameters."""
    said, columns, listed = said.partition(" Columns: ")  # whose names may be anything
    quoted: list[str] = []

    def put_away(found: re.Match[str]) -> str:
        quoted.append(found[0])
        return f"\0{len(quoted) - 1}\0"

    def of_column(found: re.Match[str]) -> str:
        quoted.append(shlex.quote(f"{ast.literal_eval(found['name'])}={found['kind']}"))
        return f"--column \0{len(quoted) - 1}\0"

    kind = r"(?<!\w)kinds=\{(?P<name>'(?:[^'\\]|\\.)*'|\"[^\"]*\"): '(?P<kind>\w+)'\}"
    said = re.sub(kind, of_column, said)
    said = re.sub(r"(?<!\w)(?:'[^']*'|\"[^\"]*\")(?!\w)", put_away, said)
    every, long = ("|".join(one for one in _OPTIONS if sign in one) for sign in ("", "_"))
    apart = r"(?<![\w'\"./\\-])"  # not in paths nor in what is quoted
    given = r"=(?=[^\s=])(?!\S+ \(--)"  # not where the option is named beside it
    said = re.sub(rf"{apart}({every}){given}", lambda one: f"--{_OPTIONS[one[1]]}=", said)
    behind = r"(?![\w'\"/\\(=-]|\.\w)"
    said = re.sub(rf"{apart}({long}){behind}", lambda one: _OPTIONS[one[1]], said)
    said = re.sub("\0(\\d+)\0", lambda one: quoted[int(one[1])], said)
    return f"{said}{columns}{listed}"


@contextmanager
def _stoppable() -> Iterator[None]:
    """Turn signals that end a process into an exit that clears up what is half-written."""

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # a second one would stop the clearing up
        _say("Stopped; nothing was left half-written.")
        raise SystemExit(128 + number)

    ends = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    main_thread = threading.current_thread() is threading.main_thread()
    # not where somebody else wants otherwise, such as nohup
    taken = [one for one in ends if main_thread and signal.getsignal(one) == signal.SIG_DFL]
    for one in taken:
        signal.signal(one, stop)
    try:
        yield
    finally:
        for one in taken:
            signal.signal(one, signal.SIG_DFL)


def is_quiet() -> bool:
    """Tell whether nothing but errors is to be said."""
    return "--quiet" in sys.argv


def say_aside(text: str) -> None:
    """Say something beside the result, on standard error, unless nothing is to be said."""
    if not is_quiet():
        typer.echo(text, err=True)


@contextmanager
def _hushed() -> Iterator[None]:
    """Keep standard output empty where nothing is to be said; JSON asked for there comes."""
    words = sys.argv
    json = "--json=-" in words or ("--json", "-") in pairwise(words)
    json |= "morph" in words[1:2] and "--json" in words  # a flag there
    with contextlib.ExitStack() as stack:
        if is_quiet() and not json:
            void = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(void))
        yield


def _say(text: str) -> None:
    """Write to standard error, which leaves standard output to what was asked for."""
    typer.echo(printable(text), err=True)


@contextmanager
def _notes() -> Iterator[None]:
    """Show the package's warnings as one-line notes."""
    told: set[str] = set()

    def tell(message: Warning | str, *_: Any, **__: Any) -> None:
        if str(message) not in told and not is_quiet():
            told.add(str(message))
            _say(f"Note: {_as_typed(str(message))}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = tell
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
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error happened, for reports of faults.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")] = False,
) -> None:
    """Mixup you can trust, steer and read."""
