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
"""Turns whose routes stay in the window, whatever becomes of their words."""
SUMMARY_PART = 4
"""One in so many tokens of the history is for the summary of what came before the window."""
BEFORE = "What did we talk about before that?"
"""The question that the summary answers: to a model it is a turn like any other."""
TOLD = "You told me: "
"""Begins a line of the summary that holds what the user told; what was asked has less to say later."""

Window = list[dict[str, Any]]


def approximate_tokens(text: str) -> int:
    """Tokens of a text, estimated without a tokenizer: four ASCII characters, or one other, make about one."""
    ascii_chars = sum(char.isascii() for char in text)
    return -(-ascii_chars // 4) + len(text) - ascii_chars


def summary_room(budget: int) -> int:
    """Tokens that the summary may have of `budget` tokens of history."""
    return max(0, budget // SUMMARY_PART - approximate_tokens(BEFORE))


def move_window(window: Sequence[Mapping[str, Any]], turn: Mapping[str, Any], budget: int) -> tuple[Window, Window]:
    """The window with `turn` {user, assistant, routes} at its end, and the turns whose words left it, oldest first.

    Where the words are too many for `budget` tokens of history, the older half goes at once: until it is full again,
    the prompt begins as it did before, and what a backbone has computed of it stays good.
    """
    turns = [dict(entry) for entry in (*window, turn)]
    words = [entry for entry in turns if "user" in entry]
    left: Window = []
    room = _room(budget)
    if sum(map(_cost, words)) > room:
        while words and sum(map(_cost, words)) > (room if len(words) == 1 else room // 2):
            left.append(words.pop(0))
    bare = [{"routes": entry["routes"]} for entry in turns[: len(turns) - len(words)]]
    return [*bare, *words][-max(MINIMUM_TURNS, len(words)) :], left


def history(window: Sequence[Mapping[str, Any]], summary: str, budget: int) -> tuple[Message, ...]:
    """System prompt, summary, and the newest turns, oldest first: what fits into `budget` tokens."""
    kept: list[Mapping[str, Any]] = []
    left = _room(budget)
    for entry in reversed(window):
        if "user" not in entry or (left := left - _cost(entry)) < 0:
            break
        kept.insert(0, entry)
    messages = [Message(role="system", content=SYSTEM)]
    if before := thinned(summary, summary_room(budget)):
        messages += [Message(role="user", content=BEFORE), Message(role="assistant", content=before)]
    for entry in kept:
        messages.append(Message(role="user", content=entry["user"]))
        messages.append(Message(role="assistant", content=entry["assistant"]))
    return tuple(messages)


def thinned(summary: str, limit: int) -> str:
    """As many of a summary's newest lines as fit into `limit` tokens, each once.

    What the user told stands first and may have half of the room, however long ago it was said.
    """
    lines = [*reversed(dict.fromkeys(reversed(summary.splitlines())))]
    told = _newest([line for line in lines if line.startswith(TOLD)], limit // 2)
    begun = f"{told}\n" if told else ""
    rest = [line for line in lines if not line.startswith(TOLD)]
    return (begun + _newest(rest, limit - approximate_tokens(begun))).rstrip("\n")


def _newest(lines: list[str], limit: int) -> str:
    """As many of the last lines as fit into `limit` tokens; of a last line that is too long, its beginning."""
    while len(lines) > 1 and approximate_tokens("\n".join(lines)) > limit:
        lines = lines[1:]
    text = "\n".join(lines)
    while approximate_tokens(text) > limit:
        text = text[: len(text) * limit // approximate_tokens(text)]
    return text


def instructed(messages: Sequence[Message], system: str) -> tuple[Message, ...]:
    """The history with `system`, what the caller asks of the model besides, at the end of the system prompt."""
    first, *rest = messages
    return (first.model_copy(update={"content": f"{first.content}\n{system}"}), *rest) if system else tuple(messages)


def opened(messages: Sequence[Message], opening: Sequence[Message]) -> tuple[Message, ...]:
    """The history with `opening`, rounds from which the model is to take its manners, behind the system prompt."""
    first, *rest = messages
    return first, *opening, *rest


def previous_routes(window: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Routes of the turns before, oldest first."""
    return tuple(route for entry in window for route in entry["routes"])


def with_results(request: str, used: Sequence[Step]) -> str:
    """A chat request together with the results of the earlier steps it uses."""
    results = [f"{step.route}: {step.text}" for step in used if step.text]
    return "\n".join([*results, request])


def _room(budget: int) -> int:
    """Tokens that the window's words may have of `budget` tokens of history."""
    return budget - budget // SUMMARY_PART


def _cost(entry: Mapping[str, Any]) -> int:
    return approximate_tokens(entry["user"]) + approximate_tokens(entry["assistant"])
