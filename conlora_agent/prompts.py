"""What the language model is told besides the request: the system prompt and the text-only history.

Not covered here: a task's own prompt, which its manifest gives (adapters).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from conlora_agent.core.types import Message, Step

SYSTEM = (
    "You are ConLoRA Agent, a friendly assistant in a conversation about pictures. "
    "Answer briefly and truthfully; say so when you do not know."
)
MINIMUM_TURNS = 8
"""Turns kept in the window for their routes, whatever their length."""


def approximate_tokens(text: str) -> int:
    """Tokens of a text, estimated without a tokenizer: four ASCII characters, or one other, make about one."""
    ascii_chars = sum(char.isascii() for char in text)
    return -(-ascii_chars // 4) + len(text) - ascii_chars


def extend_window(window: Sequence[Mapping[str, Any]], turn: Mapping[str, Any], budget: int) -> list[dict[str, Any]]:
    """The window with `turn` {user, assistant, routes} at its end, the oldest dropped beyond `budget` tokens."""
    turns = [dict(entry) for entry in (*window, {**turn, **{k: _clip(turn[k], budget) for k in ("user", "assistant")}})]
    while len(turns) > MINIMUM_TURNS and sum(_cost(entry) for entry in turns) > budget:
        turns.pop(0)
    return turns


def history(window: Sequence[Mapping[str, Any]], budget: int) -> tuple[Message, ...]:
    """System prompt and the newest turns that fit into `budget` tokens, oldest first."""
    kept: list[Mapping[str, Any]] = []
    left = budget
    for entry in reversed(window):
        left -= _cost(entry)
        if left < 0:
            break
        kept.insert(0, entry)
    messages = [Message(role="system", content=SYSTEM)]
    for entry in kept:
        messages.append(Message(role="user", content=entry["user"]))
        messages.append(Message(role="assistant", content=entry["assistant"]))
    return tuple(messages)


def instructed(messages: Sequence[Message], system: str) -> tuple[Message, ...]:
    """The history with `system`, what the caller asks of the model besides, at the end of the system prompt."""
    first, *rest = messages
    return (first.model_copy(update={"content": f"{first.content}\n{system}"}), *rest) if system else tuple(messages)


def previous_routes(window: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Routes of the turns before, oldest first."""
    return tuple(route for entry in window for route in entry["routes"])


def with_results(request: str, used: Sequence[Step]) -> str:
    """A chat request together with the results of the earlier steps it uses."""
    results = [f"{step.route}: {step.text}" for step in used if step.text]
    return "\n".join([*results, request])


def _cost(entry: Mapping[str, Any]) -> int:
    return approximate_tokens(entry["user"]) + approximate_tokens(entry["assistant"])


def _clip(text: str, budget: int) -> str:
    """A text cut to what could ever be shown of it."""
    limit = max(budget, 1) * 4
    return text if len(text) <= limit else text[:limit] + " ..."
