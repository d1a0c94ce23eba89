"""`conlora web`: the web chat."""

from __future__ import annotations

from typing import Annotated

import typer

from apps.cli.common import BackboneOption, KeyOption, load_settings, terminal_of


def web(
    ctx: typer.Context,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; without a key only this machine's own.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 7860,
    api_key: KeyOption = None,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
    backbone: BackboneOption = None,
) -> None:
    """Open the chat in a browser. With a key it asks for a log-in: any name, the key as password."""
    terminal = terminal_of(ctx)
    settings = load_settings(backbone, api_keys=tuple(api_key) if api_key else None)
    from apps.web import serve

    serve(settings, terminal.open_agent, host=host, port=port, open_browser=open_browser, say=terminal.note)
