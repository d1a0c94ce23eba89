"""Postgres, by the setting `database = "postgresql://..."`: threads that several machines share.

Pictures stay in the folder, which all of them have to see. Not covered here: making the database itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from conlora_agent.core.errors import SettingsError
from conlora_agent.memory.database import BUSY_TIMEOUT_S, Connection, Database, Rows
from conlora_agent.memory.schema import VERSION, upgrade

CONNECT_TIMEOUT_S = 5
WRITER = 0x434F4E4C
"""Number of the lock that a write transaction holds: one at a time, as in SQLite, so that both promise the same."""


class PostgresConnection:
    """A psycopg connection that takes `?` for parameters."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.raw = raw

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> Rows:
        """Run one statement."""
        return self.raw.execute(_translated(statement), parameters or None)

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]], /) -> None:
        """Run one statement for each set of parameters."""
        with self.raw.cursor() as cursor:
            cursor.executemany(_translated(statement), parameters)

    def rollback(self) -> None:
        """End the transaction, if there is one, undoing it."""
        self.raw.rollback()

    def close(self) -> None:
        """Close the connection."""
        self.raw.close()


class PostgresDatabase(Database):
    """The database at `url`, whose password no error repeats."""

    failures = (psycopg.Error,)

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._prepared = False
        try:
            parts = conninfo_to_dict(url)
        except psycopg.Error as error:
            raise SettingsError("the setting 'database' is no address", "write postgresql://user@host/name") from error
        self.place = f"the database {parts.get('dbname', '')!r} on {parts.get('host', 'this machine')}"

    def erase(self, *, compact: bool = False) -> None:
        """Have Postgres remove deleted rows; with `compact` it rewrites the tables."""
        with self._connection() as connection:
            connection.execute(f"VACUUM {'(FULL)' if compact else ''} threads, turns, checkpoints, picture_refs")

    def problems(self) -> list[str]:
        """Nothing: Postgres checks its files itself."""
        with self.read():
            return []

    def _open(self) -> Connection:
        timeout_ms = int(BUSY_TIMEOUT_S * 1000)
        options = f"-c lock_timeout={timeout_ms}"
        return PostgresConnection(
            psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, options=options)
        )

    def _usable(self, connection: Connection) -> bool:
        try:
            connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def _prepare(self, connection: Connection) -> None:
        if self._prepared:
            return
        self._begin_write(connection, durable=True)
        connection.execute("CREATE TABLE IF NOT EXISTS conlora_schema (version INTEGER NOT NULL)")
        row = connection.execute("SELECT version FROM conlora_schema").fetchone()
        found = row[0] if row else 0
        upgrade(connection, found, self.place)
        if found != VERSION:
            connection.execute("DELETE FROM conlora_schema")
            connection.execute("INSERT INTO conlora_schema VALUES (?)", (VERSION,))
        connection.execute("COMMIT")
        self._prepared = True

    def _begin_read(self, connection: Connection) -> None:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def _begin_write(self, connection: Connection, *, durable: bool) -> None:
        connection.execute("BEGIN")
        connection.execute(f"SET LOCAL synchronous_commit = {'on' if durable else 'off'}")
        connection.execute("SELECT pg_advisory_xact_lock(?)", (WRITER,))

    def _remedy(self, error: Exception) -> str:
        if isinstance(error, psycopg.errors.LockNotAvailable):
            return "another program is writing to it; try again"
        if isinstance(error, psycopg.errors.DiskFull):
            return "make room on the server's disk"
        if isinstance(error, psycopg.OperationalError):
            return "check that the server runs and that the setting 'database' is right"
        return "check the rights of the setting's user"


def _translated(statement: str) -> Any:
    return statement.replace("?", "%s")
