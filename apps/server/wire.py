"""What goes over the wire in `/v1/chat/completions`: OpenAI's format, and what this server adds to it.

Not covered here: what a request means (chat.py).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, BaseModel, Field

from conlora_agent.core.types import Step, TurnResult, Usage

AUTO = "auto"
BASE = "base"

MAX_MESSAGES = 1000


def _encodable(text: str) -> str:
    """JSON may hold halves of characters, of which no text can be made."""
    text.encode()  # raises UnicodeEncodeError, a ValueError
    return text


Words = Annotated[str, AfterValidator(_encodable)]
"""Text that a caller sends."""


class TextPart(BaseModel):
    """Words of a message."""

    type: Literal["text"]
    text: Words


class ImageUrl(BaseModel):
    """Where a picture is."""

    url: str = Field(description="`data:image/png;base64,...`, or an `https:` address that everyone may fetch.")


class ImagePart(BaseModel):
    """A picture of a message."""

    type: Literal["image_url"]
    image_url: ImageUrl


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class Trace(BaseModel):
    """The steps of an answer, as they came with it."""

    steps: tuple[Step, ...] = ()


class Message(BaseModel):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Words | list[Part] | None = None
    conlora: Trace | None = Field(
        default=None,
        description="On an assistant's message: the `conlora` field that the message came with. Sent back, nothing of "
        "that turn has to be worked out again.",
    )


class StreamOptions(BaseModel):
    """OpenAI's options of a stream."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """A conversation to be answered. Sampling parameters are accepted and change nothing: answers are greedy."""

    model: str = Field(default=AUTO, description="`auto`, the name of a task, or `base`: the model without adapters.")
    messages: list[Message] = Field(min_length=1, max_length=MAX_MESSAGES)
    thread: str | None = Field(
        default=None,
        validation_alias=AliasChoices("thread", "thread_id"),
        description="Id of a thread that the server keeps; made when it is new. Only the last user message counts "
        "then, as the thread remembers the others. Without it nothing is stored.",
    )
    region: tuple[float, float, float, float] | None = Field(
        default=None, description="The part of the current picture that the message is about: [x0, y0, x1, y1], 0..1."
    )
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    n: int | None = None
    stop: str | list[str] | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    logprobs: bool | None = None
    response_format: dict[str, Any] | None = None


class Extension(BaseModel):
    """What this server says about an answer besides, in the field `conlora`."""

    thread: str | None = Field(description="The thread that the turn was stored in, null when it was not.")
    answer_confidence: float | None
    steps: tuple[Step, ...] = Field(description="Every step: route, confidence, adapter, text, boxes, tool call, ...")


class AnswerMessage(BaseModel):
    """The answer."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None
    conlora: Trace


class Choice(BaseModel):
    """The one choice there is."""

    index: Literal[0] = 0
    message: AnswerMessage
    logprobs: None = None
    finish_reason: Literal["stop", "length"]


class TokenUsage(BaseModel):
    """Tokens read and written by this turn."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, usage: Usage) -> TokenUsage:
        """From a turn's usage."""
        total = usage.prompt_tokens + usage.completion_tokens
        return cls(prompt_tokens=usage.prompt_tokens, completion_tokens=usage.completion_tokens, total_tokens=total)


class ChatCompletion(BaseModel):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: tuple[Choice, ...]
    usage: TokenUsage
    conlora: Extension


class Delta(BaseModel):
    """A piece of the answer."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChunkChoice(BaseModel):
    """The one choice of a chunk."""

    index: Literal[0] = 0
    delta: Delta
    finish_reason: Literal["stop", "length"] | None = None


class Chunk(BaseModel):
    """A piece of a streamed answer. `conlora`: an event of the turn; in the last one but the usage, the extension."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: tuple[ChunkChoice, ...]
    usage: TokenUsage | None = None
    conlora: dict[str, Any] | None = None

    def line(self) -> str:
        """As a server-sent event."""
        return f"data: {self.model_dump_json(exclude_none=True)}\n\n"


def finish_reason(result: TurnResult, max_tokens: int | None) -> Literal["stop", "length"]:
    """Whether the text ended by itself or had to be cut."""
    return "length" if max_tokens is not None and result.usage.completion_tokens >= max_tokens else "stop"
