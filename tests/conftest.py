"""What every test gets: a home and a cache of its own, and no network beyond this machine.

`shared_cache` is the one exception, for what takes long to make and never changes (the assembled model, embeddings of
routing examples): a test asks for it by name. It outlives the run; `pytest --cache-clear` empties it.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

if TYPE_CHECKING:
    from conlora_agent.core.protocols import Backbone

if "PYTEST_XDIST_WORKER" in os.environ:
    # Tests that run side by side share the cores; read before torch is imported, and by every process a test starts.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

hypothesis.settings.register_profile("project", deadline=None, derandomize=True)
hypothesis.settings.load_profile("project")


@pytest.fixture(autouse=True)
def isolated_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point CONLORA_HOME and CONLORA_CACHE into the test's own folder and forget every other setting."""
    for name in [name for name in os.environ if name.startswith("CONLORA_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CONLORA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CONLORA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "home"


@pytest.fixture(scope="session")
def shared_cache(pytestconfig: pytest.Config) -> Path:
    """A cache folder shared by all tests that ask for it, kept between runs."""
    assert pytestconfig.cache is not None
    return pytestconfig.cache.mkdir("conlora")


@pytest.fixture(scope="session")
def nano(shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    """The real embedded backbone, loaded once a session. Mark its tests `backbone`."""
    from conlora_agent.backbone import load_backbone
    from conlora_agent.settings import Settings

    settings = Settings.load({}, home=tmp_path_factory.mktemp("home"), cache=shared_cache)
    return load_backbone("nano", settings)


# -- network ----------------------------------------------------------------------------------------------------------


class NetworkBlocked(RuntimeError):
    """A test reached for the network. Not an OSError, so that no code takes it for a connection that failed."""


def _is_local(host: Any) -> bool:
    if host in (None, "", b"", "localhost", b"localhost", socket.gethostname()):
        return True
    try:
        address = ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host).split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _guarded(name: str, host_of: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        host = host_of(*args, **kwargs)
        if not _is_local(host):
            raise NetworkBlocked(f"socket.{name} to {host!r}: tests run without network")
        return original(*args, **kwargs)

    return call


def _address(sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
    """Host of the address that is the last positional argument of connect, connect_ex and sendto."""
    return args[-1][0] if sock.family in (socket.AF_INET, socket.AF_INET6) else None


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Refuse every connection and every name look-up that would leave this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex", "sendto"):
            patch.setattr(socket.socket, name, _guarded(name, _address, getattr(socket.socket, name)))
        for name in ("getaddrinfo", "gethostbyname"):
            patch.setattr(socket, name, _guarded(name, lambda host, *_, **__: host, getattr(socket, name)))
        yield
