"""A model held to a JSON schema: random weights, so that whatever comes out right is the grammar's doing."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from conlora_agent.backbone.grammar import Grammars
from conlora_agent.backbone.local import LocalBackbone
from conlora_agent.core.errors import BackboneError
from conlora_agent.core.protocols import Function, GenerateRequest
from tests.tiny_nano import tiny_backbone, tiny_tokenizer
from tools.said import narrowed
from tools.schemas import arguments_schema

SCHEMA = arguments_schema(
    {
        "properties": {
            "kind": {"enum": ["cats", "dogs"]},
            "place": {"type": "string"},
            "count": {"type": "integer"},
            "names": {"type": "array", "items": {"type": "string"}},
            "owner": {"properties": {"name": {"type": "string"}}},
        }
    }
)


@pytest.fixture(scope="module")
def backbone() -> LocalBackbone:
    return tiny_backbone()


def ask(backbone: LocalBackbone, text: str, schema: dict[str, Any] = SCHEMA, tokens: int = 300) -> str:
    said = narrowed(schema, (text,), date(2026, 11, 24))
    function = Function("count", "Counts.", schema, said)
    return backbone.generate(GenerateRequest(text, function=function, max_new_tokens=tokens)).text


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1, max_size=30))
def test_a_random_model_writes_what_the_schema_takes(backbone: LocalBackbone, text: str) -> None:
    value = json.loads(ask(backbone, text))
    assert Draft202012Validator(narrowed(SCHEMA, (text,), date(2026, 11, 24))).is_valid(value)


def test_it_ends_by_itself_and_shares_a_batch_with_free_text(backbone: LocalBackbone) -> None:
    said = narrowed(SCHEMA, ("two dogs",), date(2026, 11, 24))
    held = GenerateRequest("two dogs", function=Function("count", "", SCHEMA, said), max_new_tokens=300)
    free = GenerateRequest("two dogs", max_new_tokens=12)
    both = backbone.generate_many([held, free])
    assert json.loads(both[0].text).keys() == SCHEMA["properties"].keys()
    assert both[0].usage.completion_tokens < 300
    assert both[1].text == backbone.generate(free).text
    assert both[0].text == backbone.generate(held).text


def test_forced_tokens_are_certain(backbone: LocalBackbone) -> None:
    schema = arguments_schema({"properties": {"x": {"const": "y"}}})
    function = Function("f", "", schema, {**schema, "required": ["x"]})
    generation = backbone.generate(GenerateRequest("z", function=function))
    assert generation.text == '{"x": "y"}'
    assert generation.confidence == pytest.approx(1.0)


@pytest.mark.parametrize("schema", [{"type": "objekt"}, {"$ref": "#/nowhere"}, {"type": "string", "pattern": "("}])
def test_a_schema_that_cannot_be_held_to_is_one_line(backbone: LocalBackbone, schema: dict[str, Any]) -> None:
    with pytest.raises(BackboneError, match="nothing can be written after this schema") as caught:
        backbone.generate(GenerateRequest("x", function=Function("f", "", schema, schema)))
    assert "\n" not in str(caught.value)
    assert ask(backbone, "still alive")


def test_a_tokenizer_without_bytes_is_refused() -> None:
    with pytest.raises(BackboneError, match="fast tokenizer"):
        Grammars(object(), [0]).of({"type": "object"})
    assert Grammars(tiny_tokenizer(), [2]).of({"type": "object"})
