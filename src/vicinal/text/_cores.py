"""Parts of a network's work side by side, each on a core of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Part = TypeVar("Part")
Found = TypeVar("Found")


def on_cores(
    work: Callable[[Part], Found], parts: Sequence[Part], device: torch.device
) -> Iterator[Found]:
    """Do every part without gradients, larger ones first; yield what is found, in order."""
    # work must not change what another part looks at
    # Sentences are short: cores that each do parts of their own are quicker than cores that share
    # every product of matrices.

    def alone(part: Part) -> Found:
        with torch.inference_mode():
            return work(part)

    threads = cores_of(device)
    if min(threads, len(parts)) < 2:
        yield from map(alone, parts)
        return
    # Each thread has a number of its own, and new ones begin with the last that was set; nothing
    # but this call tells MKL.
    pool = ThreadPoolExecutor(
        min(threads, len(parts)), initializer=torch.set_num_threads, initargs=(1,)
    )
    try:
        tasks = deque(pool.submit(alone, part) for part in parts)
        while tasks:
            yield tasks.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C does not wait for what runs
        torch.set_num_threads(threads)


def cores_of(device: torch.device) -> int:
    """Return how many parts run at once: torch's threads on a CPU, one elsewhere."""
    return int(torch.get_num_threads()) if device.type == "cpu" else 1


def spans(rows: int, size: int) -> list[slice]:
    """Return spans of so many rows, which hold all of them; the last may be shorter."""
    return [slice(at, min(at + size, rows)) for at in range(0, rows, size)]
