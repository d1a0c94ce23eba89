"""What lies on the desk of one browser tab: the pictures of its conversation, which one is looked at, a marked region.

Not covered here: how it is shown (tray.py) and what is kept (conlora_agent.memory).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from conlora_agent.core.errors import ConloraError
from conlora_agent.core.types import Box, Model

if TYPE_CHECKING:
    from conlora_agent.agent import Agent


class Desk(Model):
    """Pictures by content hash, in the order they came."""

    pictures: tuple[str, ...] = ()
    current: str | None = None
    region: Box | None = None

    def put(self, *keys: str) -> Desk:
        """With pictures more, the last of them current."""
        if not keys:
            return self
        pictures = dict.fromkeys((*self.pictures, *keys))
        return Desk(pictures=tuple(pictures), current=keys[-1])

    def look(self, key: str, region: Box | None = None) -> Desk:
        """With another picture current, or a region of it marked. One that does not lie here changes nothing."""
        return Desk(pictures=self.pictures, current=key, region=region) if key in self.pictures else self

    def unmarked(self) -> Desk:
        """Without the marked region."""
        return self.model_copy(update={"region": None})


def desk_of(agent: Agent, thread: str | None, before: Desk | None = None) -> Desk:
    """The desk of a thread. What lay on it `before` keeps its place, and what is looked at stays current."""
    before = before or Desk()
    try:
        turns = agent.threads.show(thread).turns if thread else ()
    except ConloraError:
        turns = ()
    pictures = dict.fromkeys((*before.pictures, *(turn.image for turn in turns if turn.image is not None)))
    current = before.current or current_picture(agent, thread)
    return Desk(pictures=tuple(pictures), current=current, region=before.region)


def current_picture(agent: Agent, thread: str | None) -> str | None:
    """The picture that a thread is about now."""
    from conlora_agent.state import TurnState, focus_of

    return focus_of(cast(TurnState, agent.state(thread))).picture if thread else None
