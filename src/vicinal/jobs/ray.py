"""Ray, as far as it is needed: a cluster to work on, and workers that do numbered tasks."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

import numpy as np

from vicinal._checks import check_count, first_line
from vicinal._threads import n_threads

__all__ = ["check_address", "check_ray", "cluster", "cores_of", "map_ordered", "spread"]

#: Seconds that an address has to answer in.
PATIENCE = 15
#: How often a cluster of this machine is tried to start.
STARTS = 3
#: How often a task or a worker is begun again after a process or a machine was lost.
RETRIES = 20
#: Errors of a task that say themselves what is wrong.
_KNOWN: dict[str, type[Exception]] = {
    error.__name__: error
    for error in (ValueError, TypeError, OSError, FileNotFoundError, ImportError, MemoryError)
}
_QUIET = ("ray", "ray.data", "ray._private.worker")


def check_ray() -> None:
    """Say which extra brings Ray, where it is missing.

    Raises
    ------
    ImportError
        If Ray, or what its data sets need, is not installed.
    """
    try:
        missing = find_spec("ray") is None
    except ValueError:  # what sys.modules says of a module that was taken away
        missing = True
    if missing:
        raise ImportError(
            "engine='ray' needs Ray, which is not installed. Install it with: "
            "pip install 'vicinal[ray]'"
        )


@contextmanager
def cluster(address: str | None = None, workers: int | None = None) -> Iterator[Any]:
    """Give Ray, connected; what was started or connected here is ended afterwards.

    Parameters
    ----------
    address : str, optional
        Of a cluster: "auto" for the one that this machine is part of, or ``"host:port"``. Left
        out, the one that ``RAY_ADDRESS`` names, and else a cluster of this machine alone.
    workers : int, optional
        Cores of a cluster of this machine; as many as there are where left out.

    Yields
    ------
    module
        ``ray``. Where the program is connected already, nothing is begun or ended.

    Raises
    ------
    ImportError
        If Ray is not installed.
    OSError
        If nothing answers at the address.
    ValueError
        If it is no address.
    """
    if workers is not None:
        check_count("workers", workers)
    check_ray()
    where = address or os.environ.get("RAY_ADDRESS") or None
    if where is not None or address is not None:
        check_address(where or "")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of a change
    import ray

    if ray.is_initialized():
        yield ray
        return
    own: dict[str, Any] = {"address": where}
    if where is None:
        own = {"num_cpus": workers or n_threads(), "include_dashboard": False}
    _begin(ray, own, where)
    try:
        yield ray
    finally:
        ray.shutdown()


def _begin(ray: Any, own: Mapping[str, Any], where: str | None) -> None:
    """Connect or start; on a busy machine a start may take longer than Ray waits: try again."""
    for _ in range(1 if where is not None else STARTS):
        failed = _try(ray, own)
        if failed is None:
            return
        ray.shutdown()
    if where is None:
        raise OSError(f"Ray did not start on this machine ({first_line(failed)}).") from failed
    raise ConnectionError(
        f"There is no Ray cluster at {where} ({first_line(failed)}). Start one with "
        "`ray start --head`, or leave the address out to use this machine."
    ) from failed


def _try(ray: Any, own: Mapping[str, Any]) -> Exception | None:
    try:
        with _silent():
            ray.init(**own, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises plain ones, too
        return error
    return None


@contextmanager
def _silent() -> Iterator[None]:
    """Keep notes of Ray's C++ side, which are for its developers, from the terminal."""
    name = "RAY_BACKEND_LOG_LEVEL"
    if name in os.environ:  # somebody wants to see them
        yield
        return
    os.environ[name] = "fatal"
    try:
        kept = os.dup(2)
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)  # it says itself, once, how much it is going to say
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
    finally:
        os.environ.pop(name, None)


def check_address(address: str) -> None:
    """Refuse what is no address, and one at which nothing listens.

    Parameters
    ----------
    address : str
        "auto", "local" or ``"host:port"``.

    Raises
    ------
    ValueError
        If it is no address.
    OSError
        If nothing answers, or what answers is no Ray.
    """
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
    """Tell whether what listens there speaks HTTP/2, as Ray does.

    Ray itself tries for minutes to connect to what does not.
    """
    with socket.create_connection((host, port), PATIENCE / 2) as line:
        if os.environ.get("RAY_USE_TLS", "0") not in {"", "0"}:
            return True
        line.settimeout(PATIENCE / 2)
        line.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        # the other side greets with a frame of settings, type 4
        return line.recv(9)[3:4] == b"\x04"


def cores_of(ray: Any) -> int:
    """Return how many cores a cluster has."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def map_ordered(ray: Any, work: Callable[..., Any], tasks: Sequence[Any], *shared: Any) -> Any:
    """Yield what ``work(task, *shared)`` makes of each task, in order, a few at a time.

    Parameters
    ----------
    ray : module
        Connected.
    work : callable
        A function of a module.
    tasks : sequence
        What to work on.
    *shared : object
        Handed to all of them, and sent once to each machine.

    Yields
    ------
    object
        In the order of the tasks.

    Raises
    ------
    ValueError, OSError, TypeError
        What a task raised.
    """
    remote = ray.remote(num_cpus=1, max_retries=RETRIES)(work)
    held = [ray.put(one) for one in shared]
    ahead = 2 * cores_of(ray)
    waiting: deque[Any] = deque()
    left = iter(tasks)
    with _plain_errors(ray):
        while True:
            for task in left:
                waiting.append(remote.remote(task, *held))
                if len(waiting) >= ahead:
                    break
            if not waiting:
                return
            yield ray.get(waiting.popleft())


@contextmanager
def _plain_errors(ray: Any) -> Iterator[None]:
    """Raise what a task raised, and an ``OSError`` where the cluster failed."""
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        cause: Any = error.cause
        if isinstance(cause, Exception) and isinstance(cause, tuple(_KNOWN.values())):
            raise cause from None
        raise
    except ray.exceptions.RayError as error:
        raise OSError(
            f"The Ray cluster failed ({first_line(error)}). Run again; with --resume "
            "(resume=True), where the output is a folder, what is done is kept."
        ) from error


def spread(
    ray: Any,
    tasks: Sequence[str],
    build: Callable[..., Callable[[str], Any]],
    args: tuple[Any, ...] = (),
    *,
    workers: int | None = None,
    cpus: float = 1,
    gpus: float = 0,
) -> Iterator[Any]:
    """Yield what workers make of tasks, in the order in which they are done.

    Each worker builds once what it works with. Ray Data deals out the tasks, replaces a worker
    that is lost, and gives its tasks to others; a task can so be done twice, and must come to the
    same. What kills its workers every time ends the run.

    Parameters
    ----------
    ray : module
        Connected.
    tasks : sequence of str
        What to do.
    build : callable
        A function of a module; ``build(*args)`` returns what does a task and returns JSON values.
    args : tuple
        Small values, and references that ``ray.put`` returned.
    workers : int, optional
        How many at once; as many as the cluster has room for where left out.
    cpus, gpus : float
        Of each worker; a share of a GPU is enough.

    Yields
    ------
    object
        JSON values.

    Raises
    ------
    ValueError, OSError, TypeError, ImportError, MemoryError
        What a task raised; OSError as well where workers were lost again and again.
    """
    room = _room(ray, cpus, gpus)
    count = max(1, min(workers or room, room, len(tasks)))
    if not tasks:
        return
    with _quiet_data(ray), _plain_errors(ray):
        items = [{"task": task} for task in tasks]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*ray_remote_args_fn.* is deprecated")
            found = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
                Worker,
                fn_constructor_args=(build, args),
                batch_size=1,
                batch_format="numpy",
                compute=ray.data.ActorPoolStrategy(size=count),
                num_cpus=cpus,
                num_gpus=gpus or None,
                ray_remote_args_fn=lambda: {"max_restarts": RETRIES, "max_task_retries": RETRIES},
            )
        for row in found.iter_rows():
            said = json.loads(row["said"])
            if "error" in said:
                raise _KNOWN[said["error"]](said["why"])
            yield said["done"]


def _room(ray: Any, cpus: float, gpus: float) -> int:
    """Return for how many workers there is room, or say that there is for none."""
    there = ray.cluster_resources()
    rooms = [int(there.get("CPU", 0) / cpus)] if cpus else []
    rooms += [int(there.get("GPU", 0) / gpus + 1e-9)] if gpus else []
    room = min(rooms, default=1)
    if room < 1:
        raise ValueError(
            f"A worker needs {cpus:g} core(s) and {gpus:g} GPU(s), and the cluster has "
            f"{there.get('CPU', 0):g} and {there.get('GPU', 0):g}. Ask for less."
        )
    return room


class Worker:
    """Does tasks in a process of its own.

    Parameters
    ----------
    build : callable
        Returns what does them.
    args : tuple
        Its arguments.
    """

    def __init__(self, build: Callable[..., Callable[[str], Any]], args: tuple[Any, ...]) -> None:
        self._build, self._args = build, args
        self._work: Callable[[str], Any] | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return, for each task, JSON text: what was done, or what went wrong."""
        said = [json.dumps(self._one(str(task))) for task in batch["task"]]
        return {"said": np.array(said, dtype=object)}

    def _one(self, task: str) -> dict[str, Any]:
        # an error that is raised here comes out below pages of Ray's own lines, or is tried again
        try:
            if self._work is None:
                self._work = self._build(*self._args)
            return {"done": self._work(task)}
        except tuple(_KNOWN.values()) as error:
            kind = next(name for name, known in _KNOWN.items() if isinstance(error, known))
            kind = type(error).__name__ if type(error).__name__ in _KNOWN else kind
            return {"error": kind, "why": str(error)}


@contextmanager
def _quiet_data(ray: Any) -> Iterator[None]:
    """Silence Ray Data: progress is told by whoever called."""
    import ray.data as data

    context = data.DataContext.get_current()
    names = ["enable_progress_bars", "print_on_execution_start"]
    before = {name: getattr(context, name) for name in names if hasattr(context, name)}
    levels = {name: logging.getLogger(name).level for name in _QUIET}
    for name in before:
        setattr(context, name, False)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)
        for name, level in levels.items():
            with suppress(ValueError):
                logging.getLogger(name).setLevel(level)
