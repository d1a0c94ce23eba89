"""The text of a turn while it grows: pieces that add up to the answer.

Tokens go out as they come; what a step says besides (where things are, what a tool gave, how sure it is) goes out when
the step ends. Where an answer is worded otherwise than what was streamed, it follows on a line of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from apps.server.problems import unexpected
from conlora_agent.answers import said
from conlora_agent.core.errors import ConloraError
from conlora_agent.core.events import Event, Finished, StepFinished, StepStarted, Token


class Lines(Protocol):
    """Turns the events of one turn into server-sent events of some format."""

    def of(self, event: Event) -> list[str]:
        """The lines for an event."""

    def error(self, error: ConloraError) -> str:
        """The line that ends a stream which broke."""


async def lines_of(made: Lines, first: Event, events: AsyncIterator[Event]) -> AsyncIterator[str]:
    """The lines of a whole turn, whose first event was taken already."""
    try:
        for line in made.of(first):
            yield line
        async for event in events:
            for line in made.of(event):
                yield line
    except Exception as error:
        yield made.error(error if isinstance(error, ConloraError) else unexpected(error))


class Growing:
    """Takes the events of a turn and gives the text that each adds."""

    def __init__(self) -> None:
        self._done = ""
        self._step = ""

    def add(self, event: Event) -> str:
        """What to send for this event, often nothing."""
        if isinstance(event, StepStarted):
            self._done, self._step = self._done + self._step, ""
        if isinstance(event, Token):
            return self._grow(event.text if self._step else event.text.lstrip())
        if isinstance(event, StepFinished):
            part = said(event.step)
            return self._grow(part[len(self._step) :]) if part.startswith(self._step) else ""
        return self._rest(event.result.answer) if isinstance(event, Finished) else ""

    def _grow(self, text: str) -> str:
        """Steps stand on lines of their own."""
        border = "\n" if text and self._done and not self._step else ""
        self._step += text
        if border:
            self._done += border
        return border + text

    def _rest(self, answer: str) -> str:
        sent = self._done + self._step
        if answer.startswith(sent):
            return answer[len(sent) :]
        return "" if answer.split() == sent.split() else f"\n{answer}"
