"""What a job is, and what an engine does with it.

Where chunks are made, by how many workers, and how often the run was interrupted changes nothing in
the output.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pyarrow as pa

from vicinal._progress import ProgressCallback
from vicinal.jobs.chunks import Chunk
from vicinal.jobs.places import Place

#: Number and rows of each chunk, in the order in which they are done.
Written: TypeAlias = Generator[tuple[int, int], None, None]


class Job(Protocol):
    """What is to be made."""

    @property
    def stage(self) -> str:
        """What making chunks is called in reports of progress."""

    @property
    def request(self) -> Mapping[str, Any]:
        """What was asked for, as JSON values: a run of another request is not gone on with."""

    @property
    def bytes_needed(self) -> float:
        """About how many bytes the output takes; 0 where that is not known."""

    def prepare(self, kept: Path, engine: Engine, tell: ProgressCallback) -> None:
        """Learn what chunks are made from, and keep it in a file, or read it from there."""

    def chunks(self) -> list[Chunk]:
        """Return the chunks of the output, once prepared."""

    def at_once(self, most: int) -> int:
        """Return how many chunks may be in the making at once in this process."""

    def make(self, chunk: Chunk) -> pa.Table:
        """Return the rows of a chunk."""

    def maker(self) -> Callable[[Chunk], pa.Table]:
        """Return what makes chunks elsewhere; it is sent there once."""


class Engine(AbstractContextManager["Engine"], Protocol):
    """Where a job is done."""

    def map_ordered(
        self, work: Callable[..., Any], tasks: Sequence[Any], *shared: Any
    ) -> Iterator[Any]:
        """Yield what ``work(task, *shared)`` makes of each task, in order, a few at a time."""

    def write(self, job: Job, chunks: Sequence[Chunk], place: Place) -> Written:
        """Make and write chunks; yield number and rows of each in the order they are done."""
