"""Progress: one protocol for every long job, and one bar that follows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class ProgressCallback(Protocol):
    """What a long job tells: its stage, and how many of how many units are done."""

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """Take note; ``total`` is 0 where it is not known."""


#: What is told that machine code is being made, which takes longer than what it is made for.
_listeners: list[Callable[[bool], None]] = []


def compiling(begins: bool) -> None:
    """Tell that machine code begins to be made, or is made."""
    for listener in _listeners:
        listener(begins)


#: What the bar that is open shows, if one is: jobs within a job show themselves there.
_open: list[ProgressCallback] = []


def _nothing(stage: str, done: int, total: int, /) -> None:
    """Say nothing."""


@contextmanager
def reporting(progress: bool | ProgressCallback) -> Iterator[ProgressCallback]:
    """Yield what to call while a job runs: a bar on standard error for True, nothing for False."""
    if callable(progress):
        yield progress
        return
    if progress is not None and progress not in (True, False):
        raise TypeError(
            f"progress must be True, False or a function of (stage, done, total), got {progress!r}."
        )
    if not progress:
        yield _nothing
    elif _open:
        yield _open[-1]
    else:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[units]}"),
            TimeElapsedColumn(),
        )
        with Progress(
            *columns, console=Console(stderr=True), transient=True, redirect_stdout=False
        ) as bar:
            task = bar.add_task("", total=None, units="", visible=False)
            stages = [""]

            def show(stage: str, done: int, total: int, /) -> None:
                stages[0] = stage
                units = f"{done:,} of {total:,}" if total else ""
                bar.update(task, description=stage, visible=True, units=units)
                bar.update(task, completed=done, total=total or None)

            def compiles(begins: bool) -> None:
                said = "Compiling (first run only)" if begins else stages[0]
                bar.update(task, description=said)

            _listeners.append(compiles)
            _open.append(show)
            try:
                yield show
            finally:
                _open.remove(show)
                _listeners.remove(compiles)
