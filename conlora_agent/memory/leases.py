"""Leases: at most one turn at a time works on a thread, across threads and processes.

A lease expires by itself when its holder dies (at once where that can be seen); a living holder renews it. Whoever
commits proves that the lease is still theirs in the same transaction, so a holder that slept too long cannot overwrite
a later turn.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from conlora_agent.core.errors import StorageError, ThreadBusy
from conlora_agent.memory.database import Connection, Database

LEASE_S = 15.0


class Leases:
    """Grants leases on threads. `seconds`: how long one lasts without renewal."""

    def __init__(self, database: Database, *, seconds: float = LEASE_S) -> None:
        self._database = database
        self._seconds = seconds

    @contextmanager
    def hold(self, thread: str) -> Iterator[str]:
        """Hold the lease of `thread` and keep it renewed; yields its token. Raises ThreadBusy."""
        token = process_token()
        self._acquire(thread, token)
        stop = threading.Event()
        renewer = threading.Thread(target=self._renew, args=(thread, token, stop), daemon=True)
        renewer.start()
        try:
            yield token
        finally:
            stop.set()
            renewer.join()
            self._release(thread, token)

    def drop_dead(self) -> int:
        """Remove the leases that have expired or whose process has ended; how many there were."""
        with self._database.write() as connection:
            rows = connection.execute("SELECT thread, token, expires_at FROM leases").fetchall()
            over = [(thread, token) for thread, token, expires in rows if expires <= time.time() or ended(token)]
            connection.executemany("DELETE FROM leases WHERE thread = ? AND token = ?", over)
        return len(over)

    def _acquire(self, thread: str, token: str) -> None:
        now = time.time()
        with self._database.write() as connection:
            row = connection.execute("SELECT token, expires_at FROM leases WHERE thread = ?", (thread,)).fetchone()
            if row is not None and row[1] > now and not ended(row[0]):
                raise _busy(thread)
            connection.execute(
                "INSERT INTO leases VALUES (?, ?, ?) ON CONFLICT (thread) DO UPDATE"
                " SET token = excluded.token, expires_at = excluded.expires_at",
                (thread, token, now + self._seconds),
            )

    def _renew(self, thread: str, token: str, stop: threading.Event) -> None:
        while not stop.wait(self._seconds / 3):
            try:
                with self._database.write() as connection:
                    connection.execute(
                        "UPDATE leases SET expires_at = ? WHERE thread = ? AND token = ?",
                        (time.time() + self._seconds, thread, token),
                    )
            except StorageError:
                continue  # the commit will say so if the lease was lost

    def _release(self, thread: str, token: str) -> None:
        # What was done under the lease is done; one that cannot be released now expires.
        with contextlib.suppress(StorageError), self._database.write() as connection:
            connection.execute("DELETE FROM leases WHERE thread = ? AND token = ?", (thread, token))


def check_lease(connection: Connection, thread: str, token: str) -> None:
    """Raise ThreadBusy unless `token` still holds the lease of `thread`."""
    row = connection.execute("SELECT token FROM leases WHERE thread = ?", (thread,)).fetchone()
    if row is None or row[0] != token:
        raise _busy(thread)


def process_token() -> str:
    """A token that nobody else has, which tells whether this process has ended."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"


def ended(token: str) -> bool:
    """Whether the process that made `token` ran on this machine and has ended: no need to wait for it then."""
    host, _, rest = token.partition(":")
    pid, _, _ = rest.partition(":")
    if not pid.isdecimal() or host != socket.gethostname() or os.name != "posix":
        return False
    try:
        os.kill(int(pid), 0)  # signal 0 only asks whether the process is there
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _busy(thread: str) -> ThreadBusy:
    return ThreadBusy(f"thread {thread!r} is busy with another turn", "try again when that turn has ended")
