from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.openings import Openings

REQUESTS = ("find the key", "find a red key", "what is red?", "angle of the red key")


def test_words_that_open_requests_score_above_those_inside() -> None:
    scores = Openings.of(REQUESTS).scores
    assert scores["find"] > scores["angle"] > 0 > scores["red"]


def test_a_request_after_the_border_differs_from_a_noun() -> None:
    openings = Openings.of(REQUESTS)
    request = openings.features("where is the key", "find the red one")
    noun = openings.features("where is the key", "red one")
    assert request[-2] > noun[-2]


@given(st.text(max_size=30), st.text(max_size=30))
def test_every_pair_has_the_same_number_of_features(left: str, right: str) -> None:
    openings = Openings.of(REQUESTS)
    assert len(openings.features(left, right)) == len(openings.features("", "what"))
