"""Which database a setting stands for."""

from __future__ import annotations

from pathlib import Path

from conlora_agent.core.errors import SettingsError
from conlora_agent.memory.database import Database

FILE = "threads.db"


def open_database(url: str | None, home: Path) -> Database:
    """The database of a setting: `postgresql://...`, or None for a SQLite file in `home`. Raises SettingsError."""
    if url is None:
        from conlora_agent.memory.sqlite import SqliteDatabase

        return SqliteDatabase(home / FILE)
    if not url.startswith(("postgresql://", "postgres://")):
        raise SettingsError(f"no database is at {url.partition('@')[2] or url!r}", "write postgresql://user@host/name")
    from conlora_agent.memory.postgres import PostgresDatabase

    return PostgresDatabase(url)
