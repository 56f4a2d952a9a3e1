"""Threads of this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

from vicinal._threads import n_threads
from vicinal.jobs.chunks import Chunk
from vicinal.jobs.job import Job, Written
from vicinal.jobs.places import Place

__all__ = ["LocalEngine"]


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
            waiting: deque[Future[Any]] = deque()
            for task in tasks:
                waiting.append(pool.submit(work, task, *shared))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def write(self, job: Job, chunks: Sequence[Chunk], place: Place) -> Written:
        """Make and write chunks; yield number and rows of each in the order they are done."""

        def work(chunk: Chunk) -> tuple[int, int]:
            return chunk.number, place.put(chunk.number, lambda: job.make(chunk))

        threads = min(job.at_once(self._workers or n_threads()), len(chunks))
        if threads < 2:
            yield from map(work, chunks)
            return
        with _pool(threads) as pool:
            waiting: set[Future[tuple[int, int]]] = set()
            for chunk in chunks:
                waiting.add(pool.submit(work, chunk))
                if len(waiting) > threads:  # one waits, so that no thread does
                    finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for task in finished:
                        yield task.result()
            while waiting:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for task in finished:
                    yield task.result()


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
