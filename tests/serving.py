"""Serves an agent over HTTP on this machine, from a thread of the test's own process."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from apps.preparation import Preparation
from apps.server.app import create_app
from conlora_agent.agent import Agent


@dataclass
class Served:
    """A running server."""

    url: str
    app: FastAPI
    agent: Agent
    http: httpx.Client


@contextlib.contextmanager
def serving(agent: Agent, *, key: str | None = None, **more: Any) -> Iterator[Served]:
    """Serve until the end of the block. `key`: what the client sends."""
    preparation = Preparation()
    app = create_app(agent, preparation, **more)
    preparation.prepare(agent)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5))
    worker = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    worker.start()
    while not server.started:
        time.sleep(0.01)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=30) as http:
            yield Served(url, app, agent, http)
    finally:
        server.should_exit = True
        worker.join()
        listening.close()
        agent.close()


def chat(*messages: dict[str, Any] | str, **more: Any) -> dict[str, Any]:
    """The body of a request; a plain text is the user's, every second one the answer it got."""
    roles = ("user", "assistant")
    listed = [
        {"role": roles[n % 2], "content": message} if isinstance(message, str) else message
        for n, message in enumerate(messages)
    ]
    return {"model": "auto", "messages": listed, **more}
