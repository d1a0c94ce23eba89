"""A switch behind a long history: read the conversation again, or take the prefix that every stack shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conlora_agent.core.errors import BadInput, Failure
from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.core.types import Message
from evals.bench.timing import conversation, medians, milliseconds

if TYPE_CHECKING:
    from conlora_agent.backbone.local import LocalBackbone

HISTORIES = {0: 3, 1024: 2, 4096: 1}
"""Tokens of history, and how often they are read again: at 4096 that takes long enough to be measured once."""
TURNS = 3
ANSWER = 12
ROOM = 256
"""Tokens beside the history: it overshoots a little, question and answer follow."""


def run(backbone: LocalBackbone, stacks: Mapping[str, Path], note: Callable[[str], None]) -> dict[str, Any]:
    """Time to first token at each length; both ways must give the same answer."""
    for name, folder in stacks.items():
        backbone.attach(name, folder)
    first, second = list(stacks)[:2]
    if not backbone.profile.prefix(conversation(1)):
        raise BadInput(f"{backbone.name} sees no conversation, only the question", "measure another backbone")
    rows: list[dict[str, Any]] = []
    for tokens, rounds in HISTORIES.items():
        if rows and tokens + ROOM > backbone.profile.limit:
            note(f"{tokens} tokens of history are more than {backbone.name} takes")
            continue
        rows.append(measure(backbone, conversation_of(backbone, tokens), rounds, first, second))
        note("{history} tokens of history: {recomputed_ms} ms recomputed, {ours_ms} ms ours".format(**rows[-1]))
    return {"ratio": rows[-1]["ratio"], "same_answers": True, "histories": rows}


def measure(
    backbone: LocalBackbone, history: Sequence[Message], rounds: int, first: str, second: str
) -> dict[str, Any]:
    """Switch from stack `first` to `second` behind a history."""

    def ask(stack: str, length: int = 1) -> str:
        request = GenerateRequest("what is 7 plus 5?", history, stack=stack, max_new_tokens=length)
        return backbone.generate(request).text

    def recompute() -> None:
        backbone.prefixes.forget()
        ask(second)

    recomputed = medians({"all": recompute}, rounds)["all"]
    fresh = ask(second, ANSWER)
    ask(first, ANSWER)
    if ask(second, ANSWER) != fresh:
        raise Failure("an answer behind a shared prefix differs from the one without", "please report it")
    ours = medians({"first": lambda: ask(first), "second": lambda: ask(second)}, TURNS)["second"]
    return {
        "history": len(backbone.profile.prefix(history)),
        "recomputed_ms": milliseconds(recomputed),
        "ours_ms": milliseconds(ours),
        "ratio": round(recomputed / ours, 2),
    }


def conversation_of(backbone: LocalBackbone, tokens: int) -> Sequence[Message]:
    """A history of at least so many tokens."""
    characters = 0
    while tokens and len(backbone.profile.prefix(conversation(characters))) < tokens:
        characters += 400
    return conversation(characters) if tokens else ()
