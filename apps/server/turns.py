"""Runs turns for requests: a place in the queue, the events as they happen, figures, and a clean end.

A request that goes away rolls its turn back. Not covered here: formats (chat.py, responses.py).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
from anyio import CancelScope, CapacityLimiter, to_thread
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from apps.server.access import Caller
from apps.server.metrics import Metrics
from apps.server.pictures import PictureFetcher
from apps.server.problems import UnknownModel
from apps.server.slots import Slots
from apps.server.wire import AUTO, BASE
from conlora_agent.core.errors import PictureError
from conlora_agent.core.events import Event, Finished
from conlora_agent.core.types import CHAT, Box, Step, TurnResult

if TYPE_CHECKING:
    from conlora_agent.agent import Agent

Events = AsyncGenerator[Event, None]


@dataclass(frozen=True)
class Said:
    """What a user message holds, and the answer it got; the last one of a request has none yet."""

    text: str
    images: tuple[str, ...] = ()
    answer: str = ""
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Asked:
    """A request, whatever format it came in. `said`: at least one; the last is the message to answer."""

    model: str
    said: Sequence[Said]
    system: str = ""
    thread: str | None = None
    max_tokens: int | None = None
    region: Box | None = None


class Turns:
    """Runs turns on one agent."""

    def __init__(self, agent: Agent, slots: Slots, metrics: Metrics, fetcher: PictureFetcher, size: int) -> None:
        self.agent = agent
        self._slots = slots
        self._metrics = metrics
        self._fetcher = fetcher
        self._threads = CapacityLimiter(size + 8)  # beside the turns, pictures are fetched in them

    @asynccontextmanager
    async def run(self, asked: Asked, caller: Caller) -> AsyncIterator[Events]:
        """The events of the turn; leaving early rolls it back. Raises what a turn raises, and UnknownModel."""
        task = self._task(asked.model)
        start = await to_thread.run_sync(lambda: self._prepared(asked, caller, task), limiter=self._threads)
        self._metrics.waiting.set(self._slots.waiting)
        async with self._slots.hold(caller.owner or asked.thread or ""):
            self._metrics.waiting.set(self._slots.waiting)
            with self._metrics.running.track_inprogress():
                async with aclosing(self._events(start)) as events:
                    yield events

    def _task(self, model: str) -> str | None:
        """The route that a model's name stands for, None to let the router choose. Raises UnknownModel."""
        if model in (AUTO, BASE):
            return None if model == AUTO else CHAT
        if model not in self.agent.tasks.names():
            raise UnknownModel.among("model", model, (AUTO, BASE, *self.agent.tasks.names()))
        return model

    def _prepared(self, asked: Asked, caller: Caller, task: str | None) -> Callable[[], Generator[Event, None, None]]:
        """The turn, ready to start, its pictures fetched."""
        from conlora_agent.conversation import REPLAYED
        from conlora_agent.recall import Exchange

        *earlier, last = asked.said
        image = self._picture(last)
        more: dict[str, Any] = {"image": image, "task": task, "region": asked.region}
        more |= {"system": asked.system, "max_tokens": asked.max_tokens}
        if asked.thread is not None:
            thread = caller.stored(asked.thread)
            return lambda: self.agent.stream(last.text, thread=thread, **more)
        seen = len(earlier) - REPLAYED
        past = [
            Exchange(said.text, said.answer, self._picture(said) if index >= seen else None, said.steps)
            for index, said in enumerate(earlier)
        ]
        return lambda: self.agent.reply(last.text, past=past, **more)

    def _picture(self, said: Said) -> bytes | None:
        if len(said.images) > 1:
            raise PictureError(f"a message has {len(said.images)} pictures", "send one picture a message")
        return self._fetcher.get(said.images[0]) if said.images else None

    async def _events(self, start: Callable[[], Generator[Event, None, None]]) -> Events:
        events: Generator[Event, None, None] | None = None
        outcome = "refused"
        try:
            events = await to_thread.run_sync(start, limiter=self._threads)
            while (event := await to_thread.run_sync(next, events, None, limiter=self._threads)) is not None:
                outcome = "failed"  # until it is answered
                if isinstance(event, Finished):
                    outcome = "answered"
                    self._metrics.finished(event.result)
                yield event
        except (anyio.get_cancelled_exc_class(), GeneratorExit):
            outcome = outcome if outcome == "answered" else "left"
            raise
        finally:
            if events is not None:
                with CancelScope(shield=True):
                    await to_thread.run_sync(events.close, limiter=self._threads)
            if outcome != "answered":
                self._metrics.turns.labels(outcome).inc()


class TurnStream(StreamingResponse):
    """Server-sent events of a turn, which ends with them, however they end."""

    def __init__(self, lines: AsyncIterator[str], running: AsyncExitStack) -> None:
        super().__init__(lines, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        self._running = running

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events. A caller who leaves ends the turn."""
        async with self._running:
            await super().__call__(scope, receive, send)


async def result_of(events: Events, gone: Callable[[], Awaitable[bool]]) -> TurnResult | None:
    """How the turn ended; None when the caller was `gone` before."""
    async for event in events:
        if isinstance(event, Finished):
            return event.result
        if await gone():
            return None
    raise AssertionError("a turn ends with Finished or an error")
