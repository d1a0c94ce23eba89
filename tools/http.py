"""Polite, bounded requests for tools: one time budget, one size limit, retries, and public addresses only.

Redirects are followed by hand, so that every hop is checked (`addresses.py`) and no key leaves its own origin. Every
failure becomes one line: ToolUnavailable where another try may help (offline, timeout, 429, 5xx), ToolError otherwise.
A server that keeps failing, or asks for time, is left alone (`breaker.py`); an answer kept from before is then given
with its age. A request that changes something (`send`) is made once, whatever comes of it. Not covered here: what an
answer means (`responses.py`).
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import httpx

from conlora_agent.core.errors import ToolError, ToolUnavailable
from tools.addresses import PinnedTransport, Resolve, addresses, origin, require_web
from tools.breaker import Breaker
from tools.cache import Cache
from tools.connections import ENCODING, TimedTransport, left, resolve_within, unpacked
from tools.responses import Again, Response, check_status, one_line_errors, rate_limit
from tools.secrecy import keep_keys_out_of_logs, without_user

MAX_BYTES = 2_000_000
MAX_REDIRECTS = 5
ATTEMPTS = 3
BACKOFF_S = 0.3
MAX_AGE = timedelta(minutes=10)
"""Answers younger than this are not asked for again."""
MAX_STALE = timedelta(days=1)
"""Answers younger than this are given, with their age, when there is no newer one."""

UNKNOWN_OUTCOME = "look whether it was done before you try again"

Params = Mapping[str, str | int | float]
Now = Callable[[], datetime]


@dataclass(frozen=True)
class _Request:
    url: httpx.URL
    headers: Mapping[str, str] = field(default_factory=dict)
    accept: tuple[str, ...] = ()
    method: str = "GET"
    body: Any = None
    """Sent as JSON."""

    @property
    def safe(self) -> bool:
        """Whether it may be made twice."""
        return self.method == "GET"

    @property
    def key(self) -> tuple[str, tuple[str, ...]]:
        return str(self.url), self.accept


class HttpClient:
    """Requests within limits. Safe to share between threads.

    `timeout_s` is the budget of a whole `get` or `send`, retries and redirects included. `trusted` origins, such as
    "http://127.0.0.1:8080", may have addresses that are not public.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 10.0,
        offline: bool = False,
        trusted: Iterable[str] = (),
        max_bytes: int = MAX_BYTES,
        transport: httpx.BaseTransport | None = None,
        resolve: Resolve | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Now | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        keep_keys_out_of_logs()
        self._timeout_s = timeout_s
        self._offline = offline
        self._trusted = frozenset(origin(httpx.URL(url)) for url in trusted)
        self._max_bytes = max_bytes
        self._transport = transport
        self._resolve = resolve or addresses
        self._sleep = sleep
        self._now: Now = now or (lambda: datetime.now(UTC))
        self._breaker = breaker or Breaker()
        self._cache: Cache[Response] = Cache()

    def get_json(self, url: str, params: Params | None = None) -> Any:
        """The JSON found at `url`, as `get` finds it."""
        return self.get(url, params).json()

    def get(
        self,
        url: str,
        params: Params | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        accept: Iterable[str] = (),
        max_age: timedelta | None = MAX_AGE,
    ) -> Response:
        """The answer at `url`, after redirects and retries, or one kept from before that is younger than `max_age`;
        with None nothing kept is ever given.

        `headers` go to the origin of `url` only. `accept`: beginnings of the content types to take, empty for any.
        Raises NotFound, ToolError, ToolUnavailable.
        """
        request = _Request(_parsed(url, params), headers or {}, tuple(accept))
        kept = None if max_age is None else self._cache.get(request.key)
        if kept is not None and max_age is not None and self._now() - kept.at < max_age:
            return kept
        try:
            got = self._fetch(request)
        except ToolUnavailable as error:
            if kept is None or self._now() - kept.at > MAX_STALE:
                raise
            return replace(kept, stale=error.problem)
        self._cache.put(request.key, got)
        return got

    def send(self, method: str, url: str, params: Params | None = None, *, body: Any = None) -> Response:
        """The answer to a request that may change something: made once, never kept, redirects not followed.

        Raises NotFound, ToolError, ToolUnavailable; after the last it may have been done all the same.
        """
        return self._fetch(_Request(_parsed(url, params), method=method, body=body))

    def _fetch(self, request: _Request) -> Response:
        if self._offline:
            raise ToolUnavailable(
                f"{request.url.host} is not asked while working offline", "turn the setting offline off"
            )
        deadline = time.monotonic() + self._timeout_s
        self._wait_for(request.url, deadline)
        try:
            got = self._try(request, deadline)
        except ToolUnavailable:
            self._breaker.failed(_server(request.url))
            raise
        self._breaker.succeeded(_server(request.url))
        return got

    def _wait_for(self, url: httpx.URL, deadline: float) -> None:
        wait_s = self._breaker.wait_s(_server(url))
        if time.monotonic() + wait_s >= deadline:
            raise ToolUnavailable(f"{url.host} is left alone for another {wait_s:.0f} s", "try again later")
        if wait_s:
            self._sleep(wait_s)

    def _try(self, request: _Request, deadline: float) -> Response:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._follow(request, deadline)
            except Again as again:
                wait_s = again.wait_s if again.wait_s is not None else BACKOFF_S * 2 ** (attempt - 1)
                if again.wait_s is not None:
                    self._breaker.hold(_server(request.url), again.wait_s)
                if not request.safe:
                    raise ToolUnavailable(again.error.problem, UNKNOWN_OUTCOME) from again.__cause__
                if attempt == ATTEMPTS or time.monotonic() + wait_s >= deadline:
                    raise again.error from again.__cause__
                self._sleep(wait_s)
        raise AssertionError("unreachable")

    def _follow(self, request: _Request, deadline: float) -> Response:
        inner, url = self._transport or TimedTransport(_certificates(), deadline), request.url
        transport = PinnedTransport(inner, resolve_within(self._resolve, deadline), self._trusted)
        about = {"User-Agent": user_agent(), "Accept-Encoding": ENCODING}
        with httpx.Client(transport=transport, headers=about) as client:
            for _ in range(MAX_REDIRECTS + 1):
                require_web(url)
                own = request.headers if origin(url) == origin(request.url) else {}
                ask = partial(client.stream, request.method, url, headers=own, timeout=left(deadline))
                with one_line_errors(url, self._timeout_s), ask(json=request.body) as got:
                    if not got.has_redirect_location:
                        check_status(got)
                        return self._read(got, request.accept)
                    if not request.safe:
                        raise ToolError(f"{url.host} says that this is elsewhere", "correct the address of the tool")
                    url = url.join(got.headers["Location"])
        raise ToolError(f"{url.host} redirects more than {MAX_REDIRECTS} times", "check the address")

    def _read(self, response: httpx.Response, accept: tuple[str, ...]) -> Response:
        host, content_type = response.url.host, response.headers.get("Content-Type", "")
        if accept and not content_type.lower().startswith(accept):
            raise ToolError(f"{host} answered with {content_type or 'an unknown type'}", "ask for a page of text")
        parts: list[bytes] = []
        size = 0
        for part in unpacked(response.iter_raw(), response.headers.get("Content-Encoding", "")):
            size += len(part)
            if size > self._max_bytes:
                raise ToolError(
                    f"{host} answered with more than {self._max_bytes:,} bytes", "ask for something smaller"
                )
            parts.append(part)
        if (pause_s := rate_limit(response)) is not None:
            self._breaker.hold(_server(response.url), pause_s)
        return Response(without_user(str(response.url)), b"".join(parts), content_type, self._now())


@cache
def _certificates() -> ssl.SSLContext:
    """The trusted certificates, which take a while to read."""
    return httpx.create_ssl_context()


def user_agent() -> str:
    """Who is asking, as public services want to be told."""
    try:
        release = version("conlora-agent")
    except PackageNotFoundError:
        release = "0"
    return f"ConLoRA-Agent/{release} (open-source chat agent; one request per user question) httpx/{httpx.__version__}"


def _server(url: httpx.URL) -> str:
    """Name and port: what fails, or asks for time, is one server, not all of a machine's."""
    return url.netloc.decode("ascii")


def _parsed(url: str, params: Params | None) -> httpx.URL:
    try:
        return httpx.URL(url, params=params) if params else httpx.URL(url)
    except (httpx.InvalidURL, TypeError, UnicodeError) as error:
        raise ToolError(f"{url[:100]!r} is not an address", "write it like https://example.org/page") from error
