"""The tools against public services on loopback (tests/api_server.py): success, failure, fallback, bad answers."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from conlora_agent.core.errors import ToolError, ToolUnavailable
from conlora_agent.core.referents import Focus, TextReferent
from tests.api_server import EURO_RATES, PORTO, client, providers, serve_everything, serve_wikidata
from tools.base import ArgumentsError, MissingArgument, Tool, ToolContext
from tools.currency import Currency
from tools.dictionary import Dictionary
from tools.http import HttpClient
from tools.search_providers import Brave, DuckDuckGo, InstantAnswers, SearXNG
from tools.weather import Weather
from tools.web_page import WebPage
from tools.web_search import WebSearch
from tools.wikipedia import Wikipedia

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)


def make(name: str, server: HTTPServer, http: HttpClient | None = None) -> Tool[Any]:
    at, http = providers(server), http or client(server)
    if name == "weather":
        urls = {"weather_url": at.weather_url, "geocoding_url": at.geocoding_url}
        return Weather(http, **urls, fallback_url=at.weather_fallback_url, now=lambda: NOW)
    if name == "currency":
        return Currency(http, currency_url=at.currency_url, fallback_url=at.currency_fallback_url, now=lambda: NOW)
    if name == "dictionary":
        return Dictionary(http, dictionary_url=at.dictionary_url, fallback_url=at.dictionary_fallback_url)
    if name == "web_search":
        return WebSearch(http, [DuckDuckGo(at.duckduckgo_url), InstantAnswers(at.instant_answers_url)])
    if name == "web_page":
        return WebPage(http)
    return Wikipedia(http, base_url=at.wikipedia_url, wikidata_url=at.wikidata_url)


ASKED = {
    "weather": (
        {"place": "Porto"},
        "Porto, Portugal at 2026-11-24 14:45 local time: light rain, 15.3 °C (feels like 14.1",
    ),
    "currency": ({"base": "USD", "target": "EUR", "amount": 19.99}, "19.99 USD = 19.05 EUR (1 USD = 0.95283 EUR"),
    "dictionary": ({"word": "terse"}, "terse /tɜːs/ (adjective): Brief; to the point."),
    "web_search": ({"query": "tea"}, "1. Green tea\n   https://tea.example.org/green\n   All about green tea."),
    "wikipedia": (
        {"topic": "Emma", "fact": "author"},
        "Author of Emma (novel): Jane Austen (Wikidata). Emma is a novel",
    ),
}


@pytest.mark.parametrize("name", ASKED)
def test_answers_carry_numbers_and_words_as_the_service_gave_them(httpserver: HTTPServer, name: str) -> None:
    serve_everything(httpserver)
    tool, (args, text) = make(name, httpserver), ASKED[name]
    result = tool.call(args)
    assert text in result.text
    assert result.source is not None
    assert tool.result_model.model_validate(result.value)
    assert result.value["at"].endswith("+00:00")


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("body", ["", "null", "<html>", '{"results": [{}]}', '{"rates": []}'])
def test_malformed_answers_are_one_line(httpserver: HTTPServer, name: str, body: str) -> None:
    httpserver.expect_request("/geocoding/v1/search").respond_with_json({"results": [PORTO]})
    httpserver.expect_request("").respond_with_data(body, content_type="text/html")
    for path in (
        "/weather/v1/forecast",
        "/currency/v1/latest",
        "/dictionary/api/v2/entries/en/terse",
        "/wikipedia/w/api.php",
    ):
        httpserver.expect_request(path).respond_with_data(body)
    for path in ("/duckduckgo/html/", "/instant_answers/"):
        httpserver.expect_request(path).respond_with_data(body, content_type="text/html")
    with pytest.raises(ToolError) as caught:
        make(name, httpserver).call(ASKED[name][0])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ASKED)
def test_a_service_that_is_down_is_unavailable(httpserver: HTTPServer, name: str) -> None:
    httpserver.expect_request("/geocoding/v1/search").respond_with_data("no", status=503)
    for start in ("weather", "currency", "dictionary", "wikipedia", "duckduckgo", "wikidata", "instant_answers"):
        httpserver.expect_request(re.compile(f"/{start}.*")).respond_with_data("no", status=503)
    with pytest.raises(ToolUnavailable, match=r"a problem of its own \(503\)"):
        make(name, httpserver).call(ASKED[name][0])


@pytest.mark.parametrize("name", ASKED)
def test_offline_is_said_at_once(httpserver: HTTPServer, name: str) -> None:
    with pytest.raises(ToolUnavailable, match="offline"):
        make(name, httpserver, client(httpserver, offline=True)).call(ASKED[name][0])
    assert "offline" in make(name, httpserver, client(httpserver, offline=True)).check()[0]
    assert httpserver.log == []


def test_a_slow_service_is_unavailable(httpserver: HTTPServer) -> None:
    def slow(request: Request) -> Response:
        time.sleep(0.5)
        return Response("{}")

    httpserver.expect_request("/dictionary/api/v2/entries/en/terse").respond_with_handler(slow)
    http = client(httpserver, timeout_s=0.2)
    with pytest.raises(ToolUnavailable, match="did not answer within"):
        make("dictionary", httpserver, http).call({"word": "terse"})


# -- weather ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "days"),
    [
        ("tomorrow", ["2026-11-25"]),
        ("this weekend", ["2026-11-28", "2026-11-29"]),
        ("next 3 days", ["2026-11-24", "2026-11-25", "2026-11-26"]),
        ("Friday", ["2026-11-27"]),
        ("tonight", ["2026-11-24"]),
        ("this week", [f"2026-11-{day}" for day in range(24, 30)]),
    ],
)
def test_forecasts_of_the_days_asked_for(httpserver: HTTPServer, when: str, days: list[str]) -> None:
    serve_everything(httpserver)
    result = make("weather", httpserver).call({"place": "Porto", "when": when})
    assert [day["date"] for day in result.value["days"]] == days
    assert result.value["temperature"] is None


def test_days_out_of_reach_are_refused(httpserver: HTTPServer) -> None:
    serve_everything(httpserver)
    with pytest.raises(ArgumentsError, match="forecasts Tuesday, 24 November to Monday, 30 November"):
        make("weather", httpserver).call({"place": "Porto", "when": "24 December"})


def test_the_region_after_a_comma_chooses_among_places(httpserver: HTTPServer) -> None:
    rows = [{**PORTO, "name": "Paris", "admin1": "Île-de-France", "country": "France"}]
    rows.append({**PORTO, "name": "Paris", "admin1": "Texas", "country": "United States"})
    httpserver.expect_request("/geocoding/v1/search").respond_with_json({"results": rows})
    serve_everything(httpserver)
    assert make("weather", httpserver).call({"place": "Paris, Texas"}).value["place"] == "Paris, Texas, United States"


def test_an_unknown_place_is_said(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/geocoding/v1/search").respond_with_json({"generationtime_ms": 0.2})
    with pytest.raises(ToolError, match="no place called 'Xyzzy' is known"):
        make("weather", httpserver).call({"place": "Xyzzy"})


def test_met_norway_stands_in_for_open_meteo(httpserver: HTTPServer) -> None:
    def hour(time: str, temperature: float) -> dict[str, Any]:
        details = {"air_temperature": temperature, "relative_humidity": 80.1, "wind_speed": 3.4}
        summary = {"summary": {"symbol_code": "lightrainshowers_day"}, "details": {"precipitation_amount": 0.4}}
        return {"time": time, "data": {"instant": {"details": details}, "next_1_hours": summary}}

    series = [hour("2026-11-24T14:00:00Z", 15.1), hour("2026-11-24T18:00:00Z", 12.3)]
    httpserver.expect_request("/geocoding/v1/search").respond_with_json({"results": [PORTO]})
    httpserver.expect_request("/weather/v1/forecast").respond_with_data("no", status=500)
    httpserver.expect_request("/weather_fallback/weatherapi/locationforecast/2.0/compact").respond_with_json(
        {"type": "Feature", "properties": {"timeseries": series}}
    )
    result = make("weather", httpserver).call({"place": "Porto"})
    assert "light rain showers, 15.1 °C, humidity 80.1%, wind 3.4 m/s (MET Norway)" in result.text
    assert result.value["days"][0]["low"] == 12.3


# -- currency ---------------------------------------------------------------------------------------------------------


def test_the_bank_s_own_file_stands_in_for_frankfurter(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/currency/v1/latest").respond_with_data("no", status=502)
    path = "/currency_fallback/stats/eurofxref/eurofxref-daily.xml"
    httpserver.expect_request(path).respond_with_data(EURO_RATES, content_type="text/xml")
    result = make("currency", httpserver).call({"base": "EUR", "target": "USD", "amount": 100})
    assert "100 EUR = 104.95 USD (1 EUR = 1.0495 USD" in result.text
    assert result.value["provider"] == "European Central Bank"
    crossed = make("currency", httpserver).call({"base": "USD", "target": "GBP"})
    assert crossed.value["rate"] == "0.79419"


def test_currencies_without_a_rate_and_days_to_come_are_refused(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/currency/v1/latest").respond_with_json({"message": "not found"}, status=404)
    with pytest.raises(ToolError, match="no rate between XAU and EUR"):
        make("currency", httpserver).call({"base": "XAU", "target": "EUR"})
    with pytest.raises(ArgumentsError, match="no rate of 2027-01-01 yet"):
        make("currency", httpserver).call({"base": "USD", "target": "EUR", "on": "2027-01-01"})


def test_a_price_that_could_be_several_is_asked_about() -> None:
    tool = Currency(HttpClient(offline=True), currency_url="", fallback_url="", now=lambda: NOW)
    with pytest.raises(MissingArgument, match=r"Which amount do you mean: 5 USD, 7\.5 USD\?"):
        tool.arguments("how much is that in euros?", ToolContext(used=("small $5 large $7.50",)))
    with pytest.raises(MissingArgument, match=r"Which kroner do you mean: DKK or NOK\?"):
        tool.arguments("100 kroner in euros", ToolContext())
    replied = ToolContext(used=("small $5 large $7.50",), answers={"amount": "$5"})
    assert tool.arguments("how much is that in euros?", replied) == {"amount": 5.0, "base": "USD", "target": "EUR"}


# -- dictionary, search, encyclopedia ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "answers"),
    [("how much is that in euros?", {"base": "dollars"}), ("convert it from dollars to euros", {})],
)
def test_the_amount_read_before_is_kept_when_its_currency_is_told(request_: str, answers: dict[str, str]) -> None:
    tool = Currency(HttpClient(offline=True), currency_url="", fallback_url="", now=lambda: NOW)
    context = ToolContext(focus=Focus(referents=(TextReferent(text="19.99"),)), answers=answers)
    assert tool.arguments(request_, context) == {"amount": 19.99, "base": "USD", "target": "EUR"}


def test_wiktionary_stands_in_for_the_free_dictionary(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/dictionary/api/v2/entries/en/terse").respond_with_data("no", status=500)
    entry = {"en": [{"partOfSpeech": "Adjective", "definitions": [{"definition": "<b>Brief</b>; to the point"}]}]}
    httpserver.expect_request("/dictionary_fallback/api/rest_v1/page/definition/terse").respond_with_json(entry)
    assert make("dictionary", httpserver).call({"word": "terse"}).text == "terse (adjective): Brief; to the point"


def test_a_word_no_dictionary_has_is_said(httpserver: HTTPServer) -> None:
    for path in ("/dictionary/api/v2/entries/en/qwx", "/dictionary_fallback/api/rest_v1/page/definition/qwx"):
        httpserver.expect_request(path).respond_with_json({"title": "No Definitions Found"}, status=404)
    with pytest.raises(ToolError, match="no entry for 'qwx'"):
        make("dictionary", httpserver).call({"word": "qwx"})


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        ("synonyms", "Synonyms of “terse”: brief, concise."),
        ("antonyms", "Antonyms of “terse”: wordy."),
        ("pronunciation", "“terse” is pronounced /tɜːs/."),
        ("example", "“terse”: a terse reply"),
        ("part of speech", "“terse” is used as: adjective."),
        ("origin", "The dictionary gives no origin for “terse”."),
    ],
)
def test_what_is_asked_of_a_word_is_told(httpserver: HTTPServer, ask: str, text: str) -> None:
    serve_everything(httpserver)
    assert make("dictionary", httpserver).call({"word": "terse", "ask": ask}).text.startswith(text)


def test_searches_go_to_one_s_own_providers_and_keep_the_key_out_of_sight(httpserver: HTTPServer) -> None:
    row = {"title": "Tea", "url": "https://tea.example.org/"}
    httpserver.expect_request("/brave/res/v1/web/search").respond_with_json(
        {"type": "search", "web": {"results": [{**row, "description": "Brave says"}]}}
    )
    httpserver.expect_request("/searxng/search").respond_with_json({"results": [{**row, "content": "SearXNG says"}]})
    at = httpserver.url_for("").rstrip("/")
    brave, searxng = Brave(f"{at}/brave", "secret-key"), SearXNG(f"{at}/searxng")
    assert "Brave says" in WebSearch(client(httpserver), [brave]).call({"query": "tea"}).text
    assert httpserver.log[0][0].headers["X-Subscription-Token"] == "secret-key"
    assert "SearXNG says" in WebSearch(client(httpserver), [searxng]).call({"query": "tea"}).text
    assert "secret" not in repr(brave)


def test_instant_answers_stand_in_when_duckduckgo_wants_proof(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/duckduckgo/html/").respond_with_data("<html>prove it", 202, content_type="text/html")
    topics = [{"FirstURL": "https://duckduckgo.com/Tea", "Text": "Tea - A drink."}, {"Name": "Group", "Topics": []}]
    answer = {"Heading": "Tea", "AbstractURL": "https://en.wikipedia.org/wiki/Tea", "AbstractText": "A drink."}
    httpserver.expect_request("/instant_answers/").respond_with_json({**answer, "RelatedTopics": topics})
    found = make("web_search", httpserver).call({"query": "tea"}).value["hits"]
    assert [hit["url"] for hit in found] == ["https://en.wikipedia.org/wiki/Tea", "https://duckduckgo.com/Tea"]


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        ("author", "Author of Emma: Jane Austen (Wikidata)."),
        ("published", "Published of Emma: 23 December 1815 (Wikidata)."),
        ("population", "Population of Emma: 237591 (Wikidata)."),
        ("capital", "Emma: 1816 novel (Wikidata)."),
    ],
)
def test_wikidata_stands_in_for_wikipedia(httpserver: HTTPServer, fact: str, text: str) -> None:
    httpserver.expect_request("/wikipedia/w/api.php").respond_with_data("no", status=503)
    serve_wikidata(httpserver, "Emma")
    result = make("wikipedia", httpserver).call({"topic": "Emma", "fact": fact})
    assert result.text.startswith(text)
    assert result.source == "https://www.wikidata.org/wiki/Q1"


# -- pages ------------------------------------------------------------------------------------------------------------


def test_a_page_is_read_without_menus_and_scripts(httpserver: HTTPServer) -> None:
    serve_everything(httpserver)
    result = make("web_page", httpserver).call({"url": httpserver.url_for("/page")})
    assert result.text.startswith("Opening hours (localhost):")
    assert "Tickets cost twelve euros" in result.text
    assert "alert" not in result.text
    assert result.source == httpserver.url_for("/page")


def test_pages_that_are_no_text_or_hold_none_are_refused(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/zip").respond_with_data(b"PK", content_type="application/zip")
    httpserver.expect_request("/empty").respond_with_data("<html></html>", content_type="text/html")
    httpserver.expect_request("/plain").respond_with_data("just words", content_type="text/plain")
    tool = make("web_page", httpserver)
    with pytest.raises(ToolError, match="answered with application/zip"):
        tool.call({"url": httpserver.url_for("/zip")})
    with pytest.raises(ToolError, match="has no readable text"):
        tool.call({"url": httpserver.url_for("/empty")})
    assert tool.call({"url": httpserver.url_for("/plain")}).text == "localhost:\njust words"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/", "javascript:alert(1)", "example.org"])
def test_only_web_addresses_are_arguments(url: str) -> None:
    with pytest.raises(ArgumentsError, match="url"):
        WebPage(HttpClient(offline=True)).call({"url": url})
