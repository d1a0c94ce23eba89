"""Runs a turn in a thread of its own and hands its events to the caller as they happen.

The turn is committed only after the caller has taken every event before the last one, so a caller who stops listening
rolls the turn back, however fast it ran. Not covered here: what the events say (core.types).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator

from conlora_agent.core.events import Event

_TICK_S = 0.1


class TurnCancelled(Exception):
    """The caller stopped listening; raised through nodes and generations so that they stop, too."""


class EventChannel:
    """Carries events from a turn, which may emit from any thread, to the one caller who listens."""

    def __init__(self) -> None:
        self._events: queue.Queue[Event | None] = queue.Queue()
        self._cancelled = threading.Event()

    def emit(self, event: Event) -> None:
        """Pass an event on. Raises TurnCancelled."""
        self.check()
        self._events.put(event)

    def check(self) -> None:
        """Raise TurnCancelled when nobody listens any more."""
        if self._cancelled.is_set():
            raise TurnCancelled

    def wait_until_taken(self) -> None:
        """Wait until the caller has dealt with all events so far. Raises TurnCancelled."""
        with self._events.all_tasks_done:
            while self._events.unfinished_tasks:
                self.check()
                self._events.all_tasks_done.wait(_TICK_S)
        self.check()

    def run(self, turn: Callable[[], None]) -> Generator[Event, None, None]:
        """Run `turn` and yield what it emits. Its exception is raised here; closing this generator cancels it."""
        failures: list[BaseException] = []

        def work() -> None:
            try:
                turn()
            except BaseException as error:
                failures.append(error)
            finally:
                self._events.put(None)

        worker = threading.Thread(target=work, name="turn", daemon=True)
        worker.start()
        try:
            while (event := self._events.get()) is not None:
                yield event
                self._events.task_done()
        finally:
            self._cancelled.set()
            worker.join()
        if failures:
            raise failures[0]


class MutedChannel(EventChannel):
    """For work that nobody is to hear of, within a turn that can be cancelled: `turn` is the channel of that turn."""

    def __init__(self, turn: EventChannel) -> None:
        super().__init__()
        self._turn = turn

    def emit(self, event: Event) -> None:
        """Drop the event. Raises TurnCancelled."""
        self._turn.check()

    def wait_until_taken(self) -> None:
        """Nothing to wait for. Raises TurnCancelled."""
        self._turn.check()
