"""Answers of the loopback server are written after the MediaWiki documentation (API:Search, REST page summary)."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from conlora_agent.core.errors import ToolError, ToolUnavailable
from conlora_agent.core.referents import Focus, PictureReferent, TextReferent, ValueReferent
from tools.base import MissingArgument, ToolContext
from tools.http import HttpClient
from tools.providers import Providers
from tools.registry import default_tools
from tools.topics import is_anaphoric, topic_of
from tools.wikipedia import MAX_TEXT, Wikipedia, shorten

TITLE = "Pride and Prejudice"
EXTRACT = "Pride and Prejudice is the second published novel by English author Jane Austen, written in 1813."


@pytest.fixture
def wikipedia(httpserver: HTTPServer) -> Wikipedia:
    url = httpserver.url_for("").rstrip("/")
    return Wikipedia(HttpClient(trusted=[url], timeout_s=5, sleep=lambda seconds: None), base_url=url)


def serve_search(server: HTTPServer, *titles: str) -> None:
    hits = [{"ns": 0, "title": title, "pageid": number} for number, title in enumerate(titles, start=1)]
    server.expect_request("/w/api.php").respond_with_json(
        {"batchcomplete": True, "query": {"searchinfo": {"totalhits": len(hits)}, "search": hits}}
    )


def serve_summary(server: HTTPServer, path: str, **changes: Any) -> None:
    page = {
        "type": "standard",
        "title": TITLE,
        "description": "1813 novel by Jane Austen",
        "extract": EXTRACT,
        "lang": "en",
        "content_urls": {"desktop": {"page": "https://en.wikipedia.org/wiki/Pride_and_Prejudice"}},
    }
    server.expect_request(f"/api/rest_v1/page/summary/{path}").respond_with_json({**page, **changes})


def test_search_then_summary_with_its_source(wikipedia: Wikipedia, httpserver: HTTPServer) -> None:
    serve_search(httpserver, TITLE, "Jane Austen")
    serve_summary(httpserver, "Pride_and_Prejudice")
    result = wikipedia.call(wikipedia.arguments("who wrote Pride and Prejudice?", ToolContext()))
    assert result.text == EXTRACT
    assert result.source == "https://en.wikipedia.org/wiki/Pride_and_Prejudice"
    assert result.value["title"] == TITLE
    assert result.value["others"] == ["Jane Austen"]
    assert wikipedia.result_model.model_validate(result.value)
    search, _ = httpserver.log[0]
    assert search.args["srsearch"] == TITLE
    assert search.args["list"] == "search"


def test_titles_are_escaped_in_the_path(wikipedia: Wikipedia, httpserver: HTTPServer) -> None:
    serve_search(httpserver, "AC/DC?")
    serve_summary(httpserver, "AC%2FDC%3F", title="AC/DC?", content_urls=None)
    httpserver.expect_request("/api/rest_v1/page/summary/AC/DC?").respond_with_json(
        {"title": "AC/DC?", "extract": "A."}
    )
    result = wikipedia.call({"topic": "acdc"})
    assert result.source is not None
    assert result.source.endswith("/wiki/AC%2FDC%3F")


def test_an_ambiguous_topic_names_the_articles(wikipedia: Wikipedia, httpserver: HTTPServer) -> None:
    serve_search(httpserver, "Mercury", "Mercury (planet)", "Mercury (element)")
    serve_summary(httpserver, "Mercury", type="disambiguation", title="Mercury", extract="Mercury may refer to:")
    result = wikipedia.call({"topic": "Mercury"})
    assert result.text == (
        "“Mercury” can mean different things: Mercury (planet); Mercury (element). Which one do you mean?"
    )
    assert result.value["summary"] is None


def test_nothing_found_says_so(wikipedia: Wikipedia, httpserver: HTTPServer) -> None:
    serve_search(httpserver)
    with pytest.raises(ToolError, match="no article about 'qwxyz'") as caught:
        wikipedia.call({"topic": "qwxyz"})
    assert not isinstance(caught.value, ToolUnavailable)


@pytest.mark.parametrize("answer", [[], {}, {"query": {}}, {"query": {"search": [{"pageid": 1}]}}, "text", None])
def test_what_is_no_wikipedia_is_one_line(wikipedia: Wikipedia, httpserver: HTTPServer, answer: Any) -> None:
    httpserver.expect_request("/w/api.php").respond_with_json(answer)
    with pytest.raises(ToolError, match="did not answer like a Wikipedia"):
        wikipedia.call({"topic": "x"})


def test_a_refused_search_gives_the_reason(wikipedia: Wikipedia, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/w/api.php").respond_with_json({"error": {"code": "x", "info": "too long"}})
    with pytest.raises(ToolError, match="refused the search: too long"):
        wikipedia.call({"topic": "x"})


def test_an_article_without_a_summary_names_its_address(wikipedia: Wikipedia, httpserver: HTTPServer) -> None:
    serve_search(httpserver, TITLE)
    serve_summary(httpserver, "Pride_and_Prejudice", extract="", description=None)
    with pytest.raises(ToolError, match=r"has no summary; read it at https://en\.wikipedia\.org"):
        wikipedia.call({"topic": TITLE})


def test_a_link_in_an_answer_that_is_no_web_address_is_not_passed_on(
    wikipedia: Wikipedia, httpserver: HTTPServer
) -> None:
    serve_search(httpserver, TITLE)
    serve_summary(httpserver, "Pride_and_Prejudice", content_urls={"desktop": {"page": "javascript:alert(1)"}})
    assert (wikipedia.call({"topic": TITLE}).source or "").startswith("http://")


def test_offline_is_unavailable_and_check_says_so() -> None:
    tools = default_tools(offline=True)
    with pytest.raises(ToolUnavailable, match=r"en\.wikipedia\.org is not asked while working offline"):
        tools.call("wikipedia", {"topic": "x"})
    assert "offline" in tools.check("wikipedia")[0]


def test_check_asks_the_configured_server(httpserver: HTTPServer) -> None:
    tools = default_tools(Providers(wikipedia_url=httpserver.url_for("").rstrip("/")))
    serve_search(httpserver, "Earth")
    assert tools.check("wikipedia") == []
    httpserver.clear()
    httpserver.expect_request("/w/api.php").respond_with_data("no", status=403)
    assert tools.check("wikipedia") == [
        "localhost refused the request (403); check its key and address in the settings"
    ]


# -- topics -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "topic"),
    [
        ("who wrote Pride and Prejudice?", "Pride and Prejudice"),
        ("who is Ada Lovelace", "Ada Lovelace"),
        ("Who Was Cleopatra?", "Cleopatra"),
        ("who's Frida Kahlo", "Frida Kahlo"),
        ("who was the first person on the moon?", "first person on the moon"),
        ("what is the capital of Australia?", "capital of Australia"),
        ("tell me about the Eiffel Tower", "Eiffel Tower"),
        ("when was Marie Curie born?", "Marie Curie"),
        ("where is Mount Kilimanjaro?", "Mount Kilimanjaro"),
        ("how tall is the Burj Khalifa", "Burj Khalifa"),
        ("how many moons does Jupiter have", "Jupiter"),
        ("look up photosynthesis", "photosynthesis"),
        ("search wikipedia for black holes", "black holes"),
        ("look up the Hubble telescope on wikipedia please", "Hubble telescope"),
        ("what does wikipedia say about Mozart?", "Mozart"),
        ("wikipedia: Alan Turing", "Alan Turing"),
        ("can you tell me who invented the telephone?", "telephone"),
        ("do you know when the Titanic sank?", "Titanic"),
        ("in which year did World War II end?", "World War II"),
        ("what language is spoken in Brazil", "Brazil"),
        ('who directed "Blade Runner"?', "Blade Runner"),
        ("who wrote the novel Dracula", "Dracula"),
        ("is Pluto a planet? look it up", "Pluto"),
        ("what's the story behind the Trojan Horse", "Trojan Horse"),
        ("who is Marie Curie and what did she discover", "Marie Curie"),
        ("what year was the Eiffel Tower completed?", "Eiffel Tower"),
        ("and Jane Austen?", "Jane Austen"),
        ("what about Einstein?", "Einstein"),
    ],
)
def test_topics(request_: str, topic: str) -> None:
    assert topic_of(request_) == topic
    assert not is_anaphoric(topic)


ANAPHORIC = [
    "who wrote it?",
    "who wrote this book",
    "who is the author?",
    "who is the author of this book?",
    "when was it published",
    "what is it about?",
    "tell me more about it",
    "tell me more",
    "tell me about the author",
    "what is its history",
    "who is he?",
    "where was she born",
    "what else did she write",
    "look it up",
    "look up the author on wikipedia",
    "look that up on wikipedia",
    "is it a famous novel? look it up",
]


@pytest.mark.parametrize("request_", ANAPHORIC)
def test_pronouns_stand_for_the_text_read_before(request_: str, wikipedia: Wikipedia) -> None:
    cover = ToolContext(Focus(referents=(PictureReferent(image="a"), TextReferent(text="PRIDE AND\n PREJUDICE"))))
    assert wikipedia.arguments(request_, cover)["topic"] == "PRIDE AND PREJUDICE"
    with pytest.raises(MissingArgument, match="What should I look up"):
        wikipedia.arguments(request_, ToolContext())


def test_pronouns_stand_for_the_article_looked_up_last(wikipedia: Wikipedia) -> None:
    last = ValueReferent(route="wikipedia", arguments={"topic": "ada"}, value={"title": "Ada Lovelace"})
    sum_ = ValueReferent(route="calculator", arguments={"expression": "1+1"}, value={"result": "2"})
    context = ToolContext(Focus(referents=(TextReferent(text="OLD SIGN"), last, sum_)))
    assert wikipedia.arguments("when was she born?", context) == {"topic": "Ada Lovelace", "fact": "born"}
    assert wikipedia.arguments("who wrote it?", ToolContext(context.focus, used=("DUNE",))) == {
        "topic": "DUNE",
        "fact": "author",
    }


def test_a_reply_completes_the_question(wikipedia: Wikipedia) -> None:
    context = ToolContext(answers={"topic": "Dune"})
    assert wikipedia.arguments("tell me about it", context) == {"topic": "Dune"}


def test_long_texts_stay_within_the_schema(wikipedia: Wikipedia) -> None:
    args = wikipedia.arguments("look it up", ToolContext(used=("word " * 500,)))
    assert wikipedia.args_model.model_validate(args)
    assert wikipedia.arguments("who is " + "a" * 5000, ToolContext())


def test_summaries_are_cut_at_a_sentence() -> None:
    assert shorten("Short. ") == "Short."
    text = "One sentence of Mr. X. " * 60
    assert shorten(text).endswith("X.")
    assert len(shorten(text)) <= MAX_TEXT
    assert shorten("word " * 400).endswith("word…")
