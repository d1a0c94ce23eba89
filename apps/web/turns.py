"""One turn as the page sees it: a worker runs it, the page is told how far it is, and it can be stopped.

Not covered here: what a finished turn looks like (messages.py).
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apps.preparation import Preparation
from apps.web.markup import markdown, plain
from apps.web.messages import Renderer, chips
from conlora_agent.core.errors import ConloraError, Failure
from conlora_agent.core.events import Event, Finished, StepFinished, StepStarted, Token
from conlora_agent.core.types import Box, PlannedStep

if TYPE_CHECKING:
    from conlora_agent.agent import Agent

log = logging.getLogger(__name__)

POLL_S = 0.1
"""How often the page is renewed while nothing else happens."""


@dataclass
class Turn:
    """A turn under way in a worker. Iterate to see it grow; `error`, `thread`, `stopped_early` tell how it ended."""

    agent: Agent
    renderer: Renderer
    preparation: Preparation
    text: str
    image: bytes | None = None
    thread: str | None = None
    task: str | None = None
    region: Box | None = None
    error: ConloraError | None = None
    stopped_early: bool = False
    worker: threading.Thread | None = None
    """Outlives a stopped turn for as long as the model needs to notice."""
    _stopped: threading.Event = field(default_factory=threading.Event)
    _events: queue.SimpleQueue[Event | BaseException | None] = field(default_factory=queue.SimpleQueue)

    def __iter__(self) -> Iterator[str]:
        """The agent's side so far as HTML, each time it changed. Leaving the loop stops the turn and rolls it back."""
        progress = Progress(self.renderer)
        self.worker = threading.Thread(target=self._work, name="turn", daemon=True)
        self.worker.start()
        yield progress.html()
        try:
            while not self._stopped.is_set():
                events = self._waiting()
                for event in events:
                    if event is None:
                        # The last step may have come along with the end.
                        yield progress.html()
                        return
                    if isinstance(event, BaseException):
                        self._end(event)
                        return
                    if isinstance(event, Finished):
                        self.thread = event.result.thread
                    else:
                        progress.take(event)
                if self.preparation.running:
                    yield progress.html(self.preparation.title)
                elif events:
                    yield progress.html()
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
            events = self.agent.stream(
                self.text, image=self.image, thread=self.thread, task=self.task, region=self.region
            )
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

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._finished: list[str] = []
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
            self._finished.append(self._renderer.step(event.step))
            self._said.append(event.step.text)
            self._running, self._words = None, ""

    def html(self, note: str = "") -> str:
        """What to show now; three dots as long as there is nothing to read. `note`: what is waited for."""
        running = f'<p class="running">{chips(self._running)}</p>' if self._running is not None else ""
        words = "\n".join(part for part in (*self._said, self._words) if part)
        answer = markdown(words) if words else f'<p class="dots">{plain(note or "…")}</p>'
        return f'<div class="done">{"".join(self._finished)}{running}<div class="answer">{answer}</div></div>'
