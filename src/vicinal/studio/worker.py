"""One thread for all that takes long; what a person waits for goes before what is made ahead."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

_Job = tuple[bool, int, Callable[[], Any], "Future[Any]"]


class Worker:
    """Runs jobs one after the other: side by side they would share cores and warnings."""

    def __init__(self) -> None:
        self._jobs: queue.PriorityQueue[_Job] = queue.PriorityQueue()
        self._numbers = itertools.count()
        threading.Thread(target=self._run, name="vicinal-studio", daemon=True).start()

    def submit(self, work: Callable[[], Any], *, ahead: bool = False) -> Future[Any]:
        """Have a job done; one made ``ahead`` of its need waits until nothing else does."""
        future: Future[Any] = Future()
        self._jobs.put((ahead, next(self._numbers), work, future))
        return future

    def _run(self) -> None:
        while True:
            *_, work, future = self._jobs.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:  # it is the asker's
                    future.set_exception(error)
            del work, future  # what they hold may be large
