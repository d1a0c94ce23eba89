"""Which addresses may be connected to, and a transport that connects to exactly the address that was checked.

A name is resolved once per request; every address it has must be public, and the connection goes to one of those, so
that a name which changes its answer in between (DNS rebinding) gains nothing. The host name still goes into the Host
header and the TLS handshake. Not covered here: proxies, which would resolve names themselves and are not used.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

import httpx

from conlora_agent.core.errors import ToolError

Origin = tuple[str, str, int | None]
Resolve = Callable[[str], list[str]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PLATFORM = frozenset({"168.63.129.16"})
"""Public by number, yet a cloud platform's own service (Azure)."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that is given out for use on the internet; what lies outside has a meaning of its own, such as IPv4."""
_RESERVED = (
    ipaddress.ip_network("192.0.0.0/24"),  # protocol assignments; a cloud's metadata service is there, too (Oracle)
    ipaddress.ip_network("192.88.99.0/24"),  # relays into IPv6
    ipaddress.ip_network("3fff::/20"),  # documentation
)
"""What `ipaddress` counts as global, at least in some versions."""


class UnknownHost(httpx.ConnectError):
    """A name without an address."""


class PinnedTransport(httpx.BaseTransport):
    """Sends each request over `inner` to an address of its host that was found public, or whose origin is trusted.

    Raises ToolError for any other address.
    """

    def __init__(self, inner: httpx.BaseTransport, resolve: Resolve, trusted: frozenset[Origin]) -> None:
        self._inner = inner
        self._resolve = resolve
        self._trusted = trusted

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Try the host's addresses in turn until one accepts the connection."""
        failure: httpx.ConnectError | None = None
        for address in self._addresses(request):
            try:
                return self._inner.handle_request(_pinned(request, address))
            except httpx.ConnectError as error:
                failure = error
        raise failure or UnknownHost("it has no address", request=request)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()

    def _addresses(self, request: httpx.Request) -> list[str]:
        url = request.url
        try:
            found = self._resolve(url.host)
        except OSError as error:
            raise UnknownHost(str(error), request=request) from error
        if origin(url) not in self._trusted and not all(map(is_public, found)):
            raise ToolError(
                f"{url.host} is not a public address",
                "only public addresses and the setting allowed_origins are fetched",
            )
        return found


def _pinned(request: httpx.Request, address: str) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )


def require_web(url: httpx.URL) -> None:
    """Raises ToolError for anything but http and https with a server (httpx takes file:///x for a relative address)."""
    if url.scheme not in ("http", "https"):
        raise ToolError(f"{url.scheme or 'no'} addresses are not fetched", "use an http or https address")
    if not url.host or (url.port is not None and not 0 < url.port < 65536):
        raise ToolError("the address names no server", "write it like https://example.org/page")


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet; an IPv4 address inside an IPv6 one counts as itself."""
    if address in _PLATFORM:
        return False
    ip: Address = ipaddress.ip_address(address)
    embedded = _embedded(ip)
    if embedded is not None:
        return is_public(str(embedded))
    if isinstance(ip, ipaddress.IPv6Address) and ip not in _UNICAST:
        return False
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _RESERVED)


def _embedded(ip: Address) -> ipaddress.IPv4Address | None:
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)


def addresses(host: str) -> list[str]:
    """IP addresses of `host`, without scope ids. Raises OSError when it has none."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # "a..b": no name at all
        raise OSError(str(error)) from error
    return [str(info[4][0]).split("%")[0] for info in found]


def origin(url: httpx.URL) -> Origin:
    """Scheme, host and port of a URL."""
    return url.scheme, url.host, url.port
