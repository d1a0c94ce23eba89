"""Tools of real MCP servers (tests/mcp_server.py) on both transports."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp.types import ListToolsResult, PaginatedRequestParams, Tool, ToolAnnotations
from pytest_httpserver import HTTPServer

from conlora_agent.agent import Agent
from conlora_agent.core.errors import SettingsError, ToolError, ToolUnavailable
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone
from tests.turns import ScriptedRouter, step
from tests.waiting import wait_until
from tools.base import MissingArgument, ToolContext
from tools.mcp import McpServers, McpTool, Server, _all_tools, read_servers

ROOT = str(Path(__file__).parents[1])
STDIO = {"command": sys.executable, "args": ["-m", "tests.mcp_server"], "cwd": ROOT}


@pytest.fixture(scope="module")
def http_url() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    process = subprocess.Popen([sys.executable, "-m", "tests.mcp_server", str(port)], cwd=ROOT)
    try:
        wait_until(listens)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module", params=["stdio", "http"])
def servers(request: pytest.FixtureRequest, http_url: str) -> Iterator[McpServers]:
    entry = STDIO if request.param == "stdio" else {"url": http_url}
    opened = McpServers({"shop": Server.model_validate(entry)})
    yield opened
    opened.close()


def tools_of(servers: McpServers, examples: Path = Path("none")) -> dict[str, McpTool]:
    found, silent = servers.tools(examples)
    assert silent == {}
    return {tool.name: tool for tool in found}


def test_tools_are_routes_at_once_and_can_be_given_more_examples(servers: McpServers, tmp_path: Path) -> None:
    (tmp_path / "shop_stock.jsonl").write_text('{"text": "how many mugs are left?"}\n', encoding="utf-8")
    tools = tools_of(servers, tmp_path)
    assert set(tools) == {"shop_stock", "shop_fail", "shop_crash"}
    texts = [example.text for example in tools["shop_stock"].route().examples]
    assert "Returns the stock of an article in the shop." in texts
    assert "how many mugs are left?" in texts


def test_the_session_is_kept_open_between_calls(servers: McpServers) -> None:
    stock = tools_of(servers)["shop_stock"]
    results = [stock.call({"article": "mug"}) for _ in range(3)]
    counts = [result.value["output"]["calls"] for result in results]
    assert results[0].source == "MCP server shop"
    assert stock.result_model.model_validate(results[0].value)
    assert counts[2] == counts[0] + 2
    assert stock.check() == []


def test_arguments_follow_the_server_s_schema(servers: McpServers) -> None:
    stock = tools_of(servers)["shop_stock"]
    assert stock.arguments("mugs", ToolContext()) == {"article": "mugs"}
    with pytest.raises(ToolError, match="shop_fail failed"):
        tools_of(servers)["shop_fail"].call({"reason": "no\nmore"})


def test_a_server_that_crashed_is_started_again(tmp_path: Path) -> None:
    servers = McpServers({"shop": Server.model_validate(STDIO)}, timeout_s=15)
    try:
        tools = tools_of(servers)
        with pytest.raises(ToolUnavailable, match=r"'shop' cannot be reached|did not answer"):
            tools["shop_crash"].call({})
        assert tools["shop_stock"].call({"article": "mug"}).value["output"]["left"] == 7
    finally:
        servers.close()


def test_what_is_listed_is_asked_for_page_by_page() -> None:
    class Session:
        async def list_tools(self, *, params: PaginatedRequestParams) -> ListToolsResult:
            page = int(params.cursor or 0)
            tool = Tool(name=f"t{page}", inputSchema={"type": "object"})
            return ListToolsResult(tools=[tool], nextCursor=str(page + 1) if page < 2 else None)

    assert [tool.name for tool in asyncio.run(_all_tools(Session()))] == ["t0", "t1", "t2"]  # type: ignore[arg-type]


def test_offline_no_server_with_an_address_is_asked(http_url: str) -> None:
    servers = McpServers({"shop": Server(url=http_url)}, offline=True)
    try:
        assert servers.tools(Path("none")) == (
            [],
            {"shop": "the MCP server 'shop' is not asked while working offline; turn the setting offline off"},
        )
    finally:
        servers.close()


def test_a_server_that_does_not_start_is_one_line(tmp_path: Path) -> None:
    servers = McpServers({"gone": Server(command=str(tmp_path / "no-such-program"))})
    try:
        found, silent = servers.tools(tmp_path)
        assert found == []
        assert "the MCP server 'gone' cannot be reached" in silent["gone"]
        assert "\n" not in silent["gone"]
    finally:
        servers.close()


def test_keys_of_servers_reach_no_log_and_no_message(
    http_url: str, httpserver: HTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    httpserver.expect_request("/mcp").respond_with_data("no", status=401)
    entries = {
        "shop": {"url": f"{http_url}?key=SECRET", "headers": {"Authorization": "Bearer SECRET"}},
        "shut": {"url": httpserver.url_for("/mcp?key=SECRET")},
        "gone": {"command": "no-such-program", "args": ["--key=SECRET"], "env": {"KEY": "SECRET"}},
    }
    known = {name: Server.model_validate(entry) for name, entry in entries.items()}
    servers = McpServers(known)
    with caplog.at_level("DEBUG"):
        found, silent = servers.tools(Path("none"))
        found[0].call({"article": "mug"})
        servers.close()
    logged = [record.getMessage() for record in caplog.records if not record.name.startswith("werkzeug")]
    assert any(http_url in line for line in logged), "the address itself is logged"
    assert set(silent) == {"shut", "gone"}
    assert "401" in silent["shut"]
    assert "SECRET" not in " ".join([*logged, *silent.values(), repr(known)])


def test_an_agent_uses_the_servers_of_its_configuration(isolated_home: Path) -> None:
    isolated_home.mkdir(parents=True, exist_ok=True)
    (isolated_home / "mcp.json").write_text(json.dumps({"mcpServers": {"shop": STDIO}}), encoding="utf-8")
    plan = [step("shop_stock", "mug").model_copy(update={"kind": "tool"})]
    with Agent(Settings.load(), backbone=FakeBackbone(), router=ScriptedRouter({"stock": plan})) as agent:
        result = agent.ask("stock of mug?")
    assert result.steps[0].tool_args == {"article": "mug"}
    assert result.steps[0].tool_result["output"]["left"] == 7


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", "cannot read the MCP servers"),
        ('{"servers": {}}', "cannot read the MCP servers"),
        ('{"mcpServers": {"a": {}}}', "give either 'command' or 'url'"),
        ('{"mcpServers": {"a": {"url": "file:///x"}}}', "url"),
    ],
)
def test_broken_configurations_are_one_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "mcp.json").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=line) as caught:
        read_servers(tmp_path / "mcp.json")
    assert "\n" not in str(caught.value)


def test_several_arguments_are_asked_for_one_by_one() -> None:
    from types import SimpleNamespace

    schema = {
        "type": "object",
        "properties": {"size": {"enum": ["s", "m"], "description": "Size of the shirt"}, "count": {"type": "integer"}},
        "required": ["size", "count"],
    }
    listed = SimpleNamespace(
        name="order", title=None, description="Orders shirts.", inputSchema=schema, annotations=None
    )
    tool = McpTool(None, "shop", listed, Path("none"))  # type: ignore[arg-type]
    with pytest.raises(MissingArgument, match=r"Size of the shirt \(s, m\)\?"):
        tool.arguments("I want shirts", ToolContext())
    assert tool.arguments("I want shirts", ToolContext(answers={"size": "m", "count": "2"})) == {
        "size": "m",
        "count": 2,
    }


@pytest.mark.parametrize(
    ("read_only", "destructive", "changes"),
    [
        (None, True, True),
        (None, False, False),
        (None, None, False),
        (False, None, True),
        (False, False, False),
        (True, True, False),
    ],
)
def test_a_tool_that_says_it_changes_something_is_confirmed(
    read_only: bool | None, destructive: bool | None, changes: bool
) -> None:
    said = ToolAnnotations(readOnlyHint=read_only, destructiveHint=destructive)
    listed = Tool(name="wipe", inputSchema={"type": "object"}, annotations=said)
    assert McpTool(None, "shop", listed, Path("none")).changes is changes  # type: ignore[arg-type]


def test_a_tool_with_a_broken_schema_is_said_and_the_others_work(monkeypatch: pytest.MonkeyPatch) -> None:
    good = Tool(name="good", inputSchema={"type": "object", "properties": {"_id": {"type": "string"}}})
    bad = Tool(name="bad", inputSchema={"type": "object", "properties": {"x": {"$ref": "#/nowhere"}}})
    servers = McpServers({"shop": Server(command="none")})
    monkeypatch.setattr(servers, "_with", lambda server, work: [good, bad])
    found, silent = servers.tools(Path("none"))
    servers.close()
    assert [tool.name for tool in found] == ["shop_good"]
    assert found[0].parsed({"_id": "7"}).model_dump(by_alias=True) == {"_id": "7"}
    assert "leads nowhere" in silent["shop: bad"]
