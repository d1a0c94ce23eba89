"""Polite, bounded GET requests for tools: one time budget, one size limit, retries, and public addresses only.

Redirects are followed by hand, so that every hop is checked: http or https, no private, loopback, link-local or
metadata address unless its origin was trusted in the settings. Every failure becomes one line: ToolUnavailable where
another try may help (offline, timeout, 429, 5xx), ToolError otherwise. Not covered here: requests that change
something, caching, and pinning the address between the check and the connection.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import httpx

from conlora_agent.core.errors import ToolError, ToolUnavailable

MAX_BYTES = 2_000_000
MAX_REDIRECTS = 5
ATTEMPTS = 3
BACKOFF_S = 0.3
RETRIED = frozenset({429, 500, 502, 503, 504})

Params = Mapping[str, str | int]


class NotFound(ToolError):
    """The server has nothing at that address (404 or 410)."""


class _Again(Exception):
    """This attempt failed in a way that another may mend. `wait_s`: what the server asked for, None for back-off."""

    def __init__(self, error: ToolUnavailable, wait_s: float | None = None) -> None:
        self.error = error
        self.wait_s = wait_s


@dataclass(frozen=True)
class Response:
    """What a GET gave. `url` is where it was found after redirects."""

    url: str
    content: bytes
    content_type: str

    def json(self) -> Any:
        """The body as JSON. Raises ToolError when it is not."""
        try:
            return json.loads(self.content)
        except ValueError as error:
            problem = f"{httpx.URL(self.url).host} answered with something that is not JSON"
            raise ToolError(problem, "check the address in the settings") from error


class HttpClient:
    """GET requests within limits. Safe to share between threads.

    `timeout_s` is the budget of a whole `get`, retries and redirects included. `trusted` origins, such as
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
        resolve: Callable[[str], list[str]] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._timeout_s = timeout_s
        self._offline = offline
        self._trusted = frozenset(_origin(httpx.URL(url)) for url in trusted)
        self._max_bytes = max_bytes
        self._transport = transport
        self._resolve = resolve or addresses
        self._sleep = sleep

    def get_json(self, url: str, params: Params | None = None) -> Any:
        """The JSON found at `url`. Raises NotFound, ToolError, ToolUnavailable."""
        return self.get(url, params).json()

    def get(self, url: str, params: Params | None = None) -> Response:
        """The answer at `url`, after redirects and retries. Raises NotFound, ToolError, ToolUnavailable."""
        target = httpx.URL(url, params=params) if params else httpx.URL(url)
        if self._offline:
            raise ToolUnavailable(f"{target.host} is not asked while working offline", "turn the setting offline off")
        deadline = time.monotonic() + self._timeout_s
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._follow(target, deadline)
            except _Again as again:
                wait_s = again.wait_s if again.wait_s is not None else BACKOFF_S * 2 ** (attempt - 1)
                if attempt == ATTEMPTS or time.monotonic() + wait_s >= deadline:
                    raise again.error from again.__cause__
                self._sleep(wait_s)
        raise AssertionError("unreachable")

    def _follow(self, url: httpx.URL, deadline: float) -> Response:
        with httpx.Client(transport=self._transport, headers={"User-Agent": user_agent()}) as client:
            for _ in range(MAX_REDIRECTS + 1):
                self._check_address(url)
                with _one_line_errors(url, self._timeout_s), client.stream("GET", url, timeout=_left(deadline)) as got:
                    if not got.has_redirect_location:
                        _check_status(got)
                        return Response(str(url), self._read(got, deadline), got.headers.get("Content-Type", ""))
                    url = url.join(got.headers["Location"])
        raise ToolError(f"{url.host} redirects more than {MAX_REDIRECTS} times", "check the address")

    def _check_address(self, url: httpx.URL) -> None:
        if url.scheme not in ("http", "https") or not url.host:
            raise ToolError(f"{url.scheme or 'no'} addresses are not fetched", "use an http or https address")
        if _origin(url) in self._trusted:
            return
        try:
            found = self._resolve(url.host)
        except OSError as error:
            problem = f"the address of {url.host} cannot be found"
            raise _Again(ToolUnavailable(problem, "check the network connection")) from error
        if not found or not all(ipaddress.ip_address(address).is_global for address in found):
            raise ToolError(f"{url.host} is not a public address", "only public addresses are fetched")

    def _read(self, response: httpx.Response, deadline: float) -> bytes:
        parts: list[bytes] = []
        size = 0
        for part in response.iter_bytes():
            size += len(part)
            if size > self._max_bytes:
                problem = f"{response.url.host} answered with more than {self._max_bytes:,} bytes"
                raise ToolError(problem, "ask for something smaller")
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout("the answer trickles in", request=response.request)
            parts.append(part)
        return b"".join(parts)


def addresses(host: str) -> list[str]:
    """IP addresses of `host`, without scope ids. Raises OSError when it has none."""
    return [str(info[4][0]).split("%")[0] for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


def user_agent() -> str:
    """Who is asking, as public services want to be told."""
    try:
        release = version("conlora-agent")
    except PackageNotFoundError:
        release = "0"
    return f"ConLoRA-Agent/{release} (open-source chat agent; one request per user question) httpx/{httpx.__version__}"


@contextmanager
def _one_line_errors(url: httpx.URL, timeout_s: float) -> Iterator[None]:
    """Third-party exceptions as this project's errors."""
    try:
        yield
    except httpx.TimeoutException as error:
        problem = f"{url.host} did not answer within {timeout_s:g} s"
        raise _Again(ToolUnavailable(problem, "try again later")) from error
    except httpx.TransportError as error:
        raise _Again(ToolUnavailable(f"{url.host} cannot be reached", "check the network connection")) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ToolError(f"{url.host} answered with something unreadable ({error})", "try again later") from error


def _check_status(response: httpx.Response) -> None:
    host, status = response.url.host, response.status_code
    if status in RETRIED:
        problem = f"{host} asks to slow down (429)" if status == 429 else f"{host} has a problem of its own ({status})"
        raise _Again(ToolUnavailable(problem, "try again later"), _retry_after(response))
    if status in (404, 410):
        raise NotFound(f"{host} has nothing there ({status})", "ask for something else")
    if not response.is_success:
        raise ToolError(f"{host} refused the request ({status})", "check the address in the settings")


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that a Retry-After header asks for, given as a number or a date; None without one."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _left(deadline: float) -> float:
    return max(0.001, deadline - time.monotonic())


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
