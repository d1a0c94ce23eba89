"""The graph's state and the context its nodes run in.

State that outlives a turn (`window`, `summary`, `focus`, `pending`) is plain JSON, because it is checkpointed; see
conlora_agent.memory.saver. State of one turn is untracked: it holds real objects and is never written. `record` is
the finished turn on its way to the transcript. Not covered here: what nodes do with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from langgraph.channels import UntrackedValue

from conlora_agent.core.protocols import Router
from conlora_agent.core.referents import Focus
from conlora_agent.core.types import Box, Pending, Plan, Route, Step, Usage

if TYPE_CHECKING:
    from adapters.registry import TaskRegistry
    from conlora_agent.memory.pictures import Pictures
    from conlora_agent.models import Models
    from conlora_agent.recall import Exchange
    from conlora_agent.settings import Settings
    from conlora_agent.streaming import EventChannel
    from tools.registry import ToolRegistry


class TurnInput(TypedDict):
    """What a caller hands in. `task`: the route to take, None to let the router choose. `region`: the part of the
    current picture that the user marked.
    """

    text: Annotated[str, UntrackedValue]
    picture: Annotated[bytes | None, UntrackedValue]
    task: Annotated[str | None, UntrackedValue]
    region: Annotated[Box | None, UntrackedValue]


class TurnState(TurnInput, total=False):
    """All channels. Read the kept ones through the functions below."""

    window: list[dict[str, Any]]
    """The last turns, oldest first: {user, assistant, routes}; {routes} alone once the words are in the summary."""
    summary: str
    """What was said before the window's words (conlora_agent.summary)."""
    focus: dict[str, Any]
    pending: dict[str, Any] | None
    chosen: dict[str, str]
    """By words that were unclear: the route the user then chose, newest last."""
    record: dict[str, Any] | None

    image: Annotated[str | None, UntrackedValue]
    """Content hash of the picture that came with this turn."""
    plan: Annotated[Plan, UntrackedValue]
    budget: Annotated[int, UntrackedValue]
    """The most steps this turn may take."""
    replies: Annotated[dict[str, str], UntrackedValue]
    """What the user said to the question that is resumed, by name of the tool argument."""
    steps: Annotated[tuple[Step, ...], UntrackedValue]
    asked: Annotated[Pending | None, UntrackedValue]
    """The question this turn ends with."""
    usage: Annotated[Usage, UntrackedValue]
    answer: Annotated[str, UntrackedValue]
    answer_confidence: Annotated[float | None, UntrackedValue]


@dataclass(frozen=True)
class TurnContext:
    """What the nodes of one turn work with. Never part of the state."""

    thread: str
    settings: Settings
    router: Router
    routes: dict[str, Route]
    """Every route there is, by name."""
    tasks: TaskRegistry
    tools: ToolRegistry
    pictures: Pictures
    models: Models
    holder: str
    """Token of the thread's lease; pictures of the turn are held under it until it is committed."""
    channel: EventChannel
    system: str = ""
    """What the caller asks of the language model besides; heard by `chat` only, as stacks are trained without it."""
    max_tokens: int | None = None
    """The most tokens that one text may have; boxes and the like are not cut."""
    past: Exchange | None = None
    """Set when a turn of the past is gone through again, only for what it left behind."""


def focus_of(state: TurnState) -> Focus:
    """The focus, empty in a new thread. One of another version is dropped: it can be rebuilt, not misread."""
    raw = state.get("focus")
    return Focus.model_validate(raw) if raw and raw.get("version") == Focus().version else Focus()


def pending_of(state: TurnState) -> Pending | None:
    """The question that the turn before ended with."""
    raw = state.get("pending")
    return Pending.model_validate(raw) if raw else None


def dump_focus(focus: Focus) -> dict[str, Any]:
    """The focus as plain JSON."""
    return focus.model_dump(mode="json")
