from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from conlora_agent.agent import Agent
from conlora_agent.core.errors import BadInput, ManifestError, PictureError, TextError, UnknownName
from conlora_agent.core.events import Event, Finished, Planned, StepFinished, StepStarted, Token
from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.core.types import Message, Region
from conlora_agent.testing import FakeBackbone
from router.fixed import FixedRouter
from tests.task_folders import MANIFEST, write_stack, write_task
from tests.turns import ScriptedRouter, Weather, make_agent, png, step
from tools.registry import ToolRegistry

FINDING = MANIFEST.format(name="leaves").replace("\n\n", '\noutput = "boxes"\n\n', 1)
DIALOGUE = {
    "describe": "caption",
    "where": "grounding",
    "written": "ocr",
    "red one": "grounding",
    "weather": "weather",
}


def shelf() -> FakeBackbone:
    """Sees two books, 0..99 from left to right."""
    return FakeBackbone(
        {
            ("*", "Locate: the blue book"): "10 10 40 60",
            ("*", "Locate: the red book"): "60 10 90 60; 50 50 60 60",
            ("*", "Locate"): "none",
            ("*", "Read"): "MOBY DICK",
            ("*", "Describe"): "Two books on a table.",
            (None, "thanks"): "You are welcome.",
        }
    )


def test_the_conversation_follows_its_focus() -> None:
    backbone = shelf()
    agent = make_agent(DIALOGUE, backbone)
    first = agent.ask("describe this image", image=png())
    thread = first.thread
    assert (first.answer, first.steps[0].route, first.steps[0].boxes) == ("Two books on a table.", "caption", ())
    found = agent.ask("where is the blue book?", thread=thread).steps[0]
    assert found.text == "I found the blue book (90%), at the top left."
    assert found.boxes[0].box == pytest.approx((10 / 99, 10 / 99, 40 / 99, 60 / 99))
    read = agent.ask("what is written on it?", thread=thread).steps[0]
    assert (read.text, read.boxes[0].box) == ("MOBY DICK", found.boxes[0].box)
    looked = backbone.requests[-1]
    assert looked.picture is not None
    assert looked.picture.size == pytest.approx((200 * 30 / 99 * 1.1, 100 * 50 / 99 * 1.1), abs=2)
    assert looked.picture_key != first.steps[0].image
    other = agent.ask("and the red one?", thread=thread).steps[0]
    assert other.request == "where is the red book?"
    assert [box.label for box in other.boxes] == ["the red book"] * 2
    assert agent.ask("thanks", thread=thread).answer == "You are welcome."
    talk = backbone.requests[-1]
    assert (talk.picture, talk.stack) == (None, None)
    assert [m.role for m in talk.history] == ["system", *["user", "assistant"] * 4]
    earlier = backbone.requests[-2].history
    assert talk.history[: len(earlier)] == earlier, "one prefix serves every stack and survives every switch"


def test_chat_begins_as_the_backbone_wants_unless_the_caller_instructs_it() -> None:
    backbone = shelf()
    opening = Message(role="user", content="hi"), Message(role="assistant", content="Hello!")
    backbone.opening = opening  # type: ignore[attr-defined]
    agent = make_agent(DIALOGUE, backbone)
    thread = agent.ask("describe this image", image=png()).thread
    agent.ask("thanks", thread=thread)
    described, talked = (request.history for request in backbone.requests)
    assert not any(message in opening for message in described)
    assert (*talked[1:3],) == opening
    assert [message.content for message in talked[3:]] == ["describe this image", "Two books on a table."]
    list(agent.stream("thanks", thread=thread, system="Speak like a pirate."))
    assert not any(message in opening for message in backbone.requests[-1].history)


def test_a_restart_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    thread = make_agent(DIALOGUE, shelf()).ask("where is the blue book?", image=png()).thread
    read = make_agent(DIALOGUE, shelf()).ask("what is written on it?", thread=thread).steps[0]
    assert read.boxes[0].label == "the blue book"


def test_a_picture_is_read_line_by_line_and_no_line_becomes_what_is_talked_about() -> None:
    lines = [Region(label="MOBY", box=(0.1, 0.1, 0.4, 0.2), score=0.9, line=True)]
    plan = [step("ocr", "read the picture"), step("caption", "describe it", 0)]
    backbone = FakeBackbone({("*", "Read"): "MOBY", ("*", "Describe"): "A book."}, lines=lines)
    agent = make_agent({"read": plan, "written": "ocr"}, backbone)
    result = agent.ask("read the picture and describe it", image=png())
    read, described = result.steps
    assert (read.boxes, read.places, described.boxes) == (tuple(lines), (), ())
    assert [request.reads for request in backbone.requests] == [True, False]
    assert read.model_dump(mode="json")["boxes"] == [{**lines[0].model_dump(mode="json"), "line": True}]
    again = agent.ask("what is written on it?", thread=result.thread).steps[0]
    assert again.boxes == tuple(lines), "the whole picture is read again"
    marked = agent.ask("what is written on it?", thread=result.thread, region=(0.1, 0.1, 0.5, 0.5)).steps[0]
    assert [box.line for box in marked.boxes] == [False]


def test_what_is_not_there_is_said_and_not_carried_on() -> None:
    plan = [step("grounding", "find the plate"), step("ocr", "read it", 0)]
    result = make_agent({"plate": plan}, shelf()).ask("find the plate and read it", image=png())
    assert [s.status for s in result.steps] == ["abstained", "abstained"]
    assert result.answer == "I can't see the plate in the picture."
    assert result.steps[0].boxes == ()


def test_a_box_feeds_the_next_step() -> None:
    backbone = shelf()
    plan = [step("grounding", "find the blue book"), step("ocr", "read the text", 0)]
    result = make_agent({"find": plan}, backbone).ask("find the blue book and read the text", image=png())
    assert result.steps[1].boxes[0].box == result.steps[0].boxes[0].box
    assert result.answer == "I found the blue book (90%), at the top left.\nMOBY DICK"
    assert backbone.requests[1].picture is not None
    assert backbone.requests[1].picture.size < (100, 100)


def test_what_is_on_a_thing_is_read_where_it_is_found() -> None:
    backbone = shelf()
    result = make_agent(DIALOGUE, backbone).ask("what is written on the blue book?", image=png())
    (read,) = result.steps
    assert (read.route, result.answer, read.boxes[0].label) == ("ocr", "MOBY DICK", "the blue book")
    assert read.boxes[0].box == pytest.approx((10 / 99, 10 / 99, 40 / 99, 60 / 99))
    looked_for, looked_at = backbone.requests
    assert (looked_for.locate, looked_at.reads) == ("the blue book", True)
    assert looked_at.picture is not None
    assert looked_at.picture.size < (100, 100)
    spent = sum(len(m.content.split()) for r in backbone.requests for m in r.history)
    assert result.usage.prompt_tokens == spent + sum(len(r.instruction.split()) for r in backbone.requests)


def test_where_the_thing_is_not_found_all_is_read_and_that_is_said() -> None:
    result = make_agent(DIALOGUE, shelf()).ask("what is written on the green mug?", image=png())
    (read,) = result.steps
    assert (read.status, read.text, read.boxes) == ("ok", "MOBY DICK", ())
    assert result.answer == "MOBY DICK (I did not find the green mug, so I read the whole picture.)"


def test_words_are_found_where_they_were_read() -> None:
    lines = (Region(label="GRAND OPENING", box=(0.1, 0.7, 0.6, 0.8), score=0.8),)
    plain = make_agent({"where": "grounding"}, FakeBackbone(default="none", lines=lines))
    result = plain.ask("where does it say opening?", image=png())
    assert (result.answer, result.steps[0].boxes) == ("I found “opening” (80%), at the bottom left.", lines)
    for seen in (lines, ()):
        plain = make_agent({"where": "grounding"}, FakeBackbone(default="10 10 40 60", lines=seen))
        result = plain.ask("where does it say closed?", image=png())
        assert (result.answer, result.steps[0].status) == ("I can't see “closed” in the picture.", "abstained")


@pytest.mark.parametrize(
    ("lines", "route", "answer"),
    [
        (None, "grounding", "I found the word exit (90%), at the top left."),
        ((), "leaves", "I found the word exit (90%), at the top left."),
    ],
)
def test_without_lines_or_by_another_task_words_are_found_as_things_are(
    lines: tuple[Region, ...] | None, route: str, answer: str, isolated_home: Path
) -> None:
    write_task(isolated_home / "tasks", manifest=FINDING)
    backbone = FakeBackbone(default="10 10 40 60", lines=lines)
    result = make_agent({"word": route}, backbone).ask("find the word exit", image=png())
    assert (result.answer, len(backbone.requests)) == (answer, 1)


def test_where_nothing_can_be_made_out_on_the_thing_all_is_read_and_that_is_said() -> None:
    def reads(request: GenerateRequest) -> str:
        if request.locate is not None:
            return "10 10 40 60"
        assert request.picture is not None
        return "MOBY DICK" if request.picture.size == (200, 100) else ""

    result = make_agent(DIALOGUE, FakeBackbone(reads)).ask("what is written on the cup?", image=png())
    note = "I can't make out anything on the cup, so I read the whole picture."
    assert (result.answer, result.steps[0].note) == (f"MOBY DICK ({note})", note)


@pytest.mark.parametrize(("inside", "told"), [("(no text)", "MOBY DICK"), ("IDEA", "IDEA")])
def test_what_is_read_on_a_thing_is_streamed_once_it_is_the_answer(inside: str, told: str) -> None:
    def reads(request: GenerateRequest) -> str:
        if request.locate is not None:
            return "10 10 40 60"
        assert request.picture is not None
        return "MOBY DICK" if request.picture.size == (200, 100) else inside

    agent = make_agent(DIALOGUE, FakeBackbone(reads))
    events = list(agent.stream("what is written on the cup?", image=png()))
    assert "".join(event.text for event in events if isinstance(event, Token)) == told


def test_a_thing_that_is_in_the_focus_is_not_looked_for_again() -> None:
    backbone = shelf()
    agent = make_agent(DIALOGUE, backbone)
    thread = agent.ask("where is the blue book?", image=png()).thread
    assert agent.ask("what is written on the blue book?", thread=thread).answer == "MOBY DICK"
    assert len(backbone.requests) == 2


def test_a_text_feeds_a_tool() -> None:
    plan = [step("ocr", "read the city"), step("weather", "tell me the weather there", 0)]
    result = make_agent({"city": plan}, FakeBackbone(default="Oslo")).ask("read the city and ...", image=png())
    assert result.steps[1].tool_args == {"place": "Oslo"}
    assert result.steps[1].source == "https://weather.example"
    assert result.answer == "Oslo\n21 degrees in Oslo.\n(Source: https://weather.example)"


def test_a_tool_that_cannot_be_reached_ends_the_turn_well() -> None:
    result = make_agent({"weather": "weather"}).ask("weather in Atlantis")
    assert (result.steps[0].status, result.steps[0].tool_args) == ("unavailable", {"place": "Atlantis"})
    assert "try again later" in result.answer
    assert result.answer_confidence is None


def test_tool_results_are_plain_json() -> None:
    weather = Weather(lambda place: {"celsius": float("nan"), "path": Path("x")})
    agent = make_agent({"weather": "weather"}, weather=weather)
    result = agent.ask("weather in Oslo")
    assert result.steps[0].tool_result == {"celsius": None, "path": "x"}
    assert agent.threads.show(result.thread).turns[0].steps == result.steps


def test_events_come_in_order_and_before_the_result() -> None:
    agent = make_agent({"find": [step("grounding", "find the blue book"), step("ocr", "read it", 0)]}, shelf())
    events = list(agent.stream("find the blue book and read it", image=png()))
    kinds = [Planned, StepStarted, StepFinished, StepStarted, Token, Token, StepFinished, Finished]
    assert [type(event) for event in events] == kinds
    assert "".join(e.text for e in events if isinstance(e, Token)) == "MOBY DICK"
    assert {e.index for e in events if isinstance(e, Token)} == {1}
    last = events[-1]
    assert isinstance(last, Finished)
    assert agent.threads.show(last.result.thread).turns[0].answer == last.result.answer


def test_the_step_budget_ends_in_an_explanation() -> None:
    plan = [step("chat", f"say {number}") for number in range(5)]
    result = make_agent({"count": plan}, FakeBackbone(default="ok"), max_steps=2).ask("count")
    assert len(result.steps) == 2
    assert "I stopped after 2 steps" in result.answer
    assert "“say 4”" in result.answer


def test_weak_answers_say_so() -> None:
    result = make_agent({"read": "ocr"}, FakeBackbone(default="maybe", probability=0.2)).ask("read", image=png())
    assert result.answer == "maybe (I'm not sure.)"
    assert result.steps[0].text == "maybe"
    assert result.answer_confidence == pytest.approx(0.2 * 0.95)


def test_malformed_boxes_fail_the_step() -> None:
    result = make_agent({"where": "grounding"}, FakeBackbone(default="over there")).ask("where is it", image=png())
    assert (result.steps[0].status, result.steps[0].boxes) == ("failed", ())
    assert "could not" in result.answer


def test_the_user_may_choose_the_task() -> None:
    agent = make_agent({"hello": "chat"}, shelf())
    result = agent.ask("hello", image=png(), task="ocr")
    assert (result.steps[0].route, result.steps[0].confidence) == ("ocr", 1.0)
    assert agent.ask("hello", task="chat").steps[0].route == "chat"
    with pytest.raises(UnknownName, match="'ocr'"):
        agent.ask("hello", task="ocrr")


def test_a_task_that_needs_a_picture_asks_for_it_even_when_chosen() -> None:
    result = make_agent().ask("read it", task="ocr")
    assert [s.route for s in result.steps] == ["clarify"]


def test_boxes_get_the_chances_that_their_stack_was_fitted_to(isolated_home: Path) -> None:
    folder = write_task(isolated_home / "tasks", manifest=FINDING, more='\n[backbones.fake]\nweights = "fake"\n')
    write_stack(folder / "fake", backbone="fake", revision="1")
    agent = make_agent({"leaves": "leaves"}, FakeBackbone(default="10 20 30 40", probability=0.9))
    plain = agent.ask("leaves", image=png()).steps[0]
    record = json.loads((folder / "fake" / "stack.json").read_text())
    (folder / "fake" / "stack.json").write_text(json.dumps(record | {"scores": {"slope": 1.0, "intercept": -2.0}}))
    fitted = agent.ask("leaves", image=png()).steps[0]
    assert [round(box.score or 0, 2) for box in (*plain.boxes, *fitted.boxes)] == [0.9, 0.55]
    assert fitted.answer_confidence == fitted.boxes[0].score
    assert "(55%)" in fitted.text


def test_prompt_only_and_stacks(isolated_home: Path) -> None:
    folder = write_task(isolated_home / "tasks", more='\n[backbones.fake]\nweights = "fake"\n')
    write_stack(folder / "fake", backbone="fake", revision="1")
    backbone = FakeBackbone(default="7")
    agent = make_agent({"leaves": "leaves", "read": "ocr"}, backbone)
    assert agent.ask("leaves", image=png()).steps[0].adapter == "leaves"
    assert (backbone.stacks(), backbone.requests[-1].stack) == (("leaves",), "leaves")
    assert agent.ask("read", image=png()).steps[0].adapter is None, "no stack for this backbone: prompt only"
    (folder / "fake" / "adapter_model.safetensors").unlink()
    broken = agent.ask("leaves", image=png()).steps[0]
    assert broken.status == "failed"
    assert broken.error is not None
    assert "adapter_model.safetensors" in broken.error


def test_a_task_whose_folder_is_broken_says_what_is_wrong_when_it_is_asked_for(isolated_home: Path) -> None:
    folder = write_task(isolated_home / "tasks")
    (folder / "task.toml").write_text('name = "leaves"')
    agent = make_agent()
    with pytest.raises(ManifestError, match=r"leaves/task\.toml lacks the key"):
        agent.ask("how many leaves?", image=png(), task="leaves")
    assert agent.threads.list() == []


def test_a_task_added_by_another_process_is_routed_to(isolated_home: Path) -> None:
    router = ScriptedRouter({"leaves": "leaves"})
    agent = make_agent(router=router)
    agent.ask("hello")
    assert "leaves" not in {route.name for route in router.routes}
    write_task(isolated_home / "tasks")
    assert agent.ask("leaves", image=png()).steps[0].route == "leaves"


def test_boxes_inside_a_region_are_given_on_the_whole_picture() -> None:
    answers = {("*", "Locate: the shelf"): "0 0 49 99", ("*", "Locate"): "0 0 99 99"}
    plan = [step("grounding", "find the shelf"), step("grounding", "find the book on it", 0)]
    result = make_agent({"find": plan}, FakeBackbone(answers)).ask("find", image=png())
    assert result.steps[1].boxes[0].box == pytest.approx((0, 0, 0.52, 1), abs=0.01)


def test_a_marked_region_is_what_the_message_is_about() -> None:
    backbone = FakeBackbone({("*", "Read"): "EXIT", ("*", "Locate"): "0 0 99 99"})
    agent = make_agent({"read": "ocr", "where": "grounding"}, backbone)
    box = (0.5, 0.0, 1.0, 1.0)
    first = agent.ask("read the whole picture", image=png((200, 100)), region=box)
    assert first.steps[0].boxes[0].box == box
    assert backbone.requests[-1].picture is not None
    assert backbone.requests[-1].picture.size == (105, 100), "the region with its margin"
    found = agent.ask("where is the door?", thread=first.thread, region=box)
    assert found.steps[0].boxes[0].box[0] == pytest.approx(0.475, abs=0.01)
    assert agent.threads.show(first.thread).turns[1].region == box
    agent.ask("read the whole picture", thread=first.thread)
    assert backbone.requests[-1].picture.size == (200, 100), "marked for one message only"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda agent, thread: agent.ask("", thread=thread), TextError),
        (lambda agent, thread: agent.ask("   \n", image=png(), thread=thread), TextError),
        (lambda agent, thread: agent.ask("x" * 20_001, thread=thread), TextError),
        (lambda agent, thread: agent.ask("\x00\x01", thread=thread), TextError),
        (lambda agent, thread: agent.ask("hi", image=b"", thread=thread), PictureError),
        (lambda agent, thread: agent.ask("hi", image=b"hello", thread=thread), PictureError),
        (lambda agent, thread: agent.ask("hi", image=Path("nowhere.png"), thread=thread), PictureError),
        (lambda agent, thread: agent.ask("hi", thread="a b"), TextError),
        (lambda agent, thread: agent.ask("hi", thread=thread, region=(0, 0, 1, 1)), BadInput),
        (lambda agent, thread: agent.ask("hi", image=png(), thread=thread, region=(0.5, 0, 0.5, 1)), BadInput),
        (lambda agent, thread: agent.ask("hi", thread="x" * 65), TextError),
    ],
)
def test_bad_input_writes_nothing_and_keeps_the_conversation(
    call: Callable[[Agent, str], object], error: type[Exception]
) -> None:
    agent = make_agent()
    thread = agent.ask("hello").thread
    with pytest.raises(error):
        call(agent, thread)
    assert len(agent.threads.show(thread).turns) == 1
    assert len(agent.threads.list()) == 1
    assert agent.ask("hello again", thread=thread).thread == thread


@pytest.mark.parametrize("text", ["Wo ist der Hund?", "犬はどこ?", "أين الكلب؟", "कुत्ता कहाँ है", "🐕👨‍👩‍👧", "a\tb\nc"])
def test_any_script_is_kept_as_it_is(text: str) -> None:
    agent = make_agent()
    assert agent.threads.show(agent.ask(text).thread).turns[0].text == text


def test_route_alone_starts_no_turn() -> None:
    router = ScriptedRouter({"read": "ocr"})
    agent = make_agent(router=router)
    assert agent.route("read", has_image=True, previous=["caption"]).steps[0].route == "ocr"
    assert router.queries[-1].previous == ("caption",)
    assert agent.threads.list() == []
    thread = agent.ask("read", image=png()).thread
    agent.route("read", thread=thread)
    assert router.queries[-1].has_image
    assert router.queries[-1].previous == ("ocr",)


def test_a_fixed_router_serves_one_route() -> None:
    from conlora_agent.settings import Settings

    agent = Agent(Settings.load(router="fixed"), backbone=FakeBackbone(default="hi"), tools=ToolRegistry())
    assert agent.ask("anything").steps[0].route == "chat"
    route = next(route for route in agent.routes() if route.name == "caption")
    fixed = Agent(Settings.load(), backbone=FakeBackbone(), router=FixedRouter(route), tools=ToolRegistry())
    assert fixed.ask("anything", image=png()).steps[0].route == "caption"


def test_threads_do_not_see_one_another() -> None:
    backbone = FakeBackbone(lambda request: request.instruction)
    agent = make_agent(backbone=backbone)
    turns = [threading.Thread(target=agent.ask, args=(f"hello {n}",), kwargs={"thread": f"t{n}"}) for n in range(8)]
    for turn in turns:
        turn.start()
    for turn in turns:
        turn.join()
    for n in range(8):
        assert [turn.answer for turn in agent.threads.show(f"t{n}").turns] == [f"hello {n}"]
    agent.ask("again", thread="t3")
    said = [message.content for message in backbone.requests[-1].history[1:]]
    assert said == ["hello 3", "hello 3"]


def test_an_unexpected_error_rolls_the_turn_back() -> None:
    def broken(request: GenerateRequest) -> str:
        raise ZeroDivisionError

    agent = make_agent(backbone=FakeBackbone(broken))
    with pytest.raises(ZeroDivisionError):
        agent.ask("hello", image=png(), thread="t")
    assert agent.threads.list() == []
    assert list((agent.settings.home / "pictures").rglob("*/*")) == []
    assert agent.state("t") == {}


def test_an_error_in_the_listener_rolls_the_turn_back() -> None:
    agent = make_agent()

    def listener(event: Event) -> None:
        if isinstance(event, StepFinished):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        agent.ask("hello", thread="t", on_event=listener)
    assert agent.threads.list() == []
    assert agent.ask("hello", thread="t").thread == "t"
