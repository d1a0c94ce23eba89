"""Captions to learn from say of drawn scenes what is seen of them."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from conlora_agent.backbone.nano.configuration import NanoConfig
from conlora_agent.backbone.nano.look import Seen
from conlora_agent.backbone.nano.points import Line, Points
from conlora_agent.backbone.nano.tokens import names_told
from conlora_agent.backbone.nano.vision import NanoVision
from conlora_agent.core.types import Box
from conlora_agent.training.draw.sample import DrawnObject, Sample
from conlora_agent.training.seen import SeeingStudio
from conlora_agent.training.studio import DrawingStudio, SceneSeries
from tests.drawings import WORDS, fonts, material

NAMES, COLOURS = ["cat", "cup", "dog", "mug"], ["none", "blue", "red"]
SIZES = {"vision_size": 32, "vision_layers": 2, "vision_heads": 2, "stem_size": 16}
CONFIG = NanoConfig(names=NAMES, colours=COLOURS, **SIZES)
SURE, DOUBTFUL = torch.tensor([9.0, 0, 0, 0]), torch.tensor([0.1, 0.98, 0.0, 1.0]) * 5
DOG, CUP = (0.02, 0.0, 0.25, 0.95), (0.5, 0.5, 0.98, 1.0)
"""Where the things of `drawn` are found."""
READ = SimpleNamespace(confidence=0.9)


def drawn() -> Sample:
    things = [DrawnObject("dog", (0, 0, 32, 64), "red"), DrawnObject("cup", (64, 32, 128, 64), None, text="HOT")]
    return Sample(np.zeros((64, 128, 3), np.uint8), objects=things)


def seeing(
    monkeypatch: pytest.MonkeyPatch, boxes: list[Box], names: list[torch.Tensor], written: Any = READ
) -> tuple[SeeingStudio, list[tuple[int, ...]]]:
    """A studio that finds what is given here, and the shapes of what it has looked at."""
    looked: list[tuple[int, ...]] = []
    line = Line((96.0, 48.0), 20.0, 8.0, 0.0)
    colours = torch.tensor([[0.0, 9, 0], [9.0, 0, 0]])[: len(boxes)]

    def see(pixels: torch.Tensor) -> Any:
        looked.append(tuple(pixels.shape))
        seen = Seen(torch.stack(names) if names else torch.zeros(0, 4), colours)
        return SimpleNamespace(points=[Points([line], [0] * len(boxes), boxes)], seen=[seen], written=[[written]])

    vision = NanoVision(CONFIG)
    monkeypatch.setattr(vision, "forward", see)
    return SeeingStudio(DrawingStudio((), WORDS, material()), CONFIG, vision), looked


def captions(studio: Any, sample: Sample) -> set[str]:
    return {studio.caption(sample, random.Random(seed)).lower() for seed in range(30)}


def test_names_are_told_with_others_where_they_are_in_doubt() -> None:
    assert names_told(torch.stack([SURE, DOUBTFUL])) == [[0], [3, 1]]
    assert names_told(torch.zeros(0, 4)) == []
    assert names_told(torch.zeros(1, 1)) == [[0]]
    spread = torch.tensor([[0.58] + [0.01] * 42, [0.65, 0.3, 0.05] + [0.0] * 40])
    assert names_told(spread.log()) == [[0], [0, 1, 2]]


def test_a_drawn_scene_is_captioned_as_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    studio, looked = seeing(monkeypatch, [DOG, CUP], [SURE, DOUBTFUL])
    sample = drawn()
    said = captions(studio, sample)
    assert all("a blue cat" in one for one in said)
    assert all('a mug or cup that says "hot"' in one for one in said)
    assert looked == [(1, 3, 64, 128)]
    assert [item.name for item in sample.objects] == ["dog", "cup"]  # who asks for a dog still means it


@pytest.mark.parametrize("boxes", [[CUP], [(0.0, 0.0, 0.05, 0.3), CUP], [CUP, (0.5, 0.2, 1.0, 1.0)]])
def test_what_is_not_found_is_not_captioned(monkeypatch: pytest.MonkeyPatch, boxes: list[Box]) -> None:
    studio, _ = seeing(monkeypatch, boxes, [SURE] * len(boxes))
    (only,) = studio.seen(drawn())
    assert (only.name, only.text) == ("cat", "HOT")


def test_what_is_not_surely_read_is_not_captioned(monkeypatch: pytest.MonkeyPatch) -> None:
    studio, _ = seeing(monkeypatch, [DOG, CUP], [SURE, DOUBTFUL], SimpleNamespace(confidence=0.5))
    assert not any("says" in one for one in captions(studio, drawn()))


def test_what_is_told_already_and_what_is_empty_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    studio, looked = seeing(monkeypatch, [CUP], [SURE])
    told = studio.layout(random.Random(3))
    assert studio.caption(told, random.Random(0)) == studio.studio.caption(told, random.Random(0))
    empty = Sample(np.zeros((64, 64, 3), np.uint8))
    assert studio.caption(empty, random.Random(0)) == studio.studio.caption(empty, random.Random(0))
    assert looked == []


def test_a_series_of_a_scene_is_looked_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    studio, looked = seeing(monkeypatch, [DOG, CUP], [SURE, DOUBTFUL])
    sample = drawn()
    monkeypatch.setattr(DrawingStudio, "scene", lambda self, rng: sample)
    series = SceneSeries(studio, 8)
    for seed in range(4):
        assert "mug or cup" in series.caption(series.scene(random.Random(seed)), random.Random(seed)).lower()
    assert len(looked) == 1


def test_the_real_layers_see_a_real_scene(tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain = DrawingStudio(fonts(tmp_path), WORDS, material())
    studio, sample = SeeingStudio(plain, CONFIG, NanoVision(CONFIG).eval()), plain.scene(random.Random(1))
    assert len(studio.seen(sample)) <= len(sample.objects)
