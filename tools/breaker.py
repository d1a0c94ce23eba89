"""When a server must be left alone: after failures in a row, and for as long as it asked for.

One `Breaker` per client, keyed by server. Not covered here: the retries within one request (`http.py`).
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable

FAILURES = 3
"""Requests failed in a row after which a server is left alone."""
PAUSE_S = 30.0


class Breaker:
    """Counts failures per server (name and port). After a pause one request is let through, which decides the rest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: defaultdict[str, int] = defaultdict(int)
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait_s(self, server: str) -> float:
        """Seconds until `server` may be asked again, 0 when it may be now."""
        with self._lock:
            return max(0.0, self._until.get(server, 0.0) - self._clock())

    def succeeded(self, server: str) -> None:
        """`server` answered."""
        with self._lock:
            self._failures.pop(server, None)

    def failed(self, server: str) -> None:
        """`server` could not be asked, retries included."""
        with self._lock:
            self._failures[server] += 1
            if self._failures[server] >= FAILURES:
                self._until[server] = self._clock() + PAUSE_S

    def hold(self, server: str, seconds: float) -> None:
        """`server` asked to be left alone for so long."""
        with self._lock:
            self._until[server] = max(self._until.get(server, 0.0), self._clock() + seconds)
