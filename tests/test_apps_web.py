"""The web chat: messages, turns and handlers on a scripted model; and the page itself in a real browser."""

from __future__ import annotations

import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from apps.demo import PICTURE
from apps.web.messages import chips, escaped, thread_messages
from apps.web.turns import Preparation, Turn
from conlora_agent.agent import Agent
from conlora_agent.core.errors import BadInput, Failure
from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.core.types import PlannedStep, Step
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone
from tests.command import scripted_agent, see

TIMEOUT_MS = 90_000
"""How long a browser on a busy machine may take for one step; nothing waits longer than it needs."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def turn(agent: Agent, text: str, image: bytes | None = None, thread: str | None = None, **more: Any) -> Turn:
    return Turn(agent, text, image, thread, None, more.get("preparation") or Preparation())


@pytest.fixture
def agent() -> Iterator[Agent]:
    with scripted_agent(Settings.load(), lambda message, done: None) as made:
        yield made


def said(messages: list[dict[str, Any]]) -> list[str]:
    return [message["content"] for message in messages if isinstance(message["content"], str)]


# -- messages ---------------------------------------------------------------------------------------------------------


def test_a_thread_is_shown_with_pictures_chips_boxes_and_answers(agent: Agent) -> None:
    result = agent.ask("where is the blue book?", image=PICTURE)
    sent, asked, labels, drawn, answer = thread_messages(agent, result.thread)
    assert [sent["role"], asked["role"], labels["role"], answer["role"]] == ["user", "user", "assistant", "assistant"]
    assert "grounding" in labels["content"]
    assert "95%" in labels["content"]
    assert answer["content"] == "I found the blue book (90%)."
    with Image.open(sent["content"]["path"]) as plain, Image.open(drawn["content"]["path"]) as boxed:
        assert plain.size == boxed.size
        assert plain.tobytes() != boxed.tobytes()
    assert "across 3% to" in drawn["content"]["alt_text"]


def test_a_tool_call_can_be_unfolded(agent: Agent) -> None:
    result = agent.ask("weather in Rome?")
    call = next(message for message in thread_messages(agent, result.thread) if "metadata" in message)
    assert call["metadata"]["title"] == 'weather(place="Rome")'
    assert "celsius" in call["content"]
    assert "https://weather.example" in call["content"]


def test_choices_of_an_open_question_can_be_clicked(agent: Agent) -> None:
    result = agent.ask("hm", image=PICTURE)
    last = thread_messages(agent, result.thread)[-1]
    values = [choice["value"] for choice in last["options"]]
    assert values == [agent.tasks.get("ocr").manifest.title, agent.tasks.get("caption").manifest.title]
    answered = agent.ask(values[1], thread=result.thread)
    assert [step.route for step in answered.steps] == ["caption"]
    assert "options" not in thread_messages(agent, result.thread)[-1]


def test_a_thread_that_is_gone_is_empty(agent: Agent) -> None:
    assert thread_messages(agent, None) == thread_messages(agent, "gone") == []


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "![x](http://elsewhere/x.png)", "<img src=x>"])
def test_no_text_brings_markup_or_pictures_from_elsewhere(text: str) -> None:
    assert not re.search(r"<\w|!\[", escaped(text))
    step = Step(route="chat", kind="chat", confidence=1, request="", adapter=text)
    assert text not in chips(step)


def test_chips_of_a_running_step_have_no_time() -> None:
    shown = chips(PlannedStep(route="ocr", kind="task", confidence=0.5, request=""))
    assert "running" in shown
    assert " ms" not in shown


# -- turns ------------------------------------------------------------------------------------------------------------


def test_a_turn_grows_and_ends_with_its_thread(agent: Agent) -> None:
    running = turn(agent, "where is the blue book?", PICTURE.read_bytes())
    grown = list(running)
    assert running.error is None
    assert running.thread is not None
    assert said(thread_messages(agent, running.thread))[-1] == said(grown[-1])[-1]


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
        titles = set()
        for messages in turn(agent, "hello", preparation=preparation):
            titles |= {message["metadata"]["title"] for message in messages if "metadata" in message}
            if titles:
                go_on.set()
    assert titles == {"Preparing the model, once: reading the language model (25%)"}


def _join(running: Turn) -> None:
    assert running.worker is not None
    running.worker.join(10)
    assert not running.worker.is_alive()


def _wait_until(true: Callable[[], bool]) -> None:
    for _ in range(200):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come true within ten seconds")


# -- server -----------------------------------------------------------------------------------------------------------


def test_a_port_that_is_taken_is_one_clear_error() -> None:
    from apps.web.server import listen

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Failure, match="--port"):
        listen("127.0.0.1", taken.getsockname()[1])


def test_an_address_that_is_none_is_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.web.server import listen

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(BadInput, match="no address named"):
        listen("nowhere.example", 0)


def test_the_url_names_a_place_that_can_be_opened() -> None:
    from apps.web.server import address, listen

    with listen("0.0.0.0", 0) as listening:
        assert address(listening) == f"http://127.0.0.1:{listening.getsockname()[1]}/"


# -- the page in a browser --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page, served on a scripted model."""
    import uvicorn

    from apps.web.server import listen, web_app

    home = tmp_path_factory.mktemp("web")
    settings = Settings.load({}, home=home / "home", cache=home / "cache")
    agent = scripted_agent(settings, lambda message, done: None)
    with listen("127.0.0.1", 0) as listening:
        server = uvicorn.Server(uvicorn.Config(web_app(agent, Preparation()), log_level="error", lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        _wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Any, page_url: str) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    context.set_default_timeout(TIMEOUT_MS)
    opened = context.new_page()
    opened.elsewhere = []
    context.on("request", lambda request: _note_elsewhere(opened, request.url))
    opened.goto(page_url)
    opened.wait_for_selector("#box textarea")
    yield opened
    context.close()


def _note_elsewhere(page: Any, url: str) -> None:
    if not url.startswith(("http://127.0.0.1", "data:", "blob:")):
        page.elsewhere.append(url)


def _say(page: Any, text: str, answer: str) -> None:
    page.fill("#box textarea", text)
    page.press("#box textarea", "Enter")
    page.locator("#chat .bot", has_text=answer).last.wait_for()
    page.locator("#box button.submit-button").wait_for()


def _titles(page: Any) -> list[str]:
    return [title.strip() for title in page.locator("#threads label").all_inner_texts()]


@pytest.mark.browser
def test_the_page_holds_the_conversation(page: Any) -> None:
    page.set_input_files("#box input[type=file]", PICTURE)
    _say(page, "where is the blue book?", "I found the blue book (90%).")
    assert page.locator("#chat .chip.route", has_text="grounding").count() == 1
    page.wait_for_function("[...document.querySelectorAll('#chat .bot img')].some((i) => i.naturalWidth === 960)")
    _say(page, "what is written on it?", "QUIET OCEAN")
    _say(page, "weather in Rome?", "21 degrees in Rome.")
    page.get_by_text('weather(place="Rome")').click()
    page.get_by_text("celsius").wait_for()
    page.locator("#threads label", has_text="where is the blue book?").wait_for()
    page.reload()
    page.locator("#threads label", has_text="where is the blue book?").click()
    page.locator("#chat", has_text="21 degrees in Rome.").wait_for()
    assert page.elsewhere == []


@pytest.mark.browser
def test_conversations_and_browsers_are_apart(page: Any, browser: Any, page_url: str) -> None:
    _say(page, "thanks!", "You are welcome.")
    page.click("#new")
    page.locator(".welcome").wait_for()
    _say(page, "hello", "You are welcome.")
    page.locator("#threads label", has_text="hello").wait_for()
    assert _titles(page) == ["hello", "thanks!"]
    other = browser.new_context()
    other.set_default_timeout(TIMEOUT_MS)
    elsewhere = other.new_page()
    elsewhere.goto(page_url)
    elsewhere.wait_for_selector("#box textarea")
    _say(elsewhere, "who is there?", "You are welcome.")
    elsewhere.locator("#threads label", has_text="who is there?").wait_for()
    assert _titles(elsewhere) == ["who is there?"]
    other.close()
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("#delete")
    page.locator(".welcome").wait_for()
    page.locator("#threads label", has_text="hello").wait_for(state="detached")
    assert _titles(page) == ["thanks!"]


@pytest.mark.browser
def test_examples_choices_the_dropdown_and_a_bad_picture(page: Any, tmp_path: Path) -> None:
    page.locator("#chat .example", has_text="Where is the blue book?").click()
    page.locator("#chat .bot", has_text="I found the blue book").wait_for()
    page.locator("#box button.submit-button").wait_for()
    page.fill("#box textarea", "hm")
    page.press("#box textarea", "Enter")
    page.locator("#chat button.option", has_text="Describe").click()
    page.locator("#chat .chip.route", has_text="caption").wait_for()
    page.locator("#box button.submit-button").wait_for()
    page.click("#route input")
    page.get_by_role("option", name="vqa (task)").click()
    page.fill("#box textarea", "anything")
    page.press("#box textarea", "Enter")
    page.locator("#chat .chip.route", has_text="vqa").wait_for()
    page.click("#new")
    page.locator(".welcome").wait_for()
    (tmp_path / "bad.png").write_bytes(b"no picture")
    page.set_input_files("#box input[type=file]", tmp_path / "bad.png")
    page.fill("#box textarea", "read it")
    page.press("#box textarea", "Enter")
    page.get_by_text("these bytes are not a picture").wait_for()
    page.wait_for_function("document.querySelector('#box textarea').value === 'read it'")


@pytest.mark.browser
def test_a_phone_shows_the_conversation_first(browser: Any, page_url: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, color_scheme="dark")
    context.set_default_timeout(TIMEOUT_MS)
    phone = context.new_page()
    phone.goto(page_url)
    phone.wait_for_selector("#box textarea")
    phone.locator("#chat .example").nth(1).tap()
    phone.locator("#chat .bot", has_text="I found the blue book").wait_for()
    assert phone.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    box = phone.locator("#box").bounding_box()
    assert box["y"] + box["height"] <= 844
    context.close()
