"""`conlora mcp`: our tasks for other programs, as a Model Context Protocol server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Annotated

import typer

from apps.cli.common import BackboneOption, load_settings, terminal_of
from conlora_agent.core.errors import BadInput

if TYPE_CHECKING:
    from conlora_agent.agent import Agent

LOCAL = ("127.0.0.1", "localhost", "::1")


def mcp(
    ctx: typer.Context,
    http: Annotated[bool, typer.Option("--http", help="Serve streamable HTTP at /mcp instead of stdio.")] = False,
    host: Annotated[
        str, typer.Option("--host", help="With --http: the address to listen on; loopback only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="With --http: the port.")] = 8765,
    backbone: BackboneOption = None,
) -> None:
    """Serve reading, locating, describing and asking to MCP clients."""
    terminal, settings = terminal_of(ctx), load_settings(backbone)
    if http and host not in LOCAL:
        raise BadInput(f"MCP over HTTP has no password and stays on this machine, not {host}", "leave --host out")
    if http:
        from apps.listening import listen

        listen(host, port).close()  # whether it can be; uvicorn would answer with its log
    from apps.mcp import make_server

    @contextmanager
    def open_agent() -> Iterator[Agent]:
        with terminal.open_agent(settings, terminal.progress) as agent:
            yield agent

    server = make_server(open_agent, paths=not http, host=host, port=port)
    if http:
        terminal.note(f"MCP server at http://{host}:{port}/mcp")
        server.run("streamable-http")
        return
    # The transport closes the stream it writes to: it gets a copy.
    with os.fdopen(os.dup(1), "w") as out, redirect_stdout(out):
        server.run("stdio")
