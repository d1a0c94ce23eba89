"""The tools of one agent, by name. Built-in tools and a user's own go through the same `ToolRegistry`.

Not covered here: what each tool does, and tools found on servers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from conlora_agent.core.errors import ConloraError, UnknownName
from conlora_agent.core.types import Route
from tools.base import Tool, ToolResult
from tools.providers import Providers

if TYPE_CHECKING:
    from tools.pictures import Pictures
    from tools.search_providers import Provider

AnyTool = Tool[Any]


class ToolRegistry:
    """Named tools. Names are unique: a second tool of the same name is a developer's mistake (ValueError)."""

    def __init__(self, tools: Iterable[AnyTool] = ()) -> None:
        self._tools: dict[str, AnyTool] = {}
        self._closing: list[Callable[[], None]] = []
        self.silent: dict[str, str] = {}
        """Sources of tools that gave none, such as an MCP server that does not answer: one line each, by name."""
        for tool in tools:
            self.add(tool)
        self._first = tuple(self._tools.values())

    def on_close(self, close: Callable[[], None]) -> None:
        """Call `close` when the registry is closed."""
        self._closing.append(close)

    def close(self) -> None:
        """Let go of servers and sessions."""
        while self._closing:
            self._closing.pop()()

    def add(self, tool: AnyTool) -> None:
        """Register `tool` under its name."""
        if (other := self._tools.get(tool.name)) is not None:
            owners = (
                f"{type(other).__module__}.{type(other).__name__} and {type(tool).__module__}.{type(tool).__name__}"
            )
            raise ValueError(f"two tools are named {tool.name!r}: {owners}; rename one")
        self._tools[tool.name] = tool

    def names(self) -> list[str]:
        """Names in the order of registration."""
        return list(self._tools)

    def all(self) -> list[AnyTool]:
        """The tools in the order of registration."""
        return list(self._tools.values())

    def get(self, name: str) -> AnyTool:
        """The tool of that name. Raises UnknownName with the nearest one."""
        if name not in self._tools:
            raise UnknownName.among("tool", name, self._tools)
        return self._tools[name]

    def routes(self) -> list[Route]:
        """The tools as the router sees them."""
        return [tool.route() for tool in self._tools.values()]

    def builtin_routes(self) -> list[Route]:
        """Those of the tools that the registry began with: every installation has them."""
        return [tool.route() for tool in self._first]

    def call(self, name: str, args: Mapping[str, Any]) -> ToolResult:
        """Call a tool with checked arguments. Raises UnknownName, ArgumentsError, ToolError, ToolUnavailable."""
        return self.get(name).call(args)

    def check(self, name: str) -> list[str]:
        """Problems of one tool, one line each; empty when it works."""
        tool = self.get(name)
        try:
            return [*_few_examples(tool), *tool.check()]
        except ConloraError as error:
            return [str(error)]


def default_tools(
    providers: Providers | None = None,
    *,
    timeout_s: float = 10.0,
    offline: bool = False,
    allowed_origins: Iterable[str] = (),
    pictures: Pictures | None = None,
    now: Callable[[], datetime] | None = None,
) -> ToolRegistry:
    """The built-in tools. `now` gives the current time as an aware datetime; default: the system's local time.

    `allowed_origins` may have addresses that are not public; pages may be opened there. `pictures`: what the tools
    about pictures look at.
    """
    from tools.barcode import Barcode
    from tools.calculator import Calculator
    from tools.clock import Clock
    from tools.currency import Currency
    from tools.dictionary import Dictionary
    from tools.http import HttpClient
    from tools.image_info import ImageInfo
    from tools.weather import Weather
    from tools.web_page import WebPage
    from tools.web_search import WebSearch
    from tools.wikipedia import Wikipedia

    at = providers or Providers()
    allowed = tuple(allowed_origins)
    client = HttpClient(timeout_s=timeout_s, offline=offline, trusted=[*at.own(), *allowed])
    # A page's address may come from a picture: it must not reach a provider that is not public.
    pages = HttpClient(timeout_s=timeout_s, offline=offline, trusted=allowed)
    weather = Weather(
        client,
        weather_url=at.weather_url,
        geocoding_url=at.geocoding_url,
        fallback_url=at.weather_fallback_url,
        now=now,
    )
    return ToolRegistry(
        [
            Calculator(),
            Clock(now),
            weather,
            Wikipedia(client, base_url=at.wikipedia_url, wikidata_url=at.wikidata_url),
            Currency(client, currency_url=at.currency_url, fallback_url=at.currency_fallback_url, now=now),
            WebSearch(client, _search_providers(at)),
            Dictionary(client, dictionary_url=at.dictionary_url, fallback_url=at.dictionary_fallback_url),
            WebPage(pages),
            Barcode(pictures),
            ImageInfo(pictures),
        ]
    )


def _search_providers(at: Providers) -> list[Provider]:
    """Those of the user's own first."""
    from tools.search_providers import Brave, DuckDuckGo, InstantAnswers, SearXNG

    own: list[Provider] = [SearXNG(at.searxng_url.rstrip("/"))] if at.searxng_url else []
    if at.brave_key:
        own.append(Brave(at.brave_url.rstrip("/"), at.brave_key))
    return [*own, DuckDuckGo(at.duckduckgo_url.rstrip("/")), InstantAnswers(at.instant_answers_url.rstrip("/"))]


def _few_examples(tool: AnyTool) -> list[str]:
    count, least = len(tool.examples), tool.least_examples
    return [] if count >= least else [f"{tool.name} has {count} routing examples; write at least {least}"]
