"""What goes over the wire in `/v1/responses`: OpenAI's format, and what this server adds to it.

Not covered here: what a request means (responses.py).
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from apps.server.wire import AUTO, MAX_MESSAGES, Extension, ImagePart, ImageUrl, Message, TextPart, Trace, Words
from conlora_agent.core.types import TurnResult, Usage


class InputText(BaseModel):
    """Words of a message: the user's, or an answer that is sent back."""

    type: Literal["input_text", "output_text"]
    text: Words


class InputImage(BaseModel):
    """A picture of a message."""

    type: Literal["input_image"]
    image_url: str = Field(description="`data:image/png;base64,...`, or an `https:` address that everyone may fetch.")


InputPart = Annotated[InputText | InputImage, Field(discriminator="type")]


class InputMessage(BaseModel):
    """One message of the conversation."""

    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: Words | list[InputPart]
    conlora: Trace | None = Field(default=None, description="As in `/v1/chat/completions`.")

    def message(self) -> Message:
        """The same in the format of `/v1/chat/completions`."""
        if isinstance(self.content, str):
            return Message(role=self.role, content=self.content, conlora=self.conlora)
        parts = [
            ImagePart(type="image_url", image_url=ImageUrl(url=part.image_url))
            if isinstance(part, InputImage)
            else TextPart(type="text", text=part.text)
            for part in self.content
        ]
        return Message(role=self.role, content=parts, conlora=self.conlora)


class Conversation(BaseModel):
    """A thread that the server keeps."""

    id: str


class ResponseRequest(BaseModel):
    """A message to be answered. Sampling parameters are accepted and change nothing: answers are greedy."""

    model: str = Field(default=AUTO, description="`auto`, the name of a task, or `base`: the model without adapters.")
    input: Words | Annotated[list[InputMessage], Field(max_length=MAX_MESSAGES)]
    instructions: Words | None = None
    previous_response_id: str | None = Field(
        default=None, description="The response that this message goes on from: the last one of its thread."
    )
    conversation: str | Conversation | None = Field(
        default=None, description="Id of a thread to go on with; made when it is new."
    )
    store: bool | None = Field(
        default=None,
        description="Whether the server keeps the turn. It does unless the messages bring answers of their own.",
    )
    region: tuple[float, float, float, float] | None = Field(
        default=None, description="The part of the current picture that the message is about: [x0, y0, x1, y1], 0..1."
    )
    stream: bool = False
    max_output_tokens: int | None = Field(default=None, ge=1)
    metadata: Annotated[dict[Words, Words], Field(max_length=16)] | None = None
    tools: list[Any] | None = None
    background: bool | None = None
    prompt: Any = None
    text: dict[str, Any] | None = None


class OutputText(BaseModel):
    """The words of the answer."""

    type: Literal["output_text"] = "output_text"
    text: str
    annotations: tuple[Any, ...] = ()
    logprobs: tuple[Any, ...] = ()


class OutputMessage(BaseModel):
    """The answer. Sent back in a later `input`, nothing of its turn has to be worked out again."""

    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    status: Literal["in_progress", "completed", "incomplete"] = "completed"
    content: tuple[OutputText, ...]
    conlora: Trace | None = None


class InputDetails(BaseModel):
    """OpenAI's; no figure is kept here."""

    cached_tokens: Literal[0] = 0


class OutputDetails(BaseModel):
    """OpenAI's; no model here thinks apart."""

    reasoning_tokens: Literal[0] = 0


class ResponseUsage(BaseModel):
    """Tokens read and written by this turn."""

    input_tokens: int
    input_tokens_details: InputDetails = InputDetails()
    output_tokens: int
    output_tokens_details: OutputDetails = OutputDetails()
    total_tokens: int

    @classmethod
    def of(cls, usage: Usage) -> ResponseUsage:
        """From a turn's usage."""
        read, written = usage.prompt_tokens, usage.completion_tokens
        return cls(input_tokens=read, output_tokens=written, total_tokens=read + written)


class Incomplete(BaseModel):
    """Why an answer was cut."""

    reason: Literal["max_output_tokens"] = "max_output_tokens"


class Response(BaseModel):
    """A whole answer."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: Literal["in_progress", "completed", "incomplete"]
    error: None = None
    incomplete_details: Incomplete | None = None
    model: str
    output: tuple[OutputMessage, ...] = ()
    usage: ResponseUsage | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    previous_response_id: str | None = None
    conversation: Conversation | None = None
    store: bool
    parallel_tool_calls: bool = False
    temperature: float = 0.0
    top_p: float = 1.0
    tool_choice: Literal["none"] = "none"
    tools: tuple[Any, ...] = ()
    conlora: Extension | None = None

    def ended(self, result: TurnResult, extension: Extension) -> Response:
        """This response once its turn has ended."""
        cut = self.max_output_tokens is not None and result.usage.completion_tokens >= self.max_output_tokens
        status: Literal["completed", "incomplete"] = "incomplete" if cut else "completed"
        message = OutputMessage(
            id=message_id(self.id),
            status=status,
            content=(OutputText(text=result.answer),),
            conlora=Trace(steps=result.steps),
        )
        update = {"status": status, "output": (message,), "usage": ResponseUsage.of(result.usage)}
        return self.model_copy(
            update=update | {"conlora": extension, "incomplete_details": Incomplete() if cut else None}
        )


class DeletedResponse(BaseModel):
    """A response that is gone."""

    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True


def message_id(response: str) -> str:
    """The id of a response's one message."""
    return response.replace("resp_", "msg_", 1)


def event_line(kind: str, number: int, **fields: Any) -> str:
    """A server-sent event."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, 'sequence_number': number, **fields})}\n\n"
