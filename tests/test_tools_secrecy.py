from __future__ import annotations

import base64

import pytest
from pytest_httpserver import HTTPServer

from conlora_agent.settings import Settings
from tools.http import HttpClient
from tools.registry import default_tools
from tools.secrecy import without_keys, without_user


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ('GET https://a.example/x?key=SECRET "200"', 'GET https://a.example/x?… "200"'),
        ("'http://me:SECRET@a.example:8080/x'", "'http://a.example:8080/x'"),
        (
            "https://me:SECRET@a.example?k=SECRET#SECRET and http://b.example/y",
            "https://a.example?… and http://b.example/y",
        ),
        ("HTTPS://A.example/#SECRET", "HTTPS://A.example/?…"),
        ("https://a.example/@name/x", "https://a.example/@name/x"),
        ("no address?", "no address?"),
    ],
)
def test_addresses_are_cut_down_to_server_and_path(text: str, cut: str) -> None:
    assert without_keys(text) == cut


def test_a_user_is_left_out_and_nothing_else() -> None:
    assert without_user("https://me:SECRET@a.example/x?q=a@b") == "https://a.example/x?q=a@b"
    assert without_user("https://a.example/@x") == "https://a.example/@x"


def test_keys_of_the_settings_reach_no_log_and_no_result(
    httpserver: HTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    hits = [{"title": "Tea", "url": "https://tea.example/", "description": "green", "content": "green"}]
    httpserver.expect_request("/searx/search").respond_with_json({"results": hits})
    httpserver.expect_request("/brave/res/v1/web/search").respond_with_json({"web": {"results": hits}})
    at = httpserver.url_for("").rstrip("/")
    searx = {"searxng_url": at.replace("://", "://me:SECRET@") + "/searx"}
    brave = {"brave_key": "SECRET", "brave_url": f"{at}/brave"}
    for given in (searx, brave):
        settings = Settings.load({}, backbone_key="SECRET", api_keys="SECRET", **given)
        with caplog.at_level("DEBUG"):
            result = default_tools(settings.providers()).call("web_search", {"query": "tea"})
        assert "tea.example" in result.text
        logged = [record.getMessage() for record in caplog.records if not record.name.startswith("werkzeug")]
        assert any(httpserver.host in line for line in logged)
        assert "SECRET" not in " ".join([*logged, repr(result), repr(settings), repr(settings.providers())])
    sent = [dict(request.headers) for request, _ in httpserver.log]
    assert sent[0]["Authorization"] == "Basic " + base64.b64encode(b"me:SECRET").decode()
    assert sent[1]["X-Subscription-Token"] == "SECRET"


def test_where_a_page_was_found_is_told_without_its_user(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a").respond_with_data("here")
    url = httpserver.url_for("/a?x=1")
    found = HttpClient(trusted=[url]).get(url.replace("://", "://me:SECRET@"))
    assert found.url == url
