"""The web chat without a browser: turns as HTML, running turns, what the page's buttons send, the server's address."""

from __future__ import annotations

import json
import queue
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.demo import PICTURE
from apps.preparation import Preparation
from apps.web.conversations import Conversations
from apps.web.desk import Desk, desk_of
from apps.web.figures import Figures
from apps.web.handlers import Handlers
from apps.web.markup import markdown, plain
from apps.web.messages import Renderer, chips
from apps.web.panels import Panels
from apps.web.turns import Turn
from apps.web.uploads import folder, upload
from conlora_agent.agent import Agent
from conlora_agent.core.errors import BadInput, Failure
from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.core.types import PlannedStep, Step
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone
from tests.command import scripted_agent, see
from tests.task_folders import write_task


def renderer(agent: Agent) -> Renderer:
    return Renderer(agent, Figures(agent.pictures))


def turn(agent: Agent, text: str, image: bytes | None = None, thread: str | None = None, **more: Any) -> Turn:
    return Turn(agent, renderer(agent), more.get("preparation") or Preparation(), text, image, thread)


def click(**data: Any) -> gr.EventData:
    return gr.EventData(None, data)


@pytest.fixture
def agent() -> Iterator[Agent]:
    with scripted_agent(Settings.load(), lambda message, done: None) as made:
        yield made


# -- turns as HTML ----------------------------------------------------------------------------------------------------


def test_a_turn_shows_its_picture_chips_boxes_and_answer(agent: Agent) -> None:
    result = agent.ask("where is the blue book?", image=PICTURE)
    (html,) = renderer(agent).thread(result.thread)
    assert html.count("<figure") == 2, "as it was sent, and with its box"
    assert '<span class="chip route">grounding</span>' in html
    assert '<span class="chip">95%</span>' in html
    assert "I found the blue book (90%), at the top left." in html
    assert 'aria-label="the blue book 90%: ask about it"' in html
    assert "across 3% to" in html
    (path,) = set(re.findall(r'src="gradio_api/file=([^"]+)"', html))
    assert Path(path).exists()
    Path(path).unlink()
    assert renderer(agent).thread(result.thread) == [html], "a file that was cleared away is made again"
    assert Path(path).exists()


def test_files_of_a_picture_go_with_it(agent: Agent) -> None:
    result = agent.ask("where is the blue book?", image=PICTURE)
    shown = renderer(agent)
    (html,) = shown.thread(result.thread)
    (path,) = set(re.findall(r'src="gradio_api/file=([^"]+)"', html))
    assert Path(path).exists()
    agent.threads.delete(result.thread)
    assert not Path(path).exists()


def test_a_tool_call_shows_arguments_result_and_source(agent: Agent) -> None:
    result = agent.ask("weather in Rome?")
    (html,) = renderer(agent).thread(result.thread)
    assert "weather(place=&quot;Rome&quot;)" in html
    assert "&quot;celsius&quot;: 21" in html
    assert '<a href="https://weather.example" target="_blank" rel="noopener noreferrer">' in html


def test_choices_of_an_open_question_can_be_clicked(agent: Agent) -> None:
    result = agent.ask("hm", image=PICTURE)
    (html,) = renderer(agent).thread(result.thread)
    assert re.findall(r'data-do="say" data-text="([^"]+)"', html) == ["Read text", "Describe"]
    agent.ask("Describe", thread=result.thread)
    assert 'data-do="say"' not in "".join(renderer(agent).thread(result.thread))


def test_a_choice_that_was_carried_out_can_be_taught(agent: Agent) -> None:
    result = agent.ask("hm", image=PICTURE)
    assert 'data-do="teach"' not in "".join(renderer(agent).thread(result.thread))
    agent.ask("Describe", thread=result.thread)
    assert "Always take caption for “hm”" in renderer(agent).thread(result.thread)[-1]
    shown = Handlers(agent, Preparation()).teach(result.thread)
    assert [(phrase.route, phrase.text) for phrase in agent.taught.all()] == [("caption", "hm")]
    assert 'data-do="teach"' not in "".join(shown)


def test_a_thread_that_is_gone_is_empty(agent: Agent) -> None:
    assert renderer(agent).thread(None) == renderer(agent).thread("gone") == []


@given(
    st.text()
    | st.sampled_from(["<script>alert(1)</script>", "![x](http://e/x.png)", "[x](javascript:a)", "<img src=x>"])
)
def test_no_text_brings_markup_pictures_or_scripts(text: str) -> None:
    shown = markdown(text)
    assert not re.search(r"<(?!/?(p|em|strong|a|code|pre|ul|ol|li|h\d|hr|br|blockquote|table|t\w+)\b)\w", shown)
    assert "javascript:" not in "".join(re.findall(r'href="[^"]*"', shown)).lower()
    assert not re.search(r'[<>"]', plain(text))
    step = Step(route="chat", kind="chat", confidence=1, request="", adapter="<b>x</b>")
    assert "<b>" not in chips(step)


def test_chips_of_a_running_step_have_no_time() -> None:
    shown = chips(PlannedStep(route="ocr", kind="task", confidence=0.5, request=""))
    assert "running" in shown
    assert " ms" not in shown


# -- turns ------------------------------------------------------------------------------------------------------------


def test_a_turn_grows_and_ends_with_its_thread(agent: Agent) -> None:
    running = turn(agent, "where is the blue book?", PICTURE.read_bytes())
    *_, last = running
    assert running.error is None
    assert running.thread is not None
    assert "I found the blue book" in last
    assert last.count("<figure") == 1


def test_what_comes_along_with_the_end_is_shown(agent: Agent) -> None:
    class Slow(queue.SimpleQueue):  # type: ignore[type-arg]
        def get(self, *_: object, **__: object) -> object:
            assert running.worker is not None
            running.worker.join()
            return super().get()

    running = turn(agent, "where is the blue book?", PICTURE.read_bytes())
    running._events = Slow()
    *_, last = running
    assert "I found the blue book" in last


def test_a_turn_that_is_refused_tells_why(agent: Agent) -> None:
    running = turn(agent, "\x07")
    list(running)
    assert isinstance(running.error, BadInput)
    assert running.thread is None


def test_a_mistake_of_ours_becomes_one_line() -> None:
    def broken(_: GenerateRequest) -> str:
        raise RuntimeError("oh no")

    with scripted_agent(Settings.load(), lambda message, done: None, FakeBackbone(broken)) as agent:
        running = turn(agent, "hello")
        list(running)
    assert isinstance(running.error, Failure)
    assert "oh no" in str(running.error)


def test_a_stopped_turn_leaves_nothing_and_the_thread_goes_on() -> None:
    reached, go_on = threading.Event(), threading.Event()

    def wait(request: GenerateRequest) -> str:
        reached.set()
        go_on.wait(10)
        return see(request)

    with scripted_agent(Settings.load(), lambda message, done: None, FakeBackbone(wait)) as agent:
        thread = "kept"
        running = turn(agent, "hello", thread=thread)
        shown = iter(running)
        next(shown)
        assert reached.wait(10)
        running.stop()
        go_on.set()
        list(shown)
        assert running.stopped_early
        _join(running)
        assert agent.threads.list() == []
        assert agent.ask("hello", thread=thread).answer == "You are welcome."


def test_leaving_the_page_stops_the_turn() -> None:
    with scripted_agent(Settings.load(), lambda message, done: None) as agent:
        running = turn(agent, "hello", thread="left")
        shown = iter(running)
        next(shown)
        shown.close()  # type: ignore[attr-defined]
        _join(running)
        assert agent.ask("hello", thread="left").thread == "left"


def test_assembly_is_shown_while_a_turn_waits_for_it() -> None:
    preparation, go_on = Preparation(), threading.Event()

    def assembling(request: GenerateRequest) -> str:
        preparation.report("reading the language model", 0.25)
        go_on.wait(10)
        preparation.report("assembled", 1.0)
        return see(request)

    with scripted_agent(Settings.load(), lambda message, done: None, FakeBackbone(assembling)) as agent:
        shown = []
        for html in turn(agent, "hello", preparation=preparation):
            shown.append(html)
            if "25%" in html:
                go_on.set()
    assert any("Getting the model ready: reading the language model (25%)" in html for html in shown)


def _join(running: Turn) -> None:
    assert running.worker is not None
    running.worker.join(10)
    assert not running.worker.is_alive()


# -- what the page's buttons send --------------------------------------------------------------------------------------


def test_an_uploaded_picture_lies_on_the_desk_and_goes_with_the_next_message(agent: Agent) -> None:
    from gradio.processing_utils import save_file_to_cache
    from gradio.utils import get_upload_folder

    handlers = Handlers(agent, Preparation())
    path = save_file_to_cache(PICTURE, get_upload_folder())
    with pytest.warns(UserWarning, match="not uploaded here"):
        desk, shown = handlers.uploaded(Desk(), click(paths=[path, str(PICTURE), 7, "/etc/passwd"]))
    assert len(desk.pictures) == 1, "only what was uploaded"
    assert 'aria-pressed="true"' in shown
    message, *_ = handlers.typed("  ", desk, "", "auto")
    assert (message.text, message.image) == ("Describe this picture.", desk.current)
    thread = agent.ask(message.text, image=agent.pictures.read(message.image)).thread
    message, *_ = handlers.typed("where is the blue book?", desk_of(agent, thread, desk), thread, "auto")
    assert message.image is None, "the thread has it already"
    assert handlers.typed(" ", desk_of(agent, thread, desk), thread, "auto")[0] is None


@pytest.mark.parametrize("box", ["", "0,0", "a,b,c,d", "0.5,0,0.5,1", "0,0,2,1", "nan,0,1,1"])
def test_a_region_that_is_none_marks_nothing(agent: Agent, box: str) -> None:
    desk = Desk(pictures=("a", "b"), current="a")
    assert Handlers(agent, Preparation()).look(desk, click(picture="b", box=box))[0] == desk.look("b")
    assert Handlers(agent, Preparation()).look(desk, click(picture="c", box="0,0,1,1"))[0] == desk


def test_asking_again_takes_the_picture_and_the_region_of_that_turn(agent: Agent) -> None:
    handlers = Handlers(agent, Preparation())
    thread = agent.ask("where is the blue book?", image=PICTURE).thread
    agent.ask("what is written on it?", thread=thread)
    agent.ask("where is the red one?", thread=thread)
    first = agent.threads.show(thread).turns[0]
    agent.ask("describe this image", thread=thread, image=b"".join([PICTURE.read_bytes(), b"\0"]))
    message, *_ = handlers.again(None, Desk(), thread, click(turn="1", value="caption"))
    assert (message.text, message.task) == ("what is written on it?", "caption")
    assert message.image == first.image
    assert message.region == first.steps[0].boxes[0].box
    for number in ("9", "x", ""):
        assert handlers.again(None, Desk(), thread, click(turn=number))[0] is None


def test_a_browser_lists_only_threads_it_knows_and_exports_them(agent: Agent) -> None:
    conversations = Conversations(agent)
    known = [agent.ask(text).thread for text in ("thanks <b>", "hello")]
    agent.ask("secret")
    listed = conversations.listed(json.dumps(known), known[0], "")
    assert re.findall(r'data-do="open_thread" data-thread="(\w+)"', listed) == known
    assert "secret" not in listed
    assert "<b>" not in listed
    assert "No conversations" in conversations.listed("no json", "", "")
    assert "Nothing found" in conversations.listed(json.dumps(known), "", "secret")
    parcel = json.loads(conversations.export(click(thread=known[0], format="json")))
    assert parcel["name"] == "thanks-b.json"
    assert json.loads(parcel["text"])["id"] == known[0]
    assert conversations.export(click(thread=known[0], format="../x")) == ""


def test_an_exported_conversation_comes_in_under_an_id_of_its_own(agent: Agent) -> None:
    from gradio.utils import get_upload_folder

    conversations = Conversations(agent)
    thread = agent.ask("where is the blue book?", image=PICTURE).thread
    text = json.loads(conversations.export(click(thread=thread, format="json")))["text"]
    file = Path(get_upload_folder()) / "exported.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    brought = conversations.bring("shown", click(path=str(file)))
    assert brought not in ("shown", thread)
    assert agent.threads.show(brought).turns == agent.threads.show(thread).turns
    assert not file.exists()
    file.write_text("no conversation")
    for path in (file, Path("/etc/passwd")):
        with pytest.warns(UserWarning, match="no exported conversation|was not uploaded"):
            assert conversations.bring("shown", click(path=str(path))) == "shown"
    assert not file.exists()


def test_a_page_that_may_not_manage_changes_nothing(agent: Agent) -> None:
    panels = Panels(agent, manage=False)
    shown = panels.switch(click(task="caption", checked="false"))
    panels.configure(0.9, 1, 0)
    assert agent.tasks.off() == frozenset()
    assert agent.settings.max_steps != 1
    assert shown.count("disabled") == len(agent.tasks.names())


def test_settings_change_for_the_running_agent(agent: Agent) -> None:
    Panels(agent, manage=True).configure(0.6, 2, 512)
    assert (agent.settings.clarify_threshold, agent.settings.max_steps) == (0.6, 2)
    assert agent.ask("hello").answer == "You are welcome."


# -- uploads ----------------------------------------------------------------------------------------------------------


def test_a_task_folder_comes_as_single_files(agent: Agent, tmp_path: Path) -> None:
    from gradio.processing_utils import save_file_to_cache
    from gradio.utils import get_upload_folder

    task = write_task(tmp_path)
    files = [
        {"path": save_file_to_cache(file, get_upload_folder()), "name": f"leaves/{file.name}"}
        for file in task.iterdir()
    ]
    with folder(files) as made:
        assert agent.tasks.add(made).name == "leaves"
    assert not made.exists()
    for bad in (
        [],
        [{}],
        [7],
        files * 40,
        [{**files[0], "name": "../task.toml"}],
        [{"path": "/etc/passwd", "name": "a/b"}],
    ):
        with pytest.raises(BadInput), folder(bad):
            pass
    with pytest.raises(BadInput):
        upload(str(PICTURE))


# -- server -----------------------------------------------------------------------------------------------------------


def test_a_port_that_is_taken_is_one_clear_error() -> None:
    from apps.listening import listen

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Failure, match="--port"):
        listen("127.0.0.1", taken.getsockname()[1])


def test_an_address_that_is_none_is_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.listening import listen

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(BadInput, match="no address named"):
        listen("nowhere.example", 0)


def test_the_url_names_a_place_that_can_be_opened() -> None:
    from apps.listening import address, listen

    with listen("0.0.0.0", 0) as listening:
        assert address(listening) == f"http://127.0.0.1:{listening.getsockname()[1]}/"


def test_what_fails_while_getting_ready_is_said_to_the_page() -> None:
    from apps.web.tray import banner

    preparation = Preparation()
    with scripted_agent(Settings.load(backbone="nowhere"), lambda message, done: None, None) as agent:
        agent.models = type(agent.models)(agent.settings)
        preparation.prepare(agent)
    assert preparation.status == "failed"
    assert "nowhere" in banner(preparation)
