"""Operations of a real FastAPI service on loopback, described by the document it serves itself."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field

from conlora_agent.core.errors import BadInput, ConloraError, DataError, ToolError, UnknownName
from tools.base import ToolContext
from tools.http import HttpClient
from tools.openapi import read_operation
from tools.operations import OpenApiTool, load_operations, save_operation
from tools.responses import NotFound


class Size(Enum):
    small = "small"
    large = "large"


class Owner(BaseModel):
    name: str
    town: str | None = None


class Pet(BaseModel):
    kind: str
    age: int = Field(ge=0)
    owner: Owner | None = None


def make_app() -> FastAPI:
    app = FastAPI()

    @app.get("/pets/{kind}", operation_id="countPets", summary="Count pets", description="Counts the pets of a kind.")
    def count(kind: str, size: Size = Size.small) -> dict[str, str | int]:
        return {"kind": kind, "size": size.value, "count": 12}

    @app.post("/pets", operation_id="addPet", summary="Add a pet")
    def add(pet: Pet, note: str | None = None) -> dict[str, object]:
        return {"added": pet.model_dump(), "note": note}

    @app.put("/names", operation_id="setNames")
    def names(names: list[str]) -> dict[str, int]:
        return {"names": len(names)}

    @app.delete("/pets/{kind}", operation_id="deletePets")
    def delete(kind: str) -> None:
        raise AssertionError("never called")

    return app


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(make_app(), port=port, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def tool_of(service: str, operation: str = "countPets") -> OpenApiTool:
    client = HttpClient(trusted=[service])
    url = f"{service}/openapi.json"
    return OpenApiTool(read_operation(client.get(url).content.decode(), url, operation, changes=True), client)


def test_an_operation_is_a_tool_with_the_service_s_schema(service: str) -> None:
    tool = tool_of(service)
    assert tool.name == "count_pets"
    assert tool.arguments("cats", ToolContext()) == {"kind": "cats"}
    result = tool.call({"kind": "cats", "size": "large"})
    assert result.value["output"] == {"kind": "cats", "size": "large", "count": 12}
    assert "12" in result.text
    with pytest.raises(BadInput, match="size"):
        tool.call({"kind": "cats", "size": "huge"})


def test_the_properties_of_a_body_are_arguments(service: str) -> None:
    tool = tool_of(service, "addPet")
    assert tool.changes
    assert list(tool.schema["properties"]) == ["note", "kind", "age", "owner"]
    assert tool.schema["required"] == ["kind", "age"]
    pet = {"kind": "cat", "age": 3, "owner": {"name": "Ada"}}
    added = {**pet, "owner": {"name": "Ada", "town": None}}
    assert tool.call({**pet, "note": "new"}).value["output"] == {"added": added, "note": "new"}
    with pytest.raises(BadInput, match="add_pet: age -1 is less than the minimum of 0"):
        tool.call({"kind": "cat", "age": -1})
    with pytest.raises(BadInput, match=r"owner\.name is missing"):
        tool.call({"kind": "cat", "age": 1, "owner": {}})


def test_check_says_when_the_service_is_gone(service: str) -> None:
    tool = tool_of(service)
    assert tool.check() == [], "it answers, though with 404 where nothing was asked for"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{probe.getsockname()[1]}"
    moved = tool._operation.model_copy(update={"url": f"{gone}/pets/count"})
    assert OpenApiTool(moved, HttpClient(trusted=[gone], sleep=lambda s: None)).check() == [
        "127.0.0.1 cannot be reached; check the network connection"
    ]
    assert "not a public address" in OpenApiTool(moved, HttpClient()).check()[0]


def test_a_body_that_is_no_object_is_one_argument(service: str) -> None:
    assert tool_of(service, "setNames").call({"body": ["Ada", "Bo"]}).value["output"] == {"names": 2}


def test_arguments_cannot_leave_their_place_in_the_path(service: str) -> None:
    with pytest.raises(NotFound):
        tool_of(service).call({"kind": "../openapi.json"})


def test_a_private_service_is_refused_unless_allowed(service: str, tmp_path: Path) -> None:
    operation = read_operation(json.dumps(make_app().openapi()), f"{service}/openapi.json", "countPets")
    with pytest.raises(ToolError, match="not a public address"):
        OpenApiTool(operation, HttpClient()).call({"kind": "cats"})


def test_what_changes_something_is_refused_and_near_misses_are_named() -> None:
    spec = json.dumps(make_app().openapi())
    with pytest.raises(BadInput, match="DELETE operation, which may change something; allow that with --allow-changes"):
        read_operation(spec, "https://pets.example/openapi.json", "deletePets")
    with pytest.raises(UnknownName, match="did you mean 'countPets'"):
        read_operation(spec, "https://pets.example/openapi.json", "countPet")
    assert read_operation(spec, "https://pets.example/v1/openapi.json", "GET /pets/{kind}", name="pets").name == "pets"


@pytest.mark.parametrize(
    "spec",
    ["", "{", "[]", "a: [", '{"paths": {}}', '{"openapi": "2.0", "paths": {}}', '{"openapi": "3.1.0", "paths": []}'],
)
def test_what_is_no_openapi_document_is_one_line(spec: str) -> None:
    with pytest.raises(DataError) as caught:
        read_operation(spec, "spec.json", "x")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        ({"requestBody": {"content": {"text/xml": {}}}}, "its body is no JSON"),
        ({"parameters": [{"name": "X-Key", "in": "header", "required": True}]}, "header parameter 'X-Key' is required"),
        (
            {
                "parameters": [{"name": "a", "in": "query"}],
                "requestBody": {"content": {"application/json": {"schema": {"properties": {"a": {}}}}}},
            },
            "'a' is both a parameter and a part of the body",
        ),
        (
            {"requestBody": {"content": {"application/json": {"schema": {"properties": {"a": {"type": "objekt"}}}}}}},
            "no valid JSON schema",
        ),
    ],
)
def test_an_operation_that_cannot_be_called_is_one_line(operation: dict[str, object], problem: str) -> None:
    spec = {"openapi": "3.1.0", "paths": {"/x": {"post": {"operationId": "x", **operation}}}}
    with pytest.raises(DataError, match=problem) as caught:
        read_operation(json.dumps(spec), "https://pets.example/spec", "x", changes=True)
    assert "\n" not in str(caught.value)


def test_a_reference_to_another_file_is_one_line() -> None:
    operation = {"operationId": "x", "parameters": [{"$ref": "other.yaml#/p"}]}
    spec = {"openapi": "3.1.0", "paths": {"/x": {"get": operation}}}
    with pytest.raises(DataError, match="leads nowhere"):
        read_operation(json.dumps(spec), "https://pets.example/spec", "x")


def test_tools_are_kept_and_broken_files_are_said(tmp_path: Path) -> None:
    operation = read_operation(json.dumps(make_app().openapi()), "https://pets.example/openapi.json", "countPets")
    save_operation(operation, tmp_path)
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    found, broken = load_operations(tmp_path, HttpClient(offline=True))
    assert [tool.name for tool in found] == ["count_pets"]
    assert "bad.json is no operation (Invalid JSON: EOF" in broken["bad.json"]
    with pytest.raises(ConloraError, match="there is a tool 'count_pets' already"):
        save_operation(operation, tmp_path)
