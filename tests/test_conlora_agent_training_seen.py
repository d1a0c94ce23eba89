"""Captions to learn from say of drawn things what the second look takes them for."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conlora_agent.backbone.nano.configuration import NanoConfig
from conlora_agent.backbone.nano.look import Seen
from conlora_agent.backbone.nano.tokens import names_told
from conlora_agent.backbone.nano.vision import NanoVision
from conlora_agent.training.draw.sample import DrawnObject, Sample
from conlora_agent.training.seen import SeeingStudio
from conlora_agent.training.studio import DrawingStudio, SceneSeries
from tests.drawings import WORDS, fonts, material

NAMES, COLOURS = ["cat", "cup", "dog", "mug"], ["none", "blue", "red"]
CONFIG = NanoConfig(
    vision_size=32, vision_layers=2, vision_heads=2, stem_size=16, names=NAMES, colours=COLOURS
)  # fmt: skip
SURE, DOUBTFUL = torch.tensor([9.0, 0, 0, 0]), torch.tensor([0.1, 0.98, 0.0, 1.0]) * 5


def seeing(monkeypatch: pytest.MonkeyPatch, names: torch.Tensor, colours: torch.Tensor) -> tuple[SeeingStudio, Any]:
    """A studio that takes things for what is given here, and the boxes that it was asked about."""
    asked: list[Any] = []

    def look(trunk: Any, pixels: torch.Tensor, boxes: Any) -> list[Seen]:
        asked.append((tuple(pixels.shape), boxes))
        return [Seen(names, colours)]

    torch.manual_seed(0)
    vision = NanoVision(CONFIG)
    monkeypatch.setattr(vision.look, "forward", look)
    return SeeingStudio(DrawingStudio((), WORDS, material()), CONFIG, vision), asked


def drawn() -> Sample:
    things = [DrawnObject("dog", (0, 0, 32, 64), "red"), DrawnObject("cup", (64, 32, 128, 64), None, text="HOT")]
    return Sample(np.zeros((64, 128, 3), np.uint8), objects=things)


def test_names_are_told_with_others_where_they_are_in_doubt() -> None:
    assert names_told(torch.stack([SURE, DOUBTFUL])) == [[0], [3, 1]]
    assert names_told(torch.zeros(0, 4)) == []


def test_a_drawn_scene_is_captioned_as_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    colours = torch.tensor([[0.0, 9, 0], [9.0, 0, 0]])
    studio, asked = seeing(monkeypatch, torch.stack([SURE, DOUBTFUL]), colours)
    sample = drawn()
    said = {studio.caption(sample, random.Random(seed)).lower() for seed in range(30)}
    assert all("a blue cat" in one for one in said)
    assert all('a mug or cup that says "hot"' in one for one in said)
    assert asked == [((1, 3, 64, 128), [[(0.0, 0.0, 0.25, 1.0), (0.5, 0.5, 1.0, 1.0)]])]
    assert [item.name for item in sample.objects] == ["dog", "cup"]  # who asks for a dog still means it


def test_what_is_told_already_and_what_is_empty_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    studio, asked = seeing(monkeypatch, SURE[None], torch.zeros(1, 3))
    told = studio.layout(random.Random(3))
    assert studio.caption(told, random.Random(0)) == studio.studio.caption(told, random.Random(0))
    empty = Sample(np.zeros((64, 64, 3), np.uint8))
    assert studio.caption(empty, random.Random(0)) == studio.studio.caption(empty, random.Random(0))
    assert asked == []


def test_it_draws_like_the_studio_and_scenes_come_in_series_of_it(tmp_path: Path) -> None:
    plain = DrawingStudio(fonts(tmp_path), WORDS, material())
    studio = SceneSeries(SeeingStudio(plain, CONFIG, NanoVision(CONFIG)), 8)
    np.testing.assert_array_equal(studio.scene(random.Random(1)).picture, plain.scene(random.Random(1)).picture)
