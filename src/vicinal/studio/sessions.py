"""What tabs of the browser have open, as long as they are there."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from vicinal.studio.sentences import SentencesTab
from vicinal.studio.table import TableTab

#: Tabs at once; one more ends the one that was not heard of for longest.
MOST = 8
#: Seconds without a sign of life, and after a tab said that it closes (a reload says so, too).
SILENT, CLOSED = 600.0, 10.0


@dataclass
class Session:
    """One tab of the browser."""

    key: str
    table: TableTab = field(default_factory=TableTab)
    sentences: SentencesTab = field(default_factory=SentencesTab)
    ends: float = 0.0
    sent: dict[str, int] = field(default_factory=dict)  # files so far, by what they are for

    def stop(self) -> None:
        """End its work."""
        self.table.stop()
        self.sentences.stop()


class Sessions:
    """All tabs; to be used from one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._open: dict[str, Session] = {}
        self._clock = clock

    def __len__(self) -> int:
        return len(self._open)

    def open(self) -> Session:
        """Return a new one."""
        self.sweep()
        while len(self._open) >= MOST:
            self._drop(min(self._open.values(), key=lambda one: one.ends))
        session = Session(secrets.token_urlsafe(8), ends=self._clock() + SILENT)
        self._open[session.key] = session
        return session

    def get(self, key: str) -> Session | None:
        """Return an open one, which thereby stays open."""
        session = self._open.get(key)
        if session is not None:
            session.ends = self._clock() + SILENT
        return session

    def leave(self, key: str) -> None:
        """Take note that a tab closes, or loads its page again."""
        if key in self._open:
            self._open[key].ends = self._clock() + CLOSED

    def sweep(self) -> None:
        """End those that are not heard of."""
        now = self._clock()
        for session in [one for one in self._open.values() if one.ends < now]:
            self._drop(session)

    def _drop(self, session: Session) -> None:
        session.stop()
        del self._open[session.key]
