"""How many turns run at once, and who is next: callers take turns, so that one with many requests delays no other.

Not covered here: what the model makes of turns that run at the same time (the backbone).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from apps.server.problems import Problem


class Slots:
    """`size` places; at most `waiting` requests wait for one, first come first served among those of one caller."""

    def __init__(self, size: int, waiting: int) -> None:
        self._free = size
        self._room = waiting
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}  # in the order in which callers are served

    @property
    def waiting(self) -> int:
        """Requests that wait now."""
        return sum(len(queue) for queue in self._queues.values())

    @asynccontextmanager
    async def hold(self, caller: str) -> AsyncIterator[None]:
        """A place for one turn of `caller`. Raises Problem (503) when too many wait already."""
        await self._take(caller)
        try:
            yield
        finally:
            self._give()

    async def _take(self, caller: str) -> None:
        if self._free:
            self._free -= 1
            return
        if self.waiting >= self._room:
            raise Problem(503, "too many requests are waiting", "try again later", Retry_After="5")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(caller, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give()  # the place came just as the caller left
            else:
                self._leave(caller, turn)
            raise

    def _give(self) -> None:
        if not self._queues:
            self._free += 1
            return
        caller, queue = next(iter(self._queues.items()))
        del self._queues[caller]
        turn = queue.popleft()
        if queue:
            self._queues[caller] = queue  # behind the others
        turn.set_result(None)

    def _leave(self, caller: str, turn: asyncio.Future[None]) -> None:
        queue = self._queues[caller]
        queue.remove(turn)
        if not queue:
            del self._queues[caller]
