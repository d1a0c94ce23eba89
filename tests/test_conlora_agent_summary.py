"""Long chats: what leaves the window is summed up, and the model sees the summary."""

from __future__ import annotations

import threading

import pytest

from conlora_agent.core.errors import BackboneError
from conlora_agent.core.events import StepFinished
from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.prompts import BEFORE
from conlora_agent.recall import Exchange
from conlora_agent.summary import extracted
from conlora_agent.testing import FakeBackbone
from tests.turns import make_agent

ANSWER = "Number {}. " + "And more words of no use for a summary. " * 3
WRITTEN = "The user counts and is called Mara."


def answer(request: GenerateRequest) -> str:
    if "Write a summary" in request.instruction:
        return WRITTEN
    return ANSWER.format(request.instruction.split()[-1])


def talk(backbone: FakeBackbone, turns: int = 12, history_tokens: int = 240) -> tuple[str, FakeBackbone]:
    """The summary after so many turns."""
    with make_agent(backbone=backbone, history_tokens=history_tokens) as agent:
        for number in range(turns):
            agent.ask(f"count {number}", thread="t")
        return agent.state("t")["summary"], backbone


def before(request: GenerateRequest) -> str:
    """The summary that a request was sent with."""
    said = list(request.history)
    return said[2].content if len(said) > 2 and said[1].content == BEFORE else ""


def test_a_small_model_is_told_what_was_asked_and_how_each_answer_began() -> None:
    summary, backbone = talk(FakeBackbone(answer))
    lines = summary.splitlines()
    assert lines[-1].startswith("count ")
    assert all(line == f"count {line.split()[1]} → Number {line.split()[1]}." for line in lines)
    assert before(backbone.requests[-1]).splitlines()[0] in lines
    shown = [message.content for message in backbone.requests[-1].history[3:]]
    assert shown[0] == f"count {int(lines[-1].split()[1]) + 1}", "the window goes on where the summary ends"
    assert len(backbone.requests) == 12, "no generation more"


def test_a_large_model_writes_it_with_the_one_before_at_hand() -> None:
    summary, backbone = talk(FakeBackbone(answer, condenses=True))
    asked = [request for request in backbone.requests if "Write a summary" in request.instruction]
    assert summary == WRITTEN
    assert len(asked) >= 2
    assert "User: count 0\nAssistant: Number 0." in asked[0].instruction
    assert asked[1].instruction.startswith(f"Before: {WRITTEN}\nUser: count ")
    assert all(request.stack is None and request.picture is None for request in asked)
    assert before(backbone.requests[-1]) == WRITTEN


def test_a_summary_that_cannot_be_written_is_taken_over(caplog: pytest.LogCaptureFixture) -> None:
    def fails(request: GenerateRequest) -> str:
        if "Write a summary" in request.instruction:
            raise BackboneError("the server does not answer", "start it")
        return answer(request)

    summary, _ = talk(FakeBackbone(fails, condenses=True))
    assert "→ Number" in summary
    assert "the server does not answer" in caplog.text


def test_leaving_while_it_is_written_rolls_the_turn_back() -> None:
    writing, go_on = threading.Event(), threading.Event()

    def waits(request: GenerateRequest) -> str:
        if "Write a summary" in request.instruction:
            writing.set()
            go_on.wait(10)
        return answer(request)

    with make_agent(backbone=FakeBackbone(waits, condenses=True), history_tokens=80) as agent:
        agent.ask("count 0", thread="t")
        state = agent.state("t")
        events = agent.stream("count 1", thread="t")
        while not isinstance(next(events), StepFinished):
            pass
        assert writing.wait(10)
        threading.Timer(0.1, go_on.set).start()
        events.close()
        assert agent.state("t") == state
        assert len(agent.threads.show("t").turns) == 1


def test_a_conversation_kept_elsewhere_is_summed_up_without_the_model() -> None:
    backbone = FakeBackbone(answer, condenses=True)
    past = [Exchange(f"count {number}", ANSWER.format(number)) for number in range(20)]
    with make_agent(backbone=backbone, history_tokens=400) as agent:
        list(agent.reply("count 20", past=past))
    assert len(backbone.requests) == 1
    assert "→ Number 1" in before(backbone.requests[0])


def test_no_history_needs_no_summary() -> None:
    assert talk(FakeBackbone(answer, condenses=True), turns=3, history_tokens=0)[0] == ""


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("Hello there. More.", "Hello there."),
        ("3.14 is pi", "3.14 is pi"),
        ("two\nlines! and more", "two lines!"),
        ("", ""),
        ("words " * 40, "words " * 20 + "..."),
    ],
)
def test_a_line_is_the_first_sentence(said: str, line: str) -> None:
    assert extracted("", [{"user": "a", "assistant": said}], 100) == f"a → {line}"


@pytest.mark.parametrize(
    ("said", "routes", "line"),
    [
        ("Hi! My name is Mara. What is yours?", ["chat"], "You told me: My name is Mara."),
        ("remember that the blue one is for Ben", ["chat"], "You told me: remember that the blue one is for Ben"),
        ("please call the red one Rosie", ["grounding"], "You told me: please call the red one Rosie → Yes."),
        ("what is my name?", ["chat"], "what is my name? → Yes."),
        ("where is the mine", ["grounding"], "where is the mine → Yes."),
        ("tell me a joke", ["chat"], "tell me a joke → Yes."),
    ],
)
def test_what_the_user_told_is_marked(said: str, routes: list[str], line: str) -> None:
    assert extracted("", [{"user": said, "assistant": "Yes. Sure.", "routes": routes}], 100) == line


def test_after_a_long_chat_the_model_still_sees_what_it_was_told() -> None:
    backbone = FakeBackbone(answer)
    with make_agent(backbone=backbone, history_tokens=240) as agent:
        agent.ask("my name is Mara", thread="t")
        lengths = []
        for number in range(60):
            agent.ask(f"count {number}", thread="t")
            lengths.append(len(agent.state("t")["summary"]))
    assert before(backbone.requests[-1]).startswith("You told me: my name is Mara\ncount ")
    assert max(lengths) < 240, "a quarter of the history's tokens"
