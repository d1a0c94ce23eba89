from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conlora_agent.phrases import bare, complete, head, is_fragment, referring_phrase, substitute_one


@pytest.mark.parametrize(
    ("request_", "phrase"),
    [
        ("where is the blue book?", "the blue book"),
        ("In which corner of the picture is the moon?", "the moon"),
        ("what part of the image shows my cup", "my cup"),
        ("which part is damaged?", "which part is damaged"),
        ("which part of the picture is the waffle in?", "the waffle"),
        ("On which side is the sign?", "the sign"),
        ("which corner or side is the apple on", "the apple"),
        ("which side of the tiger is the box on?", "which side of the tiger is the box on"),
        ("Where's Waldo?", "Waldo"),
        ("find the dog", "the dog"),
        ("Can you please point to the red car in the picture?", "the red car"),
        ("show me where the cat is", "the cat"),
        ("tell me where the keys are please", "the keys"),
        ("what about the cup?", "the cup"),
        ("draw a box around the man with a hat", "the man with a hat"),
        ("where in the image is the sign", "the sign"),
        ("what is the position of the moon", "the moon"),
        ("could you locate the dog for me", "the dog"),
        ("I want to know where the exit is", "the exit"),
        ("is there a dog in this photo?", "a dog"),
        ("the dog that is on the left", "the dog that is on the left"),
        ("dog", "dog"),
        ("wo ist der Hund?", "wo ist der Hund"),
        ("?", "?"),
    ],
)
def test_referring_phrase(request_: str, phrase: str) -> None:
    assert referring_phrase(request_) == phrase


@given(st.text(min_size=1, max_size=80))
def test_referring_phrase_is_a_part_of_the_request(request_: str) -> None:
    assert referring_phrase(request_) in " ".join(request_.split()) or not request_.split()


@pytest.mark.parametrize(
    ("request_", "earlier", "full"),
    [
        ("and the red one?", "where is the blue book?", "where is the red book?"),
        ("and the one on the left?", "find the blue book", "find the book on the left"),
        ("the other one?", "where is the blue book on the table?", "where is the other book?"),
        ("what about the cup?", "where's the dog?", "where's the cup?"),
        ("and the dog?", "what colour is the car?", "what colour is the dog?"),
        ("and the bus?", "how many wheels does the car have?", "how many wheels does the bus have?"),
        ("and the man?", "what is the woman doing?", "what is the man doing?"),
        ("no, the smaller one", "where is the cup", "where is the smaller cup"),
        ("the dog too", "find the cat", "find the dog"),
        # whole requests stay as they are
        ("and what is on it?", "where is the car?", "and what is on it?"),
        ("and read it", "where is the cat?", "and read it"),
        ("read the red one", "read the sign", "read the red one"),
        ("where is the cup?", "where is the dog?", "where is the cup?"),
        ("thanks", "where is the cat?", "thanks"),
    ],
)
def test_complete(request_: str, earlier: str, full: str) -> None:
    assert complete(request_, earlier) == full


@given(st.text(max_size=60), st.text(max_size=60))
def test_complete_takes_any_text(request_: str, earlier: str) -> None:
    full = complete(request_, earlier)
    assert full == request_ or is_fragment(request_)


@pytest.mark.parametrize(
    ("text", "antecedent", "expected"),
    [
        ("where is the red one?", "the blue book", "where is the red book?"),
        ("which one is the largest?", "the book", "which book is the largest?"),
        ("and the green ones", "the book", "and the green books"),
        ("find one dog", "the cat", "find one dog"),
        ("no one", "the cat", "no one"),
        ("is there one?", "a dog", "is there one?"),
    ],
)
def test_substitute_one(text: str, antecedent: str, expected: str) -> None:
    assert substitute_one(text, antecedent) == expected


def test_head_and_bare() -> None:
    assert head("the blue book on the table") == "book"
    assert bare("The blue book") == "blue book"
    assert bare("dog") == "dog"
