"""The dialogues that need a picture and a public service in one turn, in the terminal, the web chat and over HTTP.

What is read on a picture is scripted; the fitted router, graph, tools and their HTTP are real, and the services stand
on loopback (tests/api_server.py).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from apps.web.figures import Figures
from apps.web.messages import Renderer
from apps.web.turns import Preparation, Turn
from conlora_agent.agent import Agent
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone
from router.embedding import EmbeddingRouter
from tests.api_server import providers, serve_everything
from tests.command import conlora
from tests.serving import chat, serving
from tests.test_conlora_agent_dialogues import qr_code
from tests.turns import png
from tools.registry import default_tools


@dataclass(frozen=True)
class Dialogue:
    """What is said of a picture with `written` on it ("" for a code), the steps it takes, and a part of the answer."""

    text: str
    written: str
    steps: tuple[str, ...]
    answer: str


DIALOGUES = (
    Dialogue(
        "read the city on the sign and tell me the weather there", "WELCOME TO PORTO", ("ocr", "weather"), "15.3 °C"
    ),
    Dialogue(
        "what's the price on the tag, and how much is that in euros?", "$19.99", ("ocr", "currency"), "= 19.05 EUR"
    ),
    Dialogue("who wrote this book?", "EMMA", ("ocr", "wikipedia"), "Jane Austen"),
    Dialogue("scan the code and open it", "", ("barcode", "web_page"), "Tickets cost twelve euros"),
)
PARAPHRASES = {
    ("ocr", "weather"): (
        "read the name of the town on this sign and say what the weather is like there",
        "what city does the sign say, and will it rain there tomorrow?",
        "read the place name and give me the forecast for it",
        "what's the weather in this city?",
        "look at the sign: what will the weather be like in that town tomorrow",
    ),
    ("ocr", "currency"): (
        "read the price tag and convert it to pounds",
        "what does the tag say it costs and how many yen is that",
        "read the amount on the receipt and convert it into euros",
        "how much is this in euros?",
        "how many euros is that price tag?",
        "convert the price you see to euro",
    ),
    ("ocr", "wikipedia"): (
        "who is the author of this book?",
        "who's the writer of this novel?",
        "when was this book published?",
        "read the title and tell me who wrote it",
        "look up the author named on this cover",
        "who wrote the novel shown here?",
    ),
    ("barcode", "web_page"): (
        "scan the QR code and open the page",
        "read the qr code, then open the link",
        "decode the code and show me the page it links to",
        "open the link in the QR code",
    ),
}
NO_LOOK = {
    "what's the weather this week?": "weather",
    "how much is 5 dollars in euros?": "currency",
    "who wrote War and Peace?": "wikipedia",
    "what time is it in Lisbon?": "clock",
}


@pytest.fixture(scope="module")
def router(shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> EmbeddingRouter:
    with Agent(Settings.load({}, home=tmp_path_factory.mktemp("home"), cache=shared_cache)) as agent:
        return EmbeddingRouter(agent.routes(), cache_dir=shared_cache)


Open = Callable[..., Agent]


@pytest.fixture
def written() -> list[str]:
    return [""]


@pytest.fixture
def open_agent(router: EmbeddingRouter, httpserver: HTTPServer, written: list[str]) -> Open:
    """Opens an agent whose model reads the last of `written`."""
    serve_everything(httpserver)

    def opened(*_: object) -> Agent:
        agent = Agent(Settings.load(), backbone=FakeBackbone(default=lambda request: written[-1]), router=router)
        agent.tools = default_tools(
            providers(httpserver), allowed_origins=[httpserver.url_for("/")], timeout_s=5, pictures=agent.pictures
        )
        return agent

    return opened


@pytest.fixture
def picture(httpserver: HTTPServer, written: list[str]) -> Callable[[Dialogue], bytes]:
    def drawn(dialogue: Dialogue) -> bytes:
        written.append(dialogue.written)
        return png() if dialogue.written else qr_code(httpserver.url_for("/page"))

    return drawn


each = pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda d: "-".join(d.steps))
Draw = Callable[[Dialogue], bytes]


def check(dialogue: Dialogue, answer: str, steps: list[dict[str, Any]]) -> None:
    assert [(step["route"], step["status"]) for step in steps] == [(route, "ok") for route in dialogue.steps]
    assert steps[1]["uses"] in ([0], [])
    assert steps[1]["tool_args"]
    assert dialogue.written in answer
    assert dialogue.answer in answer


@each
def test_in_the_terminal(dialogue: Dialogue, open_agent: Open, picture: Draw, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(picture(dialogue))
    result = conlora("ask", dialogue.text, "--image", file, "--json", open_agent=open_agent).json
    check(dialogue, result["answer"], result["steps"])
    shown = conlora("ask", dialogue.text, "--image", file, open_agent=open_agent)
    assert all(route in shown.out + shown.err for route in dialogue.steps), "every step is named"


@each
def test_in_the_web_chat(dialogue: Dialogue, open_agent: Open, picture: Draw) -> None:
    with open_agent() as agent:
        renderer = Renderer(agent, Figures(agent.pictures))
        running = Turn(agent, renderer, Preparation(), dialogue.text, picture(dialogue), None)
        *_, growing = running
        assert f'chip route">{dialogue.steps[0]}' in growing
        assert running.thread is not None
        html = "".join(renderer.thread(running.thread))
        (turn,) = agent.threads.show(running.thread).turns
    check(dialogue, turn.answer, [step.model_dump(mode="json") for step in turn.steps])
    assert all(f'chip route">{route}' in html for route in dialogue.steps)
    assert dialogue.answer in html


@each
def test_over_http(dialogue: Dialogue, open_agent: Open, picture: Draw) -> None:
    url = "data:image/png;base64," + base64.b64encode(picture(dialogue)).decode()
    content = [{"type": "text", "text": dialogue.text}, {"type": "image_url", "image_url": {"url": url}}]
    with serving(open_agent()) as served:
        answer = served.http.post("/v1/chat/completions", json=chat({"role": "user", "content": content}))
    assert answer.status_code == 200
    body = answer.json()
    check(dialogue, body["choices"][0]["message"]["content"], body["conlora"]["steps"])


@pytest.mark.parametrize(
    ("steps", "text"), [(steps, text) for steps, texts in PARAPHRASES.items() for text in texts], ids=lambda v: str(v)
)
def test_said_in_other_words(steps: tuple[str, ...], text: str, open_agent: Open) -> None:
    with open_agent() as agent:
        assert tuple(step.route for step in agent.route(text, has_image=True).steps) == steps


@pytest.mark.parametrize(("text", "route"), NO_LOOK.items())
def test_a_request_that_is_complete_looks_at_no_picture(text: str, route: str, open_agent: Open) -> None:
    with open_agent() as agent:
        assert [step.route for step in agent.route(text, has_image=True).steps] == [route]


def test_a_picture_that_was_read_is_not_read_again(open_agent: Open, written: list[str]) -> None:
    written.append("EMMA")
    with open_agent() as agent:
        first = agent.ask("read the title", image=png())
        then = agent.ask("who wrote this book?", thread=first.thread)
        assert [step.route for step in then.steps] == ["wikipedia"]
        assert "Jane Austen" in then.answer
        written.append("WELCOME TO PORTO")
        other = agent.ask("what's the weather in this city?", image=png((60, 40)), thread=first.thread)
        assert [step.route for step in other.steps] == ["ocr", "weather"], "what was said before is not this city"
        assert other.steps[1].tool_args == {"place": "Porto"}
        assert json.dumps(agent.state(first.thread)["focus"])
