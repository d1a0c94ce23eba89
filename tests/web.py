"""Serves the web chat on a scripted agent and opens it in Debian's Chromium."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from apps.listening import listen
from apps.preparation import Preparation
from apps.web.server import web_app
from conlora_agent.agent import Agent
from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone
from tests.command import RULES, see
from tests.turns import UnsureRouter, Weather, step
from tests.waiting import wait_until
from tools.calculator import Calculator
from tools.registry import ToolRegistry

TIMEOUT_MS = 30_000
"""How long a browser on a busy machine may take for one step; nothing waits longer than it needs."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SCREENSHOTS = Path(__file__).parents[1] / "screenshots"


@dataclass
class Served:
    """A page that is served. `slowly` in a message makes the model say a few words and wait for `go_on`."""

    agent: Agent
    preparation: Preparation
    url: str = ""
    go_on: threading.Event = field(default_factory=threading.Event)


@contextmanager
def served(home: Path) -> Iterator[Served]:
    """The web chat on a scripted model and router, everything else real."""
    go_on = threading.Event()

    def answer(request: GenerateRequest) -> str:
        if "slowly" in request.instruction:
            assert request.on_token is not None
            request.on_token("Once upon ")
            go_on.wait(20)
            request.on_token("a time")
            return "The end."
        return see(request)

    rules = {
        "find": [step("grounding", "where is the blue book?"), step("ocr", "read it", 0)],
        "Describe this": "caption",
        "17%": [step("calculator", "what is 17% of 2480?")],
        **RULES,
    }
    settings = Settings.load({}, home=home / "home", cache=home / "cache")
    tools = ToolRegistry([Weather(), Calculator()])
    agent = Agent(settings, backbone=FakeBackbone(answer), router=UnsureRouter(rules), tools=tools)
    page = Served(agent, Preparation(), go_on=go_on)
    with serving_page(page):
        yield page
        go_on.set()


@contextmanager
def serving_page(page: Served) -> Iterator[None]:
    """Serve the web chat of `page.agent`, and say in `page.url` where."""
    import uvicorn

    with listen("127.0.0.1", 0) as listening:
        server = uvicorn.Server(uvicorn.Config(web_app(page.agent, page.preparation), log_level="error", lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        wait_until(lambda: server.started)
        page.url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        yield
        server.should_exit = True
        thread.join(10)


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser with a camera that shows a test picture."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield started
        started.close()


class Tab:
    """One tab, with what a person does in it. Knows every address that was asked beside the page's own."""

    def __init__(self, context: Any, url: str) -> None:
        context.set_default_timeout(TIMEOUT_MS)
        self.page = context.new_page()
        self.elsewhere: list[str] = []
        self.errors: list[str] = []
        self.turns = 0
        """How many turns the conversation that is shown has."""
        self.page.on("request", lambda request: self._note(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(url)
        self.ready()

    def _note(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1", "data:", "blob:")):
            self.elsewhere.append(url)

    def ready(self) -> None:
        """Wait until a message can be sent."""
        self.page.locator("#box .submit-button").wait_for()

    def say(self, text: str, answer: str | None = None) -> None:
        """Type a message, and wait for its answer if one is given."""
        self.page.fill("#box textarea", text)
        self.page.press("#box textarea", "Enter")
        if answer is not None:
            self.answered(answer)

    def answered(self, answer: str) -> None:
        """Wait until one turn more is over, and has this answer."""
        self.turns += 1
        self.page.locator(f"#chat li:nth-child({self.turns}):has(.after) .answer", has_text=answer).wait_for()
        self.ready()

    def new(self) -> None:
        """Begin another conversation."""
        self.page.click("#new")
        self.page.locator(".welcome").wait_for()
        self.turns = 0

    def routes(self) -> list[str]:
        """The routes of all steps so far."""
        return [text.strip() for text in self.page.locator("#chat .step .chip.route").all_inner_texts()]

    def thumbs(self, count: int) -> Any:
        """The thumbnails, once there are so many."""
        self.page.locator(f"#tray .thumb:nth-child({count})").wait_for()
        return self.page.locator("#tray .thumb")

    def titles(self) -> list[str]:
        """The conversations listed."""
        return [title.strip() for title in self.page.locator("#threads .title").all_inner_texts()]

    def give(self, event: str, names: list[str], data: bytes) -> None:
        """Drop or paste files on the page."""
        script = """([event, names, bytes]) => {
          const data = new DataTransfer();
          names.forEach((name) => data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" })));
          const given = event === "paste" ? { clipboardData: data } : { dataTransfer: data };
          const made = event === "paste" ? ClipboardEvent : DragEvent;
          document.body.dispatchEvent(new made(event, { bubbles: true, cancelable: true, ...given }));
        }"""
        self.page.evaluate(script, [event, names, list(data)])

    def drag(self, figure: Any, box: tuple[float, float, float, float]) -> None:
        """Drag over a part of a picture, given in fractions of it."""
        figure.scroll_into_view_if_needed()
        place = figure.bounding_box()
        x0, y0, x1, y1 = box
        at = [(place["x"] + x * place["width"], place["y"] + y * place["height"]) for x, y in ((x0, y0), (x1, y1))]
        self.page.mouse.move(*at[0])
        self.page.mouse.down()
        self.page.mouse.move(*at[1], steps=3)
        self.page.mouse.up()

    def keep(self, name: str) -> None:
        """Keep a screenshot as an artefact of the run."""
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")


def violations(page: Any) -> list[str]:
    """What axe-core finds wrong with the page as it is shown, one line each."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{rule['impact']} {rule['id']}: {node['html'][:120]} ({' '.join(node['failureSummary'].split())[:200]})"
        for rule in found
        for node in rule["nodes"]
    ]
