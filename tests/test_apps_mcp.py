"""`conlora mcp` as the official MCP client sees it, on both transports; the model is scripted."""

from __future__ import annotations

import base64
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests.turns import png

ROOT = Path(__file__).parents[1]
SERVER = """
import sys
from apps.cli import main
from tests.turns import make_agent
from conlora_agent.testing import FakeBackbone

def open_agent(settings, progress):
    print("noise that must not reach the client")
    return make_agent({}, FakeBackbone(default="<box>10 20 50 60</box>"), home=settings.home)

main(["mcp", *sys.argv[1:]], open_agent=open_agent)
"""


@asynccontextmanager
async def connected(transport: str, home: Path) -> AsyncIterator[ClientSession]:
    env = {"CONLORA_HOME": str(home), "CONLORA_CACHE": str(home), "PYTHONPATH": str(ROOT)}
    if transport == "stdio":
        parameters = StdioServerParameters(command=sys.executable, args=["-c", SERVER], env=env)
        async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            yield session
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await anyio.open_process([sys.executable, "-c", SERVER, "--http", "--port", str(port)], env=env)
    try:
        with anyio.fail_after(60):
            while True:
                try:
                    await (await anyio.connect_tcp("127.0.0.1", port)).aclose()
                    break
                except OSError:
                    await anyio.sleep(0.1)
        url = f"http://127.0.0.1:{port}/mcp"
        async with streamable_http_client(url) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            yield session
    finally:
        process.terminate()
        await process.wait()
        await process.aclose()


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_the_official_client_reads_locates_and_asks(transport: str, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(png())
    encoded = base64.b64encode(png()).decode()

    async def talk() -> dict[str, Any]:
        async with connected(transport, tmp_path) as session:
            listed = await session.list_tools()
            by_path = await session.call_tool("read_text", {"image": str(picture)})
            located = await session.call_tool("locate", {"image": encoded, "phrase": "the dog"})
            asked = await session.call_tool("ask", {"message": "hello"})
            broken = await session.call_tool("describe", {"image": "not base64!"})
            names = [tool.name for tool in listed.tools]
            return {"names": names, "path": by_path, "located": located, "asked": asked, "broken": broken}

    found = anyio.run(talk)
    assert found["names"] == ["read_text", "locate", "describe", "ask"]
    assert found["path"].isError == (transport == "http")
    assert found["located"].structuredContent["status"] in ("ok", "failed", "abstained")
    assert not found["asked"].isError
    assert found["broken"].isError
    assert "that is no picture" in found["broken"].content[0].text
