"""Pictures named by address: `data:` is decoded, `https:` is fetched from public addresses only, nothing else is.

Not covered here: which addresses are public (tools.addresses), what is a picture (conlora_agent.memory.decoding).
"""

from __future__ import annotations

import base64
import binascii
import ssl
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx

from conlora_agent.core.errors import PictureError, ToolError
from conlora_agent.memory.decoding import MAX_BYTES
from tools.addresses import Resolve, addresses
from tools.http import HttpClient

_REMEDY = "send a data: URL, or an https: URL of a public address"


class PictureFetcher:
    """Turns an `image_url` into bytes. `resolve` and `context` are for tests."""

    def __init__(
        self,
        *,
        timeout_s: float = 10.0,
        offline: bool = False,
        resolve: Resolve = addresses,
        trusted: Iterable[str] = (),
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._options: dict[str, Any] = {"timeout_s": timeout_s, "offline": offline, "resolve": resolve}
        self._options |= {"trusted": tuple(trusted), "max_bytes": MAX_BYTES}
        self._context = context

    def get(self, url: str) -> bytes:
        """The bytes at `url`. Raises PictureError."""
        scheme, _, rest = url.partition(":")
        if scheme.lower() == "data":
            return _decoded(rest)
        if scheme.lower() != "https":
            raise PictureError(f"a picture's address starts with {url[:20]!r}", _REMEDY)
        try:
            return self._client().get(url).content
        except (ToolError, httpx.InvalidURL) as error:
            raise PictureError(f"the picture cannot be fetched ({error})", _REMEDY) from error

    def _client(self) -> HttpClient:
        """A client of its own for each picture, as a client keeps what it was given."""
        transport = httpx.HTTPTransport(verify=self._context) if self._context else None
        return HttpClient(transport=transport, **self._options)


def _decoded(rest: str) -> bytes:
    head, comma, data = rest.partition(",")
    if not comma:
        raise PictureError("the data: URL has no data", "write data:image/png;base64,...")
    if not head.lower().endswith(";base64"):
        return unquote_to_bytes(data)
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise PictureError("the data: URL is no valid base64", "encode the picture again") from error
