"""Starts the page's server: agent, page, and the model made ready while the user looks around."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from apps.web.turns import Preparation
from conlora_agent.core.errors import BadInput, ConloraError, Failure
from conlora_agent.settings import Settings

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from apps.cli.common import OpenAgent
    from conlora_agent.agent import Agent

TURNS_AT_ONCE = 8
SHUTDOWN_S = 3
ASSETS = Path(__file__).parents[1] / "assets"


def serve(
    settings: Settings,
    open_agent: OpenAgent,
    *,
    host: str,
    port: int,
    open_browser: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the page until interrupted. `port` 0 takes a free one.

    Raises BadInput for an address that cannot be listened on, Failure for a port that is taken.
    """
    listening = listen(host, port)
    import uvicorn

    preparation = Preparation()

    def progress(message: str, done: float) -> None:
        preparation.report(message, done)
        say(f"{message} ({done:.0%})")

    with listening, open_agent(settings, progress) as agent:
        config = uvicorn.Config(
            web_app(agent, preparation), log_level="warning", timeout_graceful_shutdown=SHUTDOWN_S, lifespan="on"
        )
        server = uvicorn.Server(config)
        url = address(listening)
        threading.Thread(target=started, args=(server, agent, url, open_browser, say), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listening])


def web_app(agent: Agent, preparation: Preparation, *, auth: Callable[[str, str], bool] | None = None) -> FastAPI:
    """The page as an ASGI application. `auth`: whether a name and a password may log in; None asks for neither."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio
    from fastapi import FastAPI

    from apps.web.handlers import Handlers
    from apps.web.page import build_page, theme

    page = build_page(Handlers(agent, preparation)).queue(default_concurrency_limit=TURNS_AT_ONCE)
    app = FastAPI(openapi_url=None)
    gradio.mount_gradio_app(
        app,
        page,
        path="/",
        ssr_mode=False,
        footer_links=[],
        auth=auth,
        allowed_paths=[str(ASSETS)],
        theme=theme(),
        css_paths=Path(__file__).with_name("style.css"),
    )
    return app


def started(server: uvicorn.Server, agent: Agent, url: str, open_browser: bool, say: Callable[[str], None]) -> None:
    """Once the page can be opened, say so; then fit the router and load the model before the first message does.

    What fails here is said again to whoever needs it.
    """
    while not server.started:
        time.sleep(0.05)
    say(f"the chat is at {url} (Ctrl-C stops it)")
    if open_browser and has_display():
        webbrowser.open(url)
    try:
        agent.route("hello")
        agent.models.backbone()
    except ConloraError as error:
        say(str(error))


def has_display() -> bool:
    """Whether a browser would have a window. Without one, Python may start a text browser in this terminal."""
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises BadInput or Failure."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    except OSError as error:
        raise BadInput(f"no address named {host!r} ({error.strerror})", "try --host 127.0.0.1") from error
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise Failure(f"cannot listen on {host}:{port} ({error.strerror})", "choose another --port") from error


def address(listening: socket.socket) -> str:
    """The URL to open on this machine."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
