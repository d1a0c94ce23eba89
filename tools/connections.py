"""Connections that keep to one deadline whatever the other side does, and bodies unpacked within a limit.

httpx's timeouts start anew with every piece that arrives, so that a server which sends a byte now and then could keep a
turn waiting for ever; a name server can do the same. Not covered here: where a connection may lead (`addresses.py`).
"""

from __future__ import annotations

import queue
import ssl
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore
import httpx

from conlora_agent.core.errors import ToolError
from tools.addresses import Resolve

ENCODING = "gzip"
"""The one way of packing that is asked for: its decoder can be told how much to unpack at once."""
PIECE = 65_536
"""Most bytes unpacked at once."""
SHORTEST_S = 0.001


class TimedTransport(httpx.HTTPTransport):
    """Connections on which nothing is waited for beyond `deadline`, a time of `time.monotonic`."""

    def __init__(self, certificates: ssl.SSLContext, deadline: float) -> None:
        super().__init__(verify=certificates)
        # httpx has no argument for it; httpcore documents network backends as the place for this.
        self._pool = httpcore.ConnectionPool(ssl_context=certificates, network_backend=_Backend(deadline))


class _Backend(httpcore.SyncBackend):
    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, *args: Any, **more: Any) -> Any:
        return _Stream(super().connect_tcp(host, port, left(self._deadline), *args, **more), self._deadline)


class _Stream(httpcore.NetworkStream):
    """A connection whose own timeouts are replaced by what is left until the deadline."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, left(self._deadline))

    def start_tls(self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, *_: Any, **__: Any) -> _Stream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left(self._deadline)), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def close(self) -> None:
        self._inner.close()


def left(deadline: float) -> float:
    """Seconds until `deadline`, never none: sockets take that for "do not wait"."""
    return max(SHORTEST_S, deadline - time.monotonic())


def resolve_within(resolve: Resolve, deadline: float) -> Resolve:
    """`resolve` that raises httpx.ConnectTimeout at `deadline`; the system's look-up knows no timeout."""

    def resolved(host: str) -> list[str]:
        found: queue.SimpleQueue[list[str] | BaseException] = queue.SimpleQueue()

        def look_up() -> None:
            try:
                found.put(resolve(host))
            except BaseException as error:  # whoever waits has to hear of it
                found.put(error)

        threading.Thread(target=look_up, name="resolve", daemon=True).start()
        try:
            answer = found.get(timeout=left(deadline))
        except queue.Empty:
            raise httpx.ConnectTimeout("the name server does not answer") from None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return resolved


def unpacked(parts: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The bytes that `parts` of a body hold, in pieces of at most `PIECE` where they were packed: a few hundred bytes
    can hold gigabytes. `encoding`: the header Content-Encoding.

    Raises ToolError for what is packed in another way than was asked for, or damaged.
    """
    if encoding.strip().lower() in ("", "identity"):
        yield from parts
    elif encoding.strip().lower() == ENCODING:
        yield from _inflated(parts)
    else:
        raise ToolError(
            f"the answer is packed in a way ({encoding[:40]}) that was not asked for", "try another address"
        )


def _inflated(parts: Iterable[bytes]) -> Iterator[bytes]:
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        for part in parts:
            rest = part
            while rest and not inflate.eof:
                yield inflate.decompress(rest, PIECE)
                rest = inflate.unconsumed_tail
        yield inflate.flush()
    except zlib.error as error:
        raise ToolError("the answer is damaged", "try again later") from error
