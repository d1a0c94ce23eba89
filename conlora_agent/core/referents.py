"""Focus: what a conversation is about now, as a bounded list of typed referents. Data only.

Not covered here: what they are found from, and how words are resolved against them (conlora_agent.focus).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from conlora_agent.core.types import Box, Model

FOCUS_VERSION = 1
FOCUS_LIMIT = 16


class PictureReferent(Model):
    """A picture of the conversation. `image` is its content hash."""

    kind: Literal["picture"] = "picture"
    image: str


class RegionReferent(Model):
    """A place on a picture."""

    kind: Literal["region"] = "region"
    image: str
    box: Box
    label: str = ""


class TextReferent(Model):
    """Words read from a picture or a page. Data, never instruction."""

    kind: Literal["text"] = "text"
    text: str
    image: str | None = None
    box: Box | None = None


class ValueReferent(Model):
    """A tool's result together with the arguments that led to it."""

    kind: Literal["value"] = "value"
    route: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    value: Any = None


class RequestReferent(Model):
    """The last request a route was given, so that "and the other one?" can be completed."""

    kind: Literal["request"] = "request"
    route: str
    request: str


Referent = Annotated[
    PictureReferent | RegionReferent | TextReferent | ValueReferent | RequestReferent, Field(discriminator="kind")
]


class Focus(Model):
    """Bounded list of referents, newest last; plain versioned JSON."""

    version: int = FOCUS_VERSION
    referents: tuple[Referent, ...] = ()

    def add(self, *new: Referent) -> Focus:
        """A focus with `new` at the end, duplicates moved there, and the oldest dropped beyond `FOCUS_LIMIT`."""
        kept = [r for r in self.referents if r not in new]
        return self.model_copy(update={"referents": (*kept, *new)[-FOCUS_LIMIT:]})

    @property
    def picture(self) -> str | None:
        """Content hash of the current picture: the newest one mentioned."""
        return next((r.image for r in reversed(self.referents) if isinstance(r, PictureReferent)), None)

    @property
    def region(self) -> RegionReferent | None:
        """The newest region of the current picture."""
        regions = (r for r in reversed(self.referents) if isinstance(r, RegionReferent))
        return next((r for r in regions if r.image == self.picture), None)

    @property
    def text(self) -> TextReferent | None:
        """The newest text read."""
        return next((r for r in reversed(self.referents) if isinstance(r, TextReferent)), None)

    @property
    def value(self) -> ValueReferent | None:
        """The newest tool result."""
        return next((r for r in reversed(self.referents) if isinstance(r, ValueReferent)), None)

    @property
    def request(self) -> RequestReferent | None:
        """The newest request."""
        return next((r for r in reversed(self.referents) if isinstance(r, RequestReferent)), None)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of the referents, newest last: what a router may see."""
        return tuple(r.kind for r in self.referents)
