"""The HTTP API as its clients see it: OpenAI's own client, LangChain's, curl, and a server that runs for real."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI

from apps.demo import PICTURE
from conlora_agent.settings import Settings
from tests.command import scripted_agent
from tests.serving import Served, chat, serving
from tests.web import chromium

PNG = f"data:image/png;base64,{base64.b64encode(PICTURE.read_bytes()).decode()}"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    settings = Settings.load({}, home=home, cache=home / "cache")
    with serving(scripted_agent(settings, lambda message, done: None)) as running:
        yield running


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="whatever", max_retries=0) as made:
        yield made


def picture(text: str) -> Any:
    return {
        "role": "user",
        "content": [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": PNG}}],
    }


# -- OpenAI's client --------------------------------------------------------------------------------------------------


def test_a_conversation_of_messages_keeps_its_focus_and_nothing_is_stored(
    served: Served, client: openai.OpenAI
) -> None:
    messages: list[Any] = [picture("where is the blue book?")]
    first = client.chat.completions.create(model="auto", messages=messages)
    assert first.choices[0].message.content == "I found the blue book (90%), at the top left."
    assert first.model_extra is not None
    step = first.model_extra["conlora"]["steps"][0]
    assert (step["route"], step["confidence"], step["status"]) == ("grounding", 0.95, "ok")
    assert first.usage is not None
    assert first.usage.total_tokens == first.usage.prompt_tokens + first.usage.completion_tokens > 0
    messages += [{"role": "assistant", "content": first.choices[0].message.content}]
    messages += [{"role": "user", "content": "what is written on it?"}]
    second = client.chat.completions.create(model="auto", messages=messages)
    assert second.choices[0].message.content == "QUIET OCEAN"
    assert second.model_extra is not None
    read = second.model_extra["conlora"]["steps"][0]
    assert read["route"] == "ocr"
    assert read["boxes"][0]["box"] == step["boxes"][0]["box"], "the box was found again"
    assert served.agent.threads.list() == []
    assert not (served.agent.settings.home / "pictures").exists()


def test_an_answer_sent_back_whole_spares_looking_again(served: Served, client: openai.OpenAI) -> None:
    messages: list[Any] = [picture("where is the blue book?")]
    first = client.chat.completions.create(model="auto", messages=messages)
    seen = len(served.agent.models.backbone().requests)  # type: ignore[attr-defined]
    messages += [first.choices[0].message, {"role": "user", "content": "what is written on it?"}]
    second = client.chat.completions.create(model="auto", messages=messages)
    assert second.choices[0].message.content == "QUIET OCEAN"
    assert len(served.agent.models.backbone().requests) == seen + 1  # type: ignore[attr-defined]


def test_a_stream_adds_up_to_the_answer_and_tells_its_steps(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="auto", messages=[picture("where is the blue book?")])
    stream = client.chat.completions.create(
        model="auto",
        messages=[picture("where is the blue book?")],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    events = [chunk.model_extra["conlora"] for chunk in chunks if chunk.model_extra]
    assert [event.get("event") for event in events] == ["planned", "step_started", "step_finished", None]
    assert events[-1]["steps"][0]["boxes"]
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage == whole.usage


def test_a_question_asked_back_is_answered_in_the_next_message(client: openai.OpenAI) -> None:
    asked = client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "weather?"}])
    assert asked.choices[0].message.content == "For which place?"
    said = asked.choices[0].message.content
    messages: Any = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": said},
        {"role": "user", "content": "Rome"},
    ]
    answered = client.chat.completions.create(model="auto", messages=messages)
    assert answered.choices[0].message.content == "21 degrees in Rome.\n(Source: https://weather.example)"
    assert answered.model_extra is not None
    assert answered.model_extra["conlora"]["steps"][0]["tool_args"] == {"place": "Rome"}


def test_a_named_thread_is_kept(served: Served, client: openai.OpenAI) -> None:
    ask = client.chat.completions.create
    ask(model="auto", messages=[picture("where is the blue book?")], extra_body={"thread": "kept"})
    read = ask(
        model="auto",
        messages=[{"role": "user", "content": "what is written on it?"}],
        extra_body={"thread": "kept"},
    )
    assert read.choices[0].message.content == "QUIET OCEAN"
    assert [turn.answer for turn in served.agent.threads.show("kept").turns][1] == "QUIET OCEAN"
    served.agent.threads.delete("kept")


def test_the_model_chooses_the_route(served: Served, client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names[:2] == ["auto", "base"]
    assert {"ocr", "grounding", "caption", "vqa"} <= set(names)
    read = client.chat.completions.create(model="ocr", messages=[picture("describe the sign")])
    assert read.model_extra is not None
    assert read.model_extra["conlora"]["steps"][0]["route"] == "ocr"
    plain = client.chat.completions.create(model="base", messages=[{"role": "user", "content": "weather?"}])
    assert plain.choices[0].message.content == "You are welcome."
    with pytest.raises(openai.NotFoundError, match="did you mean 'ocr'"):
        client.chat.completions.create(model="ocrr", messages=[picture("read")])
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4o")


def test_a_system_message_reaches_the_chat_and_tokens_are_limited(served: Served, client: openai.OpenAI) -> None:
    answered = client.chat.completions.create(
        model="auto",
        messages=[{"role": "system", "content": "Speak like a pirate."}, {"role": "user", "content": "hello"}],
        max_completion_tokens=2,
        temperature=0.3,
    )
    assert answered.choices[0].message.content == "You are"
    assert answered.choices[0].finish_reason == "length"
    request = served.agent.models.backbone().requests[-1]  # type: ignore[attr-defined]
    assert request.history[0].content.endswith("Speak like a pirate.")


# -- other clients ----------------------------------------------------------------------------------------------------


def test_langchain(served: Served) -> None:
    model = ChatOpenAI(model="auto", base_url=f"{served.url}/v1", api_key="none", max_retries=0)  # type: ignore[arg-type]
    asked = HumanMessage([{"type": "text", "text": "where is the blue book?"}, picture("")["content"][1]])
    found = model.invoke([asked])
    assert found.content == "I found the blue book (90%), at the top left."
    history = [asked, AIMessage(found.content), HumanMessage("what is written on it?")]
    assert "".join(str(chunk.content) for chunk in model.stream(history)) == "QUIET OCEAN"


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_curl(served: Served) -> None:
    def curl(body: dict[str, Any]) -> str:
        command = ["curl", "-sN", f"{served.url}/v1/chat/completions", "--json", json.dumps(body)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert json.loads(curl(chat("hello")))["choices"][0]["message"]["content"] == "You are welcome."
    lines = [line for line in curl(chat("hello", stream=True)).splitlines() if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"messages": []}, "messages"),
        ({}, "messages"),
        (chat({"role": "robot", "content": "x"}), "role"),
        (chat(""), "empty"),
        (chat("x" * 30_000), "at most"),
        (chat("hi", "hello"), "last message is not the user's"),
        (chat("hi", thread="no spaces"), "thread id"),
        (chat("hi", thread="0123456789ab.x" * 8), "thread id"),
        (chat("hi", n=2), "'n' is not supported"),
        (chat("hi", tools=[{}]), "'tools' is not supported"),
        (chat("hi", stop="x"), "'stop' is not supported"),
        (chat("hi", response_format={"type": "json_object"}), "'response_format' is not supported"),
        (chat("hi", max_tokens=0), "max_tokens"),
    ],
)
def test_bad_requests_are_told_why(served: Served, body: dict[str, Any], message: str) -> None:
    answer = served.http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert message in error["message"]
    assert error["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("data:image/png;base64,!!!", "base64"),
        ("data:image/png;base64,aGVsbG8=", "not a picture"),
        ("data:image/png;base64", "no data"),
        ("data:image/png;base64,", "empty"),
        ("http://example.com/a.png", "starts with"),
        ("file:///etc/passwd", "starts with"),
        ("/etc/passwd", "starts with"),
        ("https://127.0.0.1/a.png", "not a public address"),
        ("https://[::1]/a.png", "not a public address"),
        ("https://localhost/a.png", "not a public address"),
        ("https://", "cannot be fetched"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_bad_pictures_are_told_why(served: Served, url: str, message: str, stream: bool) -> None:
    parts = [{"type": "text", "text": "read it"}, {"type": "image_url", "image_url": {"url": url}}]
    answer = served.http.post("/v1/chat/completions", json=chat({"role": "user", "content": parts}, stream=stream))
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
    assert message in answer.json()["error"]["message"]


def test_two_pictures_in_one_message_are_refused(served: Served) -> None:
    twice = picture("compare")
    twice["content"].append(twice["content"][1])
    answer = served.http.post("/v1/chat/completions", json=chat(twice))
    assert "one picture a message" in answer.json()["error"]["message"]


def test_a_body_that_is_no_json_is_told_so(served: Served) -> None:
    answer = served.http.post("/v1/chat/completions", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    answer = served.http.post("/v1/chat/completions", content=b"{}")
    assert "Content-Type" in answer.json()["error"]["message"]
    for body in (b'{"model": "\xff"}', b"[" * 100_000):
        answer = served.http.post("/v1/chat/completions", content=body, headers={"Content-Type": "application/json"})
        assert answer.json()["error"]["message"] == "the body is no JSON in UTF-8; encode it again"


def test_what_is_not_there_is_named_as_clients_know_it(served: Served) -> None:
    answers = [
        served.http.post("/v1/chat/completions", json=chat("hi") | {"model": "ocrr"}),
        served.http.post("/v1/responses", json={"model": "ocrr", "input": "hi"}),
        served.http.get("/v1/models/ocrr"),
    ]
    for answer in answers:
        error = answer.json()["error"]
        assert (answer.status_code, error["param"], error["code"]) == (404, "model", "model_not_found")
        assert error["message"] == "no model named 'ocrr'; did you mean 'ocr'?"
    answer = served.http.get("/v1/chat/completions")
    said = "GET /v1/chat/completions is not served; see /docs"
    assert (answer.status_code, answer.json()["error"]["message"]) == (405, said)


def test_an_empty_message_has_no_route(served: Served) -> None:
    answer = served.http.post("/v1/route", json={"text": " \n"})
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "the message is empty; say what to do")


def test_a_name_of_another_site_gets_no_answer(served: Served) -> None:
    answer = httpx.get(f"{served.url}/v1/models", headers={"Host": "evil.example"})
    assert answer.status_code == 400


# -- documentation ----------------------------------------------------------------------------------------------------


def test_the_documentation_asks_nobody_else_for_anything(served: Served) -> None:
    page = served.http.get("/docs").text
    assert re.findall(r"https?://[^\"']+", page) == []
    assets = re.findall(r'(?:src|href)="(/[^"]+)"', page)
    assert len(assets) == 3
    for asset in assets:
        assert served.http.get(asset).status_code == 200
    assert served.http.get("/openapi.json").json()["paths"]["/v1/responses"]


@pytest.mark.browser
def test_the_documentation_opens_in_a_browser_without_the_internet(served: Served) -> None:
    asked: list[str] = []
    with chromium() as browser:
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{served.url}/docs")
        page.get_by_role("link", name="/v1/chat/completions").wait_for()
        page.locator(".opblock-tag", has_text="threads").wait_for()
    assert [url for url in asked if not url.startswith((served.url, "data:"))] == []
