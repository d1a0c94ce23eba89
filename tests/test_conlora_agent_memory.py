from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from turns import make_agent, png

from conlora_agent.core.errors import StorageError, TextError, ThreadBusy, UnknownName
from conlora_agent.core.types import StepStarted
from conlora_agent.memory import leases as leases_module
from conlora_agent.memory.database import Database
from conlora_agent.memory.leases import Leases, check_lease
from conlora_agent.memory.threads import new_thread_id
from conlora_agent.testing import FakeBackbone


def rows(home: Path, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(home / "threads.db") as connection:
        found = connection.execute(query).fetchall()
    connection.close()
    return found


# -- turns ------------------------------------------------------------------------------------------------------------


def test_one_checkpoint_a_thread_and_only_what_outlives_a_turn(isolated_home: Path) -> None:
    agent = make_agent({"read": "ocr"})
    for _ in range(3):
        agent.ask("read it", image=png(), thread="t")
    ((count, dumped),) = rows(isolated_home, "SELECT count(*), checkpoint FROM checkpoints")
    assert count == 1
    assert set(json.loads(str(dumped))["channel_values"]) == {"window", "summary", "focus", "pending"}
    assert rows(isolated_home, "SELECT thread, position FROM turns") == [("t", 0), ("t", 1), ("t", 2)]
    assert rows(isolated_home, "SELECT * FROM leases") == []
    assert rows(isolated_home, "SELECT * FROM picture_holds") == []


def test_a_checkpoint_stays_small_over_many_turns_with_pictures(isolated_home: Path) -> None:
    agent = make_agent({"read": "ocr"}, FakeBackbone(default="word " * 40), history_tokens=200)
    sizes = []
    for n in range(24):
        agent.ask(f"read page {n}", image=png(colour=f"#0000{n:02x}"), thread="t")
        sizes.append(int(str(rows(isolated_home, "SELECT length(checkpoint) FROM checkpoints")[0][0])))
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


def test_a_full_disk_loses_nothing(isolated_home: Path) -> None:
    agent = make_agent()
    agent.ask("hello", thread="t")
    with sqlite3.connect(isolated_home / "threads.db") as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON checkpoints BEGIN SELECT raise(ABORT, 'disk is full'); END"
        )
    connection.close()
    with pytest.raises(StorageError, match="disk is full"):
        agent.ask("again", thread="t")
    assert len(agent.threads.show("t").turns) == 1
    with sqlite3.connect(isolated_home / "threads.db") as connection:
        connection.execute("DROP TRIGGER full")
    connection.close()
    assert agent.ask("again", thread="t").thread == "t"


def test_a_damaged_database_says_so(isolated_home: Path) -> None:
    isolated_home.mkdir()
    (isolated_home / "threads.db").write_bytes(b"this is no database, but long enough to be read as one" * 40)
    with pytest.raises(StorageError, match="damaged"):
        make_agent().ask("hello")


def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    database = Database(tmp_path / "threads.db")
    with database.write() as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError, match="schema version 99"), database.read():
        pass


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
    assert exported == agent.threads.show("a").model_dump(mode="json")
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


def test_a_lease_is_renewed_while_held_and_expires_when_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(tmp_path / "threads.db")
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
from turns import make_agent, png
agent = make_agent()
for event in agent.stream("hello", image=png(), thread="t"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    agent = make_agent()
    agent.ask("before", thread="t")
    child = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parent, check=False)
    assert child.returncode == -9
    assert [turn.text for turn in agent.threads.show("t").turns] == ["before"]
    assert agent.ask("after", thread="t").thread == "t"
