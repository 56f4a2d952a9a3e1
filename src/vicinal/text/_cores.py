"""Parts of a network's work side by side, each on a core of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

__all__ = ["on_cores", "share_out"]

Part = TypeVar("Part")
Found = TypeVar("Found")


def on_cores(
    work: Callable[[Part], Found], parts: Sequence[Part], device: torch.device
) -> Iterator[Found]:
    """Do every part, without gradients, and yield what is found, in order.

    Sentences are short: cores that each do parts of their own are quicker than cores that share
    every product of matrices. As many parts run at once as torch may use threads.

    Parameters
    ----------
    work : callable
        What is done with a part; it changes nothing that another part looks at.
    parts : sequence
        Any number; the larger ones best come first.
    device : torch.device
        Where the network is; elsewhere than on a CPU parts are done one by one.

    Yields
    ------
    object
        What ``work`` returned, part by part.
    """

    def alone(part: Part) -> Found:
        with torch.inference_mode():
            return work(part)

    threads = min(torch.get_num_threads(), len(parts)) if device.type == "cpu" else 1
    if threads < 2:
        yield from map(alone, parts)
        return
    with ThreadPoolExecutor(threads, initializer=_use_one_core) as pool:
        tasks = [pool.submit(alone, part) for part in parts]
        try:
            for task in tasks:
                yield task.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def share_out(rows: int, device: torch.device) -> list[slice]:
    """Return as many about equal spans of rows as torch may use threads; one off a CPU."""
    threads = max(1, min(torch.get_num_threads(), rows)) if device.type == "cpu" else 1
    ends = [rows * (at + 1) // threads for at in range(threads)]
    return [slice(begin, end) for begin, end in zip([0, *ends], ends, strict=False)]


def _use_one_core() -> None:
    """Let the calling thread, and no other, compute by itself."""
    torch.get_num_threads()  # torch sets a thread's number when it is first asked for it
    threadpool_limits(1, user_api="openmp")
