"""Which examples are nearer to another route, on vectors laid out by hand and on the real encoder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from conlora_agent.core.types import Example, Route
from router.encoder import Vectors, shared_encoder
from router.overlap import nearer_elsewhere


def route(name: str, *texts: str, previous: tuple[str, ...] = ()) -> Route:
    examples = tuple(Example(text=text, previous=previous) for text in texts)
    return Route(name=name, kind="task", title=name, description=name, examples=examples)


def compass(texts: Sequence[str]) -> Vectors:
    """The direction that a text such as "left 10" names, in degrees off its axis."""
    degrees = [float(text.split()[1]) + (90 if text.startswith("up") else 0) for text in texts]
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1).astype(np.float32)


def test_an_example_among_those_of_another_route_is_named() -> None:
    own = route("right", "right 0", "right 5", "right -5", "right 88")
    other = route("up", "up 0", "up 3", "up -3")
    assert nearer_elsewhere(own, [other], compass) == {"up": ["right 88"]}
    assert nearer_elsewhere(other, [own], compass) == {}


def test_followups_and_single_examples_are_not_compared() -> None:
    other = route("up", "up 0", "up 3", "up -3")
    assert nearer_elsewhere(route("right", "right 88"), [other], compass) == {}
    own = route("right", "right 88", "right 89", previous=("up",))
    assert nearer_elsewhere(own, [other, route("empty")], compass) == {}


def test_on_real_words_a_reading_example_is_nearer_to_reading() -> None:
    plants = route(
        "plants", "is this plant ill?", "what is wrong with my plant?", "are the leaves healthy?", "read the sign"
    )
    ocr = route("ocr", "read the sign to me", "what does the sign say?", "read this text")
    assert nearer_elsewhere(plants, [ocr], shared_encoder().encode) == {"ocr": ["read the sign"]}
