"""Ray, as far as it is needed: a cluster to work on, and workers that make chunks."""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from vicinal._checks import check_count, check_number, first_line
from vicinal._extras import need
from vicinal._threads import n_threads
from vicinal.jobs.chunks import Chunk
from vicinal.jobs.job import Job, Written
from vicinal.jobs.local import in_order
from vicinal.jobs.places import Place

#: Seconds that an address has to answer in.
PATIENCE = 15
#: How often a cluster of this machine is tried to start.
STARTS = 3
#: How often a task or a worker is begun again after a process or a machine was lost.
RETRIES = 20
#: Errors of a task that say themselves what is wrong.
_PLAIN = (ValueError, TypeError, OSError, ImportError, MemoryError)


def check_ray() -> None:
    """Raise ImportError, saying which extra brings Ray, where it is not installed."""
    need("engine='ray'", "ray", extra="ray")


@contextmanager
def cluster(address: str | None = None, workers: int | None = None) -> Iterator[Any]:
    """Give the module ``ray``, connected; what was begun here is ended afterwards."""
    # an address is "auto" for the cluster that this machine is part of, or "host:port"; else the
    # one that RAY_ADDRESS names, and else a cluster of this machine alone
    if workers is not None:
        check_count("workers", workers)
    check_ray()
    where = (os.environ.get("RAY_ADDRESS") or None) if address is None else address
    if where is not None:
        check_address(where)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of a change
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # the first one is raised
    import ray

    if ray.is_initialized():
        yield ray
        return
    own: dict[str, Any] = {"address": where}
    if where is None:
        own = {"num_cpus": workers or n_threads(), "include_dashboard": False}
    # on a busy machine a start may take longer than Ray waits
    for left in reversed(range(STARTS if where is None else 1)):
        try:
            ray.init(**own, log_to_driver=False, logging_level=logging.ERROR)
            break
        except Exception as error:  # Ray raises plain ones, too
            ray.shutdown()
            said = first_line(error)
            if not left and where is None:
                raise OSError(f"Ray did not start on this machine ({said}).") from error
            if not left:
                raise ConnectionError(
                    f"There is no Ray cluster at {where} ({said}). Start one with "
                    "`ray start --head`, or leave the address out to use this machine."
                ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def check_address(address: str) -> None:
    """Raise ValueError for what is no address, OSError for one at which no Ray listens."""
    if address in {"auto", "local"}:
        return
    found = re.fullmatch(r"(?:ray://)?(\[[^\]]+\]|[^:/\s]+):(\d{1,5})", address)
    if found is None or not 0 < int(found[2]) < 1 << 16:
        raise ValueError(
            f"address must be 'auto' or that of a Ray cluster, such as '10.0.0.5:6379', got "
            f"{address!r}."
        )
    try:
        spoken = _speaks(found[1].strip("[]"), int(found[2]))
        why = "" if spoken else "what listens there is no Ray"
    except OSError as error:
        why = error.strerror or str(error)
    if why:
        raise ConnectionError(
            f"No Ray cluster answers at the address {address} ({why}). Start Ray there with "
            "`ray start --head`, or leave the address out to use this machine."
        )


def _speaks(host: str, port: int) -> bool:
    """Tell whether what listens there speaks HTTP/2, as Ray does."""
    # Ray itself tries for minutes, whatever its settings of timeouts say
    with socket.create_connection((host, port), PATIENCE / 2) as line:
        if os.environ.get("RAY_USE_TLS", "0") not in {"", "0"}:
            return True
        line.settimeout(PATIENCE / 2)
        line.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        # the other side greets with a frame of settings, type 4
        return line.recv(9)[3:4] == b"\x04"


@dataclass(frozen=True)
class RayCluster:
    """A Ray cluster, and what a worker on it takes.

    Parameters
    ----------
    address : str, optional
        "auto" for the cluster that this machine is part of, or ``"host:port"``. Left out, the one
        that ``RAY_ADDRESS`` names, and else one that is started on this machine, and ended
        afterwards.
    cores : int, default 1
        Of each worker.
    gpus : float, default 0.0
        Of each worker, such as 0.25 for four workers to a GPU.

    Examples
    --------
    >>> RayCluster("10.0.0.5:6379", gpus=0.25)
    RayCluster(address='10.0.0.5:6379', cores=1, gpus=0.25)
    """

    address: str | None = None
    cores: int = 1
    gpus: float = 0.0

    def check(self) -> None:
        """Raise where it cannot be worked on, before anything is made for it."""
        check_count("cores", self.cores)
        check_number("gpus", self.gpus, low=0)
        check_ray()
        if self.address is not None:
            check_address(self.address)


class RayEngine:
    """Makes chunks in processes of a Ray cluster."""

    def __init__(self, where: RayCluster, workers: int | None) -> None:
        self._where, self._workers = where, workers
        self._open = ExitStack()

    def __enter__(self) -> RayEngine:
        cores = None if self._workers is None else self._workers * self._where.cores
        there = sys.modules.get("ray")
        self._joined = there is not None and there.is_initialized()
        self._ray = self._open.enter_context(cluster(self._where.address, cores))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def map_ordered(
        self, work: Callable[..., Any], tasks: Sequence[Any], *shared: Any
    ) -> Iterator[Any]:
        """Yield what ``work(task, *shared)`` makes of each task, in order, a few at a time."""
        ray = self._ray
        remote = ray.remote(num_cpus=1, max_retries=RETRIES)(work)
        held = [ray.put(one) for one in shared]
        ahead = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
        with _plain_errors(ray):
            yield from in_order(lambda task: remote.remote(task, *held), ray.get, tasks, ahead)

    def write(self, job: Job, chunks: Sequence[Chunk], place: Place) -> Written:
        """Make and write chunks; yield number and rows of each in the order they are done."""
        # a worker that is lost is begun again with the chunk it had, so that a chunk can be made
        # twice; what kills its workers every time ends the run
        ray = self._ray
        room = self._room()
        if not chunks:
            return
        from ray.util import ActorPool

        options = {
            "num_cpus": self._where.cores,
            "num_gpus": self._where.gpus,
            "max_restarts": RETRIES,
            "max_task_retries": RETRIES,
        }
        # with each chunk, as what a constructor is given would be lost with the worker
        held = [ray.put(job.maker())]
        remote = ray.remote(**options)(Worker)
        count = max(1, min(self._workers or room, room, len(chunks)))
        workers = [remote.remote(place) for _ in range(count)]
        try:
            with _plain_errors(ray):
                yield from ActorPool(workers).map_unordered(
                    lambda worker, chunk: worker.write.remote(held, chunk), chunks
                )
        finally:
            # after the chunk they are at; where the cluster is left anyway, they end with that
            for worker in workers if self._joined else ():
                worker.__ray_terminate__.remote()

    def _room(self) -> int:
        """Return for how many workers there is room, or say that there is for none."""
        there = self._ray.cluster_resources()
        cores, gpus = self._where.cores, self._where.gpus
        room = int(there.get("CPU", 0) / cores)
        if gpus:
            room = min(room, int(there.get("GPU", 0) / gpus + 1e-9))
        if room < 1:
            raise ValueError(
                f"A worker needs {cores} core(s) and {gpus:g} GPU(s), and the cluster has "
                f"{there.get('CPU', 0):g} and {there.get('GPU', 0):g}. Ask for less."
            )
        return room


class Worker:
    """Makes chunks in a process of its own."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._make: Callable[[Chunk], pa.Table] | None = None

    def write(self, held: list[Any], chunk: Chunk) -> tuple[int, int]:
        """Make and write a chunk by the maker that is held; return its number and rows."""
        make = self._make
        if make is None:
            import ray

            self._place.check_seen()
            make = self._make = ray.get(held[0])
        return chunk.number, self._place.put(chunk.number, lambda: make(chunk))


@contextmanager
def _plain_errors(ray: Any) -> Iterator[None]:
    """Raise what a task raised, and an ``OSError`` where the cluster failed."""
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, _PLAIN):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise OSError(
            f"The Ray cluster failed ({first_line(error)}). Run again; with --resume "
            "(resume=True), where the output is a folder, what is done is kept."
        ) from error
