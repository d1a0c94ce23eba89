"""Answers kept in memory for a while, so that the same question costs one request and an old answer beats none.

Nothing is written to disk: what was looked up belongs to conversations, which can be deleted. Not covered here: how
old an answer may be; each tool says so.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

MAX_ENTRIES = 256

T = TypeVar("T")


class Cache(Generic[T]):
    """The newest `MAX_ENTRIES` values by key, the one not used for longest dropped first. Thread-safe."""

    def __init__(self, size: int = MAX_ENTRIES) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> T | None:
        """The value kept under `key`."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: Hashable, value: T) -> None:
        """Keep `value`."""
        with self._lock:
            self._kept[key] = value
            self._kept.move_to_end(key)
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
