"""One turn as the page sees it: a worker runs it, the page is told how far it is, and it can be stopped.

Not covered here: what messages look like (messages.py).
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apps.web.messages import Message, agent_says, chips, escaped, step_messages
from conlora_agent.core.errors import ConloraError, Failure
from conlora_agent.core.types import Event, Finished, PlannedStep, StepFinished, StepStarted, Token

if TYPE_CHECKING:
    from conlora_agent.agent import Agent

log = logging.getLogger(__name__)

POLL_S = 0.1
"""How often the page is renewed while nothing else happens."""


class Preparation:
    """How far the model's assembly is; told by the agent, read by every page."""

    def __init__(self) -> None:
        self.message = ""
        self.done = 1.0

    def report(self, message: str, done: float) -> None:
        """Note a step of the assembly."""
        self.message, self.done = message, done

    @property
    def running(self) -> bool:
        """Whether the model is being assembled now."""
        return self.done < 1.0

    def shown(self) -> Message:
        """The state of the assembly as a message."""
        title = f"Preparing the model, once: {self.message} ({self.done:.0%})"
        return agent_says("The next start takes seconds.", metadata={"title": title, "status": "pending"})


@dataclass
class Turn:
    """A turn under way in a worker. Iterate to see it grow; `error`, `thread`, `stopped_early` tell how it ended."""

    agent: Agent
    text: str
    image: bytes | None
    thread: str | None
    task: str | None
    preparation: Preparation
    error: ConloraError | None = None
    stopped_early: bool = False
    worker: threading.Thread | None = None
    """Outlives a stopped turn for as long as the model needs to notice."""
    _stopped: threading.Event = field(default_factory=threading.Event)
    _events: queue.SimpleQueue[Event | BaseException | None] = field(default_factory=queue.SimpleQueue)

    def __iter__(self) -> Iterator[list[Message]]:
        """The agent's messages so far, each time they changed. Leaving the loop stops the turn and rolls it back."""
        progress = Progress(self.agent)
        self.worker = threading.Thread(target=self._work, name="turn", daemon=True)
        self.worker.start()
        yield progress.messages()
        try:
            while not self._stopped.is_set():
                events = self._waiting()
                for event in events:
                    if event is None:
                        return
                    if isinstance(event, BaseException):
                        self._end(event)
                        return
                    if isinstance(event, Finished):
                        self.thread = event.result.thread
                    else:
                        progress.take(event)
                if self.preparation.running:
                    yield [*progress.messages(), self.preparation.shown()]
                elif events:
                    yield progress.messages()
        finally:
            self._stopped.set()

    def stop(self) -> None:
        """Stop the turn; nothing of it is kept."""
        self.stopped_early = True
        self._stopped.set()

    def _waiting(self) -> list[Event | BaseException | None]:
        """The events that came since, or none after a short while."""
        events = []
        try:
            events.append(self._events.get(timeout=POLL_S))
            while True:
                events.append(self._events.get_nowait())
        except queue.Empty:
            return events

    def _end(self, error: BaseException) -> None:
        if not isinstance(error, ConloraError):
            log.error("a turn broke", exc_info=error)
            error = Failure(f"internal error ({type(error).__name__}: {error})", "please report it")
        self.error = error

    def _work(self) -> None:
        events = None
        try:
            events = self.agent.stream(self.text, image=self.image, thread=self.thread, task=self.task)
            for event in events:
                if self._stopped.is_set():
                    break
                self._events.put(event)
        except BaseException as error:
            self._events.put(error)
        finally:
            close: Callable[[], None] | None = getattr(events, "close", None)
            if close is not None:
                close()
            self._events.put(None)


class Progress:
    """The agent's side of a turn while it runs: finished steps, the running one, and the words so far."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._finished: list[Message] = []
        self._running: PlannedStep | None = None
        self._said: list[str] = []
        self._words = ""

    def take(self, event: Event) -> None:
        """Note what happened."""
        if isinstance(event, StepStarted):
            self._running, self._words = event.step, ""
        elif isinstance(event, Token):
            self._words += event.text
        elif isinstance(event, StepFinished):
            self._finished += step_messages(self._agent, event.step)
            self._said.append(event.step.text)
            self._running, self._words = None, ""

    def messages(self) -> list[Message]:
        """What to show now; three dots as long as there is nothing to read."""
        running = [] if self._running is None else [agent_says(chips(self._running))]
        words = "\n".join(part for part in (*self._said, self._words) if part)
        return [*self._finished, *running, agent_says(escaped(words) if words else '<span class="dots">…</span>')]
