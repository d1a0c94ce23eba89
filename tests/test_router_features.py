from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conlora_agent.core.types import RouteQuery
from router.features import EARLIER_TURNS, SURFACE_SIZE, RouteTable, features, has_anaphora, surface_features

TABLE = RouteTable(("grounding", "ocr", "chat"), (True, True, False))


def relation(name: str, query: RouteQuery) -> list[float]:
    found = features([query], np.zeros((1, 4), np.float32), TABLE).relations[:, 0]
    return [float(value) for value in found[("last", "earlier", "needs_image").index(name)]]


def test_relations_mark_last_and_earlier_routes() -> None:
    query = RouteQuery(text="and it?", has_image=True, previous=("grounding", "ocr"))
    assert relation("last", query) == [0, 1, 0]
    assert relation("earlier", query) == [1, 0, 0]
    assert relation("needs_image", query) == [1, 1, 0]


def test_picture_relation_is_off_without_a_picture() -> None:
    assert relation("needs_image", RouteQuery(text="x")) == [0, 0, 0]


def test_turns_long_ago_are_forgotten() -> None:
    query = RouteQuery(text="x", previous=("grounding", *["chat"] * (EARLIER_TURNS + 1)))
    assert relation("earlier", query) == [0, 0, 0]


def test_unknown_previous_route_is_no_error() -> None:
    assert relation("last", RouteQuery(text="x", previous=("weather",))) == [0, 0, 0]


def test_a_text_is_kept_once() -> None:
    queries = [RouteQuery(text="a"), RouteQuery(text="b"), RouteQuery(text="a", has_image=True)]
    vectors = np.array([[1], [2], [1]], np.float32)
    x = features(queries, vectors, TABLE)
    assert x.texts[x.text_of].tolist() == vectors.tolist()
    assert len(x.texts) == 2
    part = x[np.array([2, 1])]
    assert part.texts[part.text_of].tolist() == [[1], [2]]


@pytest.mark.parametrize(("text", "expected"), [("read it", True), ("and the other one?", True), ("2 + 2", False)])
def test_anaphora(text: str, expected: bool) -> None:
    assert has_anaphora(text) is expected


@given(st.text())
def test_surface_is_bounded_for_any_text(text: str) -> None:
    values = surface_features(text)
    assert len(values) == SURFACE_SIZE
    assert all(0 <= value <= 1 for value in values)
