"""Arguments that a model writes for tools known by their schema alone: the model is scripted, the rest is real."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from conlora_agent.agent import Agent
from conlora_agent.arguments import merged
from conlora_agent.core.events import Finished
from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.core.types import Step
from conlora_agent.recall import Exchange
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone
from tests.turns import ScriptedRouter, png, step
from tools.base import ToolResult
from tools.foreign import ForeignTool, args_model_of
from tools.registry import ToolRegistry
from tools.schemas import arguments_schema

PARAMETERS = {
    "type": "object",
    "properties": {
        "kind": {"type": "string", "enum": ["cats", "dogs"], "description": "Which kind of pet"},
        "place": {"type": "string", "description": "Which town"},
        "limit": {"type": "integer", "maximum": 20},
        "_id": {"type": "string"},
        "address": {"type": "object", "properties": {"street": {"type": "string"}}, "required": ["street"]},
    },
    "required": ["kind", "place"],
}


class Pets(ForeignTool):
    name, title, description = "pets", "Pets", "Lists the pets of a kind."
    schema = arguments_schema(PARAMETERS)
    args_model = args_model_of("pets", schema)
    examples = ()  # type: ignore[assignment]

    def __init__(self, *, changes: bool = False) -> None:
        self.changes = changes
        self.called: list[dict[str, Any]] = []

    def run(self, args: BaseModel) -> ToolResult:
        self.called.append(args.model_dump(by_alias=True, exclude_unset=True))
        return ToolResult({"output": 3}, "There are 3.")


Say = Callable[..., tuple[Step, ...]]


@pytest.fixture
def written() -> list[str]:
    """What the model writes, one answer after the other; the last is repeated."""
    return []


@pytest.fixture
def backbone(written: list[str]) -> FakeBackbone:
    def write(request: GenerateRequest) -> str:
        if request.function is None:
            return "PORTO"
        return written.pop(0) if len(written) > 1 else written[0]

    return FakeBackbone(write)


@pytest.fixture
def pets() -> Pets:
    return Pets()


@pytest.fixture
def agent(backbone: FakeBackbone, pets: Pets, isolated_home: Path) -> Agent:
    tool = {"kind": "tool", "route": "pets"}
    plans = {
        word: [step("ocr", "read"), step("pets", text, 0).model_copy(update=tool)]
        if word == "sign"
        else [step("pets", text).model_copy(update=tool)]
        for word, text in {
            "sign": "cats there",
            "cats": "how many cats are there in Porto?",
            "limit": "cats in Porto, at most 30",
            "dogs": "and in Faro?",
            "pets": "how many pets are there?",
        }.items()
    }
    return Agent(Settings.load(), backbone=backbone, router=ScriptedRouter(plans), tools=ToolRegistry([pets]))


def ask(agent: Agent, text: str, **options: Any) -> tuple[Step, ...]:
    return agent.ask(text, thread="t", **options).steps


def test_the_model_writes_what_was_said(agent: Agent, backbone: FakeBackbone, written: list[str], pets: Pets) -> None:
    written.append('{"kind": "cats", "place": "Porto", "limit": null}')
    (done,) = ask(agent, "cats")
    assert (done.status, done.text, done.tool_args) == ("ok", "There are 3.", {"kind": "cats", "place": "Porto"})
    (request,) = backbone.requests
    assert "Request: how many cats are there in Porto?" in request.instruction
    assert "- kind (one of cats, dogs): Which kind of pet" in request.instruction
    assert request.function is not None
    assert "Porto" in request.function.said["properties"]["place"]["enum"]
    assert pets.called == [{"kind": "cats", "place": "Porto"}]


def test_it_is_told_once_what_is_wrong(agent: Agent, backbone: FakeBackbone, written: list[str]) -> None:
    written += ["no JSON", '{"kind": "cats", "place": "Porto"}']
    (done,) = ask(agent, "cats")
    assert done.status == "ok"
    assert "Your last answer was wrong: it is no JSON object" in backbone.requests[1].instruction


def test_what_nobody_said_is_not_taken_but_asked_for(agent: Agent, written: list[str], pets: Pets) -> None:
    written.append('{"kind": "cats", "place": "Lisbon", "limit": 7}')
    asked = ask(agent, "cats")
    assert [done.status for done in asked] == ["needs_input", "needs_input"]
    assert asked[0].text == "Pets needs to know: Which town?"
    (done,) = ask(agent, "in Faro")
    assert done.tool_args == {"kind": "cats", "place": "Faro"}
    assert len(pets.called) == 1


def test_what_was_said_and_does_not_fit_is_asked_for(agent: Agent, written: list[str]) -> None:
    written.append('{"kind": "cats", "place": "Porto", "limit": 30}')
    first, _ = ask(agent, "limit")
    assert first.text == "Pets needs to know: limit? (30 is greater than the maximum of 20)"
    (done,) = ask(agent, "then 5")
    assert done.tool_args == {"kind": "cats", "place": "Porto", "limit": 5}


def test_a_text_read_before_is_known(agent: Agent, backbone: FakeBackbone, written: list[str]) -> None:
    written.append('{"kind": "cats", "place": "PORTO"}')
    assert ask(agent, "sign", image=png())[1].tool_args == {"kind": "cats", "place": "PORTO"}
    assert "Known: PORTO" in backbone.requests[1].instruction


def test_a_fragment_changes_the_last_call(agent: Agent, written: list[str]) -> None:
    written += ['{"kind": "dogs", "place": "Porto"}', '{"place": "Faro"}']
    written[0] = '{"kind": "cats", "place": "Porto"}'
    ask(agent, "cats")
    (done,) = ask(agent, "dogs")
    assert done.tool_args == {"kind": "cats", "place": "Faro"}


def test_a_reply_of_the_wrong_kind_is_no_answer(agent: Agent, written: list[str]) -> None:
    written.append("{}")
    asked = ask(agent, "pets")
    assert asked[0].text == "Pets needs to know: Which kind of pet (cats, dogs)?"
    assert ask(agent, "horses")[0].route == "chat"


# -- calls that change something --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "called"), [("yes", True), ("Go ahead!", True), ("no, don't", False), ("describe it", False)]
)
def test_what_changes_something_is_confirmed_first(
    agent: Agent, pets: Pets, written: list[str], reply: str, called: bool
) -> None:
    pets.changes = True
    written.append('{"kind": "cats", "place": "Porto"}')
    first, asked = ask(agent, "cats")
    assert (first.status, asked.route) == ("needs_input", "clarify")
    assert asked.text == "Shall I do this: Pets (kind: cats, place: Porto)? Please answer yes or no."
    assert pets.called == []
    written[:] = ['{"kind": "dogs", "place": "Porto"}']
    answered = ask(agent, reply)
    assert pets.called == ([{"kind": "cats", "place": "Porto"}] if called else [])
    assert answered[0].status == {"yes": "ok", "Go ahead!": "ok", "no, don't": "abstained"}.get(reply, "ok")


def test_a_conversation_kept_elsewhere_confirms_too_and_never_repeats_a_call(
    agent: Agent, pets: Pets, written: list[str]
) -> None:
    pets.changes = True
    written.append('{"kind": "cats", "place": "Porto"}')
    past: list[Exchange] = []
    for text, calls in (("cats", 0), ("yes", 1), ("thanks", 1), ("and now?", 1)):
        *_, last = agent.reply(text, past=past)
        assert isinstance(last, Finished)
        assert len(pets.called) == calls
        past.append(Exchange(text, last.result.answer))
    assert past[0].answer.startswith("Shall I do this")
    assert past[1].answer == "There are 3."


def test_a_tool_that_changes_nothing_is_not_called_again_for_the_past_either(
    agent: Agent, pets: Pets, written: list[str]
) -> None:
    written.append('{"kind": "cats", "place": "Porto"}')
    *_, last = agent.reply("cats")
    assert isinstance(last, Finished)
    [*agent.reply("thanks", past=[Exchange("cats", last.result.answer)])]
    assert len(pets.called) == 1


def test_parts_of_objects_are_merged() -> None:
    assert merged({"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"y": 3}}) == {"a": {"x": 1, "y": 3}, "b": 1}
    assert json.dumps(merged({}, {"a": {"b": "c"}}))
