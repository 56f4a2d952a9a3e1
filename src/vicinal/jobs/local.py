"""Threads of this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

from vicinal._threads import n_threads
from vicinal.jobs.chunks import Chunk
from vicinal.jobs.job import Job, Written
from vicinal.jobs.places import Place


class LocalEngine:
    """Makes chunks in threads of this process: as many as there are cores, or fewer."""

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def map_ordered(
        self, work: Callable[..., Any], tasks: Sequence[Any], *shared: Any
    ) -> Iterator[Any]:
        """Yield what ``work(task, *shared)`` makes of each task, in order, a few at a time."""
        threads = min(self._workers or n_threads(), len(tasks))
        if threads < 2:
            yield from (work(task, *shared) for task in tasks)
            return
        with _pool(threads) as pool:

            def submit(task: Any) -> Future[Any]:
                return pool.submit(work, task, *shared)

            yield from in_order(submit, Future.result, tasks, 2 * threads)

    def write(self, job: Job, chunks: Sequence[Chunk], place: Place) -> Written:
        """Make and write chunks; yield number and rows of each in the order they are done."""

        def work(chunk: Chunk) -> tuple[int, int]:
            return chunk.number, place.put(chunk.number, lambda: job.make(chunk))

        threads = min(job.at_once(self._workers or n_threads()), len(chunks))
        if threads < 2:
            yield from map(work, chunks)
            return
        with _pool(threads) as pool:
            for task in as_completed([pool.submit(work, chunk) for chunk in chunks]):
                yield task.result()


def in_order(
    submit: Callable[[Any], Any], result: Callable[[Any], Any], tasks: Iterable[Any], ahead: int
) -> Iterator[Any]:
    """Yield results in the order of their tasks, so many of which are begun ahead."""
    waiting: deque[Any] = deque()
    for task in tasks:
        waiting.append(submit(task))
        if len(waiting) > ahead:
            yield result(waiting.popleft())
    while waiting:
        yield result(waiting.popleft())


@contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Give threads; on an error what is not begun is left, and what is begun is waited for."""
    pool = ThreadPoolExecutor(threads)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown()
