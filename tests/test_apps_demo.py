"""The headline dialogue on the bundled picture, with the real backbone, the real router and the real tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.demo import DIALOGUE, PICTURE, play
from conlora_agent.agent import Agent
from conlora_agent.core.protocols import Backbone
from conlora_agent.core.types import Box, TurnResult
from conlora_agent.settings import Settings

BLUE_BOOK: Box = (0.031, 0.081, 0.257, 0.536)
RED_BOOK: Box = (0.303, 0.048, 0.519, 0.485)
ROUTES = ["caption", "grounding", "ocr", "grounding", "calculator", "chat"]
OVERLAP = 0.5


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inter = max(0.0, width) * max(0.0, height)
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Settings:
    return Settings.load({}, home=tmp_path_factory.mktemp("demo"), cache=shared_cache, offline=True)


@pytest.fixture(scope="module")
def played(settings: Settings, nano: Backbone) -> list[TurnResult]:
    with Agent(settings, backbone=nano) as agent:
        return [result for _, result in play(agent)]


@pytest.mark.backbone
def test_every_message_takes_its_route(played: list[TurnResult]) -> None:
    assert [[step.route for step in turn.steps] for turn in played] == [[route] for route in ROUTES]
    assert len({turn.thread for turn in played}) == 1
    assert len(played) == len(DIALOGUE)


@pytest.mark.backbone
def test_picture_steps_run_on_the_stack_of_their_route_and_others_on_none(played: list[TurnResult]) -> None:
    adapters = [turn.steps[0].adapter for turn in played]
    assert adapters == ["caption", "grounding", "ocr", "grounding", None, None]


@pytest.mark.backbone
def test_the_books_asked_for_are_found(played: list[TurnResult]) -> None:
    for turn, truth in ((played[1], BLUE_BOOK), (played[3], RED_BOOK)):
        assert any(overlap(region.box, truth) >= OVERLAP for region in turn.steps[0].boxes), turn.steps[0]


@pytest.mark.backbone
def test_it_is_the_region_just_found_that_is_read(played: list[TurnResult]) -> None:
    found, read = played[1].steps[0], played[2].steps[0]
    assert read.image == found.image
    assert [region.box for region in read.boxes] == [found.boxes[0].box]


@pytest.mark.backbone
def test_the_title_is_read(played: list[TurnResult]) -> None:
    assert "OCEAN" in played[2].steps[0].text.upper()


@pytest.mark.backbone
def test_the_tool_answers_exactly(played: list[TurnResult]) -> None:
    assert played[4].steps[0].tool_result["result"] == "421.6"
    assert "421.6" in played[4].answer


@pytest.mark.backbone
def test_the_conversation_survives_a_restart(settings: Settings, nano: Backbone) -> None:
    with Agent(settings, backbone=nano) as before:
        found = before.ask("where is the blue book?", image=PICTURE)
    with Agent(settings, backbone=nano) as after:
        read = after.ask("what is written on it?", thread=found.thread).steps[0]
    assert read.route == "ocr"
    assert [region.box for region in read.boxes] == [found.steps[0].boxes[0].box]
