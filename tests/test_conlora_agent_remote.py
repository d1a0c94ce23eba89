"""A backbone behind a server, against a real HTTP server on loopback that speaks as vLLM does."""

from __future__ import annotations

import base64
import io
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from conlora_agent.backbone import load_backbone
from conlora_agent.backbone.remote import RemoteBackbone
from conlora_agent.core.errors import BackboneError, UnknownName, WeightsError
from conlora_agent.core.protocols import Function, GenerateRequest
from conlora_agent.core.types import Message, Usage
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone
from tests.serving import serving
from tests.turns import make_agent

BASE = "HuggingFaceTB/SmolVLM-256M"


class Served:
    """What the server was asked, and what it has loaded."""

    def __init__(self, http: HTTPServer, *, loads: bool = True, listed: tuple[str, ...] = (BASE,)) -> None:
        self.http, self.asked, self.loaded = http, [], []  # type: ignore[var-annotated]
        self.logprobs = True
        self.calls: str | None = None
        """The arguments of the call that is made where tools are given; None refuses tools."""
        self.words = (("A", -0.1), (" dent", -0.2))
        http.expect_request("/v1/models").respond_with_json({"data": [{"id": name} for name in listed]})
        http.expect_request("/v1/chat/completions", method="POST").respond_with_handler(self.chat)
        if loads:
            http.expect_request("/v1/load_lora_adapter", method="POST").respond_with_handler(self.load)
            http.expect_request("/v1/unload_lora_adapter", method="POST").respond_with_handler(self.unload)
        else:
            for path in ("load", "unload"):
                http.expect_request(f"/v1/{path}_lora_adapter").respond_with_data("", status=404)

    def load(self, request: Request) -> Response:
        body = request.get_json()
        if not Path(body["lora_path"]).is_dir():
            said = f"Loading lora {body['lora_name']} failed: No adapter found for {body['lora_path']}"
            return Response(json.dumps({"error": {"message": said}}), status=404)
        self.loaded.append(body["lora_name"])
        return Response("Success")

    def unload(self, request: Request) -> Response:
        self.loaded.remove(request.get_json()["lora_name"])
        return Response("Success")

    def chat(self, request: Request) -> Response:
        body = request.get_json()
        self.asked.append((body, request.headers.get("Authorization")))
        events: list[Any] = []
        if "tools" in body:
            if self.calls is None:
                return Response('{"error": {"message": "tools are not supported"}}', status=400)
            first = {"index": 0, "id": "c1", "type": "function", "function": {"name": "count", "arguments": ""}}
            pieces = [first, *({"index": 0, "function": {"arguments": part}} for part in self.calls.split("|"))]
            events = [{"choices": [{"delta": {"tool_calls": [piece]}}]} for piece in pieces]
            return Response("".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n")
        for word, probability in self.words:
            scores = {"content": [{"token": word, "logprob": probability}]} if self.logprobs else None
            events.append({"choices": [{"delta": {"content": word}, "logprobs": scores}]})
        events.append({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}})
        lines = [f"data: {json.dumps(event)}\n\n" for event in events]
        return Response("".join(lines) + "data: [DONE]\n\n", content_type="text/event-stream")

    @property
    def address(self) -> str:
        return self.http.url_for("/v1")


def test_sends_history_picture_and_instruction_and_reads_the_stream(httpserver: HTTPServer) -> None:
    served = Served(httpserver)
    settings = Settings.load({}, backbone=served.address, backbone_key="secret")
    backbone = load_backbone(settings.backbone, settings)
    assert backbone.name == "smolvlm_256m"
    shown: list[str] = []
    history = (Message(role="user", content="hello"), Message(role="assistant", content="good day"))
    request = GenerateRequest(
        "Is it damaged?", history, Image.new("RGB", (5, 4), "red"), max_new_tokens=7, on_token=shown.append
    )
    answer = backbone.generate(request)
    assert answer.text == "A dent"
    assert shown == ["A", " dent"]
    assert [round(piece.probability, 3) for piece in answer.pieces] == [0.905, 0.819]
    assert answer.usage == Usage(prompt_tokens=9, completion_tokens=2)
    ((body, key),) = served.asked
    assert key == "Bearer secret"
    assert (body["model"], body["max_tokens"], body["temperature"]) == (BASE, 7, 0)
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    picture, text = body["messages"][-1]["content"]
    assert text == {"type": "text", "text": "Is it damaged?"}
    decoded = Image.open(io.BytesIO(base64.b64decode(picture["image_url"]["url"].split(",")[1])))
    assert decoded.size == (5, 4)


def test_a_stack_is_loaded_once_and_named_as_the_model(httpserver: HTTPServer, tmp_path: Path) -> None:
    served = Served(httpserver)
    backbone = RemoteBackbone(f"{served.address}#{BASE}")
    backbone.attach("ocr", tmp_path)
    assert served.loaded == ["ocr"]
    assert backbone.stacks() == ("ocr",)
    backbone.generate(GenerateRequest("read", stack="ocr"))
    assert served.asked[0][0]["model"] == "ocr"
    backbone.detach("ocr")
    assert (served.loaded, backbone.stacks()) == ([], ())
    with pytest.raises(UnknownName, match="ocr"):
        backbone.generate(GenerateRequest("read", stack="ocr"))
    with pytest.raises(WeightsError, match="No adapter found"):
        backbone.attach("ocr", tmp_path / "missing")


def test_a_server_that_loads_no_stacks_leaves_the_task_prompt_only_and_says_so(
    httpserver: HTTPServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    served = Served(httpserver, loads=False)
    backbone = RemoteBackbone(served.address)
    for _ in range(2):
        backbone.attach("ocr", tmp_path)
    assert backbone.stacks() == ()
    assert caplog.text.count("runs on its prompt alone") == 1


FUNCTION = Function("count", "Counts pets.", {"type": "object", "properties": {"kind": {"type": "string"}}}, {})


def test_a_function_is_called_natively(httpserver: HTTPServer) -> None:
    served = Served(httpserver)
    served.calls = '{"kind"|: "cats"}'
    answer = RemoteBackbone(served.address).generate(GenerateRequest("how many cats?", function=FUNCTION))
    assert answer.text == '{"kind": "cats"}'
    ((body, _),) = served.asked
    assert body["tools"][0]["function"]["parameters"] == FUNCTION.schema
    assert body["tool_choice"] == {"type": "function", "function": {"name": "count"}}


def test_a_server_that_calls_no_tools_is_asked_in_words_and_that_is_said(
    httpserver: HTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    served = Served(httpserver)
    backbone = RemoteBackbone(served.address)
    for _ in range(2):
        assert backbone.generate(GenerateRequest("how many cats?", function=FUNCTION)).text == "A dent"
    assert ["tools" in body for body, _ in served.asked] == [True, False, False]
    assert caplog.text.count("calls no tools") == 1


def test_stacks_that_the_server_lists_are_there_at_once(httpserver: HTTPServer) -> None:
    served = Served(httpserver, listed=(BASE, "ocr"))
    backbone = RemoteBackbone(served.address)
    assert backbone.stacks() == ("ocr",)
    backbone.generate(GenerateRequest("read", stack="ocr"))
    assert served.asked[0][0]["model"] == "ocr"


def test_a_family_known_by_its_name_is_asked_for_boxes_in_its_own_words(httpserver: HTTPServer) -> None:
    served = Served(httpserver, listed=("Qwen/Qwen2.5-VL-3B-Instruct", "grounding"))
    served.words = (('```json\n[{"bbox_2d": [10, 20, 100, 200], "label": "dog"}]\n```', -0.1),)
    backbone = RemoteBackbone(served.address)
    request = GenerateRequest("Locate: a dog", (), Image.new("RGB", (200, 400)), locate="a dog")
    answer = backbone.generate(request)
    assert (answer.text, backbone.box_range) == ("50 50 500 500", 1000)
    assert served.asked[0][0]["messages"][-1]["content"][1]["text"].endswith("Report bbox coordinates in JSON format.")
    served.words = (("50 50 500 500", -0.1),)
    assert backbone.generate(replace(request, stack="grounding")).text == "50 50 500 500"
    assert served.asked[1][0]["messages"][-1]["content"][1]["text"] == "Locate: a dog"


def test_without_probabilities_there_is_no_confidence(httpserver: HTTPServer) -> None:
    served = Served(httpserver)
    served.logprobs = False
    answer = RemoteBackbone(served.address).generate(GenerateRequest("hello"))
    assert (answer.text, answer.confidence) == ("A dent", None)


@pytest.mark.parametrize(("status", "body"), [(500, "oops"), (200, "not json"), (401, '{"error": "key"}'), (200, "[]")])
def test_what_is_no_such_server_is_named(httpserver: HTTPServer, status: int, body: str) -> None:
    httpserver.expect_request("/v1/models").respond_with_data(body, status=status)
    with pytest.raises(BackboneError, match="no OpenAI-compatible server"):
        RemoteBackbone(httpserver.url_for("/v1"))


def test_a_model_that_is_not_served_and_a_server_that_is_not_there(httpserver: HTTPServer) -> None:
    served = Served(httpserver)
    with pytest.raises(BackboneError, match=r"does not serve other; it lists: Hugging"):
        RemoteBackbone(f"{served.address}#other")
    with pytest.raises(BackboneError, match="does not answer"):
        RemoteBackbone("http://127.0.0.1:9/v1")


@pytest.mark.parametrize("broken", ["data: {nonsense\n\n", 'data: {"error": {"message": "out of memory"}}\n\n'])
def test_an_answer_that_breaks_off_is_a_failure(httpserver: HTTPServer, broken: str) -> None:
    httpserver.expect_request("/v1/models").respond_with_json({"data": [{"id": BASE}]})
    httpserver.expect_request("/v1/chat/completions").respond_with_data(broken, content_type="text/event-stream")
    with pytest.raises(BackboneError, match="server"):
        RemoteBackbone(httpserver.url_for("/v1")).generate(GenerateRequest("hello"))


def test_our_own_server_is_a_backbone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """`conlora serve` gives no probabilities and loads no stacks; its tasks answer to their names."""

    def see(request: GenerateRequest) -> str:
        return "A red book." if request.picture is not None else f"You said: {request.instruction}"

    with (
        serving(make_agent(backbone=FakeBackbone(see))) as served,
        closing(RemoteBackbone(f"{served.url}/v1#base")) as backbone,
    ):
        assert backbone.generate(GenerateRequest("hello")).text == "You said: hello"
        shown: list[str] = []
        looked = backbone.generate(
            GenerateRequest("describe it", picture=Image.new("RGB", (40, 30)), stack="caption", on_token=shown.append)
        )
        assert (looked.text, looked.confidence, "".join(shown).strip()) == ("A red book.", None, "A red book.")
        assert caplog.text.count("gives no probabilities") == 1
        backbone.attach("leaves", tmp_path)
        assert "leaves" not in backbone.stacks()
        assert "leaves runs on its prompt alone" in caplog.text
        assert served.agent.threads.list() == []


def test_what_our_own_server_finds_comes_as_boxes() -> None:
    """Its answers are words for people; the boxes stand beside them."""
    seen = FakeBackbone(lambda request: "none" if "dog" in request.instruction else "3 8 26 53; 40 8 60 53")
    with (
        serving(make_agent(backbone=seen)) as served,
        closing(RemoteBackbone(f"{served.url}/v1#base")) as backbone,
    ):

        def find(thing: str) -> str:
            asked = GenerateRequest(f"Locate: {thing}", picture=Image.new("RGB", (40, 30)), locate=thing)
            return backbone.generate(replace(asked, stack="grounding")).text

        assert [find(thing) for thing in ("a book", "a dog")] == ["3 8 26 53; 40 8 60 53", "none"]
        assert [request.instruction for request in seen.requests] == ["Locate: a book", "Locate: a dog"]
