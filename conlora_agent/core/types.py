"""Shared vocabulary of every room: routes, steps, plans, turns. Data only, no behaviour beyond simple look-ups.

Not covered here: what a conversation is about (referents.py); how a plan is made (router/), carried out
(conlora_agent.nodes) or stored (conlora_agent.memory).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Kind = Literal["task", "tool", "chat", "clarify"]
Status = Literal["ok", "abstained", "unavailable", "failed", "needs_input"]

CHAT = "chat"
CLARIFY = "clarify"

Box = tuple[float, float, float, float]
"""`(x0, y0, x1, y1)`, floats 0..1 of the original, EXIF-upright picture."""


class Model(BaseModel):
    """Immutable value object; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Region(Model):
    """A box found on a picture, with what it shows and how sure the model is."""

    label: str
    box: Box
    score: float | None = None
    line: bool = Field(default=False, exclude_if=lambda is_line: not is_line)
    """Whether it is a line of text that was read, as its label says; written down only where it is."""

    @field_validator("box")
    @classmethod
    def _ordered_and_inside(cls, box: Box) -> Box:
        x0, y0, x1, y1 = box
        if not (0.0 <= x0 < x1 <= 1.0 and 0.0 <= y0 < y1 <= 1.0):
            raise ValueError(f"box {box} is not x0<x1, y0<y1 inside 0..1")
        return box


# -- routes and plans -------------------------------------------------------------------------------------------------


class Example(Model):
    """One routing example, as written in an `examples.jsonl`. `previous`: routes of the turns before, oldest first."""

    text: str = Field(min_length=1)
    has_image: bool = True
    previous: tuple[str, ...] = ()


class Route(Model):
    """A destination the router can choose."""

    name: str
    kind: Kind
    title: str
    description: str
    needs_image: bool = False
    examples: tuple[Example, ...] = ()


class RouteQuery(Model):
    """All that a router may look at for one turn."""

    text: str
    has_image: bool = False
    previous: tuple[str, ...] = ()
    """Routes of the turns before, oldest first."""
    focus: tuple[str, ...] = ()
    """Kinds of the focus's referents, newest last; empty when there is no thread."""


class Candidate(Model):
    """One route with its calibrated probability."""

    route: str
    confidence: float


class PlannedStep(Model):
    """One route to be executed once. `uses` holds 0-based positions of earlier steps of the same plan."""

    route: str
    kind: Kind
    confidence: float
    request: str
    uses: tuple[int, ...] = ()


class Plan(Model):
    """What the router decided for one turn: ordered steps, the ranked candidates of the first, the time it took."""

    steps: tuple[PlannedStep, ...]
    candidates: tuple[Candidate, ...] = ()
    ms: float = 0.0


class Neighbour(Model):
    """A routing example near a message. `similarity`: cosine, 1 for the same."""

    text: str
    route: str
    similarity: float


class Influence(Model):
    """Something about a message that moved the odds, in logits: above 0 for the route taken, below for the next."""

    what: str
    weight: float


class Explanation(Model):
    """Why a message takes `route` and not `instead_of`. `trust`: thresholds and their expected errors in words."""

    route: str
    instead_of: str
    nearest: tuple[Neighbour, ...]
    influences: tuple[Influence, ...]
    threshold: float
    margin: float
    trust: str


class Step(PlannedStep):
    """A step that was carried out: the trace that CLI, web and HTTP all show."""

    status: Status = "ok"
    adapter: str | None = None
    """Name of the stack that was active, None when adapters were off."""
    text: str = ""
    """What the step itself produced."""
    note: str | None = None
    """What has to be known beside it: that it is not quite what was asked for, and why."""
    boxes: tuple[Region, ...] = ()
    """What it found, the part of the picture that it looked at, or the lines of text that it read."""
    image: str | None = None
    """Content hash of the picture the step looked at."""
    tool_args: dict[str, Any] | None = None
    tool_result: Any = None
    source: str | None = None
    error: str | None = None
    answer_confidence: float | None = None
    ms: float = 0.0

    @property
    def places(self) -> tuple[Region, ...]:
        """Its boxes without lines of text: whoever read a page has not pointed at a line of it."""
        return tuple(region for region in self.boxes if not region.line)


class Pending(Model):
    """A question the agent asked back. The next turn is routed first and resumes only if it answers `question`."""

    question: str
    steps: tuple[PlannedStep, ...]
    """The plan to resume; its first step is the one waiting."""
    missing: str | None = None
    """Name of the missing tool argument, "image" for a picture, None when the route itself was unclear."""
    choices: tuple[str, ...] = ()
    """Routes offered, when the route was unclear."""
    answers: dict[str, str] = Field(default_factory=dict)
    """Replies to earlier questions about the same step, by name of the tool argument."""


# -- turns ------------------------------------------------------------------------------------------------------------


class Message(Model):
    """One line of the text-only history that a language model sees."""

    role: Literal["system", "user", "assistant"]
    content: str


class Usage(Model):
    """Tokens spent by one turn."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
        )


class TurnResult(Model):
    """What `conlora ask --json` prints."""

    thread: str
    answer: str
    answer_confidence: float | None
    steps: tuple[Step, ...]
    usage: Usage = Usage()


class TurnRecord(Model):
    """One line of a thread's append-only transcript."""

    text: str
    image: str | None = None
    """Content hash of the picture that came with this turn."""
    region: Box | None = None
    """The part of the current picture that the user marked."""
    answer: str
    answer_confidence: float | None = None
    steps: tuple[Step, ...] = ()
    usage: Usage = Usage()
    at: str
    """UTC time, ISO 8601."""
