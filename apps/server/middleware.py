"""Around every request: an id, one line in the log, its figures, a limit on its size. Never its content.

Plain ASGI, so that streams pass through as they are.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import time
import uuid
from datetime import UTC, datetime

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apps.server.metrics import Metrics
from apps.server.problems import Problem, answer, unexpected

log = logging.getLogger("conlora.requests")

ID_HEADER = "x-request-id"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestLog:
    """Names every request, says how it ended, counts it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(ID_HEADER, "")
        request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        began, status = time.perf_counter(), 0

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[ID_HEADER] = request_id
            await send(message)

        scope.setdefault("state", {})["request_id"] = request_id
        try:
            await self._app(scope, receive, named)
        except Exception as error:
            if status:
                raise
            await answer(unexpected(error))(scope, receive, named)
        finally:
            self._done(scope, request_id, status or 499, time.perf_counter() - began)

    def _done(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        path = getattr(scope.get("route"), "path", None) or "page"
        self._metrics.requests.labels(scope["method"], path, str(status)).inc()
        self._metrics.request_s.labels(path).observe(seconds)
        fields = {"request_id": request_id, "method": scope["method"], "path": path, "status": status}
        owner = scope["state"].get("owner")
        log.info("request", extra={"fields": fields | {"ms": round(seconds * 1000), "key": owner or None}})


class SizeLimit:
    """Refuses bodies larger than `limit` bytes, announced or not."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdigit() and int(announced) > self._limit:
            await answer(self._too_large())(scope, receive, send)
            return
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._limit:
                raise self._too_large()
            return message

        async def allowed(message: Message) -> None:
            if size <= self._limit:  # what the application says of a body that was cut off is of no use
                await send(message)

        with contextlib.suppress(Problem):
            await self._app(scope, counted, allowed)
        if size > self._limit:
            await answer(self._too_large())(scope, receive, send)

    def _too_large(self) -> Problem:
        return Problem(413, f"the request is larger than {self._limit:,} bytes", "send a smaller picture")


class JsonLines(logging.Formatter):
    """Log records as one line of JSON each."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"at": at, "level": record.levelname.lower(), "logger": record.name, "event": record.getMessage()}
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_to(handler: logging.Handler) -> None:
    """Send what the server and its libraries log to `handler`, as lines of JSON."""
    handler.setFormatter(JsonLines())
    for name, level in (
        ("conlora.requests", logging.INFO),
        ("apps.server", logging.INFO),
        ("conlora_agent", logging.INFO),
        ("uvicorn", logging.WARNING),
    ):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
