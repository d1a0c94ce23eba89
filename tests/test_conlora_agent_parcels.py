"""Threads go out as one document and come in again, on another machine and in another database, as they were."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conlora_agent.agent import Agent
from conlora_agent.core.errors import BadInput, ConloraError, DataError
from conlora_agent.memory.parcels import read_parcel, unpacked
from conlora_agent.testing import FakeBackbone
from tests.command import conlora
from tests.databases import fresh_postgres
from tests.turns import UnsureRouter, make_agent, png, step

RULES = {"where": "grounding", "read": "ocr", "weather": [step("weather", "weather")]}
BOOK = FakeBackbone({("*", "book"): "3 8 26 53", ("*", "read"): "EXIT\0 now"}, default="All right.")


def agent(home: Path, **settings: Any) -> Agent:
    return make_agent(backbone=BOOK, router=UnsureRouter(RULES), home=home, history_tokens=60, **settings)


def conversation(made: Agent) -> None:
    """With two pictures, a summary, regions and texts in the focus, and an open question at its end."""
    made.ask("where is the book?", image=png(), thread="t")
    made.ask("read it", thread="t")
    made.ask("read this", image=png((30, 20), "red"), thread="t")
    for number in range(3):
        made.ask(f"hello {number} " + "and so on " * 8, thread="t")
    assert made.ask("weather", thread="t").steps[-1].kind == "clarify"


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> str:
    with agent(tmp_path_factory.mktemp("home")) as made:
        conversation(made)
        return made.threads.export("t")


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_thread_goes_on_elsewhere_as_if_it_had_never_left(document: str, tmp_path: Path, database: str) -> None:
    def check(elsewhere: Agent) -> None:
        assert elsewhere.threads.bring(document) == "t"
        assert elsewhere.threads.export("t") == document
        assert elsewhere.threads.search("exit")[0].id == "t"
        turn = elsewhere.ask("in Rome", thread="t")
        assert turn.answer == "21 degrees in in Rome.\n(Source: https://weather.example)", (
            "the open question is answered"
        )
        elsewhere.threads.delete("t")
        assert list((tmp_path / "b" / "pictures").rglob("*/*")) == [], "its pictures went with it"

    if database == "sqlite":
        with agent(tmp_path / "b") as made:
            check(made)
    else:
        with fresh_postgres() as url, agent(tmp_path / "b", database=url) as made:
            check(made)


def test_its_own_summary_and_focus_come_along(document: str, isolated_home: Path) -> None:
    with agent(isolated_home) as made:
        made.threads.bring(document)
        made.threads.bring(document, "copy")
        assert made.state("copy") == made.state("t")
        assert made.state("copy")["summary"]
        made.ask("never mind, hello", thread="copy")
        assert len(made.threads.show("copy").turns) == len(made.threads.show("t").turns) + 1


def test_an_id_that_is_taken_is_refused_and_nothing_changes(document: str, isolated_home: Path) -> None:
    with agent(isolated_home) as made:
        made.threads.bring(document)
        with pytest.raises(BadInput, match="there is a thread 't' already; choose another id"):
            made.threads.bring(document)
        with pytest.raises(BadInput, match="cannot be a thread id"):
            made.threads.bring(document, "../x")
        assert [thread.id for thread in made.threads.list()] == ["t"]
        assert made.threads.export("t") == document


def spoiled(document: str, change: Callable[[dict[str, Any]], object]) -> str:
    value = json.loads(document)
    change(value)
    return json.dumps(value)


def swap(value: dict[str, Any]) -> None:
    one, two = value["pictures"]
    value["pictures"] = {one: value["pictures"][two], two: value["pictures"][one]}


SPOILS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no pictures": (lambda v: v["pictures"].clear(), "is not in the file"),
    "no base64": (lambda v: v["pictures"].update(dict.fromkeys(v["pictures"], "?")), "is damaged"),
    "swapped": (swap, "is another one"),
    "a path": (lambda v: v["turns"][0].update(image="../../etc/passwd"), "is not in the file"),
    "no turns": (lambda v: v["turns"].clear(), "turns"),
    "a later format": (lambda v: v.update(format=2), "format"),
    "no time": (lambda v: v["turns"][0].update(at="yesterday"), "turns.0.at"),
    "a time without zone": (lambda v: v.update(created_at="2026-01-01"), "names no zone"),
    "a time beyond all": (lambda v: v.update(updated_at="9999-12-31T23:59:59-12:00"), "beyond all years"),
    "no step waits": (lambda v: v["state"]["pending"].update(steps=[]), "a step that waits"),
    "no state": (lambda v: v.pop("state"), "state"),
    "half a turn": (lambda v: v["state"]["window"][-1].pop("user", None), "a request and an answer"),
    "an unknown field": (lambda v: v.update(owner="me"), "owner"),
    "a box beyond the picture": (lambda v: v["turns"][0]["steps"][0]["boxes"][0].update(box=[0, 0, 2, 2]), "box"),
}


@pytest.mark.parametrize("name", SPOILS)
def test_a_document_that_is_wrong_is_refused_in_one_line_and_nothing_is_kept(
    name: str, document: str, tmp_path: Path
) -> None:
    change, said = SPOILS[name]
    with agent(tmp_path / "b") as made:
        with pytest.raises(DataError, match=said) as caught:
            made.threads.bring(spoiled(document, change))
        assert "\n" not in str(caught.value)
        assert made.threads.list() == []
        assert list((tmp_path / "b").rglob("pictures/*/*")) == []


def test_bytes_that_are_no_picture_are_refused(document: str, tmp_path: Path) -> None:
    def change(value: dict[str, Any]) -> None:
        import hashlib

        data = b"<svg onload=alert(1)>"
        key = hashlib.sha256(data).hexdigest()
        value["turns"][0]["image"] = key
        value["pictures"][key] = base64.b64encode(data).decode()

    with agent(tmp_path / "b") as made:
        with pytest.raises(BadInput, match="these bytes are not a picture"):
            made.threads.bring(spoiled(document, change))
        assert list((tmp_path / "b").rglob("pictures/*/*")) == [], "the good ones of it neither"


@given(st.binary(max_size=60) | st.text(max_size=60) | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_whatever_comes_in_is_refused_with_a_word(document: bytes | str) -> None:
    with pytest.raises(DataError, match="no exported conversation"):
        read_parcel(document)


@given(st.data())
def test_a_document_cut_or_altered_anywhere_is_refused_or_whole(data: st.DataObject) -> None:
    text = json.dumps(SMALL)
    at = data.draw(st.integers(0, len(text) - 1))
    altered = text[:at] + data.draw(st.characters() | st.just("")) + text[at + data.draw(st.integers(0, 9)) :]
    try:
        unpacked(read_parcel(altered))
    except ConloraError as error:
        assert "\n" not in str(error)


SMALL = {
    "id": "t",
    "title": "hello",
    "created_at": "2026-11-24T22:00:00.000000+00:00",
    "updated_at": "2026-11-24T22:00:00.000000+00:00",
    "turns": [{"text": "hello", "answer": "Hi.", "at": "2026-11-24T22:00:00.000000+00:00"}],
    "format": 1,
    "state": {"window": [{"user": "hello", "assistant": "Hi.", "routes": ["chat"]}]},
    "pictures": {},
}


def test_on_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    conlora("ask", "hello", "--thread", "t")
    assert conlora("threads", "export", "t", "--format", "json", "--output", file).code == 0
    taken = conlora("threads", "import", file)
    assert taken.code == 2
    assert taken.error == "conlora: there is a thread 't' already; choose another id, or delete it first"
    assert conlora("threads", "import", file, "--id", "u", "--json").json == {"thread": "u", "turns": 1}
    before = conlora("threads", "show", "t").out
    conlora("threads", "delete", "t")
    assert conlora("threads", "import", file).out == "imported t: hello\n"
    assert conlora("threads", "show", "t").out == before
    for bad, said in ((tmp_path / "none.json", "cannot read"), (tmp_path, "cannot read"), (__file__, "no exported")):
        ended = conlora("threads", "import", bad)
        assert ended.code == 2
        assert said in ended.error
