"""Starts the page's server: agent, page, and the model made ready while the user looks around."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from apps.listening import Auth, address, check_loopback, listen, login
from apps.preparation import Preparation
from conlora_agent.memory.retention import Retention
from conlora_agent.settings import Settings

if TYPE_CHECKING:
    import gradio as gr
    import uvicorn
    from fastapi import FastAPI

    from apps.cli.common import OpenAgent
    from conlora_agent.agent import Agent

TURNS_AT_ONCE = 8
SHUTDOWN_S = 3
MAX_UPLOAD = "64mb"


def serve(
    settings: Settings,
    open_agent: OpenAgent,
    *,
    host: str,
    port: int,
    open_browser: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the page until interrupted. `port` 0 takes a free one. With keys it asks for a log-in.

    Raises BadInput for an address that cannot be listened on or is not this machine's own while there is no key,
    Failure for a port that is taken.
    """
    if not settings.api_keys:
        check_loopback(host)
    listening = listen(host, port)
    say("starting the web chat")
    import uvicorn

    preparation = Preparation()

    def progress(message: str, done: float) -> None:
        preparation.assembling(message, done)
        say(f"{message} ({done:.0%})")

    with listening, open_agent(settings, progress) as agent, retention(agent):
        config = uvicorn.Config(
            web_app(agent, preparation, auth=login(settings.api_keys)),
            log_level="warning",
            timeout_graceful_shutdown=SHUTDOWN_S,
            lifespan="on",
        )
        server = uvicorn.Server(config)
        url = address(listening)
        threading.Thread(target=started, args=(server, agent, url, preparation, open_browser, say), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listening])


def retention(agent: Agent) -> Retention:
    """Deletes what is to be forgotten, while the server runs."""
    return Retention(agent.threads, agent.pictures, agent.settings.keep_days)


def build_blocks(agent: Agent, preparation: Preparation | None = None, *, manage: bool = True) -> gr.Blocks:
    """The page as a Gradio app that is not launched. `manage`: whether it may change tasks and settings for all."""
    from apps.web.page import build_page

    page = build_page(agent, preparation or Preparation(), manage=manage)
    page.queue(default_concurrency_limit=TURNS_AT_ONCE)
    return page


def mount(app: FastAPI, blocks: gr.Blocks, path: str = "/", *, auth: Auth | None = None) -> None:
    """Give the page a place in an ASGI application, its looks and its script served from here, too.

    `auth`: whether a name and a password may log in; None asks for neither.
    """
    import gradio

    from apps.web.page import SCRIPT, STYLE, theme

    gradio.mount_gradio_app(
        app,
        blocks,
        path=path,
        ssr_mode=False,
        footer_links=[],
        auth=auth,
        max_file_size=MAX_UPLOAD,
        theme=theme(),
        # Gradio rewrites what it is given as css, and loses media queries on the way.
        head=f"<style>{_read(STYLE)}</style><script>{_read(SCRIPT)}</script>",
    )


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def web_app(agent: Agent, preparation: Preparation, *, auth: Auth | None = None) -> FastAPI:
    """The page alone as an ASGI application. Behind a log-in it changes neither tasks nor settings, which all share."""
    from fastapi import FastAPI

    app = FastAPI(openapi_url=None)
    mount(app, build_blocks(agent, preparation, manage=auth is None), auth=auth)
    return app


def started(
    server: uvicorn.Server,
    agent: Agent,
    url: str,
    preparation: Preparation,
    open_browser: bool,
    say: Callable[[str], None],
) -> None:
    """Once the page can be opened, say so; then make the agent ready before the first message does."""
    while not server.started:
        time.sleep(0.05)
    say(f"the chat is at {url} (Ctrl-C stops it)")
    if open_browser and has_display():
        webbrowser.open(url)
    preparation.prepare(agent)
    if preparation.failure:
        say(preparation.failure)


def has_display() -> bool:
    """Whether a browser would have a window. Without one, Python may start a text browser in this terminal."""
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
