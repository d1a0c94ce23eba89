"""`/v1/responses` as OpenAI's own client and LangChain's use it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from langchain_openai import ChatOpenAI

from apps.demo import PICTURE
from conlora_agent.core.errors import BackboneError
from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone
from tests.command import scripted_agent, see
from tests.serving import Served, serving

PNG = f"data:image/png;base64,{base64.b64encode(PICTURE.read_bytes()).decode()}"
KEYS = ("first-key", "second-key")


def answer(request: GenerateRequest) -> str:
    if "break" in request.instruction and request.on_token is not None:
        request.on_token("Now ")
        raise RuntimeError("broken")
    if "fail" in request.instruction:
        raise BackboneError("the model is gone", "load it again")
    return see(request)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    settings = Settings.load({}, home=home, cache=home / "cache", api_keys=KEYS)
    with serving(scripted_agent(settings, lambda message, done: None, FakeBackbone(answer)), key=KEYS[0]) as running:
        yield running


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=KEYS[0], max_retries=0) as made:
        yield made


def picture(text: str) -> Any:
    return {
        "role": "user",
        "content": [{"type": "input_text", "text": text}, {"type": "input_image", "image_url": PNG, "detail": "auto"}],
    }


def test_a_conversation_goes_on_from_response_to_response(served: Served, client: openai.OpenAI) -> None:
    first = client.responses.create(model="auto", input=[picture("where is the blue book?")])
    assert first.output_text == "I found the blue book (90%), at the top left."
    assert first.status == "completed"
    second = client.responses.create(input="what is written on it?", previous_response_id=first.id)
    assert second.output_text == "QUIET OCEAN"
    assert second.model_extra is not None
    assert [step["route"] for step in second.model_extra["conlora"]["steps"]] == ["ocr"]
    assert second.previous_response_id == first.id
    assert first.conversation is not None
    assert second.conversation == first.conversation
    assert second.usage is not None
    assert second.usage.total_tokens == second.usage.input_tokens + second.usage.output_tokens > 0
    again = client.responses.retrieve(second.id)
    assert (again.output_text, again.output[0], again.usage) == (second.output_text, second.output[0], second.usage)
    assert again.previous_response_id == first.id
    thread = served.http.get(f"/v1/threads/{first.conversation.id}").json()
    assert [turn["answer"] for turn in thread["turns"]] == [first.output_text, second.output_text]


def test_only_the_last_response_goes_on(served: Served, client: openai.OpenAI) -> None:
    first = client.responses.create(input="hello")
    second = client.responses.create(input="thanks", previous_response_id=first.id)
    with pytest.raises(openai.BadRequestError, match=f"go on from its last response: {second.id}"):
        client.responses.create(input="and now?", previous_response_id=first.id)
    assert first.conversation is not None
    assert len(served.http.get(f"/v1/threads/{first.conversation.id}").json()["turns"]) == 2, "it was rolled back"
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=KEYS[1], max_retries=0) as other:
        with pytest.raises(openai.NotFoundError):
            other.responses.retrieve(second.id)
        with pytest.raises(openai.BadRequestError, match="the thread is gone"):
            other.responses.create(input="and now?", previous_response_id=second.id)


def test_a_conversation_is_a_thread(served: Served, client: openai.OpenAI) -> None:
    for text in ("hello", "thanks"):
        made = client.responses.create(input=text, conversation="holiday")
    assert made.id == "resp_holiday_1"
    completion = served.http.post(
        "/v1/chat/completions", json={"messages": [{"role": "user", "content": "hello"}], "thread": "holiday"}
    )
    assert completion.json()["conlora"]["thread"] == "holiday"
    assert len(served.http.get("/v1/threads/holiday").json()["turns"]) == 3


def test_a_response_is_deleted_for_good_unless_others_go_on_from_it(served: Served, client: openai.OpenAI) -> None:
    only = client.responses.create(input=[picture("where is the blue book?")])
    theirs = openai.OpenAI(base_url=f"{served.url}/v1", api_key=KEYS[1], max_retries=0)
    with theirs, pytest.raises(openai.NotFoundError):
        theirs.responses.delete(only.id)
    client.responses.delete(only.id)
    for gone in (client.responses.retrieve, client.responses.delete):
        with pytest.raises(openai.NotFoundError, match="no response named"):
            gone(only.id)
    assert only.conversation is not None
    assert served.http.get(f"/v1/threads/{only.conversation.id}").status_code == 404
    first = client.responses.create(input="hello")
    client.responses.create(input="thanks", previous_response_id=first.id)
    assert first.conversation is not None
    with pytest.raises(openai.ConflictError, match=f"DELETE /v1/threads/{first.conversation.id}"):
        client.responses.delete(first.id)
    assert client.responses.retrieve(first.id).output_text == first.output_text


def test_messages_that_bring_answers_are_not_stored(served: Served, client: openai.OpenAI) -> None:
    before = len(served.agent.threads.list())
    first = client.responses.create(input=[picture("where is the blue book?")], store=False)
    messages: list[Any] = [picture("where is the blue book?"), *(item.to_dict() for item in first.output)]
    second = client.responses.create(input=[*messages, {"role": "user", "content": "what is written on it?"}])
    assert (second.output_text, second.store) == ("QUIET OCEAN", False)
    assert len(served.agent.threads.list()) == before
    with pytest.raises(openai.NotFoundError, match="no response named"):
        client.responses.retrieve(second.id)


def test_a_stream_is_what_the_client_expects(client: openai.OpenAI) -> None:
    events = list(client.responses.create(input=[picture("describe it")], stream=True))
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    words = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(words) > 1
    assert "".join(words) == "Four books on a table."
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == "Four books on a table."
    with client.responses.stream(
        model="auto", input="what is written on it?", previous_response_id=last.response.id
    ) as stream:
        final = stream.get_final_response()
    assert final.output_text == "QUIET OCEAN"


def test_instructions_reach_the_chat_and_a_cut_answer_says_so(served: Served, client: openai.OpenAI) -> None:
    made = client.responses.create(model="base", input="hello", instructions="Talk like a pirate.", max_output_tokens=2)
    assert (made.output_text, made.status) == ("You are", "incomplete")
    assert made.incomplete_details is not None
    assert made.incomplete_details.reason == "max_output_tokens"
    sent = served.agent.models.backbone().requests[-1]  # type: ignore[attr-defined]
    assert sent.history[0].content.endswith("Talk like a pirate.")


def test_langchain_uses_it(served: Served) -> None:
    model = ChatOpenAI(model="auto", base_url=f"{served.url}/v1", api_key=KEYS[0], use_responses_api=True)  # type: ignore[arg-type]
    assert model.invoke("hello").text == "You are welcome."
    assert "".join(str(chunk.text) for chunk in model.stream("hello")) == "You are welcome."


def test_what_breaks_on_the_way_is_an_error_of_the_stream(served: Served, client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError, match="internal error"):
        list(client.responses.create(input="break it", conversation="broken", stream=True))
    assert served.http.get("/v1/threads/broken").status_code == 404
    failed = client.responses.create(input="fail")
    assert "the model is gone" in failed.output_text


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"input": "hi", "tools": [{"type": "web_search"}]}, "the agent calls its own tools"),
        ({"input": "hi", "background": True}, "'background' is not supported"),
        ({"input": "hi", "text": {"format": {"type": "json_object"}}}, "'text.format' is not supported"),
        ({"input": "hi", "previous_response_id": "resp_x_0", "conversation": "x"}, "leave one out"),
        ({"input": "hi", "conversation": "x", "store": False}, "leave 'store' out"),
        ({"input": "hi", "conversation": "a b"}, "cannot be a thread id"),
        ({"input": []}, "not the user's"),
        ({"input": [{"role": "assistant", "content": "hi"}]}, "not the user's"),
        ({"input": [{"type": "function_call_output", "call_id": "1", "output": "x"}]}, "input.0.type"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input.0.content.0.input_image.image_url",
        ),
        ({"input": " "}, "the message is empty"),
        ({"input": "hi", "metadata": {"a": [1]}}, "metadata.a: input should be a valid string"),
        ({"input": "hi", "metadata": {str(n): "" for n in range(17)}}, "at most 16 items"),
        ({}, "input"),
    ],
)
def test_what_it_does_not_do_is_said(served: Served, request_: dict[str, Any], said: str) -> None:
    refused = served.http.post("/v1/responses", json=request_)
    assert refused.status_code == 400, refused.text
    assert said in refused.json()["error"]["message"]


def test_a_body_that_is_no_json_says_where(served: Served) -> None:
    refused = served.http.post("/v1/responses", content='{"input": hi}', headers={"Content-Type": "application/json"})
    assert refused.status_code == 400
    assert refused.json()["error"]["message"] == "the body is no valid JSON, from character 10 on"


@pytest.mark.parametrize(
    "body",
    [
        '{"input": "\\udfff"}',
        '{"input": "hi", "instructions": "\\udfff"}',
        '{"input": "a", "metadata": {"a": "\\udfff"}}',
    ],
)
def test_half_a_character_is_refused_before_the_turn(served: Served, body: str) -> None:
    before = len(served.agent.threads.list())
    refused = served.http.post("/v1/responses", content=body, headers={"Content-Type": "application/json"})
    assert (refused.status_code, len(served.agent.threads.list())) == (400, before)
    assert "surrogates not allowed" in refused.json()["error"]["message"]


@pytest.mark.parametrize("name", ["resp_x", "x", "resp_x_99999999999", "resp_nothing_0"])
def test_ids_that_name_nothing(served: Served, name: str) -> None:
    assert served.http.get(f"/v1/responses/{name}").status_code == 404
    assert served.http.post("/v1/responses", json={"input": "hi", "previous_response_id": name}).status_code in (
        400,
        404,
    )
