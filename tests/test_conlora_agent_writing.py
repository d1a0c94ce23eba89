from __future__ import annotations

import pytest

from conlora_agent.core.types import Region
from conlora_agent.writing import bearer, places_of, words_sought


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


@pytest.mark.parametrize(
    ("request_", "sought"),
    [
        ("where does it say total?", "total"),
        ("where does the sign say open", "open"),
        ("show me where it says no parking", "no parking"),
        ("where is SALE written?", "SALE"),
        ("find the word EXIT", "EXIT"),
        ("can you mark the word total in this picture?", "total"),
        ("find the word 'don't' please", "don't"),
        ("highlight the words GRAND OPENING", "GRAND OPENING"),
        ("find the line that says total", "total"),
        ("point to the text “Sale 50%”", "Sale 50%"),
        ("find the text SALE", "SALE"),
        ('where is "no smoking"?', "no smoking"),
        ("where is the word SALE on this poster?", "SALE"),
        ("find the text 'Sale' on the mug", "Sale"),
        ("find the text SALE on the mug", "SALE"),
        ("can you tell me where it says total, please?", "total"),
        ("where on the receipt does it say total", "total"),
        ("where exactly does this say total", "total"),
        ("where is milk mentioned on the label", "milk"),
        # any writing
        ("where is the text?", ""),
        ("find all the text in the picture", ""),
        ("where's the writing?", ""),
        # things, not words
        ("where is the blue book?", None),
        ("find the sign with the text SALE", None),
        ("find the text box", None),
        ("where is the text on the mug?", None),
        ("where is the line?", None),
        ("where is the price?", None),
        ("where is the date written?", None),
        ("where are the words on the sign?", None),
        ("find the words written on the sign", None),
        ("where is it written?", None),
        ("where does it say how much it costs?", None),
        ('where is "the blue book"?', None),
        ("find line 3", None),
        ("", None),
    ],
)
def test_the_words_that_are_looked_for(request_: str, sought: str | None) -> None:
    assert words_sought(request_) == sought


LINES = (
    Region(label="GRAND", box=(0.1, 0.1, 0.5, 0.2), score=0.9),
    Region(label="Opening today!", box=(0.2, 0.3, 0.6, 0.4), score=0.7),
    Region(label="today", box=(0.1, 0.5, 0.5, 0.6)),
)


@pytest.mark.parametrize(
    ("sought", "places"),
    [
        ("grand", [("GRAND", LINES[0].box, 0.9)]),
        ("Today", [("Opening today!", LINES[1].box, 0.7), ("today", LINES[2].box, None)]),
        ("grand opening", [("GRAND Opening today!", (0.1, 0.1, 0.6, 0.4), 0.7)]),
        ("opening and grand", [("Opening today!", LINES[1].box, 0.7), ("GRAND", LINES[0].box, 0.9)]),
        ("today, opening", [("Opening today!", LINES[1].box, 0.7), ("today", LINES[2].box, None)]),
        ("grand, closed", []),
        ("closed or grand", [("GRAND", LINES[0].box, 0.9)]),
        ("and", []),
        (", ", []),
        ("!", []),
        ("", [(line.label, line.box, line.score) for line in LINES]),
    ],
)
def test_words_are_found_where_they_stand(sought: str, places: list[tuple[object, ...]]) -> None:
    assert [(region.label, region.box, region.score) for region in places_of(sought, LINES)] == places
