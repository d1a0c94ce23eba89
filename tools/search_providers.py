"""Where web searches go: DuckDuckGo (keyless), Brave or a SearXNG of one's own. Each gives ranked hits.

DuckDuckGo: its page without scripts, and its Instant Answer API (https://duckduckgo.com/api) where that fails. Brave:
https://api-dashboard.search.brave.com/app/documentation/web-search. SearXNG:
https://docs.searxng.org/dev/search_api.html. Not covered here: which provider is asked (`web_search.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from conlora_agent.core.errors import ToolError
from tools.http import MAX_AGE, HttpClient
from tools.responses import Response
from tools.secrecy import without_user

HITS = 5


@dataclass(frozen=True)
class Hit:
    """One page found."""

    title: str
    url: str
    snippet: str


@dataclass(frozen=True)
class Hits:
    """Pages found, best first, by whom and when, and where the same search can be seen."""

    hits: tuple[Hit, ...]
    provider: str
    source: str
    at: str
    caution: str = ""


@dataclass(frozen=True)
class DuckDuckGo:
    """The page without scripts. It asks programs to prove themselves at times, which counts as unavailable results."""

    url: str

    def search(self, client: HttpClient, query: str, *, max_age: timedelta | None = MAX_AGE) -> Hits:
        """Raises ToolError, ToolUnavailable."""
        response = client.get(f"{self.url}/html/", {"q": query}, accept=("text/html",), max_age=max_age)
        hits = tuple(_duckduckgo_hits(response))
        if not hits and b"no-results" not in response.content:
            raise ToolError("DuckDuckGo did not answer with results", "try again later, or set brave_key")
        return _found(hits, "DuckDuckGo", f"https://duckduckgo.com/?{urlencode({'q': query})}", response)


@dataclass(frozen=True)
class InstantAnswers:
    """DuckDuckGo's Instant Answer API: topics rather than pages, and nothing for many queries."""

    url: str

    def search(self, client: HttpClient, query: str, *, max_age: timedelta | None = MAX_AGE) -> Hits:
        """Raises ToolError, ToolUnavailable."""
        params: dict[str, str | int | float] = {"q": query, "format": "json", "no_html": 1, "skip_disambig": 1}
        response = client.get(f"{self.url}/", params, max_age=max_age)
        answer = response.json()
        if not isinstance(answer, dict) or "RelatedTopics" not in answer:
            raise ToolError("DuckDuckGo answered with something unreadable", "check the setting instant_answers_url")
        hits = [Hit(str(answer.get("Heading") or query), str(answer["AbstractURL"]), str(answer.get("AbstractText")))]
        hits = [hit for hit in hits if _is_web(hit.url)] if answer.get("AbstractURL") else []
        for topic in answer["RelatedTopics"]:
            if isinstance(topic, dict) and _is_web(url := str(topic.get("FirstURL", ""))):
                text = str(topic.get("Text", ""))
                hits.append(Hit(text.split(" - ")[0][:100], url, text))
        return _found(tuple(hits), "DuckDuckGo", f"https://duckduckgo.com/?{urlencode({'q': query})}", response)


@dataclass(frozen=True)
class Brave:
    """Brave's Search API; needs a key."""

    url: str
    key: str = field(repr=False)

    def search(self, client: HttpClient, query: str, *, max_age: timedelta | None = MAX_AGE) -> Hits:
        """Raises ToolError, ToolUnavailable."""
        response = client.get(
            f"{self.url}/res/v1/web/search",
            {"q": query, "count": HITS},
            headers={"X-Subscription-Token": self.key},
            max_age=max_age,
        )
        return _listed(response, ("web", "results"), "description", "Brave", "https://search.brave.com/search?", query)


@dataclass(frozen=True)
class SearXNG:
    """A SearXNG instance whose settings allow the format json."""

    url: str = field(repr=False)

    def search(self, client: HttpClient, query: str, *, max_age: timedelta | None = MAX_AGE) -> Hits:
        """Raises ToolError, ToolUnavailable."""
        response = client.get(f"{self.url}/search", {"q": query, "format": "json"}, max_age=max_age)
        return _listed(response, ("results",), "content", "SearXNG", f"{without_user(self.url)}/search?", query)


Provider = DuckDuckGo | InstantAnswers | Brave | SearXNG


def _listed(response: Response, path: tuple[str, ...], snippet: str, provider: str, page: str, query: str) -> Hits:
    rows: Any = response.json()
    try:
        for name in path:
            # Brave leaves a group out where it found nothing.
            rows = rows.get(name, {} if name != path[-1] else [])
        hits = tuple(
            Hit(str(row["title"]), str(row["url"]), str(row.get(snippet) or "")) for row in rows if _is_web(row["url"])
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ToolError(
            f"{provider} answered with something unreadable", "check its address in the settings"
        ) from error
    return _found(hits, provider, page + urlencode({"q": query}), response)


def _duckduckgo_hits(response: Response) -> Iterator[Hit]:
    from lxml import etree, html

    try:
        page = html.fromstring(response.content or b"<html/>")
    except (etree.ParserError, ValueError):
        return
    for result in page.xpath('//div[contains(concat(" ", @class, " "), " result ")]'):
        links = result.xpath('.//a[contains(@class, "result__a")]')
        snippets = result.xpath('.//*[contains(@class, "result__snippet")]')
        if links and _is_web(url := _target(links[0].get("href", ""))):
            snippet = " ".join(snippets[0].text_content().split()) if snippets else ""
            yield Hit(" ".join(links[0].text_content().split()), url, snippet)


def _target(href: str) -> str:
    """The page a result leads to: DuckDuckGo's links pass through its own address, `/l/?uddg=PAGE`."""
    parts = urlsplit(href)
    return parse_qs(parts.query).get("uddg", [href])[0] if parts.path == "/l/" else href


def _is_web(url: str) -> bool:
    return url.startswith(("https://", "http://"))


def _found(hits: tuple[Hit, ...], provider: str, source: str, response: Response) -> Hits:
    return Hits(hits[:HITS], provider, source, response.time, response.caution)
