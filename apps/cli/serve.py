"""`conlora serve`: the HTTP API, with the web chat at `/`."""

from __future__ import annotations

from typing import Annotated

import typer

from apps.cli.common import BackboneOption, KeyOption, load_settings, terminal_of


def serve(
    ctx: typer.Context,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; without a key only this machine's own.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8000,
    api_key: KeyOption = None,
    web: Annotated[bool, typer.Option("--web/--no-web", help="Serve the web chat at /.")] = True,
    backbone: BackboneOption = None,
) -> None:
    """Serve an OpenAI-compatible HTTP API."""
    terminal = terminal_of(ctx)
    settings = load_settings(backbone, api_keys=tuple(api_key) if api_key else None)
    from apps.server import serve

    serve(settings, terminal.open_agent, host=host, port=port, page=web, say=terminal.note)
