"""A turn of a conversation that its caller keeps: nothing of it is stored, whatever the turn needs comes with it.

The turns of the past run through the same graph as any other, so focus, window and an open question come out as they
would in a stored thread. Pictures stay in memory for as long as the turn takes. Not covered here: stored threads.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

from conlora_agent.graph import build_graph
from conlora_agent.ingest import clean_text
from conlora_agent.prompts import Window, move_window, summary_room
from conlora_agent.recall import Exchange
from conlora_agent.state import TurnContext, TurnState
from conlora_agent.streaming import MutedChannel
from conlora_agent.summary import extracted

REPLAYED = 12
"""Turns of the past that are gone through again: more than a focus can remember. Older ones are only quoted."""


class Conversations:
    """Runs turns of conversations kept elsewhere. Safe to call from several threads."""

    def __init__(self) -> None:
        self._saver = InMemorySaver()
        self._graph: Any = build_graph(self._saver)

    def run(self, turn: dict[str, Any], past: Sequence[Exchange], context: TurnContext, limit: int) -> TurnState:
        """The state after `turn`, which comes after `past`. `limit`: the most nodes one turn may visit.

        Raises what a turn raises, for turns of the past too.
        """
        config: RunnableConfig = {"configurable": {"thread_id": uuid.uuid4().hex}, "recursion_limit": limit}
        try:
            self._quote(past[:-REPLAYED], config, context)
            for exchange in past[-REPLAYED:]:
                again = replace(context, past=exchange, channel=MutedChannel(context.channel))
                given = {"text": exchange.text, "picture": exchange.image, "task": turn["task"], "region": None}
                self._graph.invoke(given, config, context=again, durability="exit")
            final: TurnState = self._graph.invoke(turn, config, context=context, durability="exit")
            return final
        finally:
            self._saver.delete_thread(config["configurable"]["thread_id"])

    def _quote(self, old: Sequence[Exchange], config: RunnableConfig, context: TurnContext) -> None:
        """Put turns that are too old to be gone through again into the window, as words."""
        if not old:
            return
        tokens = context.settings.history_tokens
        window: Window = []
        summary = ""
        for exchange in old:
            said = clean_text(exchange.text, max_chars=context.settings.max_text_chars)
            turn = {"user": said, "assistant": exchange.answer, "routes": []}
            window, left = move_window(window, turn, tokens)
            summary = extracted(summary, left, summary_room(tokens))
        self._graph.update_state(config, {"window": window, "summary": summary}, as_node="commit")
