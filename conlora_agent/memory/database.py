"""The database: connections, transactions, schema version; SQLite or Postgres behind one interface.

Statements are written once, in the SQL that both know, with `?` for parameters. One write transaction runs at a time,
whatever the number of processes. Each operation has a connection to itself, so any thread may use one `Database`.
Not covered here: the two kinds (sqlite, postgres) and what the tables mean (schema).
"""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol

from conlora_agent.core.errors import StorageError

BUSY_TIMEOUT_S = 10.0


class Rows(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int:
        """Rows that were changed."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> list[Any]:
        """All rows that are left."""

    def __iter__(self) -> Iterator[Any]:
        """The rows."""


class Connection(Protocol):
    """A connection inside a transaction."""

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> Rows:
        """Run one statement."""

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]], /) -> object:
        """Run one statement for each set of parameters."""

    def rollback(self) -> None:
        """End the transaction, if there is one, undoing it."""

    def close(self) -> None:
        """Close the connection; an open transaction is undone."""


class Database(ABC):
    """Made on first use. Every error of the library below becomes a StorageError naming place and remedy."""

    place: str
    """What errors call it."""
    failures: ClassVar[tuple[type[Exception], ...]] = ()
    """What the library below raises."""

    def __init__(self) -> None:
        self._idle: list[Connection] = []  # append and pop are atomic
        weakref.finalize(self, _close_all, self._idle)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for queries; they all see the same moment."""
        with self._connection() as connection:
            self._begin_read(connection)
            yield connection

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Connection]:
        """A connection inside one write transaction: committed at the end, rolled back when anything raises.

        Any commit outlives the end of this process; a `durable` one is on the disk before it returns.
        """
        with self._connection() as connection:
            self._begin_write(connection, durable=durable)
            yield connection
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close the connections that are not in use."""
        _close_all(self._idle)

    @abstractmethod
    def erase(self, *, compact: bool = False) -> None:
        """Remove what deleted rows left behind; `compact` gives their room back as well, which takes longer."""

    @abstractmethod
    def problems(self) -> list[str]:
        """What is wrong with the stored data, one line each."""

    @abstractmethod
    def _open(self) -> Connection:
        """A new connection, outside of a transaction."""

    @abstractmethod
    def _prepare(self, connection: Connection) -> None:
        """Bring the tables to the version that this program knows. Raises StorageError for a newer one."""

    @abstractmethod
    def _begin_read(self, connection: Connection) -> None: ...

    @abstractmethod
    def _begin_write(self, connection: Connection, *, durable: bool) -> None: ...

    @abstractmethod
    def _remedy(self, error: Exception) -> str: ...

    def _usable(self, connection: Connection) -> bool:
        """Whether an idle connection still works."""
        return True

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
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
        except self.failures as error:
            line = " ".join(str(error).split())[:300]
            raise StorageError(f"cannot use {self.place} ({line})", self._remedy(error)) from error

    def _idle_one(self) -> Connection | None:
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if self._usable(connection):
                return connection
            connection.close()
        return None


def _close_all(connections: list[Connection]) -> None:
    while connections:
        connections.pop().close()
