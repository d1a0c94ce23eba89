"""Public services on loopback. Every answer here is written after its provider's documentation, not recorded from it.

Open-Meteo (forecast and geocoding API docs), MET Norway Locationforecast 2.0, Frankfurter v1, the ECB's daily file,
dictionaryapi.dev, Wiktionary REST, MediaWiki API:Search and REST page summary, Wikidata wbsearchentities and
wbgetentities, DuckDuckGo's page without scripts and its Instant Answer API.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from pytest_httpserver import HTTPServer
from pytest_httpserver.httpserver import QueryMatcher

from tools.http import HttpClient
from tools.providers import Providers

PORTO = {
    "id": 2735943,
    "name": "Porto",
    "latitude": 41.14961,
    "longitude": -8.61099,
    "country_code": "PT",
    "timezone": "Europe/Lisbon",
    "country": "Portugal",
    "admin1": "Porto",
}
DAYS = [f"2026-11-{day}" for day in range(24, 31)]
FORECAST = {
    "latitude": 41.15,
    "longitude": -8.61,
    "timezone": "Europe/Lisbon",
    "current_units": {"temperature_2m": "°C"},
    "current": {
        "time": "2026-11-24T14:45",
        "interval": 900,
        "temperature_2m": 15.3,
        "apparent_temperature": 14.1,
        "relative_humidity_2m": 71,
        "weather_code": 61,
        "wind_speed_10m": 11.2,
    },
    "daily": {
        "time": DAYS,
        "weather_code": [61, 3, 0, 95, 71, 45, 2],
        "temperature_2m_max": [16.1, 17.0, 18.2, 15.5, 12.0, 13.1, 14.7],
        "temperature_2m_min": [9.8, 10.2, 8.4, 9.9, 7.7, 6.5, 7.1],
        "precipitation_sum": [4.2, 0.0, 0.0, 18.3, 2.2, 0.1, 0.0],
        "precipitation_probability_max": [88, 12, 3, 97, 60, 20, 5],
        "wind_speed_10m_max": [22.3, 14.0, 9.1, 40.7, 25.2, 8.0, 11.9],
    },
}
EURO_RATES = b"""<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
 xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref"><gesmes:subject>Reference rates</gesmes:subject>
<Cube><Cube time="2026-11-24"><Cube currency="USD" rate="1.0495"/><Cube currency="GBP" rate="0.8335"/></Cube></Cube>
</gesmes:Envelope>"""
TERSE = [
    {
        "word": "terse",
        "phonetic": "/tɜːs/",
        "phonetics": [{"text": "/tɜːs/", "audio": ""}],
        "meanings": [
            {
                "partOfSpeech": "adjective",
                "definitions": [{"definition": "Brief; to the point.", "example": "a terse reply", "synonyms": []}],
                "synonyms": ["brief", "concise"],
                "antonyms": ["wordy"],
            }
        ],
        "sourceUrls": ["https://en.wiktionary.org/wiki/terse"],
    }
]
RESULTS = """<html><body><div class="results">
<div class="result results_links"><h2><a class="result__a"
 href="//duckduckgo.com/l/?uddg=https%3A%2F%2Ftea.example.org%2Fgreen&amp;rut=x">Green tea</a></h2>
 <a class="result__snippet">All about <b>green</b> tea.</a></div>
<div class="result results_links"><h2><a class="result__a" href="https://tea.example.org/black">Black tea</a></h2>
 <a class="result__snippet">All about black tea.</a></div></div></body></html>"""
PAGE = (
    "<html><head><title>Opening hours</title></head><body><nav>Home Shop</nav><article><h1>Opening hours</h1><p>"
    + "The museum is open from ten to six on every day but Monday, when it is closed to visitors. " * 3
    + "</p><p>Tickets cost twelve euros at the door.</p></article><script>alert('x')</script></body></html>"
)


def providers(server: HTTPServer) -> Providers:
    """All services at `server`, each below a path of its own."""
    at = server.url_for("").rstrip("/")
    names = [name for name in Providers.__dataclass_fields__ if name.endswith("_url") and name != "searxng_url"]
    return Providers(**{name: f"{at}/{name.removesuffix('_url')}" for name in names})


def client(server: HTTPServer, **options: Any) -> HttpClient:
    """A client that may reach `server` and does not wait."""
    return HttpClient(trusted=[server.url_for("/")], **{"sleep": lambda seconds: None, "timeout_s": 5, **options})


def serve_everything(server: HTTPServer) -> None:
    """Success of every service."""
    serve_weather(server)
    serve_rates(server)
    serve_dictionary(server)
    serve_encyclopedia(server)
    server.expect_request("/duckduckgo/html/").respond_with_data(RESULTS, content_type="text/html; charset=UTF-8")
    server.expect_request("/page").respond_with_data(PAGE, content_type="text/html; charset=utf-8")


def serve_weather(server: HTTPServer) -> None:
    server.expect_request("/geocoding/v1/search").respond_with_json({"results": [PORTO], "generationtime_ms": 0.6})
    server.expect_request("/weather/v1/forecast").respond_with_json(FORECAST)


def serve_rates(server: HTTPServer) -> None:
    for base, rates in {"USD": {"EUR": 0.95283}, "GBP": {"EUR": 1.19976}, "EUR": {"USD": 1.0495}}.items():
        answer = {"amount": 1.0, "base": base, "date": "2026-11-24", "rates": rates}
        server.expect_request(
            "/currency/v1/latest", query_string={"base": base, "symbols": next(iter(rates))}
        ).respond_with_json(answer)


def serve_dictionary(server: HTTPServer) -> None:
    server.expect_request("/dictionary/api/v2/entries/en/terse").respond_with_json(TERSE)


def serve_encyclopedia(
    server: HTTPServer, title: str = "Emma (novel)", extract: str = "Emma is a novel by Jane Austen."
) -> None:
    server.expect_request("/wikipedia/w/api.php").respond_with_json(
        {"batchcomplete": True, "query": {"search": [{"ns": 0, "title": title, "pageid": 1}]}}
    )
    path = title.replace(" ", "_")
    page = {"type": "standard", "title": title, "extract": extract, "lang": "en"}
    server.expect_request(f"/wikipedia/api/rest_v1/page/summary/{path}").respond_with_json(page)
    serve_wikidata(server, title)


def serve_wikidata(server: HTTPServer, label: str) -> None:
    def statement(prop: str, kind: str, value: Any) -> dict[str, Any]:
        snak = {"snaktype": "value", "property": prop, "datavalue": {"value": value, "type": kind}}
        return {"mainsnak": snak, "type": "statement", "rank": "normal"}

    def api(action: str, **query: str) -> Any:
        return server.expect_request("/wikidata/w/api.php", query_string={"action": action, "format": "json", **query})

    def found(text: str) -> dict[str, Any]:
        return {"en": {"language": "en", "value": text}}

    entity = {
        "type": "item",
        "id": "Q1",
        "labels": found(label),
        "descriptions": found("1816 novel"),
        "claims": {
            "P50": [statement("P50", "wikibase-entityid", {"entity-type": "item", "id": "Q36322"})],
            "P577": [statement("P577", "time", {"time": "+1815-12-23T00:00:00Z", "precision": 11})],
            "P1082": [statement("P1082", "quantity", {"amount": "+237591", "unit": "1"})],
        },
    }
    hit = {"id": "Q1", "label": label, "description": "1816 novel", "url": "//www.wikidata.org/wiki/Q1"}
    server.expect_request("/wikidata/w/api.php", query_string=Action("wbsearchentities")).respond_with_json(
        {"search": [hit]}
    )
    api("wbgetentities", ids="Q1", props="claims|labels|descriptions", languages="en").respond_with_json(
        {"entities": {"Q1": entity}, "success": 1}
    )
    api("wbgetentities", ids="Q36322", props="labels", languages="en").respond_with_json(
        {"entities": {"Q36322": {"id": "Q36322", "labels": found("Jane Austen")}}, "success": 1}
    )


class Action(QueryMatcher):
    """A query string with this `action`, whatever else it holds."""

    def __init__(self, action: str) -> None:
        self._action = action

    def get_comparing_values(self, request_query_string: bytes) -> tuple[Any, Any]:
        return parse_qs(request_query_string.decode()).get("action"), [self._action]
