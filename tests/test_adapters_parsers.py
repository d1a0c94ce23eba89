"""Answers of a model, well-formed and not."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.parsers import MAX_BOXES, Parsed, parse_output
from conlora_agent.core.protocols import Piece

numbers = st.integers(0, 99)
grid_boxes = st.tuples(numbers, numbers, numbers, numbers).filter(lambda b: b[0] < b[2] and b[1] < b[3])


def boxes_in(text: str, pieces: list[Piece] | None = None) -> Parsed:
    return parse_output("boxes", text, pieces or [], label="cat", box_range=100)


@given(st.lists(grid_boxes, min_size=1, max_size=9, unique=True), st.sampled_from(["; ", ";", "\n", " ;\n"]))
def test_boxes_come_back_as_they_were_written(boxes: list[tuple[int, ...]], border: str) -> None:
    parsed = boxes_in(border.join(" ".join(f"{n:02d}" for n in box) for box in boxes))
    assert parsed.status == "ok"
    assert [tuple(round(v * 99) for v in region.box) for region in parsed.boxes] == boxes
    assert {region.label for region in parsed.boxes} == {"cat"}


@pytest.mark.parametrize(
    "text",
    [
        "10 20 30 40; 50 60 70 80",
        "10, 20, 30, 40; 50, 60, 70, 80;",
        "[10, 20, 30, 40], [50, 60, 70, 80]",
        "[[10,20,30,40],[50,60,70,80]]",
        "[\n10,\n20,\n30,\n40\n]\n[50 60 70 80]",
        "(10 20 30 40) (50 60 70 80)",
        "10 20 30 40\n50 60 70 80\n",
    ],
)
def test_the_ways_two_boxes_are_written(text: str) -> None:
    parsed = boxes_in(text)
    expected = [(10, 20, 30, 40), (50, 60, 70, 80)]
    assert [tuple(round(v * 99) for v in region.box) for region in parsed.boxes] == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a cat",
        "10 20 30",
        "10 20 30 40 50",
        "10 20 30 40; 50 60",
        "10 20 30 40 50 60 70 80",
        "10 20 30 100",
        "30 20 10 40",
        "-1 20 30 40",
        "0.1 0.2 0.3 0.4",
        "10 20 30 40 cat",
        "none; 10 20 30 40",
        "٣ ٤ ٥ ٦",
        "9" * 5000 + " 1 2 3",
        ";",
        "[]",
    ],
)
def test_a_malformed_answer_fails_and_holds_no_box(text: str) -> None:
    parsed = boxes_in(text)
    assert (parsed.status, parsed.boxes) == ("failed", ())


@pytest.mark.parametrize("text", ["none", " None\n", "NONE."])
def test_none_means_it_is_not_there(text: str) -> None:
    assert (boxes_in(text).status, boxes_in(text).boxes) == ("abstained", ())


def test_a_thing_thinner_than_the_grid_is_one_step_wide() -> None:
    (region,) = boxes_in("50 0 50 99").boxes
    assert region.box == pytest.approx((49.5 / 99, 0, 50.5 / 99, 1))
    assert boxes_in("0 99 0 99").boxes[0].box == pytest.approx((0, 98.5 / 99, 0.5 / 99, 1))


def test_a_repeated_box_counts_once_and_a_flood_fails() -> None:
    assert len(boxes_in("1 2 3 4; 1 2 3 4").boxes) == 1
    flood = "; ".join(f"{i % 90} {i // 90} {i % 90 + 1} 99" for i in range(MAX_BOXES + 1))
    assert boxes_in(flood).status == "failed"


def test_the_score_is_the_geometric_mean_over_the_tokens_of_the_numbers() -> None:
    written = [(" ", 0.01), ("1", 0.9), ("0", 0.8), (" ", 0.01), ("20", 0.5), (" 30", 0.7), (" 40", 0.6), (";", 0.1)]
    written += [(" 5", 0.4), ("0 60 7", 0.3), ("0 80", 0.2), ("", 0.001), ("\n", 0.01)]
    pieces = [Piece(text, probability) for text, probability in written]
    parsed = boxes_in("".join(text for text, _ in written), pieces)
    assert parsed.boxes[0].score == pytest.approx(math.prod([0.9, 0.8, 0.5, 0.7, 0.6]) ** (1 / 5))
    assert parsed.boxes[1].score == pytest.approx(math.prod([0.4, 0.3, 0.2]) ** (1 / 3))


def test_no_score_where_the_pieces_do_not_spell_the_text() -> None:
    assert boxes_in("1 2 3 4").boxes[0].score is None
    assert boxes_in("1 2 3 4", [Piece("1 2 3", 0.5)]).boxes[0].score is None


@given(st.lists(st.text("0123456789;,[]() \n", max_size=6), max_size=12))
def test_any_digits_give_ordered_boxes_with_scores_or_nothing(parts: list[str]) -> None:
    parsed = boxes_in("".join(parts), [Piece(part, 0.5) for part in parts])
    assert (parsed.status == "ok") == bool(parsed.boxes)
    for region in parsed.boxes:
        assert region.score == pytest.approx(0.5)


@given(st.sampled_from(["text", "boxes", "labels", "json"]), st.text())
def test_no_text_breaks_a_parser(output: Any, text: str) -> None:
    parsed = parse_output(output, text, [], label="x", box_range=100)
    assert parsed.status in ("ok", "abstained", "failed")
    assert not (parsed.status != "ok" and (parsed.boxes or parsed.value))


def test_text_is_stripped_and_nothing_is_abstention() -> None:
    assert parse_output("text", " EXIT \n", [], label="", box_range=100) == Parsed("EXIT")
    for nothing in (" \n", "(no text)"):
        assert parse_output("text", nothing, [], label="", box_range=100).status == "abstained"


def test_labels_are_split_trimmed_and_kept_once() -> None:
    parsed = parse_output("labels", "cat, dog;cat\nred car.", [], label="", box_range=100)
    assert (parsed.value, parsed.text) == (("cat", "dog", "red car"), "cat, dog, red car")
    assert parse_output("labels", ", .;", [], label="", box_range=100).status == "failed"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_json_comes_back_bare_or_fenced(value: Any) -> None:
    for text in (json.dumps(value), f"```json\n{json.dumps(value)}\n```"):
        assert parse_output("json", text, [], label="", box_range=100).value == value


@pytest.mark.parametrize("text", ["{", "{'a': 1}", "NaN", "[1] [2]", "[" * 5000, "9" * 5000])
def test_malformed_json_fails(text: str) -> None:
    assert parse_output("json", text, [], label="", box_range=100).status == "failed"


@pytest.mark.parametrize(
    ("written", "count"),
    [
        ("blue book: 05 17 26 59", 1),
        ("apple: 01 02 03 04; apple: 10 20 30 40", 2),
        ("the one: with 24: 05 17 26 59", 1),
    ],
)
def test_a_box_may_be_introduced_by_its_name(written: str, count: int) -> None:
    pieces = [Piece(char, 0.5 if char.isdigit() else 1.0) for char in written]
    parsed = parse_output("boxes", written, pieces, label="it", box_range=100)
    assert parsed.status == "ok"
    assert len(parsed.boxes) == count
    # Only the numbers of the box count for its score, not its name.
    assert all(region.score == pytest.approx(0.5) for region in parsed.boxes)


@pytest.mark.parametrize("written", ["blue book:", "blue book 05 17 26 59", "book: 05 17 26"])
def test_a_name_without_a_box_is_no_answer(written: str) -> None:
    assert parse_output("boxes", written, [], label="it", box_range=100).status == "failed"
