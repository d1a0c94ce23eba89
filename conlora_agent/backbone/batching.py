"""Requests of several threads in one decoding batch.

A worker thread lives as long as there is work. It admits a waiting request (which reads its prompt), then decodes one
token for all rows together; rows join and leave between steps. Each caller gets its tokens on its own thread, so a slow
or failing listener holds up nobody else. Not covered here: what reading and decoding do (local.py).
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from conlora_agent.core.protocols import GenerateRequest, Generation

ROWS = 8
"""Requests decoded together at most; others wait for a place."""
LINGER_S = 1.0
"""The worker waits so long for more work before it ends: starting threads costs, keeping models alive does too."""


class Row(Protocol):
    """A request that has been read and is being answered."""

    @property
    def done(self) -> bool:
        """Whether it needs no further step."""

    def generation(self) -> Generation:
        """What came out so far."""


class Engine(Protocol):
    """What the worker drives. All calls come from one thread at a time."""

    def admit(self, job: Job) -> Row:
        """Read the prompt and make the first token."""

    def step(self) -> None:
        """Make the next token of every row."""

    def retire(self, row: Any) -> None:
        """Take a row out of the batch."""

    def clear(self) -> None:
        """Take all rows out, whatever state they are in."""


@dataclass(eq=False)
class Job:
    """One request on its way. `news` carries pieces of text, then None."""

    request: GenerateRequest
    news: queue.SimpleQueue[str | None] = field(default_factory=queue.SimpleQueue)
    cancelled: bool = False
    answer: Generation | None = None
    error: BaseException | None = None

    def result(self) -> Generation:
        """Wait for the answer, handing pieces of text to the request's listener. Raises what went wrong."""
        try:
            while (text := self.news.get()) is not None:
                if self.request.on_token is not None:
                    self.request.on_token(text)
        except BaseException:
            self.cancelled = True
            raise
        if self.error is not None:
            raise self.error
        assert self.answer is not None
        return self.answer

    def end(self, answer: Generation | None = None, error: BaseException | None = None) -> None:
        """Wake the caller up."""
        self.answer, self.error = answer, error
        self.news.put(None)


class Batcher:
    """Runs jobs on an engine, several at once. Safe to call from any thread."""

    def __init__(self, engine: Engine, rows: int = ROWS) -> None:
        self._engine, self._rows = engine, rows
        self._waiting: deque[Job] = deque()
        self._running: dict[Row, Job] = {}
        self._change = threading.Condition()
        self._alive = False

    def submit(self, requests: Sequence[GenerateRequest]) -> list[Job]:
        """Queue requests that arrive together."""
        jobs = [Job(request) for request in requests]
        with self._change:
            self._waiting.extend(jobs)
            self._change.notify()
            if not self._alive:
                self._alive = True
                threading.Thread(target=self._work, name="backbone", daemon=True).start()
        return jobs

    def _work(self) -> None:
        while self._has_work():
            try:
                self._admit()
                if self._running:
                    self._engine.step()
                self._settle()
            except BaseException as error:
                self._fail(error)

    def _has_work(self) -> bool:
        with self._change:
            if not self._waiting and not self._running:
                self._change.wait(LINGER_S)
            self._alive = bool(self._waiting or self._running)
            return self._alive

    def _admit(self) -> None:
        while len(self._running) < self._rows:
            with self._change:
                if not self._waiting:
                    return
                job = self._waiting.popleft()
            if job.cancelled:
                continue
            try:
                self._running[self._engine.admit(job)] = job
            except BaseException as error:
                job.end(error=error)
            self._settle()

    def _settle(self) -> None:
        """Let finished and abandoned rows go."""
        for row, job in list(self._running.items()):
            if row.done or job.cancelled:
                self._engine.retire(row)
                del self._running[row]
                job.end(answer=row.generation())

    def _fail(self, error: BaseException) -> None:
        self._engine.clear()
        for job in self._running.values():
            job.end(error=error)
        self._running.clear()
