"""Whatever happens to the process or the disk: a clear error, and nothing lost."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from conlora_agent.core.errors import StorageError
from conlora_agent.memory.sqlite import SqliteDatabase
from evals.storage import measure
from tests.command import conlora
from tests.turns import make_agent, png


def files(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file()]


def test_a_process_killed_at_any_moment_loses_nothing_that_was_answered() -> None:
    command = [sys.executable, "-m", "evals.durability", "--trials", "10", "--seed", str(os.getpid())]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(ended.stdout.splitlines()[-1])
    assert (ended.returncode, report["problems"]) == (0, [])
    assert report["turns"] > 0


def test_doctor_removes_what_a_killed_process_left(isolated_home: Path) -> None:
    agent = make_agent()
    key = agent.ask("hello", image=png(), thread="t").thread and agent.threads.show("t").turns[0].image
    assert key is not None
    left = [agent.pictures.path(key).with_name(name) for name in ("tmpabc", "f" * 64)]
    for path in left:
        path.write_bytes(b"left over")
    with sqlite3.connect(isolated_home / "threads.db") as connection:
        connection.execute("INSERT INTO leases VALUES ('t', 'elsewhere:1:x', 0)")
    connection.close()
    found = {f["about"]: f["detail"] for f in conlora("doctor", "memory", "--json").json["checks"][0]["findings"]}
    assert found["pictures"].startswith("2 that belonged to nothing")
    assert found["leases"].startswith("1 of ended processes")
    assert not any(path.exists() for path in left)
    assert agent.pictures.read(key) == png()
    agent.pictures.path(key).unlink()
    lost = conlora("doctor", "memory")
    assert lost.code == 1
    assert key[:12] in lost.out


def test_deleting_leaves_no_trace_in_any_file(isolated_home: Path) -> None:
    agent = make_agent()
    words = "xylophone-marmalade"
    agent.ask(f"hello {words}", image=png(), thread="t")
    agent.ask("hello", thread="other")
    assert any(words.encode() in path.read_bytes() for path in files(isolated_home))
    agent.threads.delete("t")
    assert not any(words.encode() in path.read_bytes() for path in files(isolated_home))
    assert not any(path.read_bytes() == png() for path in files(isolated_home))


def test_a_full_disk_loses_nothing(isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with make_agent() as agent:
        agent.ask("hello", thread="t")
    opened = SqliteDatabase._open

    def full(database: SqliteDatabase) -> object:
        connection = opened(database)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(SqliteDatabase, "_open", full)
    with make_agent(home=isolated_home) as agent, pytest.raises(StorageError, match="disk is full"):
        agent.ask("again " * 2000, thread="t")
    monkeypatch.undo()
    again = make_agent(home=isolated_home)
    assert [turn.text for turn in again.threads.show("t").turns] == ["hello"]
    assert again.ask("again", thread="t").thread == "t"


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A home with a thread in it that this process may read only; root takes another user's place for that."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        agent = make_agent(home=home)
        agent.ask("hello", thread="t")
        agent.close()
        for path in (*home.rglob("*"), home):
            path.chmod(0o555 if path.is_dir() else 0o444)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        yield home
        if root:
            os.seteuid(0)
        for path in (home, *home.rglob("*")):
            path.chmod(0o755)


def test_a_read_only_disk_says_so(read_only: Path) -> None:
    agent = make_agent(home=read_only)
    with pytest.raises(StorageError, match="check that the folder is writable"):
        agent.ask("again", thread="t")
    agent.close()


def test_a_locked_database_says_so_and_the_turn_can_be_tried_again(
    isolated_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conlora_agent.memory.sqlite.BUSY_TIMEOUT_S", 0.1)
    agent = make_agent()
    agent.ask("hello", thread="t")
    other = sqlite3.connect(isolated_home / "threads.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="another program is writing"):
        agent.ask("again", thread="t")
    assert len(agent.threads.show("t").turns) == 1, "reading goes on"
    other.execute("ROLLBACK")
    other.close()
    agent.ask("again", thread="t")
    assert len(agent.threads.show("t").turns) == 2


def test_a_damaged_database_says_so(isolated_home: Path) -> None:
    isolated_home.mkdir()
    (isolated_home / "threads.db").write_bytes(b"this is no database, but long enough to be read as one" * 40)
    with pytest.raises(StorageError, match="damaged"):
        make_agent().ask("hello")


def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "threads.db")
    with database.write() as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError, match="schema version 99"), database.read():
        pass


def test_fifty_turns_with_pictures_take_a_twentieth_of_what_a_saver_with_pictures_takes() -> None:
    assert measure(turns=50)["ratio"] >= 20
