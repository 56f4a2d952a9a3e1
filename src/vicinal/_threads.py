"""Threads over chunks of fixed size: who does a chunk never decides what comes out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

#: The process that imported this; another one was forked from it.
_HOME = os.getpid()


@contextmanager
def fork_safe() -> Iterator[None]:
    """Keep OpenMP to one thread in a forked process, which would wait for threads it has not."""
    if os.getpid() == _HOME:
        yield
        return
    with _pools().limit(limits=1, user_api="openmp"):
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep the libraries of this thread to one thread, and their last digits the same."""
    # models are small and many: threads inside a fit wait for each other at every node of a tree,
    # thirty times slower where others use the machine
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


@cache
def _pools() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def n_threads() -> int:
    """Return Numba's number of threads (``NUMBA_NUM_THREADS``, ``set_num_threads``)."""
    # Numba's own thread pools are not used. They end the process when two threads call them at
    # once, or after a fork, and a library cannot know who calls it.
    import numba
    from numba.np.ufunc import parallel

    # Asking Numba starts its pool, which would set the number of threads of every OpenMP library
    # in the process, torch among them; nobody can have called set_num_threads before that.
    started = getattr(parallel, "_is_initialized", True)
    wanted = numba.get_num_threads() if started else numba.config.NUMBA_NUM_THREADS
    has = hasattr(os, "sched_getaffinity")
    return min(int(wanted), len(os.sched_getaffinity(0)) if has else os.cpu_count() or 1)


def map_threads(work: Callable[[Item], Made], items: Sequence[Item]) -> list[Made]:
    """Return ``work(item)`` of every item, in their order, made in threads."""
    threads = min(n_threads(), len(items))
    if threads < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))


def for_chunks(
    work: Callable[[int, int], None], total: int, chunk_rows: int, threads: int | None = None
) -> None:
    """Call ``work(start, stop)`` for every chunk of ``range(total)``, in threads."""
    starts = range(0, total, chunk_rows)
    threads = n_threads() if threads is None else threads
    if len(starts) < 2 or threads < 2:
        for start in starts:
            work(start, min(start + chunk_rows, total))
        return
    with ThreadPoolExecutor(min(threads, len(starts))) as pool:
        tasks = [pool.submit(work, start, min(start + chunk_rows, total)) for start in starts]
        try:
            for task in tasks:
                task.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
