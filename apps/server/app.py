"""Puts the HTTP API together: endpoints, errors, limits, and the web chat where no endpoint is.

Not covered here: listening and stopping (run.py).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

import conlora_agent
from apps.preparation import Preparation
from apps.server import catalogue, chat, health, problems, responses, threads
from apps.server.access import Access
from apps.server.deps import Services
from apps.server.metrics import Metrics
from apps.server.middleware import RequestLog, SizeLimit
from apps.server.pictures import PictureFetcher
from apps.server.problems import Problem
from apps.server.slots import Slots
from apps.server.turns import Turns
from conlora_agent.agent import Agent

WAITING = 256
"""Requests that may wait for a turn of theirs."""
LOCAL_HOSTS = ["localhost", "127.0.0.1", "::1", "[::1]", "*.localhost"]
DESCRIPTION = """
Talk about pictures; the agent chooses adapter, tool and region by itself.

`/v1/chat/completions` takes what OpenAI's clients send. `model` is `auto`, the name of a task, or `base`. What an
answer is made of (route, confidence, boxes, tool calls) comes in the field `conlora`; of a stream, in its chunks.
`/v1/responses` is the same in OpenAI's newer format, in which the server keeps the conversation.
Boxes are `[x0, y0, x1, y1]`, fractions of the upright picture. Errors are `{"error": {"message": ...}}`.
"""


def create_app(
    agent: Agent,
    preparation: Preparation | None = None,
    *,
    page: FastAPI | None = None,
    fetcher: PictureFetcher | None = None,
) -> FastAPI:
    """The API of `agent` after its settings. `page`: what answers everywhere else."""
    settings = agent.settings
    metrics = Metrics()
    fetcher = fetcher or PictureFetcher(timeout_s=settings.http_timeout_s, offline=settings.offline)
    turns = Turns(agent, Slots(settings.turns_at_once, WAITING), metrics, fetcher, settings.turns_at_once)
    access = Access(settings.api_keys, requests_per_minute=settings.requests_per_minute)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if page is None:
            yield
        else:
            async with page.router.lifespan_context(page):
                yield

    app = FastAPIOffline(
        redoc_url=None,
        title="ConLoRA Agent",
        version=conlora_agent.__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
    )
    app.state.services = Services(agent, turns, access, metrics, preparation or Preparation())
    problems.install(app)
    for part in (chat, responses, catalogue, threads, health):
        app.include_router(part.router)
    app.router.default = _Elsewhere(page)
    _surround(app, metrics)
    return app


def _surround(app: FastAPI, metrics: Metrics) -> None:
    """Middleware, innermost first."""
    settings = app.state.services.agent.settings
    app.add_middleware(SizeLimit, limit=settings.max_request_bytes)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.cors_origins, allow_methods=["*"], allow_headers=["*"]
        )
    if not settings.api_keys:
        # A web page elsewhere may point a name of its own at this machine; it gets no answer.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=LOCAL_HOSTS, www_redirect=False)
    app.add_middleware(RequestLog, metrics=metrics)


class _Elsewhere:
    """Answers where no endpoint is: the page, or an error under `/v1/`."""

    def __init__(self, page: ASGIApp | None) -> None:
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._page is not None and not scope["path"].startswith("/v1/"):
            await self._page(scope, receive, send)
        elif scope["type"] == "http":
            error = Problem(404, f"nothing is at {scope['path'][:100]!r}", "see /docs")
            await problems.answer(error)(scope, receive, send)
