"""Jobs in processes and on cores of their own, and a file that keeps what they found."""

from __future__ import annotations

import ctypes
import gc
import gzip
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from _common import peak_memory

Record = dict[str, Any]


def _open(path: Path, mode: str) -> Any:
    return (gzip.open if path.suffix == ".gz" else open)(path, mode, encoding="utf-8")


def read_lines(path: Path) -> list[Record]:
    """Return the records of a file of JSON lines, also compressed; none where it is not there."""
    found: list[Record] = []
    if path.exists():
        with _open(path, "rt") as file:
            for line in file:
                with suppress(json.JSONDecodeError):  # a line that was cut short
                    found.append(json.loads(line))
    return found


class Store:
    """Records in a file of JSON lines (.gz too); the last one of a key counts."""

    def __init__(self, path: Path, keys: Sequence[str]) -> None:
        self._path, self._keys = path, tuple(keys)
        self._records: dict[tuple[Any, ...], Record] = {}
        for record in read_lines(path):
            self._keep(record)

    def _key(self, record: Record) -> tuple[Any, ...]:
        return tuple(record[key] for key in self._keys)

    def _keep(self, record: Record) -> None:
        self._records[self._key(record)] = record

    def get(self, wanted: Record) -> Record | None:
        """Return the record of this key, if there is one."""
        return self._records.get(self._key(wanted))

    def add(self, record: Record) -> None:
        """Keep a record, here and in the file."""
        self._keep(record)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with _open(self._path, "at") as file:
            file.write(json.dumps(record) + "\n")


def prepare(modules: Sequence[str], threads: int) -> multiprocessing.context.ForkServerContext:
    """Return processes that start with these modules loaded, and with so many threads each.

    Their memory is then that of the work alone, and no import is paid for more than once.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    # the server does not look beside the script
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(modules))
    return context


def run(
    context: multiprocessing.context.ForkServerContext,
    work: Callable[..., Record],
    jobs: Sequence[tuple[Any, ...]],
    slots: int,
    limit: int,
) -> Iterator[tuple[tuple[Any, ...], Record]]:
    """Call ``work(*job)`` for every job, so many at a time; yield each as it ends.

    The cores are shared out among those that run at a time.
    A job that fails, or takes longer than ``limit`` seconds, yields ``{"failed": reason}``.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    waiting = list(reversed(jobs))
    free = list(range(slots))
    running: dict[Any, tuple[int, tuple[Any, ...], Any, float]] = {}
    while waiting or running:
        while waiting and free:
            slot, job = free.pop(), waiting.pop()
            ours, theirs = context.Pipe(duplex=False)
            share = cores[slot % len(cores) :: slots] if cores else []
            process = context.Process(target=_child, args=(theirs, share, limit, work, job))
            process.start()
            theirs.close()
            running[ours] = slot, job, process, time.perf_counter()
        for line in wait(list(running)):
            slot, job, process, began = running.pop(line)
            try:
                found = line.recv()  # type: ignore[union-attr]
            except EOFError:
                late = time.perf_counter() - began >= limit
                found = {"failed": f"stopped after {limit} s" if late else "the process ended"}
            process.join()
            free.append(slot)
            yield job, found | {"wall": round(time.perf_counter() - began, 2)}


def _child(
    line: Connection, share: list[int], limit: int, work: Callable[..., Record], job: Any
) -> None:
    if share:
        os.sched_setaffinity(0, share)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, whatever it is at
    signal.alarm(limit)
    try:
        found = work(*job)
    except Exception as error:
        found = {"failed": " ".join(f"{type(error).__name__}: {error}".split())[:200]}
    line.send(found)
    line.close()


class Cost:
    """What a block took: seconds, and resident memory in MB before it and at its highest."""

    seconds = 0.0
    cpu_seconds = 0.0
    base = 0.0
    peak = 0.0


@contextmanager
def measured() -> Iterator[Cost]:
    """Measure what a block takes. Blocks may follow each other, not lie in each other."""
    cost = Cost()
    gc.collect()
    _return_memory()
    if _reset_peak():
        cost.base = _highest()
        yield from _clocked(cost)
        cost.peak = _highest()
        return
    with peak_memory() as peak:
        yield from _clocked(cost)
    cost.peak = peak.megabytes


def _clocked(cost: Cost) -> Iterator[Cost]:
    begin, cpu = time.perf_counter(), time.process_time()
    yield cost
    cost.seconds = time.perf_counter() - begin
    cost.cpu_seconds = time.process_time() - cpu


def _return_memory() -> None:
    """Give what was freed back to the system, so that no block works in what another left."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _reset_peak() -> bool:
    """Make the highest resident memory that the system keeps start again from now."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _highest() -> float:
    """Return the highest resident memory since the last reset, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0
