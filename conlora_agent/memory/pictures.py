"""Content-addressed picture store: the original bytes under their sha256, kept as long as something needs them.

A picture is needed while a thread refers to it or someone holds it (a turn in progress, an upload waiting for its
turn). Holds expire. Not covered here: decoding (conlora_agent.memory.decoding).
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from conlora_agent.core.errors import PictureError, StorageError, UnknownName
from conlora_agent.memory.database import Database
from conlora_agent.memory.decoding import decode_picture

if TYPE_CHECKING:
    from PIL.Image import Image

HOLD_S = 3600.0

_HASH = re.compile(r"[0-9a-f]{64}")


class PictureStore:
    """Pictures under `folder`, counted in `database`."""

    def __init__(self, database: Database, folder: Path, *, max_pixels: int) -> None:
        self._database = database
        self._folder = folder
        self._max_pixels = max_pixels

    def put(self, data: bytes, *, holder: str | None = None) -> str:
        """Check and store a picture; its content hash. It stays until a turn with it is committed or the hold expires.

        Raises PictureError when it cannot be used, StorageError when it cannot be written.
        """
        decode_picture(data, max_pixels=self._max_pixels)
        key = hashlib.sha256(data).hexdigest()
        with self._database.write() as connection:
            connection.execute("INSERT OR IGNORE INTO pictures VALUES (?, ?)", (key, len(data)))
            connection.execute(
                "INSERT OR REPLACE INTO picture_holds VALUES (?, ?, ?)",
                (key, holder or uuid.uuid4().hex, time.time() + HOLD_S),
            )
            self._write(self.path(key), data)
        return key

    def path(self, key: str) -> Path:
        """Where the bytes of a picture lie. Raises UnknownName for what is no content hash."""
        if not _HASH.fullmatch(key):
            raise UnknownName(f"no picture named {key!r}", "give the content hash that a turn or `put` returned")
        return self._folder / key[:2] / key

    def read(self, key: str) -> bytes:
        """The original bytes. Raises UnknownName."""
        try:
            return self.path(key).read_bytes()
        except FileNotFoundError as error:
            raise UnknownName(
                f"no picture named {key!r}", "it was deleted with its last thread; send it again"
            ) from error
        except OSError as error:
            raise StorageError(f"cannot read the picture {key} ({error})", "check the disk") from error

    def open(self, key: str) -> Image:
        """The picture, EXIF-upright, RGB. Raises UnknownName, or StorageError when the stored bytes were damaged."""
        try:
            return decode_picture(self.read(key), max_pixels=self._max_pixels)
        except PictureError as error:
            raise StorageError(
                f"the stored picture {key[:12]} cannot be used: {error.problem}", "send it again"
            ) from error

    def release(self, holder: str) -> None:
        """End a holder's holds and remove what nobody needs any more."""
        with self._database.read() as connection:
            held = connection.execute("SELECT 1 FROM picture_holds WHERE holder = ? LIMIT 1", (holder,)).fetchone()
        if held is not None:
            with self._database.write() as connection:
                connection.execute("DELETE FROM picture_holds WHERE holder = ?", (holder,))
            self.sweep()

    def sweep(self) -> int:
        """Remove the pictures that no thread refers to and nobody holds; how many there were."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM picture_holds WHERE expires_at < ?", (time.time(),))
            rows = connection.execute(
                "SELECT hash FROM pictures WHERE hash NOT IN (SELECT hash FROM picture_refs)"
                " AND hash NOT IN (SELECT hash FROM picture_holds)"
            ).fetchall()
            # Files go first: were the process killed here, the rows would lead the next sweep to finish the work.
            for (key,) in rows:
                self._remove(self.path(key))
            connection.executemany("DELETE FROM pictures WHERE hash = ?", rows)
        return len(rows)

    def _write(self, path: Path, data: bytes) -> None:
        try:
            if path.exists() and path.stat().st_size == len(data):
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise StorageError(f"cannot store the picture ({error})", "check the folder and the disk's room") from error

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"cannot delete {path} ({error})", "check the folder's permissions") from error


def refer(connection: sqlite3.Connection, thread: str, hashes: Iterable[str]) -> None:
    """Make `thread` refer to these pictures, inside the transaction that commits its turn."""
    connection.executemany("INSERT OR IGNORE INTO picture_refs VALUES (?, ?)", [(thread, key) for key in hashes])
