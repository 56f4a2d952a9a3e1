"""How far the work is, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["counting"]


@contextmanager
def counting(what: str, total: int, progress: bool | None) -> Iterator[Callable[[int], None]]:
    """Give a function that is told how many are done.

    Parameters
    ----------
    what : str
        What is being done.
    total : int
        How many there will be.
    progress : bool or None
        Whether to show a bar; where standard error is a terminal if None.

    Yields
    ------
    callable
        Takes the number done so far.
    """
    if progress is False or (progress is None and not sys.stderr.isatty()):
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=min(done, total))
