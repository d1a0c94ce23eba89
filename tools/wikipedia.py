"""Encyclopedic facts from Wikipedia: find the topic in the user's words, search, and give the article's summary.

Uses the MediaWiki action API (`list=search`) and the REST page summary, both public and keyless. "who wrote it?" takes
the topic from what the conversation is about, such as a title read from a picture. Not covered here: phrasing an
answer to the exact question from the summary.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import Field

from conlora_agent.core.errors import ConloraError, ToolError
from conlora_agent.core.types import ValueReferent
from tools.base import MissingArgument, Tool, ToolContext, ToolModel, ToolResult
from tools.http import HttpClient
from tools.topics import is_anaphoric, topic_of

QUESTION = "What should I look up?"
MAX_TOPIC = 200
MAX_TEXT = 700
"""Characters of a summary that are shown, cut at the end of a sentence."""
HITS = 5


class WikipediaArgs(ToolModel):
    """`topic`: what to look up, such as "Pride and Prejudice"."""

    topic: str = Field(min_length=1, max_length=MAX_TOPIC)


class WikipediaValue(ToolModel):
    """`title` of the article, its `summary` (None when the topic is ambiguous) and titles of `others` that fit."""

    title: str
    summary: str | None
    description: str | None = None
    others: tuple[str, ...] = ()


class Wikipedia(Tool[WikipediaArgs]):
    """Summaries of Wikipedia articles."""

    name = "wikipedia"
    title = "Wikipedia"
    description = "Look up facts about people, places, books, works, science, history and events in an encyclopedia."
    args_model = WikipediaArgs
    result_model = WikipediaValue

    def __init__(self, client: HttpClient, *, base_url: str = "https://en.wikipedia.org") -> None:
        self._client = client
        self._base_url = base_url.rstrip("/")

    def arguments(self, request: str, context: ToolContext) -> dict[str, Any]:
        """The topic meant. Raises MissingArgument when neither the words nor the conversation tell."""
        topic = context.answers.get("topic") or topic_of(request)
        if is_anaphoric(topic):
            topic = _antecedent(context)
        if not topic:
            raise MissingArgument("topic", QUESTION)
        return {"topic": topic[:MAX_TOPIC]}

    def run(self, args: WikipediaArgs) -> ToolResult:
        """Search and summarise. Raises ToolError when nothing is found, ToolUnavailable when it cannot be reached."""
        titles = self._search(args.topic)
        if not titles:
            raise ToolError(f"Wikipedia has no article about {args.topic!r}", "try other words")
        page = self._summary(titles[0])
        source = _page_url(page) or f"{self._base_url}/wiki/{_path(titles[0])}"
        others = tuple(titles[1:])
        if page.get("type") == "disambiguation":
            value = WikipediaValue(title=titles[0], summary=None, others=others)
            return ToolResult(value.model_dump(mode="json"), _which(titles[0], others), source)
        summary = str(page.get("extract") or page.get("description") or "").strip()
        if not summary:
            raise ToolError(f"the article {titles[0]!r} has no summary", f"read it at {source}")
        title = str(page.get("title") or titles[0])
        description = str(page["description"]) if page.get("description") else None
        value = WikipediaValue(title=title, summary=summary, description=description, others=others)
        return ToolResult(value.model_dump(mode="json"), shorten(summary), source)

    def check(self) -> list[str]:
        """Asks for one article."""
        try:
            self._search("Earth")
        except ConloraError as error:
            return [str(error)]
        return []

    def _search(self, topic: str) -> list[str]:
        """Titles of the articles that fit best, best first."""
        params: dict[str, str | int] = {"action": "query", "list": "search", "srsearch": topic, "srlimit": HITS}
        params |= {"srprop": "", "format": "json", "formatversion": 2}
        answer = self._client.get_json(f"{self._base_url}/w/api.php", params)
        if isinstance(answer, dict) and isinstance(error := answer.get("error"), dict):
            raise ToolError(f"Wikipedia refused the search: {error.get('info', 'no reason given')}", "try other words")
        try:
            return [str(hit["title"]) for hit in answer["query"]["search"]]
        except (KeyError, TypeError) as error:
            raise self._unreadable() from error

    def _summary(self, title: str) -> dict[str, Any]:
        answer = self._client.get_json(
            f"{self._base_url}/api/rest_v1/page/summary/{_path(title)}", {"redirect": "true"}
        )
        if not isinstance(answer, dict):
            raise self._unreadable()
        return answer

    def _unreadable(self) -> ToolError:
        host = urlsplit(self._base_url).hostname
        return ToolError(f"{host} did not answer like a Wikipedia", "check the setting wikipedia_url")


def shorten(text: str, limit: int = MAX_TEXT) -> str:
    """`text` up to the last sentence that ends within `limit` characters, or cut at a word with an ellipsis."""
    text = re.sub(r"\s+", " ", text).strip()
    if len(text) <= limit:
        return text
    ends = [match.end() for match in re.finditer(r"[.!?](?=\s+[^\sa-z])", text[: limit + 2]) if match.end() <= limit]
    if ends and ends[-1] > limit // 3:
        return text[: ends[-1]]
    return text[: limit - 1].rsplit(" ", 1)[0].rstrip(",;:") + "…"


def _antecedent(context: ToolContext) -> str:
    """What "it" or "she" stands for: the newest text read, or the article looked up last."""
    for antecedent in context.antecedents:
        if isinstance(antecedent, str):
            return re.sub(r"\s+", " ", antecedent).strip().strip(".,;:\"'“”")
        if antecedent.route == "wikipedia" and (title := _title(antecedent)):
            return title
    return ""


def _title(value: ValueReferent) -> str:
    if isinstance(value.value, dict) and value.value.get("title"):
        return str(value.value["title"])
    return str(value.arguments.get("topic", ""))


def _which(title: str, others: tuple[str, ...]) -> str:
    name = re.sub(r" \(disambiguation\)$", "", title)
    listed = "; ".join(others) or "several articles"
    return f"“{name}” can mean different things: {listed}. Which one do you mean?"


def _page_url(page: dict[str, Any]) -> str | None:
    try:
        url = page["content_urls"]["desktop"]["page"]
    except (KeyError, TypeError):
        return None
    return url if isinstance(url, str) and url.startswith(("https://", "http://")) else None


def _path(title: str) -> str:
    return quote(title.replace(" ", "_"), safe="")
