"""Our tasks as an MCP server: read text, locate, describe, ask, on standard input and output or over streamable HTTP.

A picture comes as base64; over standard input, where the client runs on this machine, as the path of a file too. Not
covered here: the command's options (apps.cli.mcp).
"""

from __future__ import annotations

import base64
import binascii
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import anyio.to_thread
from pydantic import BaseModel, Field

from conlora_agent.core.errors import ConloraError, PictureError
from conlora_agent.core.types import Region, Step, TurnResult

if TYPE_CHECKING:
    from mcp.server.fastmcp import FastMCP

    from conlora_agent.agent import Agent

OpenAgent = Callable[[], AbstractContextManager["Agent"]]

Picture = Annotated[str, Field(description="the picture: base64 of a PNG, JPEG, WebP or GIF file, or a data: URL")]
PictureOrPath = Annotated[str, Field(description="the picture: the path of its file, base64 of it, or a data: URL")]


class Found(BaseModel):
    """What a task gave. `boxes`: x0, y0, x1, y1 as fractions of the upright picture's width and height."""

    text: str
    status: str
    boxes: list[dict[str, Any]] = Field(default_factory=list)
    confidence: float | None = None


def make_server(open_agent: OpenAgent, *, paths: bool, host: str = "127.0.0.1", port: int = 8000) -> FastMCP:
    """The server; the agent is opened when it starts. `paths`: whether pictures may be files of this machine."""
    from mcp.server.fastmcp import FastMCP

    agents: list[Agent] = []
    server = FastMCP(
        "conlora",
        instructions="Questions about pictures.",
        host=host,
        port=port,
        lifespan=lambda _: _opened(open_agent, agents),
    )
    image: Any = PictureOrPath if paths else Picture

    async def turn(text: str, picture: str | None, task: str | None) -> Found:
        data = None if picture is None else _bytes(picture, paths=paths)
        return await anyio.to_thread.run_sync(_turn, agents[0], text, data, task)

    async def read_text(image: str) -> Found:
        return await turn("read the text", image, "ocr")

    async def locate(image: str, phrase: Annotated[str, Field(description="what to find, such as 'the dog'")]) -> Found:
        return await turn(f"where is {phrase}?", image, "grounding")

    async def describe(image: str) -> Found:
        return await turn("describe this image", image, "caption")

    async def ask(message: str, image: str | None = None) -> Found:
        return await turn(message, image, None)

    for tool, description in (
        (read_text, "Read the text on a picture."),
        (locate, "Find a thing on a picture; gives boxes."),
        (describe, "Describe a picture."),
        (ask, "Ask about a picture, or anything else; the right task or tool is chosen by itself."),
    ):
        tool.__annotations__["image"] = image if tool is not ask else image | None
        server.add_tool(tool, description=description)
    return server


@asynccontextmanager
async def _opened(open_agent: OpenAgent, agents: list[Agent]) -> AsyncIterator[None]:
    """Within: the agent is open, and in `agents`."""
    # The transport has taken standard output by now: whatever else prints must not reach the client.
    with redirect_stdout(sys.stderr), open_agent() as agent:
        agents.append(agent)
        try:
            yield
        finally:
            agents.remove(agent)


def _turn(agent: Agent, text: str, picture: bytes | None, task: str | None) -> Found:
    """One turn in a thread of its own, which is deleted. Raises ValueError with one line for the client."""
    try:
        result = agent.ask(text, image=picture, task=task)
        agent.threads.delete(result.thread)
    except ConloraError as error:
        raise ValueError(str(error)) from error
    return _found(result)


def _found(result: TurnResult) -> Found:
    last: Step = result.steps[-1]
    regions: tuple[Region, ...] = last.boxes
    return Found(
        text=result.answer,
        status=last.status,
        boxes=[region.model_dump(mode="json") for region in regions],
        confidence=result.answer_confidence,
    )


def _bytes(picture: str, *, paths: bool) -> bytes:
    """The picture's bytes. Raises ValueError with one line for the client."""
    from conlora_agent.memory.decoding import read_picture_file

    header, comma, body = picture.partition(",")
    encoded = body if comma and header.startswith("data:") else picture
    try:
        if paths and _is_file(picture):
            return read_picture_file(Path(picture))
        return base64.b64decode(encoded, validate=True)
    except PictureError as error:
        raise ValueError(str(error)) from error
    except (binascii.Error, ValueError) as error:
        wanted = "the path of a picture file, or base64" if paths else "base64 of a picture file"
        raise ValueError(f"that is no picture; send {wanted}") from error


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long, or no path at all
        return False
