from __future__ import annotations

import pytest

from conlora_agent.core.referents import (
    FOCUS_LIMIT,
    Focus,
    PictureReferent,
    RegionReferent,
    RequestReferent,
    TextReferent,
    ValueReferent,
)
from conlora_agent.core.types import Box, Region, Step
from conlora_agent.focus import add_picture, after_step, complete_request, refers_back, resolve_region

BLUE: Box = (0.1, 0.1, 0.4, 0.6)
RED: Box = (0.5, 0.1, 0.9, 0.6)


def grounding(*boxes: Box, label: str = "the blue book", image: str = "p1") -> Step:
    regions = tuple(Region(label=label, box=box, score=0.9 - 0.1 * i) for i, box in enumerate(boxes))
    status = "ok" if boxes else "abstained"
    return Step(
        route="grounding",
        kind="task",
        confidence=1,
        request=f"where is {label}?",
        status=status,
        text="I found it.",
        boxes=regions,
        image=image,
    )


def seen(*boxes: Box, label: str = "the blue book") -> Focus:
    return after_step(add_picture(Focus(), "p1"), grounding(*boxes, label=label), output="boxes")


def reading(text: str = "MOBY DICK", box: Box | None = None) -> Step:
    boxes = (Region(label="", box=box),) if box else ()
    return Step(route="ocr", kind="task", confidence=1, request="read it", text=text, boxes=boxes, image="p1")


def test_each_kind_of_step_leaves_its_referents() -> None:
    focus = seen(BLUE)
    assert focus.region == RegionReferent(image="p1", box=BLUE, label="the blue book")
    assert focus.request == RequestReferent(route="grounding", request="where is the blue book?")
    assert focus.text is None, "the sentence about a box is nothing that was read"
    focus = after_step(focus, reading(box=BLUE))
    assert focus.text == TextReferent(text="MOBY DICK", image="p1", box=BLUE)
    tool = Step(
        route="weather",
        kind="tool",
        confidence=1,
        request="weather in Oslo",
        text="cold",
        tool_args={"place": "Oslo"},
        tool_result={"celsius": -3},
    )
    focus = after_step(focus, tool)
    assert focus.value == ValueReferent(route="weather", arguments={"place": "Oslo"}, value={"celsius": -3})


def test_the_lines_of_a_page_are_no_referents() -> None:
    line = Region(label="MOBY DICK", box=RED, score=0.99, line=True)
    page = reading().model_copy(update={"boxes": (line,)})
    focus = after_step(add_picture(Focus(), "p1"), page)
    assert focus.region is None
    assert focus.text == TextReferent(text="MOBY DICK", image="p1")
    assert resolve_region("where is it?", focus, [page]) is None


def test_failed_and_waiting_steps_leave_nothing() -> None:
    focus = seen(BLUE)
    for status in ("failed", "unavailable", "needs_input"):
        assert after_step(focus, reading().model_copy(update={"status": status})) == focus


def test_the_picture_is_remembered_however_much_is_found() -> None:
    focus = add_picture(Focus(), "p1")
    for number in range(40):
        focus = after_step(focus, grounding(BLUE, RED, label=f"thing {number}"), output="boxes")
        assert len(focus.referents) <= FOCUS_LIMIT
        assert focus.picture == "p1"
    assert focus.region is not None
    assert focus.region.label == "thing 39"


def test_large_results_are_bounded() -> None:
    tool = Step(route="web_page", kind="tool", confidence=1, request="x", text="x", tool_result={"text": "y" * 100_000})
    value = after_step(Focus(), tool).value
    assert value is not None
    assert len(str(value.value)) < 5000
    text = after_step(add_picture(Focus(), "p1"), reading("z" * 100_000)).text
    assert text is not None
    assert len(text.text) < 5000


@pytest.mark.parametrize(
    ("request_", "box"),
    [
        ("what is written on it?", BLUE),
        ("what does that say?", BLUE),
        ("read this one", BLUE),
        ("what is written there?", BLUE),
        ("read its title", BLUE),
        ("what does this book say?", BLUE),
        ("read the blue book", BLUE),
        ("read the whole picture", None),
        ("what does this picture say?", None),
        ("read everything", None),
        ("read the text", None),
        ("how many books are there?", None),
        ("is there a dog?", None),
        ("what is on this shelf?", None),
    ],
)
def test_what_a_request_is_about(request_: str, box: Box | None) -> None:
    region = resolve_region(request_, seen(BLUE))
    assert (region.box if region else None) == box


def test_a_new_picture_takes_over() -> None:
    focus = add_picture(seen(BLUE), "p2")
    assert resolve_region("what is written on it?", focus) is None


def test_looking_at_the_whole_picture_takes_over() -> None:
    caption = Step(route="caption", kind="task", confidence=1, request="describe it", text="Books.", image="p1")
    assert resolve_region("what is written on it?", after_step(seen(BLUE), caption)) is None


def test_a_search_without_result_takes_over() -> None:
    focus = after_step(seen(BLUE), grounding(label="the cat"), output="boxes")
    assert resolve_region("what is written on it?", focus) is None


def test_reading_a_region_keeps_it_current() -> None:
    focus = after_step(seen(BLUE), reading(box=BLUE))
    region = resolve_region("what colour is it?", focus)
    assert region is not None
    assert region.box == BLUE


def test_of_several_regions_the_surest_or_all() -> None:
    focus = seen(BLUE, RED, label="the books")
    one, all_ = resolve_region("read it", focus), resolve_region("read them", focus)
    assert one is not None
    assert one.box == BLUE
    assert all_ is not None
    assert all_.box == (0.1, 0.1, 0.9, 0.6)


def test_a_used_step_comes_before_everything() -> None:
    focus = after_step(seen(BLUE), grounding(RED, label="the red book"), output="boxes")
    region = resolve_region("read the text in the picture", focus, [grounding(BLUE)])
    assert region is not None
    assert region.box == BLUE


def test_refers_back_needs_a_word_that_stands_alone() -> None:
    assert refers_back("and that?")
    assert not refers_back("what is in that cupboard?")
    assert refers_back("what is in that cupboard?", "the big cupboard")


def test_completion_looks_at_the_last_request_of_the_same_route() -> None:
    focus = after_step(seen(BLUE), reading(box=BLUE))
    assert complete_request("and the red one?", "grounding", focus) == "where is the red book?"
    assert complete_request("read the red one", "ocr", focus) == "read the red book"
    assert complete_request("and the red one?", "grounding", Focus()) == "and the red one?"


def test_focus_survives_json() -> None:
    focus = after_step(seen(BLUE), reading(box=BLUE)).add(PictureReferent(image="p2"))
    assert Focus.model_validate(focus.model_dump(mode="json")) == focus
