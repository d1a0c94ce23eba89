"""What the user teaches: kept in the home, learned at once, offered after a choice, remembered within the thread."""

from __future__ import annotations

from pathlib import Path

import pytest

from conlora_agent.core.errors import StorageError, TextError, UnknownName
from conlora_agent.core.types import Plan, RouteQuery
from conlora_agent.taught import WEIGHT, Phrase, TaughtPhrases
from router.embedding import EmbeddingRouter
from tests.command import conlora
from tests.router_routes import all_routes
from tests.turns import UnsureRouter, make_agent, png

RULES = {"read": "ocr", "where": "grounding"}


def asked_and_chosen() -> tuple:  # type: ignore[type-arg]
    agent = make_agent(router=UnsureRouter(RULES))
    asked = agent.ask("hm, this", image=png())
    assert agent.state(asked.thread)["pending"]["choices"] == ["ocr", "caption"]
    return agent, agent.ask("the second", thread=asked.thread)


def test_a_choice_is_remembered_for_the_same_words_in_the_same_thread_only() -> None:
    agent, result = asked_and_chosen()
    assert result.steps[0].route == "caption"
    again = agent.ask("hm,  THIS", thread=result.thread)
    assert (again.steps[0].route, again.steps[0].request) == ("caption", "hm,  THIS")
    assert agent.ask("hm, that", thread=result.thread).steps[0].route == "clarify"
    assert agent.ask("hm, this", image=png()).steps[0].route == "clarify"


def test_a_choice_that_needs_a_picture_is_not_taken_without_one() -> None:
    from conlora_agent.planning import chosen_before

    agent = make_agent(RULES)
    routes = {route.name: route for route in agent.routes()}
    assert chosen_before({"hm": "ocr"}, RouteQuery(text="hm"), routes) is None
    assert chosen_before({"hm": "gone"}, RouteQuery(text="hm", has_image=True), routes) is None


def test_what_was_chosen_can_be_taught_and_reaches_the_router() -> None:
    agent, result = asked_and_chosen()
    lesson = agent.lesson(result.thread, result.steps)
    assert lesson == Phrase(route="caption", text="hm, this", has_image=True)
    agent.teach(lesson.route, lesson.text, has_image=lesson.has_image)
    caption = next(route for route in agent.routes() if route.name == "caption")
    assert [example.text for example in caption.examples].count("hm, this") == WEIGHT
    assert agent.lesson(result.thread, result.steps) is None
    read = agent.ask("read it", thread=result.thread)
    assert agent.lesson(read.thread, read.steps) is None


def test_a_phrase_belongs_to_one_route_and_can_be_forgotten(tmp_path: Path) -> None:
    agent = make_agent(RULES, home=tmp_path)
    agent.teach("ocr", "gimme the letters")
    agent.teach("vqa", "Gimme  the letters")
    (kept,) = TaughtPhrases(tmp_path).all()
    assert kept.route == "vqa"
    with pytest.raises(UnknownName, match="gimme"):
        agent.unteach("ocr", "gimme the letters")
    agent.unteach("vqa", "gimme the letters")
    assert TaughtPhrases(tmp_path).all() == ()


def test_a_phrase_with_a_line_separator_in_it_is_kept_on_one_line(tmp_path: Path) -> None:
    agent = make_agent(RULES, home=tmp_path)
    agent.teach("ocr", "gimme\u2028the letters")
    assert [phrase.text for phrase in TaughtPhrases(tmp_path).all()] == ["gimme\u2028the letters"]
    assert agent.ask("hello").answer


@pytest.mark.parametrize(
    ("route", "text", "error"), [("orc", "x", UnknownName), ("clarify", "x", UnknownName), ("ocr", " ", TextError)]
)
def test_what_cannot_be_taught_changes_nothing(tmp_path: Path, route: str, text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        make_agent(RULES, home=tmp_path).teach(route, text)
    assert not (tmp_path / "taught.jsonl").exists()


def test_a_damaged_file_is_one_line_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "taught.jsonl").write_text("{")
    with pytest.raises(StorageError, match="taught"):
        TaughtPhrases(tmp_path).all()


def test_the_router_follows_a_taught_phrase_and_keeps_the_rest(tmp_path: Path, shared_cache: Path) -> None:
    routes = all_routes(tmp_path)
    router = EmbeddingRouter(routes, cache_dir=shared_cache)

    def plan(text: str) -> Plan:
        return router.plan(RouteQuery(text=text, has_image=True))

    phrase = Phrase(route="ocr", text="do the usual with this one")
    assert plan(phrase.text).steps[0].route != "ocr"
    taught = TaughtPhrases(tmp_path)
    taught.teach(phrase, {route.name: route for route in routes})
    router.refit(list(taught.added_to(routes)))
    assert plan(phrase.text).steps[0].route == "ocr"
    assert plan("where is the dog?").steps[0].route == "grounding"


def test_the_command_says_where_the_phrase_goes_now() -> None:
    ended = conlora("tasks", "teach", "ocr", "read the plate", "--json")
    assert ended.json == {"route": "ocr", "text": "read the plate", "taught": True, "now": "chat"}
    assert "still goes to chat" in ended.error
    assert conlora("tasks", "teach", "ocr", "read the plate", "--forget").code == 0
    for wrong, says in (
        (("orc", "x"), "did you mean 'ocr'"),
        (("ocr", ""), "empty"),
        (("ocr", "y", "--forget"), "no phrase"),
    ):
        ended = conlora("tasks", "teach", *wrong)
        assert ended.code == 2
        assert says in ended.error
