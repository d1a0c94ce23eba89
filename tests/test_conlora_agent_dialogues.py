"""Dialogues that need a picture and a public service in one turn: the model and the router are scripted, the graph, the
hand-over between steps, the tools and their HTTP are real, the services on loopback (tests/api_server.py)."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import zxingcpp
from PIL import Image
from pytest_httpserver import HTTPServer

from conlora_agent.agent import Agent
from conlora_agent.core.events import Finished
from conlora_agent.core.types import PlannedStep, TurnResult
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone
from tests.api_server import providers, serve_everything
from tests.turns import ScriptedRouter, png
from tools.registry import default_tools


def step(route: str, request: str, *uses: int) -> PlannedStep:
    kind = "task" if route == "ocr" else "tool"
    return PlannedStep.model_validate(
        {"route": route, "kind": kind, "confidence": 0.95, "request": request, "uses": uses}
    )


PLANS = {
    "read the city": [step("ocr", "read the city on the sign"), step("weather", "tell me the weather there", 0)],
    "price on the tag": [
        step("ocr", "what's the price on the tag"),
        step("currency", "how much is that in euros?", 0),
    ],
    "who wrote this book": [step("ocr", "who wrote this book?"), step("wikipedia", "who wrote this book?", 0)],
    "scan the code": [step("barcode", "scan the code"), step("web_page", "open it", 0)],
    "which city": [step("weather", "what's the weather like?")],
    "and tomorrow": [step("weather", "and tomorrow?")],
    "metadata": [step("image_info", "show the metadata")],
}


@pytest.fixture
def written() -> list[str]:
    """What stands on the picture: the last of these."""
    return [""]


@pytest.fixture
def agent(httpserver: HTTPServer, isolated_home: Path, written: list[str]) -> Agent:
    serve_everything(httpserver)
    made = Agent(
        Settings.load(), backbone=FakeBackbone(default=lambda request: written[-1]), router=ScriptedRouter(PLANS)
    )
    made.tools = default_tools(
        providers(httpserver), allowed_origins=[httpserver.url_for("/")], timeout_s=5, pictures=made.pictures
    )
    return made


def ask(agent: Agent, text: str, image: bytes | None = None, thread: str | None = None) -> TurnResult:
    result = agent.ask(text, image=image, thread=thread)
    assert [s.status for s in result.steps] == ["ok"] * len(result.steps), result.steps
    return result


def test_read_the_city_on_the_sign_and_tell_me_the_weather_there(agent: Agent, written: list[str]) -> None:
    written.append("WELCOME TO PORTO")
    result = ask(agent, "read the city on the sign and tell me the weather there", png())
    read, weather = result.steps
    assert read.text == "WELCOME TO PORTO"
    assert weather.tool_args == {"place": "Porto"}
    assert weather.tool_result["temperature"] == 15.3
    assert weather.source == "https://open-meteo.com/"
    assert "WELCOME TO PORTO" in result.answer
    assert "15.3 °C" in result.answer

    tomorrow = ask(agent, "and tomorrow?", thread=result.thread)
    assert tomorrow.steps[0].tool_args == {"place": "Porto", "when": "tomorrow"}
    assert "10.2 to 17.0 °C" in tomorrow.answer


def test_whats_the_price_on_the_tag_and_how_much_is_that_in_euros(agent: Agent, written: list[str]) -> None:
    written.append("$19.99")
    result = ask(agent, "what's the price on the tag, and how much is that in euros?", png())
    assert result.steps[1].tool_args == {"amount": 19.99, "base": "USD", "target": "EUR"}
    assert "19.99 USD = 19.05 EUR" in result.answer


def test_who_wrote_this_book(agent: Agent, written: list[str]) -> None:
    written.append("EMMA")
    result = ask(agent, "who wrote this book?", png())
    assert result.steps[1].tool_args == {"topic": "EMMA", "fact": "author"}
    assert "Jane Austen" in result.answer


def test_scan_the_code_and_open_it(agent: Agent, httpserver: HTTPServer) -> None:
    result = ask(agent, "scan the code and open it", qr_code(httpserver.url_for("/page")))
    scanned, opened = result.steps
    assert scanned.tool_result["codes"][0]["url"] == httpserver.url_for("/page")
    assert scanned.boxes[0].label == "QR Code"
    assert scanned.image == agent.state(result.thread)["focus"]["referents"][0]["image"]
    assert opened.tool_args == {"url": httpserver.url_for("/page")}
    assert "Tickets cost twelve euros" in result.answer


def test_a_step_that_fails_leaves_the_other_results(agent: Agent, httpserver: HTTPServer, written: list[str]) -> None:
    written.append("WELCOME TO PORTO")
    httpserver.clear()
    httpserver.expect_request("/geocoding/v1/search").respond_with_json({"generationtime_ms": 0.1})
    result = agent.ask("read the city on the sign and tell me the weather there", image=png())
    assert [step.status for step in result.steps] == ["ok", "failed"]
    assert "WELCOME TO PORTO" in result.answer
    assert "no place called 'Porto' is known" in result.answer


def test_the_missing_place_is_asked_for_and_the_reply_taken(agent: Agent) -> None:
    asked = agent.ask("which city? what's the weather like?")
    assert asked.answer == "Which city?"
    told = ask(agent, "in Porto", thread=asked.thread)
    assert told.steps[0].tool_args == {"place": "Porto"}


def test_the_metadata_of_the_current_picture(agent: Agent) -> None:
    result = ask(agent, "show the metadata", png((30, 20)))
    assert result.answer.startswith("PNG, 30 x 20 pixels")
    assert result.steps[0].image is not None


def test_a_conversation_that_is_not_stored_scans_its_own_picture(agent: Agent) -> None:
    *_, last = agent.reply("scan the code", image=qr_code("4006381333931"))
    assert isinstance(last, Finished)
    assert last.result.steps[0].tool_result["codes"][0]["text"] == "4006381333931"


def qr_code(text: str) -> bytes:
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
    picture = Image.new("RGB", (500, 400), "white")
    picture.paste(Image.fromarray(np.array(zxingcpp.write_barcode_to_image(code, scale=5))).convert("RGB"), (60, 50))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
