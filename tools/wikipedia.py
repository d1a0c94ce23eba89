"""Encyclopedic facts from Wikipedia: find the topic in the user's words, search, and give the article's summary.

Uses the MediaWiki action API (`list=search`) and the REST page summary, both public and keyless. "who wrote it?" takes
the topic from what the conversation is about, such as a title read from a picture. A single fact, such as who wrote
it, comes from Wikidata (`wikidata.py`). Not covered here: answers to other questions than what the summary says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import Field

from conlora_agent.core.errors import ToolError
from conlora_agent.core.referents import ValueReferent
from tools.base import MissingArgument, Tool, ToolContext, ToolModel, ToolResult
from tools.fallback import problems
from tools.http import MAX_AGE, HttpClient
from tools.providers import Providers
from tools.secrecy import without_user
from tools.topics import is_anaphoric, topic_of
from tools.wikidata import Fact, fact_asked, look_up, subject_of

QUESTION = "What should I look up?"
MAX_TOPIC = 200
MAX_TEXT = 700
"""Characters of a summary that are shown, cut at the end of a sentence."""
HITS = 5


class WikipediaArgs(ToolModel):
    """`topic`: what to look up, such as "Pride and Prejudice". `fact`: the one thing asked of it, if it is one."""

    topic: str = Field(min_length=1, max_length=MAX_TOPIC)
    fact: Fact | None = None


class WikipediaValue(ToolModel):
    """`title` of the article and its `url`, its `summary` (None when the topic is ambiguous), titles of `others` that
    fit, and the `fact` asked for as a sentence, when Wikidata states it."""

    title: str
    summary: str | None
    description: str | None = None
    others: tuple[str, ...] = ()
    fact: str | None = None
    url: str
    at: str


class Wikipedia(Tool[WikipediaArgs]):
    """Summaries of Wikipedia articles, with the fact asked for from Wikidata, which also stands in for them."""

    name = "wikipedia"
    looks = "ocr"
    title = "Wikipedia"
    description = "Look up facts about people, places, books, works, science, history and events in an encyclopedia."
    args_model = WikipediaArgs
    result_model = WikipediaValue

    def __init__(
        self, client: HttpClient, *, base_url: str = Providers.wikipedia_url, wikidata_url: str | None = None
    ) -> None:
        """Without `wikidata_url` there are no single facts and no fallback."""
        self._client = client
        self._base_url = base_url.rstrip("/")
        self._wikidata_url = wikidata_url.rstrip("/") if wikidata_url else None

    def arguments(self, request: str, context: ToolContext) -> dict[str, Any]:
        """The topic meant. Raises MissingArgument when neither the words nor the conversation tell."""
        topic = context.answers.get("topic") or topic_of(request)
        if is_anaphoric(topic):
            topic = _antecedent(context)
        if not topic:
            raise MissingArgument("topic", QUESTION)
        fact = fact_asked(request)
        return {"topic": topic[:MAX_TOPIC]} | ({"fact": fact} if fact else {})

    def run(self, args: WikipediaArgs) -> ToolResult:
        """Search and summarise. Raises ToolError when nothing is found, ToolUnavailable when it cannot be reached."""
        try:
            article = self._article(args.topic)
        except ToolError as error:
            return self._from_wikidata(args, error)
        subject = subject_of(args.topic) or article.value.title
        fact = self._fact(subject, args.fact) if article.value.summary else None
        value = article.value.model_copy(update={"fact": fact})
        text = f"{fact} {article.text}" if fact else article.text
        return ToolResult(value.model_dump(mode="json"), text + article.caution, value.url)

    def _article(self, topic: str) -> _Article:
        titles = self._search(topic)
        if not titles:
            raise ToolError(f"Wikipedia has no article about {topic!r}", "try other words")
        response = self._client.get(
            f"{self._base_url}/api/rest_v1/page/summary/{_path(titles[0])}", {"redirect": "true"}
        )
        page = response.json()
        if not isinstance(page, dict):
            raise self._unreadable()
        url = _page_url(page) or f"{without_user(self._base_url)}/wiki/{_path(titles[0])}"
        others = tuple(titles[1:])
        if page.get("type") == "disambiguation":
            value = WikipediaValue(title=titles[0], summary=None, others=others, url=url, at=response.time)
            return _Article(value, _which(titles[0], others), response.caution)
        summary = str(page.get("extract") or page.get("description") or "").strip()
        if not summary:
            raise ToolError(f"the article {titles[0]!r} has no summary", f"read it at {url}")
        value = WikipediaValue(
            title=str(page.get("title") or titles[0]),
            summary=summary,
            description=str(page["description"]) if page.get("description") else None,
            others=others,
            url=url,
            at=response.time,
        )
        return _Article(value, shorten(summary), response.caution)

    def _fact(self, topic: str, fact: Fact | None) -> str | None:
        """The fact as a sentence; None where Wikidata does not state it or cannot be asked: the article says more."""
        if fact is None or self._wikidata_url is None:
            return None
        try:
            return look_up(self._client, self._wikidata_url, topic, fact).fact
        except ToolError:
            return None

    def _from_wikidata(self, args: WikipediaArgs, error: ToolError) -> ToolResult:
        """Wikidata's description in the place of an article; the article's own error when it has none either."""
        if self._wikidata_url is None:
            raise error
        try:
            item = look_up(self._client, self._wikidata_url, subject_of(args.topic) or args.topic, args.fact)
        except ToolError:
            raise error from None
        if not (item.fact or item.description):
            raise error
        described = f"{item.title}: {item.description} (Wikidata)." if item.description else ""
        value = WikipediaValue(
            title=item.title,
            summary=item.description or None,
            description=item.description or None,
            fact=item.fact,
            url=item.source,
            at=item.response.time,
        )
        text = " ".join(part for part in (item.fact, described) if part)
        return ToolResult(value.model_dump(mode="json"), text + item.response.caution, item.source)

    def check(self) -> list[str]:
        """Asks for one article."""
        return problems(lambda: self._search("Earth", max_age=None))

    def _search(self, topic: str, *, max_age: timedelta | None = MAX_AGE) -> list[str]:
        """Titles of the articles that fit best, best first."""
        params: dict[str, str | int | float] = {"action": "query", "list": "search", "srsearch": topic, "srlimit": HITS}
        params |= {"srprop": "", "format": "json", "formatversion": 2}
        answer = self._client.get(f"{self._base_url}/w/api.php", params, max_age=max_age).json()
        if isinstance(answer, dict) and isinstance(error := answer.get("error"), dict):
            raise ToolError(f"Wikipedia refused the search: {error.get('info', 'no reason given')}", "try other words")
        try:
            return [str(hit["title"]) for hit in answer["query"]["search"]]
        except (KeyError, TypeError) as error:
            raise self._unreadable() from error

    def _unreadable(self) -> ToolError:
        host = urlsplit(self._base_url).hostname
        return ToolError(f"{host} did not answer like a Wikipedia", "check the setting wikipedia_url")


@dataclass(frozen=True)
class _Article:
    value: WikipediaValue
    text: str
    caution: str


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
