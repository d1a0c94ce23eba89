"""What an answer over HTTP is worth: what it holds, whether to ask again and when, and one line for what went wrong.

Not covered here: asking (`http.py`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from conlora_agent.core.errors import ToolError, ToolUnavailable
from tools.addresses import UnknownHost

RETRIED = frozenset({429, 500, 502, 503, 504})


class Refused(ToolError):
    """The server answered, and the answer is no (another 4xx, or a status nobody expects)."""


class NotFound(Refused):
    """The server has nothing at that address (404 or 410)."""


class Again(Exception):
    """This attempt failed in a way that another may mend. `wait_s`: what the server asked for, None for back-off."""

    def __init__(self, error: ToolUnavailable, wait_s: float | None = None) -> None:
        self.error = error
        self.wait_s = wait_s


@dataclass(frozen=True)
class Response:
    """What a GET gave, and when. `url` is where it was found after redirects; `stale` says why it is an old answer."""

    url: str
    content: bytes
    content_type: str
    at: datetime
    stale: str | None = None

    def json(self) -> Any:
        """The body as JSON. Raises ToolError when it is not."""
        try:
            return json.loads(self.content)
        except ValueError as error:
            problem = f"{httpx.URL(self.url).host} answered with something that is not JSON"
            raise ToolError(problem, "check the address in the settings") from error

    @property
    def time(self) -> str:
        """When it was fetched, ISO 8601 in UTC."""
        return self.at.isoformat(timespec="seconds")

    @property
    def caution(self) -> str:
        """What to add to an answer made from this one: empty, or how old it is and why there is no newer one."""
        return f" (As of {self.at:%d %B %Y, %H:%M} UTC: {self.stale}.)" if self.stale else ""


@contextmanager
def one_line_errors(url: httpx.URL, timeout_s: float) -> Iterator[None]:
    """Third-party exceptions as this project's errors: Again where another attempt may help, else ToolError."""
    try:
        yield
    except httpx.TimeoutException as error:
        problem = f"{url.host} did not answer within {timeout_s:g} s"
        raise Again(ToolUnavailable(problem, "try again later")) from error
    except UnknownHost as error:
        # Waiting a moment mends this no more than being offline, which is to be said at once.
        raise ToolUnavailable(f"the address of {url.host} cannot be found", "check the network connection") from error
    except httpx.TransportError as error:
        raise Again(ToolUnavailable(f"{url.host} cannot be reached", "check the network connection")) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ToolError(f"{url.host} answered with something unreadable ({error})", "try again later") from error


def check_status(response: httpx.Response) -> None:
    """Raises Again or Refused unless the server did what it was asked."""
    host, status = response.url.host, response.status_code
    if status in RETRIED:
        problem = f"{host} asks to slow down (429)" if status == 429 else f"{host} has a problem of its own ({status})"
        raise Again(ToolUnavailable(problem, "try again later"), _retry_after(response))
    if status in (404, 410):
        raise NotFound(f"{host} has nothing there ({status})", "ask for something else")
    if status in (401, 403):
        raise Refused(f"{host} refused the request ({status})", "check its key and address in the settings")
    if not response.is_success:
        raise Refused(f"{host} refused the request ({status})", "check the address in the settings")


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that a Retry-After header asks for, given as a number or a date; None without one."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def rate_limit(response: httpx.Response) -> float | None:
    """Seconds until the next request is welcome, when RateLimit headers say that none is left (Internet-Draft
    ratelimit-headers, and the X- spelling with the same meaning)."""
    for prefix in ("RateLimit", "X-RateLimit"):
        left = response.headers.get(f"{prefix}-Remaining", "").split(",")[0].strip()
        reset = response.headers.get(f"{prefix}-Reset", "").split(",")[0].strip()
        if left == "0" and reset.isdecimal():
            seconds = float(reset)
            return seconds if seconds < 1e9 else max(0.0, seconds - time.time())
    return None
