"""Boxes in the notations of other families: read as they were meant, refused where any of them is malformed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.parsers import parse_output
from conlora_agent.backbone.boxes import (
    FLORENCE,
    INTERNVL,
    PALIGEMMA,
    QWEN2_5_VL,
    QWEN3_VL,
    Notation,
    in_ours,
    notation_named,
    worded,
)
from conlora_agent.core.protocols import GenerateRequest, Generation, Piece
from conlora_agent.core.types import Box

SIZE = (1288, 924)
RANGE = 1000
Corners = tuple[float, float, float, float]


def as_json(boxes: Sequence[Corners], width: float, height: float) -> str:
    found = [
        {"bbox_2d": [round(x0 * width), round(y0 * height), round(x1 * width), round(y1 * height)], "label": "a [dog]"}
        for x0, y0, x1, y1 in boxes
    ]
    return "```json\n" + json.dumps(found) + "\n```"


def as_locations(boxes: Sequence[Corners]) -> str:
    ordered = ((y0, x0, y1, x1) for x0, y0, x1, y1 in boxes)
    return " ; ".join("".join(f"<loc{round(v * 1023):04d}>" for v in box) + " dog" for box in ordered)


def as_florence(boxes: Sequence[Corners]) -> str:
    return "".join("dog" + "".join(f"<loc_{round(v * 999)}>" for v in box) for box in boxes)


def as_internvl(boxes: Sequence[Corners], tags: bool = True) -> str:
    listed = json.dumps([[round(v * 1000) for v in box] for box in boxes])
    return f"<ref>dog 2</ref><box>{listed}</box>" if tags else f"dog 2{listed}"


WRITERS: list[tuple[Notation, Callable[[Sequence[Corners]], str]]] = [
    (QWEN2_5_VL, lambda boxes: as_json(boxes, *SIZE)),
    (QWEN3_VL, lambda boxes: as_json(boxes, 1000, 1000)),
    (PALIGEMMA, as_locations),
    (FLORENCE, as_florence),
    (INTERNVL, as_internvl),
    (INTERNVL, lambda boxes: as_internvl(boxes, tags=False)),
]
ids = ["qwen2.5", "qwen3", "paligemma", "florence", "internvl", "internvl without tags"]
sides = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted).filter(lambda side: side[1] - side[0] > 0.01)
boxes_in_01 = st.builds(lambda x, y: (x[0], y[0], x[1], y[1]), sides, sides)


def parsed(notation: Notation, text: str) -> list[Box]:
    ours = in_ours(Generation(text), notation, SIZE, RANGE)
    return [region.box for region in parse_output("boxes", ours.text, (), label="dog", box_range=RANGE).boxes]


@pytest.mark.parametrize(("notation", "write"), WRITERS, ids=ids)
@given(boxes=st.lists(boxes_in_01, min_size=1, max_size=4, unique_by=lambda box: round(box[0], 2)))
def test_what_a_family_writes_is_read_as_the_same_boxes(
    notation: Notation, write: Callable[[Sequence[Corners]], str], boxes: list[Corners]
) -> None:
    found = parsed(notation, write(boxes))
    assert len(found) == len(boxes)
    for ours, meant in zip(found, boxes, strict=True):
        assert ours == pytest.approx(meant, abs=2e-3)


@pytest.mark.parametrize(("notation", "write"), WRITERS, ids=ids)
@given(data=st.data())
def test_a_cut_or_swapped_answer_gives_whole_boxes_or_none(
    notation: Notation, write: Callable[[Sequence[Corners]], str], data: st.DataObject
) -> None:
    """Whatever is cut away or put in, no box comes out that was not written in full."""
    boxes = data.draw(st.lists(boxes_in_01, min_size=1, max_size=3))
    text = write(boxes)
    cut = text[: data.draw(st.integers(0, len(text)))]
    for found in parsed(notation, cut):
        assert any(found == pytest.approx(meant, abs=2e-3) for meant in boxes)
    backwards = [(x1, y0, x0, y1) for x0, y0, x1, y1 in boxes]
    assert parsed(notation, write(backwards)) == []


@pytest.mark.parametrize("notation", [QWEN2_5_VL, QWEN3_VL, PALIGEMMA, FLORENCE, INTERNVL])
@given(text=st.text(max_size=60))
def test_ours_and_prose_stay_as_they_are(notation: Notation, text: str) -> None:
    for said in ("red car: 012 034 056 078; red car: 1 2 3 4", "There is none.", text):
        ours = in_ours(Generation(said), notation, SIZE, RANGE)
        assert ours.text == said or ours.text == "none" or notation.box.search(said)


def test_an_empty_list_says_that_there_is_nothing() -> None:
    for text in ("[]", "```json\n[]\n```"):
        ours = in_ours(Generation(text), QWEN2_5_VL, SIZE, RANGE)
        assert parse_output("boxes", ours.text, ours.pieces, label="dog", box_range=RANGE).status == "abstained"


def test_a_box_is_as_likely_as_its_numbers() -> None:
    words = ("dog", "<loc_0>", "<loc_0>", "<loc_500>", "<loc_999>", " cat", *("<loc_1>",) * 4)
    chances = (0.1, 0.9, 0.9, 0.9, 0.9, 0.1, 0.5, 0.5, 0.5, 0.5)
    pieces = [Piece(word, chance) for word, chance in zip(words, chances, strict=True)]
    ours = in_ours(Generation("".join(words), pieces), FLORENCE, SIZE, RANGE)
    assert "".join(piece.text for piece in ours.pieces) == ours.text == "0 0 500 999; 1 1 1 1"
    found = parse_output("boxes", ours.text, ours.pieces, label="dog", box_range=RANGE).boxes
    assert [region.score for region in found] == pytest.approx([0.9, 0.5])


def test_only_a_base_model_is_asked_in_its_own_words() -> None:
    request = GenerateRequest("Locate: a dog", locate="a dog")
    assert worded(request, PALIGEMMA) == "detect a dog"
    assert worded(request, QWEN2_5_VL) == "Locate: a dog\nReport bbox coordinates in JSON format."
    assert worded(request, None) == "Locate: a dog"
    assert worded(GenerateRequest("Locate: a dog", locate="a dog", stack="grounding"), PALIGEMMA) == "Locate: a dog"
    assert worded(GenerateRequest("hello"), PALIGEMMA) == "hello"


def test_a_model_behind_a_server_is_known_by_its_names() -> None:
    assert notation_named("Qwen/Qwen2.5-VL-7B-Instruct", "") is QWEN2_5_VL
    assert notation_named("vision", "/models/Qwen3-VL-2B-Instruct") is QWEN3_VL
    assert notation_named("microsoft/Florence-2-base") is FLORENCE
    assert notation_named("HuggingFaceTB/SmolVLM-256M") is None
