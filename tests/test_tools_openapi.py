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

from conlora_agent.core.errors import BadInput, ConloraError, DataError, ToolError, UnknownName
from tools.base import ToolContext
from tools.http import HttpClient
from tools.openapi import OpenApiTool, load_operations, read_operation, save_operation
from tools.responses import NotFound


class Size(Enum):
    small = "small"
    large = "large"


def make_app() -> FastAPI:
    app = FastAPI()

    @app.get("/pets/{kind}", operation_id="countPets", summary="Count pets", description="Counts the pets of a kind.")
    def count(kind: str, size: Size = Size.small) -> dict[str, str | int]:
        return {"kind": kind, "size": size.value, "count": 12}

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


def tool_of(service: str) -> OpenApiTool:
    client = HttpClient(trusted=[service])
    url = f"{service}/openapi.json"
    return OpenApiTool(read_operation(client.get(url).content.decode(), url, "countPets"), client)


def test_an_operation_is_a_tool_with_the_service_s_schema(service: str) -> None:
    tool = tool_of(service)
    assert tool.name == "count_pets"
    assert tool.arguments("cats", ToolContext()) == {"kind": "cats"}
    result = tool.call({"kind": "cats", "size": "large"})
    assert result.value["output"] == {"kind": "cats", "size": "large", "count": 12}
    assert "12" in result.text
    with pytest.raises(BadInput, match="size"):
        tool.call({"kind": "cats", "size": "huge"})


def test_arguments_cannot_leave_their_place_in_the_path(service: str) -> None:
    with pytest.raises(NotFound):
        tool_of(service).call({"kind": "../openapi.json"})


def test_a_private_service_is_refused_unless_allowed(service: str, tmp_path: Path) -> None:
    operation = read_operation(json.dumps(make_app().openapi()), f"{service}/openapi.json", "countPets")
    with pytest.raises(ToolError, match="not a public address"):
        OpenApiTool(operation, HttpClient()).call({"kind": "cats"})


def test_what_changes_something_is_refused_and_near_misses_are_named() -> None:
    spec = json.dumps(make_app().openapi())
    with pytest.raises(BadInput, match="DELETE operation; only GET"):
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
    assert "cannot be read" in broken["bad.json"]
    with pytest.raises(ConloraError, match="there is a tool 'count_pets' already"):
        save_operation(operation, tmp_path)
