"""`/v1/chat/completions`: a conversation comes in OpenAI's format, and its answer goes out whole or as it grows."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from apps.server.access import Caller
from apps.server.deps import CallerOf, TurnsOf
from apps.server.problems import RESPONSES, body_of
from apps.server.stream import Growing, lines_of
from apps.server.turns import Asked, Events, Said, Turns, TurnStream, result_of
from apps.server.wire import (
    AnswerMessage,
    ChatCompletion,
    ChatRequest,
    Choice,
    Chunk,
    ChunkChoice,
    Delta,
    Extension,
    ImagePart,
    Message,
    TextPart,
    TokenUsage,
    Trace,
    finish_reason,
)
from conlora_agent.core.errors import BadInput, ConloraError
from conlora_agent.core.events import Event, Finished
from conlora_agent.core.types import TurnResult

router = APIRouter(tags=["chat"])

GONE = 499
"""What the log says of a caller who left before the answer."""


@router.post(
    "/v1/chat/completions",
    response_model=ChatCompletion,
    responses=RESPONSES | {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def chat_completions(body: ChatRequest, request: Request, caller: CallerOf, turns: TurnsOf) -> Response:
    """Answer the last user message of a conversation.

    The server keeps nothing of it, unless `thread` names a conversation that it shall keep. Routes, boxes and tool
    calls are in the field `conlora` of the answer; of a stream, in that of its chunks.
    """
    asked = asked_of(body)
    if body.stream:
        return await _streamed(body, asked, caller, turns)
    async with turns.run(asked, caller) as events:
        result = await result_of(events, request.is_disconnected)
    return Response(status_code=GONE) if result is None else JSONResponse(_whole(body, asked, result))


def asked_of(body: ChatRequest) -> Asked:
    """What a request asks for. Raises BadInput for what this server does not do."""
    _refuse_unsupported(body)
    tokens = body.max_completion_tokens or body.max_tokens
    return Asked(body.model, said_of(body.messages), system_of(body.messages), body.thread, tokens, body.region)


def _refuse_unsupported(body: ChatRequest) -> None:
    wanted = {
        "n": body.n not in (None, 1),
        "stop": bool(body.stop),
        "tools": bool(body.tools),
        "functions": bool(body.functions),
        "logprobs": bool(body.logprobs),
        "response_format": (body.response_format or {}).get("type", "text") != "text",
    }
    for name, given in wanted.items():
        if given:
            remedy = "the agent calls its own tools; leave it out" if name in ("tools", "functions") else "leave it out"
            raise BadInput(f"{name!r} is not supported here", remedy)


def system_of(messages: Sequence[Message]) -> str:
    """What the caller asks of the model besides."""
    return "\n".join(_text(m) for m in messages if m.role in ("system", "developer")).strip()


def said_of(messages: Sequence[Message]) -> list[Said]:
    """The user's messages with the answers they got; messages in a row count as one. Raises BadInput."""
    said: list[Said] = []
    open_message = False
    for message in messages:
        if message.role == "user":
            text, images = _text(message), _images(message)
            if open_message:
                before = said.pop()
                text, images = f"{before.text}\n{text}".strip(), (*before.images, *images)
            said.append(Said(text, images))
            open_message = True
        elif message.role == "assistant" and said:
            before = said.pop()
            answer = f"{before.answer}\n{_text(message)}".strip()
            steps = message.conlora.steps if message.conlora else before.steps
            said.append(Said(before.text, before.images, answer, steps))
            open_message = False
    if not open_message:
        raise BadInput("the last message is not the user's", "end the messages with one of role 'user'")
    return said


def _text(message: Message) -> str:
    if isinstance(message.content, str):
        return message.content
    return "\n".join(part.text for part in message.content or () if isinstance(part, TextPart))


def _images(message: Message) -> tuple[str, ...]:
    parts = () if isinstance(message.content, str) else message.content or ()
    return tuple(part.image_url.url for part in parts if isinstance(part, ImagePart))


# -- answers ----------------------------------------------------------------------------------------------------------


def extension_of(result: TurnResult, thread: str | None) -> Extension:
    """What this server adds to an answer. `thread`: the caller's name of the one that the turn was stored in."""
    return Extension(thread=thread, answer_confidence=result.answer_confidence, steps=result.steps)


def _whole(body: ChatRequest, asked: Asked, result: TurnResult) -> dict[str, object]:
    message = AnswerMessage(content=result.answer, conlora=Trace(steps=result.steps))
    answer = ChatCompletion(
        id=_new_id(),
        created=int(time.time()),
        model=body.model,
        choices=(Choice(message=message, finish_reason=finish_reason(result, asked.max_tokens)),),
        usage=TokenUsage.of(result.usage),
        conlora=extension_of(result, asked.thread),
    )
    return answer.model_dump(mode="json")


async def _streamed(body: ChatRequest, asked: Asked, caller: Caller, turns: Turns) -> TurnStream:
    """The stream, begun only once the turn has: what is wrong with the request still is an answer of its own."""
    async with AsyncExitStack() as stack:
        events = await stack.enter_async_context(turns.run(asked, caller))
        first = await anext(events)
        running = stack.pop_all()
    return TurnStream(_lines(Chunks(body, asked), first, events), running)


async def _lines(made: Chunks, first: Event, events: Events) -> AsyncIterator[str]:
    yield made.chunk(Delta(role="assistant", content=""))
    async for line in lines_of(made, first, events):
        yield line
    yield "data: [DONE]\n\n"


class Chunks:
    """Turns the events of one turn into server-sent events."""

    def __init__(self, body: ChatRequest, asked: Asked) -> None:
        self._body, self._asked = body, asked
        self._id, self._created = _new_id(), int(time.time())
        self._growing = Growing()

    def of(self, event: Event) -> list[str]:
        """The lines for an event."""
        text = self._growing.add(event)
        lines = [self.chunk(Delta(content=text))] if text else []
        if isinstance(event, Finished):
            return [*lines, *self._end(event.result)]
        if event.event != "token":
            lines.insert(0, self.chunk(Delta(), conlora=event.model_dump(mode="json")))
        return lines

    def chunk(self, delta: Delta, **more: object) -> str:
        """One line with a piece of the answer."""
        finish = more.pop("finish_reason", None)
        choice = ChunkChoice.model_validate({"delta": delta, "finish_reason": finish})
        return self._line(choices=(choice,), **more)

    def error(self, error: ConloraError) -> str:
        """The line that ends a stream which broke."""
        return f"data: {json.dumps(body_of(error))}\n\n"

    def _end(self, result: TurnResult) -> list[str]:
        reason = finish_reason(result, self._asked.max_tokens)
        extension = extension_of(result, self._asked.thread).model_dump(mode="json")
        lines = [self.chunk(Delta(), finish_reason=reason, conlora=extension)]
        if self._body.stream_options and self._body.stream_options.include_usage:
            lines.append(self._line(choices=(), usage=TokenUsage.of(result.usage)))
        return lines

    def _line(self, **fields: object) -> str:
        known = {"id": self._id, "created": self._created, "model": self._body.model}
        return Chunk.model_validate(known | fields).line()


def _new_id() -> str:
    return f"chatcmpl-{uuid.uuid4().hex}"
