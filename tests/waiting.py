"""Waits for what another thread or process brings about."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 20


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end, f"it did not come true within {SECONDS} seconds"
        time.sleep(0.05)
