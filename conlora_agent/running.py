"""Runs one turn, of a stored thread or of a conversation kept elsewhere, and hands its events to the caller.

Not covered here: what happens in a turn (graph, nodes), and what it works with (agent).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from conlora_agent.core.errors import StorageError
from conlora_agent.core.events import Event, Finished
from conlora_agent.core.types import TurnResult
from conlora_agent.memory.leases import Leases
from conlora_agent.memory.pictures import PictureStore, TransientPictures
from conlora_agent.streaming import EventChannel

if TYPE_CHECKING:
    from conlora_agent.conversation import Conversations
    from conlora_agent.recall import Exchange
    from conlora_agent.state import TurnContext, TurnState

ContextMaker = Callable[..., "TurnContext"]
"""Makes a turn's context from what is added here: `pictures`, `holder` and `channel`."""

AROUND = 10
"""Nodes that a turn may visit beside its steps."""


def run_stored(
    turn: dict[str, Any], thread: str, context: ContextMaker, *, graph: Any, leases: Leases, pictures: PictureStore
) -> Generator[Event, None, None]:
    """A turn of `thread`: committed once its events were taken, rolled back when the iterator is closed before."""
    channel = EventChannel()
    states: list[TurnState] = []
    with leases.hold(thread) as token:
        made = context(pictures=pictures, holder=token, channel=channel)
        config = {
            "configurable": {"thread_id": thread, "lease": token},
            "recursion_limit": made.settings.max_steps + AROUND,
        }
        try:
            yield from channel.run(lambda: states.append(graph.invoke(turn, config, context=made, durability="exit")))
        finally:
            with contextlib.suppress(StorageError):  # a hold that cannot be released now expires
                pictures.release(token)
    yield Finished(result=_result(thread, states[0]))


def run_transient(
    turn: dict[str, Any],
    past: Sequence[Exchange],
    context: ContextMaker,
    *,
    conversations: Conversations,
    pictures: PictureStore,
) -> Generator[Event, None, None]:
    """A turn after `past`, of which nothing is stored; `pictures` has its pictures in memory meanwhile."""
    channel = EventChannel()
    states: list[TurnState] = []
    with TransientPictures(pictures) as lent:
        made = context(pictures=lent, holder="", channel=channel)
        limit = made.settings.max_steps + AROUND
        yield from channel.run(lambda: states.append(conversations.run(turn, past, made, limit)))
    yield Finished(result=_result("", states[0]))


def _result(thread: str, state: TurnState) -> TurnResult:
    return TurnResult(
        thread=thread,
        answer=state["answer"],
        answer_confidence=state["answer_confidence"],
        steps=state["steps"],
        usage=state["usage"],
    )
