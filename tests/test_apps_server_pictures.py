"""Pictures by address: what is fetched, and what never is."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator

import pytest
import trustme
from pytest_httpserver import HTTPServer
from werkzeug import Response

from apps.server.pictures import PictureFetcher
from conlora_agent.core.errors import PictureError
from tests.turns import png


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[HTTPServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("pictures.example").configure_cert(context)
    with HTTPServer(host="127.0.0.1", ssl_context=context) as running:
        yield running


def fetcher(authority: trustme.CA, server: HTTPServer) -> PictureFetcher:
    """Finds pictures.example on this machine, and every other name, too."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return PictureFetcher(
        resolve=lambda host: ["127.0.0.1"],
        trusted=[f"https://pictures.example:{server.port}"],
        context=context,
        timeout_s=2,
    )


def test_a_picture_is_fetched_over_https(authority: trustme.CA, server: HTTPServer) -> None:
    server.expect_request("/a.png").respond_with_data(png())
    assert fetcher(authority, server).get(f"https://pictures.example:{server.port}/a.png") == png()


def test_a_certificate_of_another_name_is_refused(authority: trustme.CA, server: HTTPServer) -> None:
    strict = PictureFetcher(resolve=lambda host: ["127.0.0.1"], trusted=[f"https://other.example:{server.port}"])
    with pytest.raises(PictureError, match="cannot be fetched"):
        strict.get(f"https://other.example:{server.port}/a.png")


@pytest.mark.parametrize(
    "target", ["https://inside.example/secret", "http://127.0.0.1:80/secret", "file:///etc/passwd", "https://[::1]/x"]
)
def test_redirects_inwards_are_not_followed(authority: trustme.CA, server: HTTPServer, target: str) -> None:
    server.expect_request("/a.png").respond_with_response(Response(status=302, headers={"Location": target}))
    with pytest.raises(PictureError, match=r"not a public address|not fetched"):
        fetcher(authority, server).get(f"https://pictures.example:{server.port}/a.png")


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "::1", "fd00::1", "0.0.0.0"]
)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    with pytest.raises(PictureError, match="not a public address"):
        PictureFetcher(resolve=lambda host: [address]).get("https://pictures.example/a.png")


def test_offline_nothing_is_fetched() -> None:
    with pytest.raises(PictureError, match="offline"):
        PictureFetcher(offline=True, resolve=lambda host: ["93.184.215.14"]).get("https://pictures.example/a.png")


@pytest.mark.parametrize("head", ["data:image/png;base64,", "data:;base64,", "DATA:image/png;BASE64,"])
def test_data_addresses(head: str) -> None:
    assert PictureFetcher().get(head + base64.b64encode(png()).decode()) == png()
