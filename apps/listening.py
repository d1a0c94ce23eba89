"""Where servers listen, and who may come in: sockets, the address to open, keys as passwords."""

from __future__ import annotations

import hmac
import ipaddress
import os
import socket
from collections.abc import Callable, Sequence

from conlora_agent.core.errors import BadInput, Failure, reason

Auth = Callable[[str, str], bool]


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises BadInput or Failure."""
    family = _resolved(host, port)[0][0]
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        # What Python adds to the system's words names the address again.
        why = os.strerror(error.errno) if error.errno else reason(error)
        raise Failure(f"cannot listen on {host}:{port} ({why})", "choose another --port") from error


def check_loopback(host: str) -> None:
    """Refuse, while no key protects the server, an address that others can reach. Raises BadInput."""
    found = {str(info[4][0]) for info in _resolved(host)}
    if not all(ipaddress.ip_address(one.split("%")[0]).is_loopback for one in found):
        raise BadInput(f"{host} can be reached from elsewhere", "give --api-key KEY, or --host 127.0.0.1")


def login(keys: Sequence[str]) -> Auth | None:
    """Whether a name, any name, and a key as its password may log in; None where there are no keys."""

    def known(_: str, password: str) -> bool:
        return any(hmac.compare_digest(password.encode(), key.encode()) for key in keys)

    return known if keys else None


def address(listening: socket.socket) -> str:
    """The URL to open on this machine."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _resolved(
    host: str, port: int | None = None
) -> list[tuple[socket.AddressFamily, int, int, str, tuple[object, ...]]]:
    try:
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except OSError as error:
        raise BadInput(f"no address named {host!r} ({error.strerror})", "try --host 127.0.0.1") from error
