"""The headline dialogue: one bundled picture, six messages, no setting touched. Not covered here: how it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conlora_agent.agent import Agent
    from conlora_agent.core.types import TurnResult

PICTURE = Path(__file__).parent / "assets" / "books.webp"
"""Book covers on a table, their titles legible."""

DIALOGUE = (
    "describe this image",
    "where is the blue book?",
    "what is written on it?",
    "and the red one?",
    "what is 17% of 2480?",
    "thanks!",
)


def play(agent: Agent) -> Iterator[tuple[str, TurnResult]]:
    """Each message with its turn, in one new thread. The picture comes with the first message."""
    thread = None
    for text in DIALOGUE:
        result = agent.ask(text, image=PICTURE if thread is None else None, thread=thread)
        thread = result.thread
        yield text, result
