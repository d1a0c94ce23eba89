"""`/v1/responses`: OpenAI's newer format, in which the server keeps the conversation.

A response's id names its thread and its place in it, so `previous_response_id` goes on with that thread, and
`conversation` is a thread's id. Not covered here: `/v1/chat/completions`, which shares most of the work (chat.py).
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse
from fastapi.responses import Response as HttpResponse

from apps.server.access import Caller
from apps.server.chat import GONE, extension_of, said_of, system_of
from apps.server.deps import AgentOf, CallerOf, TurnsOf
from apps.server.problems import RESPONSES, Problem, body_of
from apps.server.response_wire import (
    Conversation,
    DeletedResponse,
    InputMessage,
    OutputMessage,
    OutputText,
    Response,
    ResponseRequest,
    event_line,
    message_id,
)
from apps.server.stream import Growing, lines_of
from apps.server.turns import Asked, Events, Turns, TurnStream, result_of
from apps.server.wire import AUTO
from conlora_agent.core.errors import BadInput, ConloraError, UnknownName
from conlora_agent.core.events import Event, Finished
from conlora_agent.core.types import TurnResult
from conlora_agent.memory.threads import new_thread_id

router = APIRouter(tags=["responses"])
ResponseId = Annotated[str, Path(description="Id of a stored response.", max_length=100)]

_ID = re.compile(r"resp_(?P<thread>[A-Za-z0-9_-]{1,64})_(?P<position>[0-9]{1,9})", re.ASCII)


@dataclass(frozen=True)
class Place:
    """Where a response stands: turn `position` of `thread`, as the caller names it."""

    thread: str
    position: int

    @property
    def id(self) -> str:
        """The response's id."""
        return f"resp_{self.thread}_{self.position}"

    @classmethod
    def of(cls, response: str) -> Place:
        """The place that an id names. Raises UnknownName."""
        if (found := _ID.fullmatch(response)) is None:
            raise UnknownName(f"no response named {response[:100]!r}", "give the id of a response that was stored")
        return cls(found["thread"], int(found["position"]))

    def check(self, turns: int) -> None:
        """Raises UnknownName where the thread has too few turns, of which it has none when it is gone."""
        if self.position >= turns:
            raise UnknownName(f"no response named {self.id!r}", f"the conversation has {turns} responses")


@router.post(
    "/v1/responses",
    response_model=Response,
    responses=RESPONSES | {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def create_response(body: ResponseRequest, request: Request, caller: CallerOf, turns: TurnsOf) -> HttpResponse:
    """Answer a message, in a thread that the server keeps unless `store` is false.

    Routes, boxes and tool calls are in the field `conlora` of the response.
    """
    asked, previous = asked_of(body)
    async with AsyncExitStack() as stack:
        events = await stack.enter_async_context(turns.run(asked, caller))
        first = await anext(events)
        begun = await to_thread.run_sync(_begun, body, asked, previous, caller, turns)
        if body.stream:
            return TurnStream(_lines(begun, first, events), stack.pop_all())
        result = await result_of(events, request.is_disconnected)
    if result is None:
        return HttpResponse(status_code=GONE)
    return JSONResponse(begun.ended(result, extension_of(result, asked.thread)).model_dump(mode="json"))


@router.get("/v1/responses/{response}", responses={code: RESPONSES[code] for code in (400, 401, 404, 429, 503)})
def show_response(response: ResponseId, agent: AgentOf, caller: CallerOf) -> Response:
    """A response that was stored."""
    place = Place.of(response)
    thread = caller.stored(place.thread)
    place.check(agent.threads.count(thread))
    turn = agent.threads.show(thread).turns[place.position]
    result = TurnResult(
        thread=place.thread,
        answer=turn.answer,
        answer_confidence=turn.answer_confidence,
        steps=turn.steps,
        usage=turn.usage,
    )
    begun = Response(
        id=response,
        created_at=int(datetime.fromisoformat(turn.at).timestamp()),
        status="in_progress",
        model=AUTO,
        previous_response_id=Place(place.thread, place.position - 1).id if place.position else None,
        conversation=Conversation(id=place.thread),
        store=True,
    )
    return begun.ended(result, extension_of(result, place.thread))


@router.delete("/v1/responses/{response}", responses={code: RESPONSES[code] for code in (400, 401, 404, 409, 429, 503)})
def delete_response(response: ResponseId, agent: AgentOf, caller: CallerOf) -> DeletedResponse:
    """Delete a response for good. One of several in a conversation goes with the conversation only: see threads."""
    place = Place.of(response)
    thread = caller.stored(place.thread)
    count = agent.threads.count(thread)
    place.check(count)
    if count > 1:
        problem = f"{response} is one of {count} responses of a conversation, of which the later ones need the earlier"
        raise Problem(409, problem, f"delete all of it with DELETE /v1/threads/{place.thread}")
    agent.threads.delete(thread)
    return DeletedResponse(id=response)


def asked_of(body: ResponseRequest) -> tuple[Asked, Place | None]:
    """What a request asks for, and the response that it goes on from. Raises BadInput for what cannot be done here."""
    _refuse_unsupported(body)
    items = [InputMessage(role="user", content=body.input)] if isinstance(body.input, str) else body.input
    messages = [item.message() for item in items]
    said = said_of(messages)
    system = "\n".join(part for part in (body.instructions or "", system_of(messages)) if part)
    previous = Place.of(body.previous_response_id) if body.previous_response_id is not None else None
    thread = _thread(body, previous, brings_answers=len(said) > 1)
    return Asked(body.model, said, system, thread, body.max_output_tokens, body.region), previous


def _thread(body: ResponseRequest, previous: Place | None, *, brings_answers: bool) -> str | None:
    """The thread that the turn belongs to, None when it is not to be stored. Raises BadInput."""
    named = body.conversation.id if isinstance(body.conversation, Conversation) else body.conversation
    if previous is not None and named is not None:
        raise BadInput("'previous_response_id' and 'conversation' are both given", "leave one out")
    kept = previous.thread if previous is not None else named
    if brings_answers and (kept is not None or body.store):
        raise BadInput("the input brings answers of its own", "send the new message only, or store: false")
    if body.store is False and kept is not None:
        raise BadInput("a stored conversation cannot go on with store: false", "leave 'store' out")
    if kept is not None:
        return kept
    return None if brings_answers or body.store is False else new_thread_id()


def _refuse_unsupported(body: ResponseRequest) -> None:
    wanted = {
        "tools": bool(body.tools),
        "background": bool(body.background),
        "prompt": body.prompt is not None,
        "text.format": ((body.text or {}).get("format") or {"type": "text"}) != {"type": "text"},
    }
    for name, given in wanted.items():
        if given:
            remedy = "the agent calls its own tools; leave it out" if name == "tools" else "leave it out"
            raise BadInput(f"{name!r} is not supported here", remedy)


# -- answers ----------------------------------------------------------------------------------------------------------


def _begun(body: ResponseRequest, asked: Asked, previous: Place | None, caller: Caller, turns: Turns) -> Response:
    """The response to a turn that runs, so that its thread is held. Raises BadInput when the thread has gone on."""
    position = 0 if asked.thread is None else turns.agent.threads.count(caller.stored(asked.thread))
    if previous is not None and previous.position != position - 1:
        last = Place(previous.thread, position - 1).id if position else "none, the thread is gone"
        raise BadInput(f"the conversation has no {previous.id} at its end", f"go on from its last response: {last}")
    return Response(
        id=Place(asked.thread, position).id if asked.thread else f"resp_{uuid.uuid4().hex}",
        created_at=int(time.time()),
        status="in_progress",
        model=body.model,
        instructions=body.instructions,
        max_output_tokens=body.max_output_tokens,
        metadata=body.metadata or {},
        previous_response_id=body.previous_response_id,
        conversation=Conversation(id=asked.thread) if asked.thread else None,
        store=asked.thread is not None,
    )


async def _lines(begun: Response, first: Event, events: Events) -> AsyncIterator[str]:
    """The server-sent events of one response, numbered."""
    made = _Lines(begun)
    for line in made.opening():
        yield line
    async for line in lines_of(made, first, events):
        yield line


class _Lines:
    def __init__(self, begun: Response) -> None:
        self._begun = begun
        self._growing = Growing()
        self._number = 0
        self._place: dict[str, Any] = {"item_id": message_id(begun.id), "output_index": 0, "content_index": 0}

    def line(self, kind: str, **fields: Any) -> str:
        """One event."""
        self._number += 1
        return event_line(kind, self._number - 1, **fields)

    def error(self, error: ConloraError) -> str:
        """The event that ends a stream which broke."""
        return self.line("error", message=str(error), code=None, param=None, **body_of(error))

    def opening(self) -> list[str]:
        """What comes before the first word."""
        begun = self._begun.model_dump(mode="json")
        item = OutputMessage(id=message_id(self._begun.id), status="in_progress", content=())
        return [
            self.line("response.created", response=begun),
            self.line("response.in_progress", response=begun),
            self.line("response.output_item.added", output_index=0, item=item.model_dump(mode="json")),
            self.line("response.content_part.added", **self._place, part=OutputText(text="").model_dump(mode="json")),
        ]

    def of(self, event: Event) -> list[str]:
        """The lines for an event of the turn."""
        text = self._growing.add(event)
        lines = [self.line("response.output_text.delta", **self._place, delta=text, logprobs=[])] if text else []
        return [*lines, *self._closing(event.result)] if isinstance(event, Finished) else lines

    def _closing(self, result: TurnResult) -> list[str]:
        thread = self._begun.conversation.id if self._begun.conversation else None
        ended = self._begun.ended(result, extension_of(result, thread))
        (message,) = ended.output
        (part,) = message.content
        return [
            self.line("response.output_text.done", **self._place, text=part.text, logprobs=[]),
            self.line("response.content_part.done", **self._place, part=part.model_dump(mode="json")),
            self.line("response.output_item.done", output_index=0, item=message.model_dump(mode="json")),
            self.line(f"response.{ended.status}", response=ended.model_dump(mode="json")),
        ]
