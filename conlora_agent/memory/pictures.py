"""Content-addressed picture store: the original bytes under their sha256, kept as long as something needs them.

A picture is needed while a thread refers to it or someone holds it (a turn in progress, an upload waiting for its
turn). Holds expire. Not covered here: decoding (conlora_agent.memory.decoding).
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from conlora_agent.core.errors import PictureError, StorageError, UnknownName, reason
from conlora_agent.memory.database import Connection, Database
from conlora_agent.memory.decoding import decode_picture
from conlora_agent.memory.leases import ended

if TYPE_CHECKING:
    from PIL.Image import Image

HOLD_S = 3600.0

_HASH = re.compile(r"[0-9a-f]{64}")


class Pictures(Protocol):
    """What a turn needs of a picture store."""

    def put(self, data: bytes, *, holder: str | None = None) -> str:
        """Check and keep a picture; its content hash. Raises PictureError."""

    def open(self, key: str) -> Image:
        """The picture, EXIF-upright, RGB. Raises UnknownName."""


class TransientPictures:
    """Pictures of one request, lent to `store` in memory while the `with` block lasts, and written nowhere.

    Only they can be opened: the traces that come with a request are the caller's words, and may name any picture.
    """

    def __init__(self, store: PictureStore) -> None:
        self._store = store
        self._keys: list[str] = []

    def put(self, data: bytes, *, holder: str | None = None) -> str:
        """Check and lend a picture; its content hash. Raises PictureError."""
        key = self._store.lend(data)
        self._keys.append(key)
        return key

    def open(self, key: str) -> Image:
        """The picture, EXIF-upright, RGB. Raises UnknownName."""
        if key not in self._keys:
            raise UnknownName(f"no picture named {key[:80]!r} came with the request", "send the picture, too")
        return self._store.open(key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._store.take_back(self._keys)


class PictureStore:
    """Pictures under `folder`, counted in `database`."""

    def __init__(self, database: Database, folder: Path, *, max_pixels: int) -> None:
        self._database = database
        self._folder = folder
        self._max_pixels = max_pixels
        self._lent: dict[str, tuple[bytes, int]] = {}
        """Pictures in memory only, with how many requests lend them."""
        self._told: list[Callable[[Sequence[str]], None]] = []
        self._lock = threading.Lock()

    def on_removed(self, tell: Callable[[Sequence[str]], None]) -> None:
        """Have `tell` called with the hashes of the pictures that this store removes, so that copies go, too."""
        self._told.append(tell)

    def lend(self, data: bytes) -> str:
        """Check a picture and have it in memory until it is taken back; its content hash. Raises PictureError."""
        decode_picture(data, max_pixels=self._max_pixels)
        key = hashlib.sha256(data).hexdigest()
        with self._lock:
            self._lent[key] = (data, self._lent.get(key, (data, 0))[1] + 1)
        return key

    def take_back(self, keys: Iterable[str]) -> None:
        """End a loan of each of these pictures."""
        with self._lock:
            for key in keys:
                data, lenders = self._lent.pop(key)
                if lenders > 1:
                    self._lent[key] = (data, lenders - 1)

    def put(self, data: bytes, *, holder: str | None = None) -> str:
        """Check and store a picture; its content hash. It stays until a turn with it is committed or the hold expires.

        Raises PictureError when it cannot be used, StorageError when it cannot be written.
        """
        decode_picture(data, max_pixels=self._max_pixels)
        key = hashlib.sha256(data).hexdigest()
        with self._database.write() as connection:
            connection.execute("INSERT INTO pictures VALUES (?, ?) ON CONFLICT DO NOTHING", (key, len(data)))
            connection.execute(
                "INSERT INTO picture_holds VALUES (?, ?, ?)"
                " ON CONFLICT (hash, holder) DO UPDATE SET expires_at = excluded.expires_at",
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
        if (lent := self._lent.get(key)) is not None:
            return lent[0]
        try:
            return self.path(key).read_bytes()
        except FileNotFoundError as error:
            raise UnknownName(
                f"no picture named {key!r}", "it was deleted with its last thread; send it again"
            ) from error
        except OSError as error:
            raise StorageError(f"cannot read the picture {key} ({reason(error)})", "check the disk") from error

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

    def drop_dead_holds(self) -> None:
        """End the holds of turns whose process has ended."""
        with self._database.write() as connection:
            holders = {row[0] for row in connection.execute("SELECT holder FROM picture_holds").fetchall()}
            dead = [(holder,) for holder in holders if ended(holder)]
            connection.executemany("DELETE FROM picture_holds WHERE holder = ?", dead)

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
        removed = [key for (key,) in rows]
        for tell in self._told if removed else ():
            tell(removed)
        return len(removed)

    def reconcile(self) -> tuple[list[str], list[str]]:
        """Remove files that the database does not know; their names, and the hashes of pictures without a file.

        No picture is being stored meanwhile: that, too, happens inside a write transaction.
        """
        with self._database.write() as connection:
            known = {self.path(key): key for (key,) in connection.execute("SELECT hash FROM pictures").fetchall()}
            files = {path for path in self._folder.rglob("*") if path.is_file()}
            for path in files - known.keys():
                self._remove(path)
        return sorted(path.name for path in files - known.keys()), sorted(known[path] for path in known.keys() - files)

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
            raise StorageError(
                f"cannot store the picture ({reason(error)})", "check the folder and the disk's room"
            ) from error

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"cannot delete {path} ({reason(error)})", "check the folder's permissions") from error


def refer(connection: Connection, thread: str, hashes: Iterable[str]) -> None:
    """Make `thread` refer to these pictures, inside the transaction that commits its turn."""
    rows = [(thread, key) for key in hashes]
    connection.executemany("INSERT INTO picture_refs VALUES (?, ?) ON CONFLICT DO NOTHING", rows)
