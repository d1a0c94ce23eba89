from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conlora_agent.core.errors import TextError, ThreadBusy, UnknownName
from conlora_agent.core.events import StepStarted
from conlora_agent.memory import leases as leases_module
from conlora_agent.memory import schema
from conlora_agent.memory.database import Database
from conlora_agent.memory.leases import Leases, check_lease
from conlora_agent.memory.opening import open_database
from conlora_agent.memory.retention import Retention
from conlora_agent.memory.sqlite import SqliteDatabase
from conlora_agent.memory.threads import new_thread_id
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone
from tests.databases import fresh_postgres
from tests.turns import make_agent, png
from tests.waiting import wait_until


@pytest.fixture(params=["sqlite", "postgres"], autouse=True)
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test here runs on both."""
    if request.param == "sqlite":
        yield
        return
    with fresh_postgres() as url:
        monkeypatch.setenv("CONLORA_DATABASE", url)
        yield


@pytest.fixture
def database(isolated_home: Path) -> Iterator[Database]:
    url = Settings.load().database
    made = open_database(url.get_secret_value() if url else None, isolated_home)
    yield made
    made.close()


def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(query)]


# -- turns ------------------------------------------------------------------------------------------------------------


def test_one_checkpoint_a_thread_and_only_what_outlives_a_turn(database: Database) -> None:
    agent = make_agent({"read": "ocr"})
    for _ in range(3):
        agent.ask("read it", image=png(), thread="t")
    ((dumped,),) = rows(database, "SELECT checkpoint FROM checkpoints")
    assert set(json.loads(str(dumped))["channel_values"]) == {"window", "summary", "focus", "pending"}
    assert rows(database, "SELECT thread, position FROM turns") == [("t", 0), ("t", 1), ("t", 2)]
    assert rows(database, "SELECT * FROM leases") == []
    assert rows(database, "SELECT * FROM picture_holds") == []


def test_a_checkpoint_stays_small_over_many_turns_with_pictures(database: Database) -> None:
    agent = make_agent({"read": "ocr"}, FakeBackbone(default="word " * 40), history_tokens=200)
    sizes = []
    for n in range(24):
        agent.ask(f"read page {n}", image=png(colour=f"#0000{n:02x}"), thread="t")
        sizes.append(int(str(rows(database, "SELECT length(checkpoint) FROM checkpoints")[0][0])))
    assert sizes[-1] <= sizes[12] * 1.1
    assert len(agent.threads.show("t").turns) == 24


def test_closing_the_stream_rolls_the_turn_back(isolated_home: Path) -> None:
    agent = make_agent({"read": "ocr"})
    agent.ask("hello", thread="t")
    before = agent.state("t")
    for stop_after in range(4):
        events = agent.stream("read it", image=png(), thread="t")
        for _ in range(stop_after):
            next(events)
        events.close()
        assert agent.state("t") == before
        assert len(agent.threads.show("t").turns) == 1
        assert list((isolated_home / "pictures").rglob("*/*")) == []
    assert agent.ask("read it", image=png(), thread="t").steps[0].route == "ocr"


def test_a_second_turn_on_the_thread_is_refused() -> None:
    agent, other = make_agent(), make_agent()
    events = agent.stream("hello", thread="t")
    while not isinstance(next(events), StepStarted):
        pass
    with pytest.raises(ThreadBusy, match="'t' is busy"):
        other.ask("hello", thread="t")
    assert other.ask("hello", thread="u").thread == "u"
    list(events)
    assert other.ask("hello", thread="t").thread == "t"


def test_an_older_version_is_brought_up_to_date(database: Database) -> None:
    agent = make_agent()
    for text in ("where is the Bücherregal?", "hello", "thanks"):
        agent.ask(text, thread="t")
    agent.close()
    sqlite = isinstance(database, SqliteDatabase)
    with database.write() as connection:
        checkpoint = json.loads(connection.execute("SELECT checkpoint FROM checkpoints").fetchone()[0])
        del checkpoint["channel_values"]["window"][:2], checkpoint["channel_values"]["summary"]
        connection.execute("UPDATE checkpoints SET checkpoint = ?", (json.dumps(checkpoint),))
        connection.execute("ALTER TABLE turns DROP COLUMN said")
        connection.execute("PRAGMA user_version = 1" if sqlite else "UPDATE conlora_schema SET version = 1")
    agent = make_agent()
    assert [thread.id for thread in agent.threads.search("BÜCHERREGAL")] == ["t"]
    assert agent.state("t")["summary"] == "where is the Bücherregal? → All right.\nhello → All right."
    assert agent.ask("and now?", thread="t").thread == "t"
    found = rows(database, "PRAGMA user_version" if sqlite else "SELECT version FROM conlora_schema")
    assert found == [(schema.VERSION,)]


# -- threads ----------------------------------------------------------------------------------------------------------


def test_threads_are_listed_shown_exported_and_deleted() -> None:
    agent = make_agent({"read": "ocr"}, FakeBackbone(default="EXIT"))
    agent.ask("read the   sign\nplease", image=png(), thread="a")
    agent.ask("hello", thread="b")
    agent.ask("thanks", thread="a")
    assert [(t.id, t.title, t.turns) for t in agent.threads.list()] == [
        ("a", "read the sign please", 2),
        ("b", "hello", 1),
    ]
    exported = json.loads(agent.threads.export("a"))
    assert exported.items() >= agent.threads.show("a").model_dump(mode="json").items()
    assert "**You**: thanks" in agent.threads.export("a", "markdown")
    agent.threads.delete("a")
    assert [t.id for t in agent.threads.list()] == ["b"]
    assert agent.state("a") == {}


def test_threads_are_found_by_title_and_words_and_can_be_renamed() -> None:
    agent = make_agent({"read": "ocr"}, FakeBackbone(default="QUIET Ocean"))
    agent.ask("read the sign", image=png(), thread="a")
    agent.ask("100% sure?", thread="b")
    assert [t.id for t in agent.threads.search("ocean SIGN")] == ["a"]
    assert [t.id for t in agent.threads.search("0% quiet")] == ["b"]
    assert [t.id for t in agent.threads.search(" ")] == ["b", "a"]
    assert agent.threads.search("ocr") == [], "only what was said is searched"
    agent.threads.rename("a", "  My\nholiday ")
    agent.ask("thanks", thread="a")
    assert agent.threads.show("a").title == "My holiday"
    assert [t.id for t in agent.threads.search("holiday")] == ["a"]
    with pytest.raises(TextError, match="title"):
        agent.threads.rename("a", " \n")
    with pytest.raises(UnknownName):
        agent.threads.rename("c", "Title")


@pytest.mark.parametrize("call", ["show", "delete", "export"])
def test_unknown_threads(call: str) -> None:
    agent = make_agent()
    agent.ask("hello", thread="holiday")
    with pytest.raises(UnknownName, match="did you mean 'holiday'"):
        getattr(agent.threads, call)("holidays")


def test_new_ids_are_valid_and_different() -> None:
    ids = {new_thread_id() for _ in range(50)}
    assert len(ids) == 50


# -- pictures ---------------------------------------------------------------------------------------------------------


def test_a_picture_goes_with_its_last_thread() -> None:
    agent = make_agent({"read": "ocr"})
    key = agent.ask("read", image=png(), thread="a").steps[0].image
    assert key is not None
    agent.ask("read", image=png(), thread="b")
    assert agent.pictures.read(key) == png()
    agent.threads.delete("a")
    assert agent.pictures.open(key).size == (200, 100)
    agent.threads.delete("b")
    assert not agent.pictures.path(key).exists()
    with pytest.raises(UnknownName):
        agent.pictures.open(key)


def test_an_upload_waits_for_its_turn() -> None:
    agent = make_agent()
    key = agent.pictures.put(png())
    agent.ask("hello", thread="t")
    agent.threads.delete("t")
    assert agent.pictures.open(key).size == (200, 100)
    assert agent.pictures.put(png()) == key


@pytest.mark.parametrize("key", ["../../etc/passwd", "", "A" * 64, "0" * 64])
def test_unknown_pictures(key: str) -> None:
    with pytest.raises(UnknownName):
        make_agent().pictures.open(key)


# -- leases -----------------------------------------------------------------------------------------------------------


def test_a_lease_is_renewed_while_held_and_expires_when_not(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases = Leases(database, seconds=0.3)
    with leases.hold("t"):
        time.sleep(0.7)
        with pytest.raises(ThreadBusy), leases.hold("t"):
            pass
    with leases.hold("t") as first:
        monkeypatch.setattr(leases_module.time, "time", lambda real=time.time: real() + 60)
        with leases.hold("t") as second, database.read() as connection:
            check_lease(connection, "t", second)
            with pytest.raises(ThreadBusy):
                check_lease(connection, "t", first)


def test_a_killed_process_does_not_block_its_thread(isolated_home: Path) -> None:
    program = """
import os, signal
from tests.databases import fresh_postgres
from tests.turns import make_agent, png
agent = make_agent()
for event in agent.stream("hello", image=png(), thread="t"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    agent = make_agent()
    agent.ask("before", thread="t")
    child = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[1], check=False)
    assert child.returncode == -9
    assert [turn.text for turn in agent.threads.show("t").turns] == ["before"]
    assert agent.ask("after", thread="t").thread == "t"


def test_a_thread_nobody_uses_is_deleted_after_a_while(database: Database) -> None:
    agent = make_agent()
    for thread in ("old", "new"):
        agent.ask("hello", thread=thread)
    with database.write() as connection:
        connection.execute("UPDATE threads SET updated_at = '2020-01-01T00:00:00' WHERE id = 'old'")
    assert agent.threads.expire(30) == 1
    assert [thread.id for thread in agent.threads.list()] == ["new"]


def test_a_program_that_serves_forgets_in_time(database: Database) -> None:
    def age(thread: str) -> None:
        with database.write() as connection:
            connection.execute("UPDATE threads SET updated_at = '2020-01-01T00:00:00' WHERE id = ?", (thread,))

    def left(threads: list[str], pictures: int) -> bool:
        files = list((agent.settings.home / "pictures").rglob("*/*"))
        return sorted(t.id for t in agent.threads.list()) == threads and len(files) == pictures

    agent = make_agent()
    for number, thread in enumerate(("a", "b", "c")):
        agent.ask("hello", image=png((number + 9, 9)), thread=thread)
    age("a")
    with Retention(agent.threads, agent.pictures, 30, every_s=0.05):
        wait_until(lambda: left(["b", "c"], 2))
        age("b")
        wait_until(lambda: left(["c"], 1))
    age("c")
    with Retention(agent.threads, agent.pictures, None, every_s=0.05):
        agent.pictures.put(png((50, 50)), holder="an upload that was never sent")
        with database.write() as connection:
            connection.execute("UPDATE picture_holds SET expires_at = 0")
        wait_until(lambda: left(["c"], 1))
    assert left(["c"], 1)  # though it is old: without a limit threads are kept


def test_a_thread_in_use_is_not_forgotten(database: Database) -> None:
    agent = make_agent()
    for text in ("hello", "and"):
        events = agent.stream(text, thread="t")
        next(events)
        with database.write() as connection:
            connection.execute("UPDATE threads SET updated_at = '2020-01-01T00:00:00'")
        assert agent.threads.expire(30) == 0
        list(events)
        assert agent.threads.expire(30) == 0, "it was used just now"
    assert len(agent.threads.show("t").turns) == 2


@pytest.mark.parametrize("query", ["100%", "a_b", "back\\slash", "ÜBER", "hello 100"])
def test_any_words_are_found_as_they_are(query: str) -> None:
    agent = make_agent()
    agent.ask("hello 100% a_b back\\slash über", thread="t")
    agent.ask("hello 1000 aXb back/slash", thread="u")
    found = [thread.id for thread in agent.threads.search(query)]
    assert found == (["u", "t"] if query == "hello 100" else ["t"])
