from __future__ import annotations

import pytest

from conlora_agent.core.errors import TextError
from conlora_agent.core.types import Candidate, Plan, RouteQuery, Step, TurnResult
from conlora_agent.planning import question_for
from conlora_agent.testing import FakeBackbone
from tests.turns import ScriptedRouter, UnsureRouter, make_agent, png, step

RULES = {"read": "ocr", "where": "grounding", "weather": "weather", "never": "chat"}


def routes(result: TurnResult) -> list[tuple[str, str]]:
    return [(s.route, s.status) for s in result.steps]


def only(result: TurnResult) -> Step:
    (step,) = result.steps
    return step


def test_a_missing_picture_is_asked_for_and_the_request_resumed() -> None:
    agent = make_agent(RULES, FakeBackbone(default="MOBY DICK"))
    asked = agent.ask("read the title")
    assert routes(asked) == [("clarify", "needs_input")]
    assert asked.answer == only(asked).text
    assert asked.answer_confidence is None
    result = agent.ask("", image=png(), thread=asked.thread)
    assert routes(result) == [("ocr", "ok")]
    assert only(result).request == "read the title"
    assert agent.state(asked.thread)["pending"] is None
    with pytest.raises(TextError):
        agent.ask("", image=png(), thread=asked.thread)


def test_a_few_words_with_the_picture_resume_too() -> None:
    agent = make_agent(RULES, FakeBackbone(default="10 10 20 20"))
    asked = agent.ask("where is the dog?")
    assert only(agent.ask("here it is", image=png(), thread=asked.thread)).request == "where is the dog?"


def test_a_plan_of_several_steps_is_made_again_once_the_picture_is_there() -> None:
    plan = [step("grounding", "find the sign"), step("ocr", "read it", 0)]
    agent = make_agent({"sign": plan}, FakeBackbone({("*", "Locate"): "10 10 20 20"}, default="EXIT"))
    asked = agent.ask("find the sign and read it")
    result = agent.ask("this one", image=png(), thread=asked.thread)
    assert routes(result) == [("grounding", "ok"), ("ocr", "ok")]


def test_another_request_with_the_picture_is_that_request() -> None:
    agent = make_agent(RULES, FakeBackbone(default="10 10 20 20"))
    asked = agent.ask("read the title")
    result = agent.ask("never mind, where is the dog?", image=png(), thread=asked.thread)
    assert only(result).route == "grounding"
    asked = agent.ask("read the title")
    assert only(agent.ask("where is the dog?", image=png(), thread=asked.thread)).route == "grounding"


def test_without_a_picture_nothing_resumes() -> None:
    agent = make_agent(RULES)
    asked = agent.ask("read the title")
    assert only(agent.ask("ok", thread=asked.thread)).route == "chat"


def test_a_missing_argument_is_asked_for_and_given() -> None:
    agent = make_agent(RULES)
    asked = agent.ask("what's the weather?")
    assert routes(asked) == [("weather", "needs_input"), ("clarify", "needs_input")]
    assert asked.answer == "For which place?"
    assert asked.steps[1].uses == (0,)
    result = agent.ask("Oslo", thread=asked.thread)
    assert only(result).tool_args == {"place": "Oslo"}
    assert result.answer == "21 degrees in Oslo.\n(Source: https://weather.example)"


@pytest.mark.parametrize("text", ["never mind", "forget it", "where is the dog in this picture?"])
def test_what_does_not_answer_is_routed(text: str) -> None:
    agent = make_agent(RULES, FakeBackbone(default="none"))
    thread = agent.ask("hello", image=png()).thread
    agent.ask("what's the weather?", thread=thread)
    result = agent.ask(text, thread=thread)
    assert "weather" not in [s.route for s in result.steps]
    assert agent.state(thread)["pending"] is None


def test_a_question_in_the_middle_of_a_plan_keeps_the_rest_of_it() -> None:
    plan = [step("chat", "greet"), step("weather", "the weather"), step("chat", "comment on it", 1)]
    agent = make_agent({"plan": plan}, FakeBackbone(default="ok"))
    asked = agent.ask("plan")
    assert [s.route for s in asked.steps] == ["chat", "weather", "clarify"]
    result = agent.ask("Oslo", thread=asked.thread)
    assert routes(result) == [("weather", "ok"), ("chat", "ok")]
    assert result.steps[1].uses == (0,)


def test_the_question_is_asked_even_when_the_budget_is_spent() -> None:
    asked = make_agent(RULES, max_steps=1).ask("what's the weather?")
    assert [s.route for s in asked.steps] == ["weather", "clarify"]


@pytest.mark.parametrize("text", ["1", "the first", "ocr", "Read text please"])
def test_an_unclear_route_is_settled_by_naming_it(text: str) -> None:
    agent = make_agent(router=UnsureRouter(RULES), backbone=FakeBackbone(default="MOBY DICK"))
    asked = agent.ask("hm this", image=png())
    assert "1) Read text, 2) Describe" in asked.answer
    result = agent.ask(text, thread=asked.thread)
    assert (only(result).route, only(result).request) == ("ocr", "hm this")


def test_an_unclear_route_is_left_by_any_other_request() -> None:
    agent = make_agent(router=UnsureRouter(RULES), backbone=FakeBackbone(default="none"))
    asked = agent.ask("hm this", image=png())
    assert only(agent.ask("where is the dog?", thread=asked.thread)).route == "grounding"


def test_nonsense_is_not_offered_choices() -> None:
    agent = make_agent(router=ScriptedRouter({"asdf": "clarify"}))
    asked = agent.ask("asdf", image=png())
    assert "other words" in asked.answer
    assert agent.state(asked.thread)["pending"]["choices"] == []


@pytest.mark.parametrize(("unserved", "choices"), [(0.4, ("ocr", "caption")), (0.6, ())])
def test_choices_are_offered_where_one_of_them_is_likely_meant(unserved: float, choices: tuple[str, ...]) -> None:
    known = {route.name: route for route in make_agent(RULES).routes() if route.name in ("ocr", "caption", "clarify")}
    shares = {"clarify": unserved, "ocr": (1 - unserved) * 0.6, "caption": (1 - unserved) * 0.4}
    candidates = tuple(Candidate(route=name, confidence=share) for name, share in shares.items())
    plan = Plan(steps=(step("clarify", "gimme", confidence=unserved),), candidates=candidates)
    assert question_for(plan, RouteQuery(text="gimme", has_image=True), known).choices == choices


def test_a_question_survives_a_restart() -> None:
    thread = make_agent(RULES).ask("what's the weather?").thread
    assert only(make_agent(RULES).ask("Oslo", thread=thread)).tool_args == {"place": "Oslo"}


def test_the_user_s_own_choice_of_task_leaves_the_question() -> None:
    agent = make_agent(RULES, FakeBackbone(default="EXIT"))
    thread = agent.ask("hello", image=png()).thread
    agent.ask("what's the weather?", thread=thread)
    assert only(agent.ask("Oslo", thread=thread, task="ocr")).route == "ocr"
