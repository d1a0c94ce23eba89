from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.render import (
    MOST_REGIONS,
    call_line,
    duration,
    label,
    percent,
    printable,
    region_line,
    size,
    step_lines,
    table,
    turn_markdown,
)
from conlora_agent.core.types import PlannedStep, Region, Step


def grounding(**more: object) -> Step:
    fields = {"route": "grounding", "kind": "task", "confidence": 0.934, "request": "the book", "adapter": "grounding"}
    return Step.model_validate({**fields, "ms": 1834.0, **more})


def test_a_task_step_is_labelled_with_route_adapter_confidence_and_time() -> None:
    assert label(grounding()) == "grounding · adapter grounding · 93% · 1.8 s"


def test_a_step_without_a_stack_says_so() -> None:
    assert label(grounding(adapter=None)) == "grounding · no adapter · 93% · 1.8 s"


def test_a_planned_step_has_no_time_yet() -> None:
    planned = PlannedStep(route="calculator", kind="tool", confidence=0.5, request="1+1")
    assert label(planned) == "calculator · tool · 50%"


def test_a_question_shows_route_and_confidence_only() -> None:
    step = Step(route="clarify", kind="clarify", confidence=0.41, request="hm", status="needs_input", ms=3)
    assert label(step) == "clarify · 41%"


@pytest.mark.parametrize("status", ["abstained", "unavailable", "failed", "needs_input"])
def test_every_status_but_ok_is_put_into_words(status: str) -> None:
    assert label(grounding(status=status)).startswith("grounding · adapter grounding · 93% · 1.8 s · ")
    assert status not in label(grounding(status=status)).split(" · ")[-1] or status == "failed"


def test_a_tool_call_is_written_like_a_call() -> None:
    step = Step(route="calculator", kind="tool", confidence=1, request="", tool_args={"expression": "17% of é"})
    assert call_line(step) == 'calculator(expression="17% of é")'
    assert list(step_lines(step))[1] == '  calculator(expression="17% of é")'


def test_a_box_is_told_in_per_cent_of_the_picture() -> None:
    region = Region(label="blue book", box=(0.03, 0.08, 0.26, 0.53), score=0.94)
    assert region_line(region) == "blue book (94%): across 3% to 26%, down 8% to 53%"


def test_of_many_boxes_the_first_are_told() -> None:
    line = Region(label="Chapter", box=(0.1, 0.1, 0.9, 0.2), score=0.9, line=True)
    told = list(step_lines(grounding(boxes=[line] * 20)))[1:]
    assert len(told) == MOST_REGIONS + 1
    assert told[-1] == f"  and {20 - MOST_REGIONS} more"


def test_markdown_has_the_answer_and_a_line_for_each_step() -> None:
    assert turn_markdown("Here.", [grounding()]) == "Here.\n\n- grounding · adapter grounding · 93% · 1.8 s\n"


def test_columns_line_up() -> None:
    assert list(table(["a", "bb"], [["long", "x"], ["s", "y"]])) == ["a     bb", "long  x", "s     y"]


@pytest.mark.parametrize(("ms", "text"), [(0, "0 ms"), (999.4, "999 ms"), (1000, "1.0 s"), (61_000, "61.0 s")])
def test_durations(ms: float, text: str) -> None:
    assert duration(ms) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1500, "2 KB"), (98_000_000, "98 MB"), (2.5e9, "2.5 GB")])
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


def test_no_confidence_is_no_text() -> None:
    assert percent(None) == ""


@given(st.text())
def test_nothing_printable_steers_the_terminal(text: str) -> None:
    shown = printable(text)
    assert not any(char in shown for char in "\x00\x07\x08\x0b\x1b\x7f\x9b\r")
    shown.encode()


def test_an_escape_sequence_in_what_was_read_is_taken_apart() -> None:
    assert printable("a\x1b[2Jb\nc") == "a[2Jb\nc"
