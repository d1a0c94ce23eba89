"""A small MCP server made with the official SDK: `python -m tests.mcp_server [PORT]`, on stdio or streamable HTTP."""

from __future__ import annotations

import sys

from mcp.server.fastmcp import FastMCP


def make(port: int = 0) -> FastMCP:
    server = FastMCP("shop", port=port or 8000, log_level="ERROR")
    calls: list[str] = []

    @server.tool(description="Returns the stock of an article in the shop.")
    def stock(article: str) -> dict[str, str | int]:
        calls.append(article)
        return {"article": article, "left": 7, "calls": len(calls)}

    @server.tool(description="Says what it is told to fail with.")
    def fail(reason: str) -> str:
        raise ValueError(reason)

    @server.tool(description="Ends the server at once.")
    def crash() -> str:
        import os

        os._exit(3)

    return server


if __name__ == "__main__":
    if len(sys.argv) > 1:
        make(int(sys.argv[1])).run("streamable-http")
    else:
        make().run("stdio")
