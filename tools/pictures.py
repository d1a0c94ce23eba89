"""What tools about the current picture share: where pictures come from, and which one is meant.

Not covered here: storing pictures; an agent hands its own store in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pydantic import Field

from conlora_agent.core.errors import ToolError
from tools.base import MissingArgument, ToolContext, ToolModel

if TYPE_CHECKING:
    from PIL.Image import Image

QUESTION = "Which picture? Please send one."


class Pictures(Protocol):
    """Pictures by content hash."""

    def read(self, key: str) -> bytes:
        """The original bytes. Raises UnknownName."""

    def open(self, key: str) -> Image:
        """The picture, EXIF-upright, RGB. Raises UnknownName."""


class PictureArgs(ToolModel):
    """`image`: content hash of the picture to look at."""

    image: str = Field(pattern=r"^[0-9a-f]{64}$")


def current_picture(context: ToolContext) -> dict[str, Any]:
    """Arguments naming the current picture. Raises MissingArgument when there is none."""
    image = context.focus.picture
    if image is None:
        raise MissingArgument("image", QUESTION)
    return {"image": image}


def require(pictures: Pictures | None) -> Pictures:
    """The pictures a tool was given. Raises ToolError when it was made without."""
    if pictures is None:
        raise ToolError("this tool has no pictures to look at", "use it through an agent")
    return pictures
