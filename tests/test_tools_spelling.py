from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.spelling import tidy


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ("whats  the\nweather tmrw", "what's the weather tomorrow"),
        ("hows it rn", "how's it right now"),
        ("what’s that pls", "what's that please"),
        ("jobs for an RN in What's Up", "jobs for an RN in What's Up"),
        ("the Thames, Plzeň", "the Thames, Plzeň"),
    ],
)
def test_chat_spellings_are_written_out_and_names_left_alone(said: str, plain: str) -> None:
    assert tidy(said, 500) == plain


@given(st.text(max_size=80))
def test_tidying_twice_changes_nothing_more(text: str) -> None:
    once = tidy(text, 500)
    assert tidy(once, 500) == once
