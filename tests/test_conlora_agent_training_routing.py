"""What the router's own stack learns from: the questions that are asked later, and none that calibration asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conlora_agent.core.types import Route
from conlora_agent.training.routing import Routings, queries
from conlora_agent.training.stacks import StackRun
from router.builtin import shared_examples
from router.language import asked_about, request_of
from tests.router_routes import all_routes


class Letters:
    """A tokenizer whose tokens are characters."""

    def encode(self, text: str, **_: Any) -> list[int]:
        return [ord(c) for c in text]

    def convert_tokens_to_ids(self, token: str) -> int:
        return -1


@pytest.fixture
def routes(tmp_path: Path) -> list[Route]:
    return all_routes(tmp_path)


def text(ids: list[int]) -> str:
    return "".join(chr(i) for i in ids if i >= 0)


def test_every_route_has_messages_and_none_that_calibration_asks_about(routes: list[Route]) -> None:
    found = queries(routes, shared_examples())
    assert min(map(len, found.values())) > 50
    learned = {query.text for some in found.values() for query in some}
    assert not learned & {query.text for route in routes for query in asked_about(route)}


def test_a_batch_asks_as_the_router_does_among_all_routes_or_a_few(routes: list[Route]) -> None:
    batches = Routings(routes, shared_examples(), Letters(), StackRun("routing", Path(), 1.0, batch=8))
    few, every = batches.batch(0), batches.batch(1)
    for batch, count in ((few, 4), (every, len(routes))):
        offered = [route for route in routes if f"\n- {route.name}: " in text(batch.history)]
        assert len(offered) == count
        for prompt, answer in zip(batch.prompts, batch.answers, strict=True):
            name = text(answer).split('"')[3]
            assert name in {route.name for route in offered}
            assert any(request_of(query, offered).instruction in text(prompt) for query in batches.by_route[name])
    assert batches.batch(1) == every
