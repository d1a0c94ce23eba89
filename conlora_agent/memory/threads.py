"""Threads: listing, finding, renaming, deleting conversations; sending them out and taking them in.

Not covered here: the turns of one (transcript), what a parcel holds (parcels), leases and pictures.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Literal

from conlora_agent.core.errors import BadInput, TextError, ThreadBusy, UnknownName
from conlora_agent.core.types import Model
from conlora_agent.memory.database import Connection, Database
from conlora_agent.memory.leases import Leases
from conlora_agent.memory.parcels import Parcel, pack, read_parcel, unpacked, write_parcel
from conlora_agent.memory.pictures import PictureStore
from conlora_agent.memory.transcript import Transcript, markdown, read_transcript, title_of

Summaries = list["ThreadSummary"]
ExportFormat = Literal["json", "markdown"]

OWNER_MARK = "."
"""Stands between owner and name in the id of a thread that belongs to someone: `<12 hexadecimal digits>.<name>`."""

_THREAD_ID = re.compile(r"(?:[0-9a-f]{12}\.)?[A-Za-z0-9_-]{1,64}")


class ThreadSummary(Model):
    """One line of the list of threads. Times are UTC, ISO 8601."""

    id: str
    title: str
    turns: int
    created_at: str
    updated_at: str


class ThreadStore:
    """Reads, finds, renames, deletes, exports and imports threads."""

    def __init__(self, database: Database, leases: Leases, pictures: PictureStore) -> None:
        self._database = database
        self._leases = leases
        self._pictures = pictures

    def list(self, owner: str = "") -> Summaries:
        """All threads, or those of an owner, the one used last first."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT id, title, (SELECT count(*) FROM turns WHERE thread = id), created_at, updated_at"
                " FROM threads ORDER BY updated_at DESC, id"
            ).fetchall()
        names = ("id", "title", "turns", "created_at", "updated_at")
        return [ThreadSummary(**dict(zip(names, row, strict=True))) for row in rows if row[0].startswith(owner)]

    def search(self, query: str, *, owner: str = "") -> Summaries:
        """The threads that hold all words of `query`, in their title or anywhere in what was said."""
        listed = self.list(owner)
        found = {summary.id for summary in listed}
        with self._database.read() as connection:
            for word in query.casefold().split():
                pattern = "%" + word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
                rows = connection.execute(
                    "SELECT DISTINCT thread FROM turns WHERE said LIKE ? ESCAPE '\\'", (pattern,)
                ).fetchall()
                found &= {row[0] for row in rows} | {s.id for s in listed if word in s.title.casefold()}
        return [summary for summary in listed if summary.id in found]

    def count(self, thread: str) -> int:
        """How many turns a thread has, 0 when there is no such thread."""
        with self._database.read() as connection:
            row = connection.execute("SELECT count(*) FROM turns WHERE thread = ?", (thread,)).fetchone()
        return int(row[0])

    def rename(self, thread: str, title: str) -> None:
        """Give a thread another title, cut to 60 characters. Raises UnknownName, or TextError for an empty one."""
        if not (words := title_of(title)):
            raise TextError("the title is empty", "write at least one word")
        with self._database.write() as connection:
            if connection.execute("UPDATE threads SET title = ? WHERE id = ?", (words, thread)).rowcount == 0:
                raise self._unknown(thread, connection)

    def show(self, thread: str) -> Transcript:
        """One thread with all its turns. Raises UnknownName."""
        with self._database.read() as connection:
            found = read_transcript(connection, thread)
            if found is None:
                raise self._unknown(thread, connection)
        return found

    def delete(self, thread: str) -> None:
        """Delete a thread, its checkpoint, and the pictures that no other thread refers to.

        Raises UnknownName, or ThreadBusy while a turn is in progress.
        """
        with self._database.read() as connection:
            if connection.execute("SELECT 1 FROM threads WHERE id = ?", (thread,)).fetchone() is None:
                raise self._unknown(thread, connection)
        self._delete(thread, "DELETE FROM threads WHERE id = ?", thread)
        self._wipe()

    def expire(self, days: int) -> int:
        """Delete the threads that were not used for `days`; how many there were. Busy ones wait for the next time."""
        before = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="microseconds")
        gone = 0
        for thread in [summary.id for summary in self.list() if summary.updated_at < before]:
            with contextlib.suppress(ThreadBusy):  # which one may have become, or been, since it was listed
                gone += self._delete(thread, "DELETE FROM threads WHERE id = ? AND updated_at < ?", thread, before)
        if gone:
            self._wipe()
        return gone

    def _delete(self, thread: str, statement: str, *parameters: str) -> int:
        with self._leases.hold(thread), self._database.write() as connection:
            return connection.execute(statement, parameters).rowcount

    def _wipe(self) -> None:
        """Remove what deleted threads leave behind: pictures, and the bytes of rows."""
        self._pictures.sweep()
        self._database.erase()

    def export(self, thread: str, format: ExportFormat = "json") -> str:
        """One thread as Markdown, or as a JSON document that can be imported. Raises UnknownName."""
        if format == "json":
            return self.parcel(thread).model_dump_json(indent=2)
        if format == "markdown":
            return markdown(self.show(thread))
        raise UnknownName.among("export format", format, ("json", "markdown"))

    def parcel(self, thread: str) -> Parcel:
        """One thread with its pictures and all it needs to go on elsewhere. Raises UnknownName."""
        with self._database.read() as connection:
            found = read_transcript(connection, thread)
            if found is None:
                raise self._unknown(thread, connection)
            return pack(connection, found, self._pictures)

    def bring(self, document: bytes | str | Parcel, thread: str | None = None) -> str:
        """Take in an exported thread, under its own id or as `thread`; the id.

        Raises DataError for a document that is no such export, BadInput for an id that is taken.
        """
        parcel = document if isinstance(document, Parcel) else read_parcel(document)
        pictures = unpacked(parcel)
        thread = check_thread_id(parcel.id if thread is None else thread)
        with self._leases.hold(thread) as token:
            try:
                for data in pictures:
                    self._pictures.put(data, holder=token)
                with self._database.write(durable=True) as connection:
                    if connection.execute("SELECT 1 FROM threads WHERE id = ?", (thread,)).fetchone() is not None:
                        raise BadInput(f"there is a thread {thread!r} already", "choose another id, or delete it first")
                    write_parcel(connection, parcel, thread)
            finally:
                self._pictures.release(token)
        return thread

    def _unknown(self, thread: str, connection: Connection) -> UnknownName:
        """Suggests threads of the same owner only, and says no more than their names."""
        owner, _, name = thread.rpartition(OWNER_MARK)
        rows = connection.execute("SELECT id FROM threads ORDER BY updated_at DESC").fetchall()
        known = [row[0].rpartition(OWNER_MARK) for row in rows]
        return UnknownName.among("thread", name, [other for of, _, other in known if of == owner][:10])


def new_thread_id() -> str:
    """A fresh id, 12 hexadecimal digits."""
    return uuid.uuid4().hex[:12]


def check_thread_id(thread: str) -> str:
    """The id itself. Raises TextError when it has characters or a length that ids may not have."""
    if not _THREAD_ID.fullmatch(thread):
        raise TextError(f"{thread[:80]!r} cannot be a thread id", "use 1 to 64 letters, digits, '_' or '-'")
    return thread
