"""What tools about the current picture share: where pictures come from, and which one is meant.

Not covered here: storing pictures; an agent hands its own store in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pydantic import Field

from conlora_agent.core.errors import ToolError
from tools.base import MissingArgument, Tool, ToolContext, ToolModel

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


class PictureTool(Tool[PictureArgs]):
    """A tool that looks at the current picture."""

    args_model = PictureArgs
    needs_image = True

    def __init__(self, pictures: Pictures | None = None) -> None:
        self._given = pictures

    def arguments(self, request: str, context: ToolContext) -> dict[str, Any]:
        """The current picture. Raises MissingArgument when there is none."""
        image = context.focus.picture
        if image is None:
            raise MissingArgument("image", QUESTION)
        return {"image": image}

    @property
    def _pictures(self) -> Pictures:
        """Raises ToolError when it was made without."""
        if self._given is None:
            raise ToolError("this tool has no pictures to look at", "use it through an agent")
        return self._given
