"""SQLite, the default: one file, a write-ahead log beside it. Idle connections are kept: closing the last one makes
SQLite fold its log into the file, which is slow.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from conlora_agent.core.errors import StorageError, reason
from conlora_agent.memory.database import BUSY_TIMEOUT_S, Connection, Database
from conlora_agent.memory.schema import VERSION, upgrade


class SqliteDatabase(Database):
    """The file at `path`."""

    failures = (sqlite3.Error,)

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.place = str(path)

    def erase(self, *, compact: bool = False) -> None:
        """Empty the log, which still holds what was deleted; the file itself is overwritten at each delete."""
        with self._connection() as connection:
            if compact:
                connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def problems(self) -> list[str]:
        """What SQLite's own check finds."""
        with self.read() as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
            broken = connection.execute("PRAGMA foreign_key_check").fetchall()
        return [*(line for line in found if line != "ok"), *(f"a row of {row[0]} refers to nothing" for row in broken)]

    def _open(self) -> Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"cannot make the folder {self.path.parent} ({reason(error)})", "set CONLORA_HOME"
            ) from error
        connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        return connection

    def _prepare(self, connection: Connection) -> None:
        if (found := _version(connection)) == VERSION:
            return
        if found == 0:
            _keep_log(connection)
        connection.execute("BEGIN IMMEDIATE")
        if (found := _version(connection)) != VERSION:  # another process may have been faster
            upgrade(connection, found, self.place)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")

    def _begin_read(self, connection: Connection) -> None:
        connection.execute("BEGIN")

    def _begin_write(self, connection: Connection, *, durable: bool) -> None:
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("BEGIN IMMEDIATE")

    def _remedy(self, error: Exception) -> str:
        text = str(error)
        if "locked" in text:
            return "another program is writing to it; try again"
        if "not a database" in text or "malformed" in text:
            return "it is damaged: move it away or restore a copy"
        return "check that the folder is writable and the disk has room"


def _keep_log(connection: Connection) -> None:
    """Switch a new file to a write-ahead log. SQLite does not wait here while others that found it new do the same."""
    end = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


def _version(connection: Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
