from __future__ import annotations

import pytest

from conlora_agent.answers import found
from conlora_agent.core.types import Box, Region

CORNER, SIDE, MIDDLE = (0.1, 0.1, 0.3, 0.3), (0.1, 0.4, 0.3, 0.6), (0.4, 0.4, 0.6, 0.6)


@pytest.mark.parametrize(
    ("phrase", "boxes", "said"),
    [
        ("the cat", [CORNER], "I found the cat (90%), at the top left."),
        ("the keys", [MIDDLE], "I found the keys (90%), in the middle."),
        ("the cup on the left", [SIDE], "I found the cup on the left (90%)."),
        ("all cups", [SIDE, CORNER], "I found 2 places for all cups (90%, 90%): one on the left, one at the top left."),
        ("the cups", [SIDE] * 2, "I found 2 places for the cups (90%, 90%): two on the left."),
    ],
)
def test_what_was_found_and_where(phrase: str, boxes: list[Box], said: str) -> None:
    assert found(phrase, [Region(label=phrase, box=box, score=0.9) for box in boxes]) == said


def test_without_scores_none_are_told() -> None:
    assert found("the cat", [Region(label="the cat", box=CORNER)]) == "I found the cat, at the top left."
