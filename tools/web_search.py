"""Search the web: titles, addresses and snippets of the best pages. DuckDuckGo needs no key; Brave and SearXNG are used
first where the settings give a key or an address.

Not covered here: reading the pages found (`web_page.py`), the providers (`search_providers.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import Field

from conlora_agent.core.errors import ToolError
from tools.base import MissingArgument, Tool, ToolContext, ToolModel, ToolResult
from tools.fallback import first_fresh, problems
from tools.http import HttpClient
from tools.search_providers import Hits, Provider
from tools.spelling import tidy

QUESTION = "What should I search for?"
MAX_QUERY = 300
MAX_REQUEST = 500


class WebSearchArgs(ToolModel):
    """`query`: what to search for, in a few words."""

    query: str = Field(min_length=1, max_length=MAX_QUERY)


class HitValue(ToolModel):
    """One page found."""

    title: str
    url: str
    snippet: str


class WebSearchValue(ToolModel):
    """The pages found, best first."""

    query: str
    hits: tuple[HitValue, ...]
    provider: str
    at: str


class WebSearch(Tool[WebSearchArgs]):
    """Results of a public search engine."""

    name = "web_search"
    looks = "ocr"
    title = "Web search"
    description = "Search the web for news, products, prices, recipes, sites, opening hours and other current things."
    args_model = WebSearchArgs
    result_model = WebSearchValue

    def __init__(self, client: HttpClient, providers: Sequence[Provider]) -> None:
        self._client = client
        self._providers = tuple(providers)

    def arguments(self, request: str, context: ToolContext) -> dict[str, Any]:
        """The query meant. Raises MissingArgument when neither the words nor the conversation tell."""
        query = context.answers.get("query") or query_of(request)
        if _is_reference(query):
            query = _antecedent(query, context)
        if not query:
            raise MissingArgument("query", QUESTION)
        return {"query": query[:MAX_QUERY]}

    def run(self, args: WebSearchArgs) -> ToolResult:
        """Search. Raises ToolError when nothing is found, ToolUnavailable."""
        found = first_fresh([self._with(provider, args.query) for provider in self._providers])
        if not found.hits:
            raise ToolError(f"{found.provider} found nothing for {args.query!r}", "try other words")
        hits = tuple(HitValue(title=hit.title, url=hit.url, snippet=hit.snippet) for hit in found.hits)
        value = WebSearchValue(query=args.query, hits=hits, provider=found.provider, at=found.at)
        lines = [f"{number}. {hit.title}\n   {hit.url}\n   {hit.snippet}" for number, hit in enumerate(hits, start=1)]
        text = "\n".join([f"{found.provider} on “{args.query}”:", *lines])
        return ToolResult(value.model_dump(mode="json"), text + found.caution, found.source)

    def check(self) -> list[str]:
        """Searches with the provider that is asked first."""
        return problems(lambda: self._providers[0].search(self._client, "weather", max_age=None))

    def _with(self, provider: Provider, query: str) -> Callable[[], Hits]:
        return lambda: provider.search(self._client, query)


# -- the query --------------------------------------------------------------------------------------------------------

_WEB = r"(?:the )?(?:web|internet|net|world wide web|google|duckduckgo|bing)"
_ON_WEB = rf"(?:online|(?:on|in|over|through|from|via|using|with|at) {_WEB})"
_POLITE = re.compile(
    r"^(?:(?:hey|hi|hello|ok|okay|so|please|and|also|now|then|but)\b[,!.:\s]*|(?:can|could|would|will) you (?:please )?"
    r"|(?:i want|i need|i'd like|i would like)(?: you)? to (?=search|find|look|google|know|see))",
    re.IGNORECASE,
)
_TAIL = re.compile(
    rf"(?:[\s,]*\b(?:please|for me|thanks|thank you|{_ON_WEB}|(?:and )?(?:check|search|look)(?: it up)?(?: {_ON_WEB})?"
    rf"|(?:do a )?search(?: {_WEB})|search (?:again|instead)|search|instead)|[?!.,;:]+)+$",
    re.IGNORECASE,
)
_LEAD = re.compile(
    rf"^(?:(?:do|run|make) (?:an?|some) (?:quick )?(?:web |internet |online |google )?search (?:for|on|about)"
    rf"|(?:web|internet|online|google|news)(?: search)?(?: results)?(?::| for| on)|search results (?:for|on)|search"
    rf" query:?"
    rf"|search(?: {_ON_WEB}|(?: through| in)? {_WEB})?(?: (?:to find|for|about|on|up)|:)?"
    rf"|(?:google|duckduckgo|bing)(?: for)?|look (?=it\b|that\b|this\b)"
    rf"|(?:look|check)(?: up)?(?: {_ON_WEB})?(?: (?:for|whether|if|about))?"
    rf"|find (?:me )?(?:(?:some |a few |the )?(?:web ?sites?|web ?pages?|pages|links?|results|information|info"
    rf"|articles)"
    rf" (?:about|on|to|for|mentioning|of|with)|{_ON_WEB}(?: for)?|out)|find(?: me)?(?: some)?"
    rf"|(?:get|give|show) me (?:some |a few )?(?:links|results|web ?sites|pages|articles) (?:about|on|for|to))\s+",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"^(?:it|that|this|them|those|these|(?:the |this |that |these |some )?(?:title|book|product|company|brand|name"
    r"|text|word"
    r"|place|thing|one|ones|code|number|song|author|film|movie)|what it says|more(?: results| about it| of (?:it"
    r"|them))?"
    r"|(?:more )?results|(?:it|that|this)(?: up)?(?: online)?|instead|(?:newer|more|other|older) links|for (?:it"
    r"|that|this)|something|anything|stuff)?$",
    re.IGNORECASE,
)
_OF_REFERENCE = re.compile(
    r"\b(?:this|that|the) (?:title|book|product|company|brand|name|text|place|thing|one|song|author|film|movie)$"
    r"|\b(?:of|about|for|buy|like) (?:it|this|that)$|\b(?:about|buy) it\b|\bit\b$",
    re.IGNORECASE,
)


def query_of(request: str) -> str:
    """What is to be searched for, without the words that ask for a search."""
    text = tidy(request, MAX_REQUEST)
    if (quoted := re.search(r"[\"“«]([^\"”»]{2,})[\"”»]", text)) is not None:
        return quoted[1].strip()
    while (shorter := _TAIL.sub("", _POLITE.sub("", text)).strip()) != text and shorter:
        text = shorter
    query = _LEAD.sub("", f"{text} ").strip(" ,.:;!?")
    query = re.sub(rf"\s+{_ON_WEB}(?= )|^for me[?,.]?\s+", "", query, flags=re.IGNORECASE)
    return re.sub(r"^(?:me )?(?:a|an|the|some) (?=\S)", "", query, flags=re.IGNORECASE)


def _is_reference(query: str) -> bool:
    return _REFERENCE.match(query) is not None or _OF_REFERENCE.search(query) is not None


def _antecedent(query: str, context: ToolContext) -> str:
    """What "it" stands for, in the place of the words that stand for it."""
    for antecedent in context.antecedents:
        if isinstance(antecedent, str):
            named = re.sub(r"\s+", " ", antecedent).strip()
        else:
            given, value = antecedent.arguments, antecedent.value if isinstance(antecedent.value, dict) else {}
            named = str(value.get("title") or given.get("query") or given.get("topic") or given.get("word") or "")
        if named:
            return named if _REFERENCE.match(query) else _in_place_of_reference(query, named)
    return ""


def _in_place_of_reference(query: str, named: str) -> str:
    """ "price of this" with what "this" stands for."""

    def put(found: re.Match[str]) -> str:
        before = re.match(r"(?:of|about|for|buy|like) ", found.group(), re.IGNORECASE)
        return f"{before.group()}{named}" if before else named

    return _OF_REFERENCE.sub(put, query)
