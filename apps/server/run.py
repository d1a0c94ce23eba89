"""Starts the HTTP server: address, agent, API and page; and stops it so that turns under way can finish."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from apps.listening import address, check_loopback, listen, login
from apps.preparation import Preparation
from apps.web.server import retention
from conlora_agent.settings import Settings

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from apps.cli.common import OpenAgent
    from conlora_agent.agent import Agent


def serve(
    settings: Settings,
    open_agent: OpenAgent,
    *,
    host: str,
    port: int,
    page: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Serve until interrupted. `port` 0 takes a free one. `page`: whether the web chat is at `/`.

    Raises BadInput for an address that cannot be listened on or is not this machine's own while there is no key,
    Failure for a port that is taken.
    """
    if not settings.api_keys:
        check_loopback(host)
    listening = listen(host, port)
    import uvicorn

    from apps.server.app import create_app
    from apps.server.middleware import log_to

    log_to(logging.StreamHandler(sys.stderr))
    preparation = Preparation()
    with listening, open_agent(settings, preparation.assembling) as agent, retention(agent):
        app = create_app(agent, preparation, page=_page(agent, preparation) if page else None)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=settings.drain_s,
            lifespan="on",
        )
        server = uvicorn.Server(config)
        _beside(server, agent, preparation, address(listening), say)
        # uvicorn sends itself the signal again once it has stopped in good order; that is no reason to die of it.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listening])
    say("stopped")


def _page(agent: Agent, preparation: Preparation) -> FastAPI:
    """The web chat; behind a log-in with any name and a key as password, where there are keys."""
    from apps.web.server import web_app

    return web_app(agent, preparation, auth=login(agent.settings.api_keys))


def _beside(
    server: uvicorn.Server, agent: Agent, preparation: Preparation, url: str, say: Callable[[str], None]
) -> None:
    """What happens beside serving: say where it is, and make the agent ready."""

    def work() -> None:
        while not server.started:
            time.sleep(0.05)
        say(f"serving at {url} (API: {url}docs; Ctrl-C stops it)")
        preparation.prepare(agent)
        say(f"not ready: {preparation.failure}" if preparation.failure else "ready")

    threading.Thread(target=work, name="beside", daemon=True).start()
