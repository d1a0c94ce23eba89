"""When a server must be left alone: after failures in a row, and for as long as it asked for.

One `Breaker` per client, keyed by host. Not covered here: the retries within one request (`http.py`).
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
    """Counts failures per host. After a pause one request is let through; its outcome decides what follows."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: defaultdict[str, int] = defaultdict(int)
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait_s(self, host: str) -> float:
        """Seconds until `host` may be asked again, 0 when it may be now."""
        with self._lock:
            return max(0.0, self._until.get(host, 0.0) - self._clock())

    def succeeded(self, host: str) -> None:
        """`host` answered."""
        with self._lock:
            self._failures.pop(host, None)

    def failed(self, host: str) -> None:
        """`host` could not be asked, retries included."""
        with self._lock:
            self._failures[host] += 1
            if self._failures[host] >= FAILURES:
                self._until[host] = self._clock() + PAUSE_S

    def hold(self, host: str, seconds: float) -> None:
        """`host` asked to be left alone for so long."""
        with self._lock:
            self._until[host] = max(self._until.get(host, 0.0), self._clock() + seconds)
