"""JSON schemas of arguments, and which of a message's words could fill them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from conlora_agent.core.errors import DataError
from tools.said import mentions, narrowed, ordered, phrases, unsaid, values, without_nulls
from tools.schemas import arguments_schema, misfit

TODAY = date(2026, 11, 24)


def test_references_and_nulls_are_gone() -> None:
    schema = {
        "$defs": {"Size": {"enum": ["small", "large"]}, "Pet": {"properties": {"size": {"$ref": "#/$defs/Size"}}}},
        "properties": {
            "pet": {"$ref": "#/$defs/Pet"},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            "count": {"type": ["integer", "null"]},
        },
        "required": ["pet", "gone"],
    }
    found = arguments_schema(schema)
    assert found["properties"]["pet"]["properties"]["size"] == {"enum": ["small", "large"]}
    assert found["properties"]["note"]["type"] == "string"
    assert found["properties"]["count"]["type"] == "integer"
    assert found["required"] == ["pet"]
    assert "$defs" not in found


def test_a_schema_that_holds_itself_ends() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    assert arguments_schema({"$defs": {"Node": node}, "properties": {"node": {"$ref": "#/$defs/Node"}}})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array"},
        {"properties": {"x": {"type": "objekt"}}},
        {"properties": {"x": {"type": "string", "pattern": "("}}},
        {"properties": {"x": {"$ref": "#/nowhere"}}},
        {"properties": {"x": {"$ref": "other.json"}}},
    ],
)
def test_a_broken_schema_is_one_line(schema: dict[str, Any]) -> None:
    with pytest.raises(DataError) as caught:
        arguments_schema(schema)
    assert "\n" not in str(caught.value)


def test_the_argument_that_does_not_fit_is_named() -> None:
    address = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    schema = arguments_schema({"properties": {"n": {"type": "integer", "maximum": 5}, "address": address}})
    assert misfit(schema, {"n": 5, "address": {"city": "Cork"}}) is None
    assert misfit(schema, {"n": 6}) == ("n", "6 is greater than the maximum of 5")
    assert misfit(schema, {"address": {}}) == ("address.city", "is missing")
    assert misfit(schema, {"m": 1}) == ("m", "is not known")


@pytest.mark.parametrize(
    ("schema", "text", "found"),
    [
        ({"type": "integer"}, "two adults, 3 children and 4.5 bags", [2, 3]),
        ({"type": "number"}, "below 0 it was -3 or 4.5", [0, -3, 4.5]),
        ({"type": "integer", "maximum": 5}, "7 or 4", [4]),
        ({"enum": ["cats", "dogs"]}, "how many Cats?", ["cats"]),
        ({"enum": ["very_large", "large"]}, "a very large one", ["very_large", "large"]),
        ({"type": "string", "format": "date"}, "from tomorrow to 2026-12-24", ["2026-11-25", "2026-12-24"]),
        ({"type": "string", "pattern": "^[A-Z]-\\d+$"}, "track A-12, please", ["A-12"]),
        ({"const": 3}, "three", []),
    ],
)
def test_what_was_said_of_a_schema(schema: dict[str, Any], text: str, found: list[Any]) -> None:
    assert values(schema, (text,), TODAY) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [("gift wrap it", [True]), ("no gift wrap", [True, False]), ("wrap the gift", [True]), ("as it is", [])],
)
def test_yes_and_no_need_the_name_of_what_is_meant(text: str, found: list[bool]) -> None:
    assert values({"type": "boolean"}, (text,), TODAY, name="gift_wrap") == found
    assert values({"type": "boolean"}, ("yes please",), TODAY, name="gift_wrap") == [True]


def test_words_without_the_marks_around_them() -> None:
    found = set(phrases(("Is \"Blue Moon\" Anna's, or St. Ives'?",)))
    assert {"Blue Moon", "Anna", "St. Ives", "Anna's"} <= found
    assert mentions(("two berries",), "berry")
    assert not mentions(("a bus",), "bu")


def test_the_narrowed_schema_takes_only_what_was_said() -> None:
    schema = arguments_schema(
        {
            "properties": {
                "limit": {"type": "integer"},
                "place": {"type": "string"},
                "tags": {"type": "array", "items": {"type": "string"}},
                "to": {"properties": {"city": {"type": "string"}}},
            },
            "required": ["place"],
        }
    )
    narrow = narrowed(schema, ("three in Cork",), TODAY)
    assert list(narrow["properties"]) == list(ordered(schema)["properties"]) == ["place", "limit", "tags", "to"]
    takes = Draft202012Validator(narrow).is_valid
    args = {"limit": 3, "place": "Cork", "tags": ["three", "in Cork"], "to": {"city": "Cork"}}
    assert takes(args)
    assert takes(dict.fromkeys(args))
    assert not takes({**args, "place": "Dublin"})
    assert not takes({**args, "limit": 4})
    assert not takes({"place": "Cork"}), "every property has to be decided upon"
    assert without_nulls({"a": None, "b": {"c": None}, "d": [None], "e": 0}) == {"e": 0}


def test_what_nobody_said_is_found() -> None:
    schema = arguments_schema(
        {"properties": {"to": {"properties": {"city": {"type": "string"}}}, "n": {"type": "integer"}}}
    )
    assert unsaid(schema, {"to": {"city": "CORK"}, "n": 2}, ("two for Cork",), TODAY) is None
    assert unsaid(schema, {"to": {"city": "Dublin"}}, ("two for Cork",), TODAY) == "to.city"
    assert unsaid(schema, {"n": 3}, ("two for Cork",), TODAY) == "n"


@given(st.text(max_size=80), st.sampled_from(["string", "integer", "number", "boolean", "array", "object"]))
def test_any_text_can_be_looked_at(text: str, kind: str) -> None:
    schema = arguments_schema({"properties": {"x": {"type": kind}}})
    narrow = narrowed(schema, (text,), TODAY)
    Draft202012Validator.check_schema(narrow)
    assert Draft202012Validator(narrow).is_valid({"x": None})
