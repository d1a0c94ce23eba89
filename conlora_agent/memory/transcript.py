"""The transcript of a conversation: every turn of a thread, append-only; the truth about it.

Appending happens only inside the transaction that stores the turn's checkpoint (conlora_agent.memory.saver). Not
covered here: the list of threads (conlora_agent.memory.threads).
"""

from __future__ import annotations

from datetime import UTC, datetime

from conlora_agent.core.types import Model, TurnRecord
from conlora_agent.memory.database import Connection
from conlora_agent.memory.schema import said_of

TITLE_CHARS = 60


class Transcript(Model):
    """A whole thread, oldest turn first. Times are UTC, ISO 8601."""

    id: str
    title: str
    created_at: str
    updated_at: str
    turns: tuple[TurnRecord, ...]


def read_transcript(connection: Connection, thread: str) -> Transcript | None:
    """The transcript of `thread`, None when there is no such thread."""
    row = connection.execute("SELECT id, title, created_at, updated_at FROM threads WHERE id = ?", (thread,)).fetchone()
    if row is None:
        return None
    turns = connection.execute("SELECT record FROM turns WHERE thread = ? ORDER BY position", (thread,)).fetchall()
    records = tuple(TurnRecord.model_validate_json(record) for (record,) in turns)
    return Transcript(id=row[0], title=row[1], created_at=row[2], updated_at=row[3], turns=records)


def append_turn(connection: Connection, thread: str, record: TurnRecord) -> None:
    """Add a turn at the end of `thread`, which is made by its first turn."""
    title = title_of(record.text) or "Picture"
    connection.execute(
        "INSERT INTO threads VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at",
        (thread, title, record.at, record.at),
    )
    connection.execute(
        "INSERT INTO turns SELECT ?, coalesce(max(position) + 1, 0), ?, ? FROM turns WHERE thread = ?",
        (thread, record.model_dump_json(), said_of(record.text, record.answer), thread),
    )


def title_of(text: str) -> str:
    """The beginning of a text on one line; may be empty."""
    return " ".join(text.replace("\0", "").split())[:TITLE_CHARS]


def now() -> str:
    """UTC time, ISO 8601 with microseconds, so that it sorts."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def markdown(transcript: Transcript) -> str:
    """A transcript to be read by people."""
    blocks = [f"# {transcript.title}"]
    for turn in transcript.turns:
        picture = f"\n\n*(picture {turn.image[:12]})*" if turn.image else ""
        routes = ", ".join(step.route for step in turn.steps)
        blocks.append(f"**You**: {turn.text}{picture}")
        blocks.append(f"**ConLoRA Agent** ({routes}): {turn.answer}")
    return "\n\n".join(blocks) + "\n"
