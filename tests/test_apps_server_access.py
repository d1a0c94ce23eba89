"""Who may do what over HTTP: keys, name spaces, limits, and what is told about requests."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from apps.server.middleware import JsonLines
from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone
from tests.command import conlora, scripted_agent, see
from tests.serving import Served, chat, serving
from tests.turns import png
from tests.waiting import wait_until

KEYS = ("first-key", "second-key")


def agent_with(backbone: FakeBackbone | None = None, **settings: Any) -> Any:
    return scripted_agent(Settings.load(**settings), lambda message, done: None, backbone)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(agent_with(api_keys=KEYS), key=KEYS[0]) as running:
        yield running


def test_a_key_is_needed_where_there_is_one(served: Served) -> None:
    for headers in ({}, bearer("wrong"), {"Authorization": "Basic Zmlyc3Qta2V5"}):
        for path in ("/v1/models", "/v1/threads", "/metrics"):
            answer = httpx.get(served.url + path, headers=headers)
            assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")
        assert httpx.post(f"{served.url}/v1/chat/completions", json=chat("hi"), headers=headers).status_code == 401
    assert httpx.get(f"{served.url}/healthz").status_code == 200
    assert httpx.get(f"{served.url}/readyz").json()["status"] == "ready"
    assert served.http.get("/v1/models").status_code == 200


def test_without_keys_a_header_means_nothing() -> None:
    with serving(agent_with(), key="anything") as served:
        assert served.http.get("/v1/models").status_code == 200


@pytest.fixture
def second(served: Served) -> Iterator[httpx.Client]:
    """The bearer of another key."""
    with httpx.Client(base_url=served.url, headers=bearer(KEYS[1])) as client:
        yield client


def test_every_key_has_threads_of_its_own(served: Served, second: httpx.Client) -> None:
    for client, text in ((served.http, "mine"), (second, "yours")):
        client.post("/v1/chat/completions", json=chat(text, thread="same")).raise_for_status()
    for client, text in ((served.http, "mine"), (second, "yours")):
        listed = client.get("/v1/threads").json()["threads"]
        assert [(thread["id"], thread["title"]) for thread in listed] == [("same", text)]
        assert client.get("/v1/threads/same").json()["turns"][0]["text"] == text
        assert client.get("/v1/threads", params={"query": "mine"}).json()["threads"] == (
            listed if text == "mine" else []
        )
    stored = [thread.id for thread in served.agent.threads.list()]
    assert len(stored) == 2
    for thread in stored:
        assert second.get(f"/v1/threads/{thread}").status_code in (400, 404)
    assert second.delete("/v1/threads/same").json() == {"deleted": "same"}
    assert served.http.get("/v1/threads/same").status_code == 200
    unknown = second.get("/v1/threads/same")
    assert unknown.status_code == 404
    assert "mine" not in unknown.text


def test_a_trace_that_names_anothers_picture_does_not_show_it() -> None:
    def asked(colour: str) -> dict[str, Any]:
        url = f"data:image/png;base64,{base64.b64encode(png(colour=colour)).decode()}"
        words = {"type": "text", "text": "describe it"}
        return {"role": "user", "content": [words, {"type": "image_url", "image_url": {"url": url}}]}

    def steps(client: httpx.Client, *messages: dict[str, Any] | str, **more: Any) -> list[dict[str, Any]]:
        answer = client.post("/v1/chat/completions", json=chat(*messages, **more)).json()
        return list(answer["conlora"]["steps"])

    backbone = FakeBackbone(see)
    with serving(agent_with(backbone, api_keys=KEYS), key=KEYS[0]) as served:
        secret = steps(served.http, asked("red"), thread="mine")
        trace = {"role": "assistant", "content": "There.", "conlora": {"steps": secret}}
        with httpx.Client(base_url=served.url, headers=bearer(KEYS[1])) as other:
            (read,) = steps(other, asked("blue"), trace, "what is written on it?")
        assert (secret[0]["status"], read["status"]) == ("ok", "failed")
        assert "came with the request" in read["error"]
        assert len(backbone.requests) == 1


def test_an_error_names_no_thread_of_another_key(served: Served) -> None:
    served.http.post("/v1/chat/completions", json=chat("hello", thread="secret-plan")).raise_for_status()
    answer = httpx.get(f"{served.url}/v1/threads/secret-plans", headers=bearer(KEYS[1]))
    assert answer.status_code == 404
    assert "secret-plan'" not in answer.text


def test_threads_are_read_renamed_exported_and_deleted_with_their_pictures() -> None:
    with serving(agent_with()) as served:
        import base64

        url = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
        content = [{"type": "text", "text": "describe it"}, {"type": "image_url", "image_url": {"url": url}}]
        answer = served.http.post("/v1/chat/completions", json=chat({"role": "user", "content": content}, thread="t"))
        assert answer.json()["conlora"]["thread"] == "t"
        image = answer.json()["conlora"]["steps"][0]["image"]
        shown = served.http.get(f"/v1/threads/t/pictures/{image}")
        assert shown.content == png()
        assert shown.headers["x-content-type-options"] == "nosniff"
        assert served.http.get(f"/v1/threads/t/pictures/{'0' * 64}").status_code == 404
        assert served.http.patch("/v1/threads/t", json={"title": "Books"}).json()["title"] == "Books"
        assert served.http.patch("/v1/threads/t", json={"title": ""}).status_code == 400
        assert "Books" in served.http.get("/v1/threads/t/export", params={"format": "markdown"}).text
        assert served.http.get("/v1/threads/t/export").json()["title"] == "Books"
        exported = served.http.get("/v1/threads/t/export").json()
        assert served.http.post("/v1/threads", json=exported).status_code == 400, "its id is taken"
        assert served.http.post("/v1/threads", json=exported, params={"id": "u"}).json() == {"thread": "u"}
        assert served.http.get(f"/v1/threads/u/pictures/{image}").content == png()
        assert served.http.delete("/v1/threads/u").status_code == 200
        assert served.http.delete("/v1/threads/t").status_code == 200
        assert served.http.delete("/v1/threads/t").status_code == 404
        assert not list((served.agent.settings.home / "pictures").rglob("*/*"))


def test_an_imported_thread_belongs_to_its_importer(served: Served) -> None:
    served.http.post("/v1/chat/completions", json=chat("hello", thread="t"))
    exported = served.http.get("/v1/threads/t/export").json()
    assert exported["id"] == "t", "no key's name space is told"
    second = bearer(KEYS[1])
    stolen = {**exported, "id": next(thread.id for thread in served.agent.threads.list())}
    assert served.http.post("/v1/threads", json=stolen, headers=second).json() == {"thread": "t"}
    served.http.patch("/v1/threads/t", json={"title": "mine"}, headers=second)
    assert served.http.get("/v1/threads/t").json()["title"] == "hello"
    assert served.http.post("/v1/threads", json=exported, params={"id": "a.b"}, headers=second).status_code == 400


def test_tasks_tools_and_routes_are_listed_and_called() -> None:
    with serving(agent_with()) as served:
        assert {task["name"] for task in served.http.get("/v1/tasks").json()["tasks"]} >= {"ocr", "vqa"}
        assert served.http.get("/v1/tasks/ocr").json()["needs_image"] is True
        tools = {tool["name"]: tool for tool in served.http.get("/v1/tools").json()["tools"]}
        assert tools["calculator"]["arguments"]["properties"]
        called = served.http.post("/v1/tools/calculator", json={"arguments": {"expression": "17% of 2480"}})
        assert "421.6" in called.json()["text"]
        assert served.http.post("/v1/tools/calculator", json={"arguments": {"x": 1}}).status_code == 400
        assert served.http.post("/v1/tools/nope", json={"arguments": {}}).status_code == 404
        routed = served.http.post("/v1/route", json={"text": "where is it", "has_image": True}).json()
        assert routed["steps"][0]["route"] == "grounding"


def test_requests_are_limited_in_number_and_size() -> None:
    with serving(agent_with(api_keys=KEYS, requests_per_minute=3, max_request_bytes=2000), key=KEYS[0]) as served:
        large = served.http.post("/v1/chat/completions", json=chat("x" * 3000))
        assert (large.status_code, large.json()["error"]["type"]) == (413, "invalid_request_error")
        pieces = served.http.post(
            "/v1/chat/completions", content=iter([b"x" * 1500] * 2), headers={"Content-Type": "application/json"}
        )
        assert pieces.status_code == 413
        codes = [served.http.get("/v1/models").status_code for _ in range(4)]
        assert codes[-1] == 429
        late = served.http.get("/v1/models")
        assert late.json()["error"]["type"] == "rate_limit_error"
        assert int(late.headers["retry-after"]) >= 1
        assert httpx.get(f"{served.url}/v1/models", headers=bearer(KEYS[1])).status_code == 200


def test_no_other_site_may_ask_unless_it_is_named() -> None:
    origin = {"Origin": "https://page.example"}
    with serving(agent_with()) as served:
        assert "access-control-allow-origin" not in served.http.get("/v1/models", headers=origin).headers
    with serving(agent_with(cors_origins="https://page.example")) as served:
        allowed = served.http.get("/v1/models", headers=origin).headers["access-control-allow-origin"]
        assert allowed == "https://page.example"


def test_the_log_names_requests_and_holds_no_content(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "conlora.requests"), serving(agent_with(api_keys=KEYS), key=KEYS[0]) as served:
        answer = served.http.post(
            "/v1/chat/completions", json=chat("my secret word"), headers={"X-Request-Id": "abc-1"}
        )
        assert answer.headers["x-request-id"] == "abc-1"
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records if record.name == "conlora.requests"]
    assert {"request_id": "abc-1", "path": "/v1/chat/completions", "status": 200}.items() <= lines[0].items()
    assert len(lines[0]["key"]) == 12
    text = json.dumps(lines)
    assert "secret" not in text
    assert "first-key" not in text


def test_figures_for_prometheus() -> None:
    with serving(agent_with()) as served:
        served.http.post("/v1/chat/completions", json=chat("hello"))
        served.http.post("/v1/chat/completions", json=chat(""))
        text = served.http.get("/metrics").text
    assert 'conlora_steps_total{kind="chat",route="chat",status="ok"} 1.0' in text
    assert 'conlora_turns_total{outcome="answered"} 1.0' in text
    assert 'conlora_turns_total{outcome="refused"} 1.0' in text
    assert 'conlora_requests_total{method="POST",path="/v1/chat/completions",status="400"} 1.0' in text
    assert "conlora_turns_running 0.0" in text


def test_a_mistake_of_ours_is_one_line_without_details(isolated_home: Path) -> None:
    def broken(request: GenerateRequest) -> str:
        raise ZeroDivisionError("secret")

    with serving(agent_with(FakeBackbone(broken))) as served:
        answer = served.http.post("/v1/chat/completions", json=chat("hello", thread="t"))
        assert answer.status_code == 500
        assert "ZeroDivisionError" in answer.json()["error"]["message"]
        assert "secret" not in answer.text
        lines = served.http.post("/v1/chat/completions", json=chat("hello", stream=True)).text.splitlines()
        assert any("server_error" in line for line in lines)
        assert served.agent.threads.list() == []


def test_a_caller_who_leaves_takes_the_turn_along() -> None:
    hold, at_work = threading.Event(), threading.Event()

    def slow(request: GenerateRequest) -> str:
        at_work.set()
        hold.wait(10)
        return "many words to be sent one after another"

    with serving(agent_with(FakeBackbone(slow))) as served:
        with served.http.stream("POST", "/v1/chat/completions", json=chat("hi", stream=True, thread="t")):
            at_work.wait(10)
        hold.set()
        wait_until(lambda: 'outcome="left"} 1.0' in served.http.get("/metrics").text)
        assert served.agent.threads.list() == []
        assert served.http.post("/v1/chat/completions", json=chat("hi", thread="t")).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_without_a_key_only_this_machine_is_served(host: str) -> None:
    ended = conlora("serve", "--host", host, "--port", "0")
    assert ended.code == 2
    assert "--api-key" in ended.error


def test_keys_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONLORA_API_KEYS", " a, b ,")
    assert Settings.load().api_keys == ("a", "b")
    assert Settings.load(api_keys=("c",)).api_keys == ("c",)
