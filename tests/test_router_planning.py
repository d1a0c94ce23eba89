from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conlora_agent.core.types import Example, Route
from router.plan_training import messages
from router.planning import MAX_BORDERS, borders, stretches


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("find the sign and read it", ["find the sign", "read it"]),
        ("who is it? And when?", ["who is it?", "when?"]),
        ("describe it, and then count them", ["describe it", "count them"]),
        ("one\ntwo", ["one", "two"]),
        ("first this; also that", ["first this", "that"]),
        ("what is 3.5 times 2?", ["what is 3.5 times 2?"]),
        ("is it sandy?", ["is it sandy?"]),
        ("and the red one?", ["and the red one?"]),
        ("thanks!", ["thanks!"]),
    ],
)
def test_stretches(text: str, expected: list[str]) -> None:
    assert stretches(text, borders(text)) == expected


def test_prose_has_no_borders() -> None:
    assert borders("word, " * (MAX_BORDERS + 5)) == []


@given(st.text(alphabet=st.sampled_from("ab ,.?!;\n") | st.characters(), max_size=80))
def test_stretches_are_parts_of_the_text_in_order(text: str) -> None:
    position = 0
    for stretch in stretches(text, borders(text)):
        found = text.find(stretch, position)
        assert found >= 0
        position = found + len(stretch)


@given(st.lists(st.sampled_from(["read it", "where is it?", "12 + 3"]), min_size=1, max_size=4))
def test_joined_requests_can_be_taken_apart_again(requests: list[str]) -> None:
    text = " and ".join(requests)
    assert stretches(text, borders(text)) == requests


def test_requests_that_begin_alike_become_one_about_two_things() -> None:
    texts = ("read the label", "read the sign on the left", "Read the sign", "where is the dog", "what is written?")
    examples = tuple(Example(text=text, has_image=True) for text in texts)
    route = Route(name="ocr", kind="task", title="Read", description="Read text.", examples=examples)
    made = [plan for plan in messages([route], ()) if "the label" in plan.text and "the sign" in plan.text]
    single = [plan.text for plan in made if len(plan.steps) == 1]
    assert any(text.endswith("the sign on the left") and text.startswith("read the label") for text in single)
    assert all(borders(text) for text in single)
