"""What an agent is made of by default: the router that the settings name, and what it asks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conlora_agent.agent import Agent
from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone


def first_of(request: GenerateRequest) -> str:
    assert request.function is not None
    return json.dumps({"route": request.function.said["properties"]["route"]["enum"][0]})


@pytest.mark.parametrize("stacks", [(), ("routing",)])
def test_the_language_model_routes_with_the_stack_for_it_where_it_has_one(
    stacks: tuple[str, ...], tmp_path: Path
) -> None:
    backbone = FakeBackbone(first_of)
    for stack in stacks:
        backbone.attach(stack, tmp_path)
    with Agent(Settings.load(router="llm"), backbone=backbone) as agent:
        agent.route("what time is it?")
    assert {request.stack for request in backbone.requests} == {stacks[0] if stacks else None}
