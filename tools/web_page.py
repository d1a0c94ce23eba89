"""Fetch a web page and give its readable text, without menus, advertisements and scripts (trafilatura finds it).

"open it" takes the address from a code or a text that was read, "the second result" from the last web search. The text
is data: whatever it says, it is only shown. Not covered here: pages that need scripts, files that are no text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from conlora_agent.core.errors import ToolError
from conlora_agent.core.referents import ValueReferent
from tools.base import MissingArgument, Tool, ToolContext, ToolModel, ToolResult
from tools.fallback import problems
from tools.http import HttpClient
from tools.responses import Response
from tools.wikipedia import shorten

QUESTION = "Which address shall I open?"
MAX_AGE = timedelta(minutes=5)
MAX_TEXT = 8000
"""Characters of a page's text that are kept."""
SHOWN = 1500
"""Characters of it that are shown."""
PAGES = ("text/html", "application/xhtml+xml", "text/plain", "text/markdown")

_TLD = (
    r"(?:com|org|net|io|edu|gov|info|dev|app|ai|eu|uk|de|fr|it|es|nl|be|ch|at|se|no|dk|fi|pl|cz|pt|ie|jp|cn|in|au|ca|nz"
    r"|br|us|me|tv|co|int|museum)"
)
_REST = r"[^\s<>\"'“”]"
_URL = re.compile(
    rf"https?://{_REST}+|www\.{_REST}+"
    rf"|(?<![\w@.])(?:[\w-]+\.)+{_TLD}(?::\d+)?(?:/{_REST}*)?(?![\w.]*@)(?![\w-])",
    re.IGNORECASE,
)
_ORDINAL = re.compile(
    r"\b(?:(?P<word>first|second|third|fourth|fifth|last|top|1st|2nd|3rd|4th|5th)|(?:number|result|link|no\.?)"
    r" (?P<number>\d))\b",
    re.IGNORECASE,
)
_POSITIONS = {"first": 1, "top": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4}
_POSITIONS |= {"fifth": 5, "5th": 5, "last": 0}


def _plain_scheme(url: object) -> object:
    """Schemes may be written in any case."""
    return re.sub(r"^[A-Za-z]+(?=://)", lambda scheme: scheme.group().lower(), url) if isinstance(url, str) else url


class WebPageArgs(ToolModel):
    """`url`: an http or https address."""

    url: Annotated[str, BeforeValidator(_plain_scheme)] = Field(
        min_length=4, max_length=2000, pattern=r"^https?://\S+$"
    )


class WebPageValue(ToolModel):
    """`url` after redirects, the page's `title` and the beginning of its readable `text`; `more`: there is more."""

    url: str
    title: str | None
    text: str
    more: bool
    at: str


class WebPage(Tool[WebPageArgs]):
    """Readable text of pages."""

    name = "web_page"
    looks = "barcode"
    title = "Web page"
    description = "Open a web address or link and read the text of the page: https, www, a URL, a website."
    args_model = WebPageArgs
    result_model = WebPageValue

    def __init__(self, client: HttpClient, *, probe_url: str = "https://example.com/") -> None:
        """`probe_url`: a page that `check` may open."""
        self._client = client
        self._probe_url = probe_url

    def arguments(self, request: str, context: ToolContext) -> dict[str, Any]:
        """The address meant. Raises MissingArgument when there is none."""
        said = context.answers.get("url", "")
        url = first_url(request) or first_url(said) or _address_before(request, context)
        if url is None:
            raise MissingArgument("url", QUESTION)
        return {"url": url}

    def run(self, args: WebPageArgs) -> ToolResult:
        """Fetch and read. Raises ToolError for addresses and types that are refused, ToolUnavailable."""
        response = self._client.get(args.url, accept=PAGES, max_age=MAX_AGE)
        title, text = _readable(response)
        if not text:
            raise ToolError(f"{response.url} has no readable text", "open it in a browser")
        kept = text[:MAX_TEXT]
        value = WebPageValue(url=response.url, title=title, text=kept, more=len(text) > MAX_TEXT, at=response.time)
        heading = f"{title} ({urlsplit(response.url).hostname}):" if title else f"{urlsplit(response.url).hostname}:"
        return ToolResult(value.model_dump(), f"{heading}\n{shorten(kept, SHOWN)}{response.caution}", response.url)

    def check(self) -> list[str]:
        """Opens one page."""
        return problems(lambda: self._client.get(self._probe_url, max_age=None))


def first_url(text: str) -> str | None:
    """The first web address in `text`, with its scheme."""
    return next(_urls(text), None)


def _urls(text: str) -> Iterator[str]:
    for match in _URL.finditer(text):
        url = match.group().rstrip(".,;:!?…")
        while url.endswith(")") and url.count(")") > url.count("("):
            url = url[:-1]
        scheme, found, rest = url.partition("://")
        yield f"{scheme.lower()}://{rest}" if found else f"https://{url}"


def _address_before(request: str, context: ToolContext) -> str | None:
    """The address that "it" or "the second result" stands for: in a text read, or in an earlier result."""
    for antecedent in context.antecedents:
        found = list(_urls(antecedent)) if isinstance(antecedent, str) else list(_addresses(antecedent))
        if found:
            return found[_position(request, len(found))]
    return None


def _addresses(value: ValueReferent) -> Iterator[str]:
    """The addresses of a result: of a search, of codes, of an article."""
    held = value.value if isinstance(value.value, dict) else {}
    for row in (*(held.get("hits") or ()), *(held.get("codes") or ()), held):
        if isinstance(row, dict):
            yield from _urls(
                str(row.get("url") or row.get("text") or "") if row is not held else str(held.get("url") or "")
            )


def _position(request: str, count: int) -> int:
    ordinal = _ORDINAL.search(request)
    if ordinal is None:
        return 0
    number = int(ordinal["number"]) if ordinal["number"] else _POSITIONS[ordinal["word"].lower()]
    return count - 1 if number == 0 else min(number, count) - 1


def _readable(response: Response) -> tuple[str | None, str]:
    """Title and text of a page; plain text as it is."""
    if not response.content_type.lower().startswith(("text/html", "application/xhtml")):
        return None, response.content.decode("utf-8", errors="replace").strip()
    import trafilatura
    from lxml import etree, html

    page = trafilatura.bare_extraction(response.content, url=response.url, with_metadata=True, include_comments=False)
    if isinstance(page, trafilatura.settings.Document) and page.text:
        return page.title or None, page.text.strip()
    try:
        tree = html.fromstring(response.content or b"<html/>")
    except (etree.ParserError, ValueError):
        return None, ""
    for hidden in tree.xpath("//script | //style | //noscript | //template"):
        hidden.drop_tree()
    return tree.findtext(".//title"), " ".join(tree.text_content().split())
