"""Scenes told instead of drawn: in the mid layer's very words, and true to what they are labelled with."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from adapters.exercise import Exercise
from adapters.grounding import data as grounding
from adapters.vqa import data as vqa
from conlora_agent.backbone.nano import tokens
from conlora_agent.backbone.nano.configuration import CELL
from conlora_agent.backbone.nano.dense import DenseOutput
from conlora_agent.backbone.nano.look import Seen
from conlora_agent.backbone.nano.photographs import vocabulary
from conlora_agent.backbone.nano.points import Line, Points
from conlora_agent.backbone.nano.reader import CLASSES, Writing, character
from conlora_agent.backbone.nano.vision import Sight
from conlora_agent.training.draw.sample import DrawnObject, Sample, TextLine
from conlora_agent.training.draw.told import layout, told
from conlora_agent.training.studio import DrawingStudio
from conlora_agent.wording import Chart
from tests.drawings import WORDS, fonts, material
from tests.tiny_nano import tiny_model, tiny_tokenizer

SIDE = 256


@pytest.fixture
def studio(tmp_path: Path) -> DrawingStudio:
    return DrawingStudio(fonts(tmp_path), WORDS, material())


NAMES, COLOURS = ["axe", "book", "fox", "fox bee"], ["none", "blue", "brown"]


def written(text: str) -> Writing:
    numbers = {character(k + 1): k for k in range(CLASSES - 1)}
    return Writing(torch.nn.functional.one_hot(torch.tensor([numbers[c] for c in text]), CLASSES - 1).float())


def seen(sample: Sample) -> Sight:
    """What the vision layers would say of a sample if they were sure of everything."""
    cells = torch.zeros(1, SIDE // CELL, SIDE // CELL)
    boxes = [tuple(v / SIDE for v in item.box) for item in sample.objects]
    names, colours = torch.zeros(len(boxes), len(vocabulary(NAMES))), torch.zeros(len(boxes), len(COLOURS))
    for i, item in enumerate(sample.objects):
        names[i] = -90
        for place, name in enumerate((item.name, *item.also)):
            names[i, NAMES.index(name)] = -0.1 * place  # in doubt between those, if there are several
        colours[i, COLOURS.index("blue")] = 45  # what is stated of things of no colour, see the boxes below
        colours[i, COLOURS.index(item.colour or "none")] = 90
    lines = [
        Line(((x0 + x1) / 2, (y0 + y1) / 2), x1 - x0, y1 - y0, 0.0) for x0, y0, x1, y1 in (n.box for n in sample.lines)
    ]
    points = Points(lines, list(range(len(boxes))), boxes)  # type: ignore[arg-type]
    features = torch.zeros(1, SIDE // CELL, SIDE // CELL, 64)
    dense = DenseOutput(cells, cells, cells, cells, features)
    said = [written(line.text) for line in sample.lines]
    return Sight(dense, [points], [Seen(names, colours)], [said], [sample.facts.get("chart")])


FOX, BLANK = DrawnObject("fox", (10.0, 20.0, 60.0, 80.0), "brown"), np.zeros((SIDE, SIDE, 3), np.uint8)
BOOK = DrawnObject("book", (100.0, 170.0, 242.0, 240.0), None)
LINES = [TextLine("a fox", (110.0, 110.0, 200.0, 130.0)), TextLine("reads", (110.0, 140.0, 200.0, 160.0))]


@pytest.mark.parametrize(
    "sample",
    [
        Sample(BLANK, LINES, [FOX, BOOK]),
        Sample(BLANK, [], [FOX, replace(FOX, box=(150.0, 30.0, 200.0, 90.0), colour="blue")]),
        Sample(BLANK, LINES[:1], [replace(FOX, also=("book",))]),
        Sample(BLANK, [], [replace(FOX, name="axe", also=("fox bee",)), replace(BOOK, name="fox bee")]),
        Sample(BLANK, LINES[:1], []),
        Sample(BLANK, [], []),
        Sample(BLANK, LINES, [FOX], facts={"chart": Chart("a fox", ("reads", "book"), ("4", "7"))}),
    ],
    ids=[
        "things and lines",
        "two of a name",
        "one in doubt",
        "names of three and four pieces",
        "only a line",
        "nothing",
        "a chart",
    ],
)
def test_a_scene_is_told_in_the_mid_layers_own_tokens(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "SHARPNESS", 1e3)  # the likeliest name, not mixed with others
    words = " a blue brown fox book is reads or"
    model = tiny_model(tiny_tokenizer(words), NAMES, COLOURS)
    sight = seen(sample)
    (said,) = model.mid(sight, sight.points, model.words)
    text = told(sample)
    expected: Tensor = model.words(text)
    if not text.endswith("\n"):
        expected = torch.cat([expected, model.mid.ending[None]])
    torch.testing.assert_close(said, expected)


@torch.no_grad()
def test_a_sure_name_is_a_mixture_and_a_doubtful_one_is_told_as_it_is() -> None:
    mid = tiny_model(tiny_tokenizer(" book fox or axe"), NAMES, COLOURS).mid
    logits = torch.full((2, len(vocabulary(NAMES))), -90.0)
    logits[0, :2] = torch.tensor([1.5, 0.0])  # 0.82 and 0.18
    logits[1, :2] = torch.tensor([0.1, 0.0])
    extra = torch.ones(2, mid.newline.shape[0])
    sure, doubtful = mid._names(logits, extra)
    axe, book = mid.name_table[0], mid.name_table[1]
    share = torch.tensor([4.5, 0.0]).softmax(0)[0]
    torch.testing.assert_close(sure, (share * axe + (1 - share) * book + 1)[: len(sure)])
    pieces = [int(one.any(-1).sum()) for one in (axe, book)]
    torch.testing.assert_close(doubtful, torch.cat([axe[: pieces[0]], mid.otherwise[None], book[: pieces[1]]]))


def test_layouts_hold_what_they_tell_apart_from_some_mistakes() -> None:
    rng = random.Random(4)
    made = [layout(rng, (SIDE, SIDE), WORDS) for _ in range(300)]
    objects = [(item, sample.facts["told"]) for sample in made for item in sample.objects]
    named = sum(f" {item.name} is " in said for item, said in objects) / len(objects)
    assert 0.6 < named < 0.85
    known = sum(f" {item.name}" in said for item, said in objects) / len(objects)
    assert 0.9 < known < 0.97
    for sample in made:
        said = sample.facts["told"].splitlines()
        read = [line for line in said if line and not line.startswith(" ")]  # no statement
        assert said[len(said) - len(read) :] == read or said == [""]
        rest = iter(read)  # what was misread may stand before or behind
        assert all(line.text in rest for line in sample.lines)
    assert any(not sample.objects and not sample.lines and sample.facts["told"] == "\n" for sample in made)
    for sample in made:
        assert all(0 <= x0 < x1 <= SIDE and 0 <= y0 < y1 <= SIDE for x0, y0, x1, y1 in (o.box for o in sample.objects))


def test_a_line_is_told_of_the_smallest_thing_it_stands_on() -> None:
    page = DrawnObject("page", (0.0, 0.0, 200.0, 200.0), "white")
    lines = [TextLine("on it", (120.0, 120.0, 180.0, 140.0)), TextLine("in it", (20.0, 40.0, 50.0, 60.0))]
    said = [line for line in told(Sample(BLANK, lines, [page, FOX])).splitlines() if " says " in line]
    assert said == [" fox says in it", " page says on it"]


def test_what_stands_on_things_is_told_line_by_line() -> None:
    rng, rows, unsaid, specks = random.Random(4), [], 0, 0
    for sample in (layout(rng, (SIDE, SIDE), WORDS) for _ in range(300)):
        said: dict[str, list[str]] = {}
        for name, _, words in (line.partition(" says ") for line in sample.facts["told"].splitlines()):
            said.setdefault(name, []).extend([words] if words else [])
        names = Counter(item.name for item in sample.objects)
        if max(names.values(), default=0) > 1:
            continue
        texts = [item.text for item in sample.objects if item.text]
        whole = [some for some in said.values() if " ".join(some) in texts]
        rows += [len(some) for some in whole]
        unsaid += len(texts) - len(whole)
        specks += sum(bool(some) and all(some[0] not in text for text in texts) for some in said.values())
    assert {1, 2, 3} <= set(rows)
    assert 0 < unsaid < len(rows) / 3
    assert specks


def test_a_told_scene_is_described_as_told(studio: DrawingStudio) -> None:
    rng, misnamed = random.Random(6), 0
    for _ in range(200):
        sample = layout(rng, (SIDE, SIDE), WORDS)
        if len(sample.objects) != 1:
            continue
        (item,) = sample.facts["seen"]
        assert item.name in studio.caption(sample, rng)
        misnamed += item.name != sample.objects[0].name
    assert misnamed


def test_a_caption_has_no_text_that_is_not_told_of_the_thing(studio: DrawingStudio) -> None:
    rng, kept, dropped = random.Random(9), 0, 0
    for _ in range(200):
        sample = layout(rng, (SIDE, SIDE), WORDS)
        seen, caption = sample.facts["seen"], studio.caption(sample, rng)
        for item, as_seen in zip(sample.objects, seen, strict=True):
            if as_seen.text:
                assert f" says {as_seen.text.split()[0]}" in sample.facts["told"]
                assert f'"{item.text}"' in caption
            dropped += bool(item.text and not as_seen.text)
        kept += any(item.text for item in seen)
    assert kept > 5 * dropped > 0


@pytest.mark.parametrize("task", [grounding, vqa], ids=["grounding", "vqa"])
def test_most_exercises_are_told_and_the_others_show_a_picture(task: object, studio: DrawingStudio) -> None:
    rng = random.Random(2)
    made: list[Exercise] = [task.exercise(rng, studio) for _ in range(40)]  # type: ignore[attr-defined]
    assert all((exercise.told is None) != (exercise.picture is None) for exercise in made)
    assert 20 <= sum(exercise.told is not None for exercise in made) < 40


def test_boxes_asked_for_are_written_as_they_were_told(studio: DrawingStudio) -> None:
    rng = random.Random(6)
    told_ones = [e for e in (grounding.exercise(rng, studio) for _ in range(200)) if e.told and e.answer != "none"]
    for exercise in told_ones:
        for box in exercise.answer.split("; "):
            assert box.rpartition(": ")[2].replace(" ", "") in (exercise.told or "")
