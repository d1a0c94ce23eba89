from __future__ import annotations

import pytest

from conlora_agent.writing import bearer


@pytest.mark.parametrize(
    ("request_", "thing"),
    [
        ("what is written on the blue book?", "the blue book"),
        ("which words are on the sign?", "the sign"),
        ("what is printed on the side of the truck", "the truck"),
        ("read the text on the mug in this picture", "the mug"),
        ("what is on the cup, read it", "the cup"),
        ("what does it say on the box on the left?", "the box on the left"),
        ("and what does the other sign say?", "the other sign"),
        ("read the red sign, please", "the red sign"),
        ("what is the title of the green book?", "the green book"),
        # it may well be the whole picture
        ("read the sign", None),
        ("what does the bottle say?", None),
        ("what's on the receipt?", None),
        ("what is on the screen? read what is on the cup", None),
        # a part of a text, or nothing that can be found
        ("read the second line", None),
        ("what does the error message on this page say?", None),
        ("what does the last word say", None),
        ("read the text on the left", None),
        ("what is written on it?", None),
        ("what is written on this book?", None),
        ("read the text in the picture", None),
        ("was steht auf dem Schild?", None),
        ("", None),
    ],
)
def test_the_thing_whose_writing_is_asked_for(request_: str, thing: str | None) -> None:
    assert bearer(request_) == thing
