"""The SQLite database: connections, transactions, schema version.

Each operation has a connection to itself, so any thread may use one `Database`, and any number of processes the same
file. Idle connections are kept: closing the last one makes SQLite fold its log into the file, which is slow.
Not covered here: what the tables mean (threads, leases, pictures, saver).
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conlora_agent.core.errors import StorageError

SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 10.0

_SCHEMA = """
CREATE TABLE threads (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE TABLE turns (
    thread TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (thread, position)
) WITHOUT ROWID;
CREATE TABLE checkpoints (
    thread TEXT PRIMARY KEY REFERENCES threads (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    checkpoint TEXT NOT NULL,
    metadata TEXT NOT NULL
);
CREATE TABLE leases (
    thread TEXT PRIMARY KEY,
    token TEXT NOT NULL,
    expires_at REAL NOT NULL
);
CREATE TABLE pictures (
    hash TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL
);
CREATE TABLE picture_refs (
    thread TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    hash TEXT NOT NULL REFERENCES pictures (hash),
    PRIMARY KEY (thread, hash)
) WITHOUT ROWID;
CREATE INDEX picture_refs_by_hash ON picture_refs (hash);
CREATE TABLE picture_holds (
    hash TEXT NOT NULL REFERENCES pictures (hash),
    holder TEXT NOT NULL,
    expires_at REAL NOT NULL,
    PRIMARY KEY (hash, holder)
) WITHOUT ROWID;
"""


class Database:
    """`threads.db`, made on first use. Every error becomes a StorageError naming file and remedy."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[sqlite3.Connection] = []  # append and pop are atomic
        weakref.finalize(self, _close_all, self._idle)

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection for queries; they all see the same moment."""
        with self._connection() as connection:
            connection.execute("BEGIN")
            yield connection

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection inside one write transaction: committed at the end, rolled back when anything raises.

        Any commit outlives the end of this process; a `durable` one is on the disk before it returns.
        """
        with self._connection() as connection:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close the connections that are not in use."""
        _close_all(self._idle)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._idle_one() or self._open()
            try:
                self._prepare(connection)
                yield connection
                connection.rollback()  # ends a read; a write is committed by now
            except BaseException:
                connection.close()  # rolls back
                raise
            self._idle.append(connection)
        except sqlite3.Error as error:
            raise StorageError(f"cannot use {self.path} ({error})", _remedy(error)) from error

    def _idle_one(self) -> sqlite3.Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot make the folder {self.path.parent} ({error})", "set CONLORA_HOME") from error
        connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make the tables, or check that they are of the version this program knows."""
        if _version(connection) == 0:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            if _version(connection) == 0:  # another process may have been faster
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("COMMIT")
        if (found := _version(connection)) != SCHEMA_VERSION:
            raise StorageError(
                f"{self.path} has schema version {found}, this program knows {SCHEMA_VERSION}",
                "update the program or set CONLORA_HOME to another folder",
            )


def _close_all(connections: list[sqlite3.Connection]) -> None:
    while connections:
        connections.pop().close()


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _remedy(error: sqlite3.Error) -> str:
    text = str(error)
    if "locked" in text:
        return "another program is writing to it; try again"
    if "not a database" in text or "malformed" in text:
        return "it is damaged: move it away or restore a copy"
    return "check that the folder is writable and the disk has room"
