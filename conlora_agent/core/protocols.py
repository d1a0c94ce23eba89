"""What the rooms ask of one another, as Protocols, so that none imports the room above it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from conlora_agent.core.types import Explanation, Message, Plan, Region, Route, RouteQuery, Usage

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Function:
    """Something to be called. `schema`: JSON schema of its arguments; `said`: the same, taking only what was said."""

    name: str
    description: str
    schema: Mapping[str, Any]
    said: Mapping[str, Any]


@dataclass(frozen=True)
class GenerateRequest:
    """One generation. Prompt layout: `history` with adapters off, then picture, `instruction` with the stack on."""

    instruction: str
    """The last user message, rendered from the task's prompt template (or the user's words for `chat`)."""
    history: Sequence[Message] = ()
    picture: Image | None = None
    """EXIF-upright RGB picture, or the region of it to look at."""
    picture_key: str | None = None
    """What vision caches are keyed by: the content hash, plus the region where one was cut out."""
    stack: str | None = None
    """Task whose LoRAs are active from the picture on; None keeps adapters off."""
    max_new_tokens: int = 128
    on_token: Callable[[str], None] | None = None
    """Called with each piece of text as it is made. Raising from it stops the generation."""
    function: Function | None = None
    """The answer is to be this function's arguments as JSON. A model in this process can write nothing but what `said`
    takes; a server is asked for a call of a tool with `schema`, and what comes back has to be checked."""
    locate: str | None = None
    """What is looked for, when the answer is boxes: they come back in the form of `Backbone.box_range`."""
    reads: bool = False
    """The answer is the text on the picture: a backbone that sees none there writes nothing."""
    seeks_text: bool = False
    """Words on the picture are looked for: a backbone that tells its lines of text writes nothing."""
    describes: bool = False
    """The answer is what the picture shows: a backbone that recognises nothing there writes nothing."""


@dataclass(frozen=True)
class Piece:
    """One generated token's text and the probability the model gave it."""

    text: str
    probability: float


@dataclass(frozen=True)
class Generation:
    """What came out. `pieces` concatenate to the text before stripping."""

    text: str
    pieces: Sequence[Piece] = ()
    usage: Usage = field(default_factory=Usage)
    lines: Sequence[Region] | None = None
    """Where the lines of text stand that the picture was seen to hold, in reading order; None where the backbone does
    not tell."""

    @property
    def confidence(self) -> float | None:
        """Geometric mean of the token probabilities, None when the backbone reports none."""
        if not self.pieces:
            return None
        product = 1.0
        for piece in self.pieces:
            product *= max(piece.probability, 1e-9) ** (1 / len(self.pieces))
        return product


class Backbone(Protocol):
    """The shared vision-language model with its resident stacks. Safe to call from several threads."""

    name: str
    revision: str
    box_range: int
    """Boxes are written by the model as integers 0..box_range-1, x0 y0 x1 y1."""
    condenses: bool
    """Whether its language model is large enough to write a summary of a conversation."""

    def attach(self, stack: str, folder: Path) -> None:
        """Make the PEFT weights in `folder` available under the name `stack`. Raises WeightsError."""

    def detach(self, stack: str) -> None:
        """Forget a stack; unknown names are ignored."""

    def stacks(self) -> tuple[str, ...]:
        """Names of the attached stacks."""

    def generate(self, request: GenerateRequest) -> Generation:
        """Answer greedily. Raises UnknownName for a stack that is not attached, BackboneError when it cannot run."""


@runtime_checkable
class SelfTest(Protocol):
    """What a backbone may offer besides: looking for what is wrong with itself."""

    def problems(self) -> Sequence[str]:
        """One line for each thing that is wrong with the loaded model, with its remedy; none when all is well."""


@runtime_checkable
class Opening(Protocol):
    """What a backbone may offer besides: rounds that plain chat begins with."""

    opening: Sequence[Message]
    """They follow the system prompt: a small language model hardly takes instructions and copies its manners there. A
    caller who has a system prompt does without them, and so do tasks, whose stacks know none."""


class Router(Protocol):
    """Decides which routes a turn takes."""

    def plan(self, query: RouteQuery) -> Plan:
        """A plan of one or more steps, with calibrated confidences."""

    def refit(self, routes: Sequence[Route]) -> None:
        """Take this set of routes from now on."""


@runtime_checkable
class Explains(Protocol):
    """A router that can say why."""

    def explain(self, query: RouteQuery) -> Explanation:
        """Why a message takes its route."""
