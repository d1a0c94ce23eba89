"""The tables, and how those of an older version become those of this one.

threads and turns are the transcript; checkpoints what a thread keeps between turns; leases who works on a thread;
pictures, picture_refs and picture_holds which pictures there are and who needs them.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from conlora_agent.core.errors import StorageError
from conlora_agent.memory.database import Connection
from conlora_agent.summary import extracted

VERSION = 3
SUMMARY_TOKENS = 240
"""Length of the summaries that version 3 adds; later ones follow the setting `history_tokens`."""

TABLES = """
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
    said TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (thread, position)
);
CREATE TABLE checkpoints (
    thread TEXT PRIMARY KEY REFERENCES threads (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    checkpoint TEXT NOT NULL,
    metadata TEXT NOT NULL
);
CREATE TABLE leases (
    thread TEXT PRIMARY KEY,
    token TEXT NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL
);
CREATE TABLE pictures (
    hash TEXT PRIMARY KEY,
    bytes BIGINT NOT NULL
);
CREATE TABLE picture_refs (
    thread TEXT NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    hash TEXT NOT NULL REFERENCES pictures (hash),
    PRIMARY KEY (thread, hash)
);
CREATE INDEX picture_refs_by_hash ON picture_refs (hash);
CREATE TABLE picture_holds (
    hash TEXT NOT NULL REFERENCES pictures (hash),
    holder TEXT NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (hash, holder)
)
"""


def upgrade(connection: Connection, found: int, place: str) -> None:
    """Bring tables of version `found`, 0 for none, to VERSION, inside a write transaction. Raises StorageError."""
    if found > VERSION:
        raise StorageError(
            f"{place} has schema version {found}, this program knows {VERSION}",
            "update the program or set CONLORA_HOME to another folder",
        )
    if found == 0:
        for statement in TABLES.split(";"):
            connection.execute(statement)
    for version in range(found or VERSION, VERSION):
        _STEPS[version](connection)


def said_of(text: str, answer: str) -> str:
    """What a turn can be found by: its words in one case."""
    return f"{text}\n{answer}".casefold().replace("\0", "")  # which Postgres does not take


def _add_said(connection: Connection) -> None:
    """Version 2: turns can be searched without reading every record."""
    connection.execute("ALTER TABLE turns ADD COLUMN said TEXT NOT NULL DEFAULT ''")
    for thread, position, raw in connection.execute("SELECT thread, position, record FROM turns").fetchall():
        record = json.loads(raw)
        said = said_of(record["text"], record["answer"])
        connection.execute("UPDATE turns SET said = ? WHERE thread = ? AND position = ?", (said, thread, position))


def _summarise(connection: Connection) -> None:
    """Version 3: a thread has a summary of the turns that its window no longer holds."""
    for thread, raw in connection.execute("SELECT thread, checkpoint FROM checkpoints").fetchall():
        checkpoint = json.loads(raw)
        kept = checkpoint["channel_values"]
        rows = connection.execute("SELECT record FROM turns WHERE thread = ? ORDER BY position", (thread,)).fetchall()
        records = [json.loads(record) for (record,) in rows[: len(rows) - len(kept.get("window", []))]]
        turns = [{"user": record["text"], "assistant": record["answer"]} for record in records]
        kept["summary"] = extracted("", turns, SUMMARY_TOKENS)
        dumped = json.dumps(checkpoint, ensure_ascii=False, separators=(",", ":"))
        connection.execute("UPDATE checkpoints SET checkpoint = ? WHERE thread = ?", (dumped, thread))


_STEPS: dict[int, Callable[[Connection], None]] = {1: _add_said, 2: _summarise}
"""What leads from each version to the next."""
