"""Concurrent requests on different stacks: one after another, or together in one decoding batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conlora_agent.core.protocols import GenerateRequest, Generation
from evals.bench.timing import medians, milliseconds

if TYPE_CHECKING:
    from conlora_agent.backbone.local import LocalBackbone

ROUNDS = 2
CLIENTS = 4
ANSWER = 16


def run(backbone: LocalBackbone, stacks: Mapping[str, Path], note: Callable[[str], None]) -> dict[str, Any]:
    """Ask four questions, each for another stack, in turn and at once."""
    for name, folder in stacks.items():
        backbone.attach(name, folder)
    requests = [asked(stack, number) for number, stack in enumerate(list(stacks)[:CLIENTS])]
    answers: dict[str, list[Generation]] = {}
    backbone.ignore_ends = True
    with ThreadPoolExecutor(CLIENTS) as clients:

        def one_by_one() -> None:
            answers["alone"] = [backbone.generate(request) for request in requests]

        def together() -> None:
            answers["together"] = list(clients.map(backbone.generate, requests))

        together()
        taken = medians({"alone": one_by_one, "together": together}, ROUNDS)
    tokens = sum(answer.usage.completion_tokens for answer in answers["alone"])
    same = sum(a.text == b.text for a, b in zip(answers["alone"], answers["together"], strict=True))
    note(
        f"{tokens} tokens: {milliseconds(taken['alone'])} ms one by one, {milliseconds(taken['together'])} ms together"
    )
    return {
        "ratio": round(taken["alone"] / taken["together"], 3),
        "one_by_one_ms": milliseconds(taken["alone"]),
        "together_ms": milliseconds(taken["together"]),
        "tokens": tokens,
        "same_answers": same / len(requests),
    }


def asked(stack: str, number: int) -> GenerateRequest:
    """A request without a picture, since only decoding is shared, that takes a long answer."""
    return GenerateRequest(
        f"Write down {number + 3} things that are found in a harbour.", (), None, None, stack, ANSWER
    )
