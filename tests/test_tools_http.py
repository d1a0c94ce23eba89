from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from conlora_agent.core.errors import ToolError, ToolUnavailable
from tools.addresses import is_public
from tools.breaker import FAILURES, PAUSE_S, Breaker
from tools.cache import Cache
from tools.http import ATTEMPTS, MAX_AGE, MAX_STALE, HttpClient
from tools.responses import NotFound


def client(server: HTTPServer, **options: object) -> HttpClient:
    return HttpClient(trusted=[server.url_for("/")], sleep=lambda seconds: None, **options)  # type: ignore[arg-type]


def test_json_is_fetched_politely(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a", query_string={"q": "ü", "n": "2"}).respond_with_json({"ok": True})
    assert client(httpserver).get_json(httpserver.url_for("/a"), {"q": "ü", "n": 2}) == {"ok": True}
    request, _ = httpserver.log[0]
    assert request.headers["User-Agent"].startswith("ConLoRA-Agent/")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_passing_trouble_is_tried_again(httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_ordered_request("/a").respond_with_data("no", status=status)
    httpserver.expect_ordered_request("/a").respond_with_json({"ok": True})
    assert client(httpserver).get_json(httpserver.url_for("/a")) == {"ok": True}
    assert len(httpserver.log) == 2


@pytest.mark.parametrize(("status", "line"), [(429, "asks to slow down"), (503, "a problem of its own")])
def test_lasting_trouble_is_unavailable(httpserver: HTTPServer, status: int, line: str) -> None:
    httpserver.expect_request("/a").respond_with_data("no", status=status)
    with pytest.raises(ToolUnavailable, match=line) as caught:
        client(httpserver).get(httpserver.url_for("/a"))
    assert len(httpserver.log) == ATTEMPTS
    assert "\n" not in str(caught.value)


def test_back_off_grows_and_retry_after_is_honoured(httpserver: HTTPServer) -> None:
    waits: list[float] = []
    patient = HttpClient(trusted=[httpserver.url_for("/")], sleep=waits.append)
    httpserver.expect_ordered_request("/a").respond_with_data("no", status=500)
    httpserver.expect_ordered_request("/a").respond_with_data("no", status=429, headers={"Retry-After": "2"})
    httpserver.expect_ordered_request("/a").respond_with_data("yes")
    assert patient.get(httpserver.url_for("/a")).content == b"yes"
    assert waits == [0.3, 2.0]


def test_a_wait_beyond_the_budget_is_not_waited_for(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a").respond_with_data("no", status=429, headers={"Retry-After": "3600"})
    with pytest.raises(ToolUnavailable, match="slow down"):
        HttpClient(trusted=[httpserver.url_for("/")], timeout_s=5).get(httpserver.url_for("/a"))
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(
    ("status", "kind", "line"),
    [(404, NotFound, "nothing there"), (403, ToolError, "refused"), (400, ToolError, "refused")],
)
def test_a_clear_no_is_not_tried_again(httpserver: HTTPServer, status: int, kind: type[Exception], line: str) -> None:
    httpserver.expect_request("/a").respond_with_data("no", status=status)
    with pytest.raises(kind, match=line) as caught:
        client(httpserver).get(httpserver.url_for("/a"))
    assert not isinstance(caught.value, ToolUnavailable)
    assert len(httpserver.log) == 1


def test_a_slow_server_is_unavailable(httpserver: HTTPServer) -> None:
    def slow(request: Request) -> Response:
        time.sleep(1.0)
        return Response("late")

    httpserver.expect_request("/a").respond_with_handler(slow)
    with pytest.raises(ToolUnavailable, match=r"did not answer within 0\.2 s"):
        client(httpserver, timeout_s=0.2).get(httpserver.url_for("/a"))


def test_an_answer_that_trickles_in_is_unavailable(httpserver: HTTPServer) -> None:
    def trickle(request: Request) -> Response:
        def parts() -> object:
            for _ in range(20):
                time.sleep(0.1)
                yield b"x" * 1000

        return Response(parts(), content_type="text/plain")  # type: ignore[arg-type]

    httpserver.expect_request("/a").respond_with_handler(trickle)
    with pytest.raises(ToolUnavailable, match="did not answer within"):
        client(httpserver, timeout_s=0.4).get(httpserver.url_for("/a"))


def test_headers_that_trickle_in_are_unavailable() -> None:
    def trickle(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            for part in [b"HTTP/1.1 200 OK\r\n", *[b"X-More: x\r\n"] * 30]:
                try:
                    connection.sendall(part)
                except OSError:
                    return
                time.sleep(0.1)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=trickle, args=(server,), daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        began = time.monotonic()
        with pytest.raises(ToolUnavailable, match="did not answer within"):
            HttpClient(trusted=[url], timeout_s=0.4).get(url)
    assert time.monotonic() - began < 2


def test_a_name_server_that_is_silent_is_unavailable() -> None:
    def resolve(host: str) -> list[str]:
        time.sleep(2)
        return [host]

    began = time.monotonic()
    with pytest.raises(ToolUnavailable, match=r"slow\.example did not answer within 0\.2 s"):
        HttpClient(resolve=resolve, timeout_s=0.2).get("https://slow.example/")
    assert time.monotonic() - began < 1


def test_a_closed_port_is_unavailable() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/"
    with pytest.raises(ToolUnavailable, match="cannot be reached"):
        HttpClient(trusted=[url], sleep=lambda seconds: None).get(url)


def test_offline_says_so_without_a_connection(httpserver: HTTPServer) -> None:
    with pytest.raises(ToolUnavailable, match="working offline; turn the setting offline off"):
        client(httpserver, offline=True).get(httpserver.url_for("/a"))
    assert httpserver.log == []


@pytest.mark.parametrize("packed", [False, True])
def test_large_answers_are_refused_also_when_packed(httpserver: HTTPServer, packed: bool) -> None:
    body = b"x" * 50_000
    headers = {"Content-Encoding": "gzip"} if packed else {}
    httpserver.expect_request("/a").respond_with_data(gzip.compress(body) if packed else body, headers=headers)
    with pytest.raises(ToolError, match="more than 10,000 bytes"):
        client(httpserver, max_bytes=10_000).get(httpserver.url_for("/a"))


def test_little_that_unpacks_to_much_fills_no_memory(httpserver: HTTPServer) -> None:
    packed = gzip.compress(bytes(40_000_000))
    httpserver.expect_request("/a").respond_with_data(packed, headers={"Content-Encoding": "gzip"})
    tracemalloc.start()
    with pytest.raises(ToolError, match="more than 2,000,000 bytes"):
        client(httpserver).get(httpserver.url_for("/a"))
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_what_is_packed_is_unpacked(httpserver: HTTPServer) -> None:
    body = "süß ".encode() * 50_000
    httpserver.expect_request("/a").respond_with_data(gzip.compress(body), headers={"Content-Encoding": "gzip"})
    assert client(httpserver).get(httpserver.url_for("/a")).content == body
    assert httpserver.log[0][0].headers["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize(
    ("encoding", "line"),
    [("br", "not asked for"), ("gzip, gzip", "not asked for"), ("deflate", "not asked for"), ("gzip", "is damaged")],
)
def test_what_is_packed_otherwise_is_refused(httpserver: HTTPServer, encoding: str, line: str) -> None:
    httpserver.expect_request("/a").respond_with_data(b"\x8b\x00\x80", headers={"Content-Encoding": encoding})
    with pytest.raises(ToolError, match=line):
        client(httpserver).get(httpserver.url_for("/a"))


def test_what_is_not_json_is_one_line(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a").respond_with_data("<html>")
    with pytest.raises(ToolError, match="not JSON"):
        client(httpserver).get_json(httpserver.url_for("/a"))


def test_redirects_are_followed_to_their_end(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a").respond_with_data("", status=302, headers={"Location": "/b"})
    httpserver.expect_request("/b").respond_with_data("here")
    got = client(httpserver).get(httpserver.url_for("/a"))
    assert got.content == b"here"
    assert got.url == httpserver.url_for("/b")


def test_redirects_do_not_go_round_for_ever(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a").respond_with_data("", status=302, headers={"Location": "/a"})
    with pytest.raises(ToolError, match="redirects more than 5 times"):
        client(httpserver).get(httpserver.url_for("/a"))


@pytest.mark.parametrize(
    ("location", "line"),
    [
        ("file:///etc/passwd", "file addresses are not fetched"),
        ("ftp://example.org/", "ftp addresses are not fetched"),
        ("http://127.0.0.1:1/", "not a public address"),
        ("http://[::1]/", "not a public address"),
        ("http://169.254.169.254/latest/meta-data", "not a public address"),
        ("http://10.0.0.8/", "not a public address"),
        ("http://intranet.example/", "not a public address"),
    ],
)
def test_redirects_stay_on_public_addresses(httpserver: HTTPServer, location: str, line: str) -> None:
    httpserver.expect_request("/a").respond_with_data("", status=302, headers={"Location": location})
    names = {"intranet.example": ["93.184.215.14", "192.168.0.3"]}
    fetching = client(httpserver, resolve=lambda host: names.get(host, [host]))
    with pytest.raises(ToolError, match=line) as caught:
        fetching.get(httpserver.url_for("/a"))
    assert not isinstance(caught.value, ToolUnavailable)
    assert len(httpserver.log) == 1


def test_addresses_that_nobody_trusted_are_checked_at_the_first_hop_too(httpserver: HTTPServer) -> None:
    with pytest.raises(ToolError, match="not a public address"):
        HttpClient().get(httpserver.url_for("/a"))
    assert httpserver.log == []


def test_a_name_without_an_address_is_unavailable_at_once() -> None:
    waits: list[float] = []

    def resolve(host: str) -> list[str]:
        raise socket.gaierror("no such name")

    with pytest.raises(ToolUnavailable, match=r"the address of nowhere\.example cannot be found"):
        HttpClient(resolve=resolve, sleep=waits.append).get("https://nowhere.example/")
    assert waits == []


@pytest.mark.parametrize(
    "error",
    [httpx.ReadError, httpx.RemoteProtocolError, httpx.PoolTimeout, httpx.DecodingError, httpx.TooManyRedirects],
)
def test_third_party_errors_become_ours(error: type[httpx.RequestError]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error("broken", request=request)

    fetching = HttpClient(
        transport=httpx.MockTransport(fail), resolve=lambda host: ["93.184.215.14"], sleep=lambda seconds: None
    )
    with pytest.raises(ToolError):
        fetching.get("https://example.org/")


# -- pinned addresses -------------------------------------------------------------------------------------------------


def test_the_connection_goes_to_the_address_that_was_checked(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a").respond_with_data("here")
    asked: list[str] = []

    def resolve(host: str) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    origin = f"http://museum.example:{httpserver.port}"
    got = HttpClient(trusted=[origin], resolve=resolve).get(f"{origin}/a")
    request, _ = httpserver.log[0]
    assert got.content == b"here"
    assert request.headers["Host"] == f"museum.example:{httpserver.port}"
    assert asked == ["museum.example"]


def test_a_name_that_changes_its_address_gains_nothing() -> None:
    answers = iter([["93.184.215.14"], ["127.0.0.1"]])
    reached: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        reached.append(request.url.host)
        return httpx.Response(302, headers={"Location": "http://rebind.example/again"})

    fetching = HttpClient(transport=httpx.MockTransport(answer), resolve=lambda host: next(answers))
    with pytest.raises(ToolError, match=r"rebind\.example is not a public address"):
        fetching.get("http://rebind.example/")
    assert reached == ["93.184.215.14"]


def test_the_next_address_is_tried_when_one_refuses() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if ":" in request.url.host:
            raise httpx.ConnectError("no route", request=request)
        assert request.extensions["sni_hostname"] == "example.org"
        return httpx.Response(200, content=iter([b"yes"]))

    both = ["2606:2800:21f:cb07:6820:80da:af6b:8b2c", "93.184.215.14"]
    fetching = HttpClient(transport=httpx.MockTransport(answer), resolve=lambda host: both)
    assert fetching.get("https://example.org/").content == b"yes"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b:1::a00:1",
        "fec0::1",
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
        "192.0.0.192",
        "192.88.99.1",
        "198.18.0.1",
        "255.255.255.255",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::6810:84e5", "64:ff9b::5db8:d70e"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


# -- keys and content types -------------------------------------------------------------------------------------------


def test_a_key_does_not_follow_a_redirect_to_another_server(httpserver: HTTPServer) -> None:
    with HTTPServer(host="127.0.0.1", port=0) as other:
        other.expect_request("/b").respond_with_data("there")
        httpserver.expect_request("/a").respond_with_data("", status=302, headers={"Location": other.url_for("/b")})
        fetching = HttpClient(trusted=[httpserver.url_for("/"), other.url_for("/")])
        fetching.get(httpserver.url_for("/a"), headers={"X-Key": "secret"})
        assert httpserver.log[0][0].headers["X-Key"] == "secret"
        assert "X-Key" not in other.log[0][0].headers


def test_other_content_types_are_refused_before_they_are_read(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a").respond_with_data(b"x" * 5_000, content_type="application/zip")
    with pytest.raises(ToolError, match="answered with application/zip"):
        client(httpserver, max_bytes=10).get(httpserver.url_for("/a"), accept=("text/html",))


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0x7f000001/",
        "http://127.1/",
        "http://0/",
        "http://127。0。0。1/",
        "http://user:password@127.0.0.1/",
        "http://example.org@127.0.0.1/",
        "http://example.org\\@127.0.0.1/",
        "http://127.0.0.1#@example.org/",
        "http://127.0.0.1?@example.org/",
        "HTTP://LOCALHOST/",
        "http://[::ffff:7f00:1]/",
        "http://[0:0:0:0:0:ffff:127.0.0.1]/",
        "http://[::127.0.0.1]/",
    ],
)
def test_a_private_address_is_refused_however_it_is_written(url: str) -> None:
    def resolve(host: str) -> list[str]:
        """As the system's look-up reads numbers; conftest lets no such host through to it."""
        return [host] if ":" in host else [socket.inet_ntoa(socket.inet_aton(host.replace("localhost", "127.0.0.1")))]

    with pytest.raises(ToolError, match="is not a public address"):
        HttpClient(resolve=resolve).get(url)


def test_a_name_that_is_none_cannot_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(host: str, *_: object, **__: object) -> list[object]:
        return host.encode("idna") and []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    for host in ("a..b", ".example.org", "a" * 64 + ".com"):
        with pytest.raises(ToolUnavailable, match="cannot be found"):
            HttpClient().get(f"http://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "https://exa mple.org:port/",
        "http://",
        "http:127.0.0.1/",
        "http://0177.0.0.1/",
        "http://①②⑦.⓪.⓪.①/",
        "http://example.org:99999/",
        "http://example.org/\ud800",
    ],
)
def test_what_is_no_address_is_one_line(url: str) -> None:
    with pytest.raises(ToolError) as caught:
        HttpClient().get(url)
    assert "\n" not in str(caught.value)


# -- servers that are left alone, answers that are kept ---------------------------------------------------------------


def test_a_server_that_keeps_failing_is_left_alone(httpserver: HTTPServer) -> None:
    now = [0.0]
    fetching = client(httpserver, breaker=Breaker(lambda: now[0]))
    httpserver.expect_request("/a").respond_with_data("no", status=500)
    for _ in range(FAILURES):
        with pytest.raises(ToolUnavailable, match="a problem of its own"):
            fetching.get(httpserver.url_for("/a"))
    requests = len(httpserver.log)
    with pytest.raises(ToolUnavailable, match="left alone for another 30 s"):
        fetching.get(httpserver.url_for("/a"))
    assert len(httpserver.log) == requests
    now[0] += PAUSE_S + 1
    httpserver.clear()
    httpserver.expect_request("/a").respond_with_data("yes")
    assert fetching.get(httpserver.url_for("/a")).content == b"yes"


def test_another_server_of_the_same_machine_is_not_left_alone(httpserver: HTTPServer) -> None:
    breaker = Breaker(lambda: 0.0)
    httpserver.expect_request("/a").respond_with_data("no", status=429, headers={"Retry-After": "600"})
    with HTTPServer(host="localhost", port=0) as other:
        other.expect_request("/a").respond_with_data("yes")
        fetching = HttpClient(trusted=[httpserver.url_for("/"), other.url_for("/")], breaker=breaker)
        with pytest.raises(ToolUnavailable, match="slow down"):
            fetching.get(httpserver.url_for("/a"))
        assert fetching.get(other.url_for("/a")).content == b"yes"


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, {"Retry-After": "600"}),
        (200, {"RateLimit-Remaining": "0", "RateLimit-Reset": "600"}),
        (200, {"X-RateLimit-Remaining": "0, 1999", "X-RateLimit-Reset": "600, 2592000"}),
    ],
)
def test_the_time_a_server_asks_for_is_given_to_it(
    httpserver: HTTPServer, status: int, headers: dict[str, str]
) -> None:
    fetching = client(httpserver, breaker=Breaker(lambda: 0.0))
    httpserver.expect_request("/a").respond_with_data("no", status=status, headers=headers)
    if status == 429:
        with pytest.raises(ToolUnavailable, match="slow down"):
            fetching.get(httpserver.url_for("/a"))
    else:
        fetching.get(httpserver.url_for("/a"))
    with pytest.raises(ToolUnavailable, match="left alone for another 600 s"):
        fetching.get(httpserver.url_for("/b"))
    assert len(httpserver.log) == 1


def test_answers_are_kept_for_a_while_and_given_with_their_age_when_there_is_no_newer_one(
    httpserver: HTTPServer,
) -> None:
    now = [datetime(2026, 11, 24, 12, 0, tzinfo=UTC)]
    fetching = client(httpserver, now=lambda: now[0])
    httpserver.expect_ordered_request("/a").respond_with_data("first")
    url = httpserver.url_for("/a")
    assert fetching.get(url).content == fetching.get(url).content == b"first"
    assert len(httpserver.log) == 1

    now[0] += MAX_AGE + timedelta(minutes=1)
    httpserver.clear()
    httpserver.expect_request("/a").respond_with_data("no", status=500)
    old = fetching.get(url)
    assert old.content == b"first"
    assert old.caution == " (As of 24 November 2026, 12:00 UTC: localhost has a problem of its own (500).)"
    with pytest.raises(ToolUnavailable):
        fetching.get(url, max_age=None)

    now[0] += MAX_STALE
    with pytest.raises(ToolUnavailable):
        fetching.get(url)


def test_what_changes_something_is_sent_once_and_never_kept(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a", method="POST", json={"x": 1}).respond_with_json({"id": 7})
    http = client(httpserver)
    for _ in range(2):
        assert http.send("POST", httpserver.url_for("/a"), body={"x": 1}).json() == {"id": 7}
    assert len(httpserver.log) == 2


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_changes_something_is_not_tried_again(httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_request("/a", method="DELETE").respond_with_data("no", status=status)
    with pytest.raises(ToolUnavailable, match="look whether it was done before you try again"):
        client(httpserver).send("DELETE", httpserver.url_for("/a"))
    assert len(httpserver.log) == 1


def test_what_changes_something_follows_no_redirect(httpserver: HTTPServer) -> None:
    there = {"Location": httpserver.url_for("/b")}
    httpserver.expect_request("/a", method="POST").respond_with_data("", status=307, headers=there)
    with pytest.raises(ToolError, match="elsewhere"):
        client(httpserver).send("POST", httpserver.url_for("/a"), body={})
    assert [request.path for request, _ in httpserver.log] == ["/a"]


def test_the_cache_drops_what_was_not_used_for_longest() -> None:
    cache: Cache[int] = Cache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)
