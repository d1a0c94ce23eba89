"""Retention while a program serves: what is to be forgotten goes within the hour, not only when somebody tidies up.

Not covered here: deleting itself (threads, pictures), and a tidy-up by hand (`conlora doctor`).
"""

from __future__ import annotations

import logging
import threading
from typing import Self

from conlora_agent.core.errors import StorageError
from conlora_agent.memory.pictures import PictureStore
from conlora_agent.memory.threads import ThreadStore

log = logging.getLogger(__name__)

EVERY_S = 3600.0


class Retention:
    """Works in a thread of its own while the `with` block lasts, at once and then every `every_s` seconds.

    Threads that nobody used for `days` are deleted, None keeps them all; so are pictures that were uploaded and never
    sent. Several processes may do this at the same time.
    """

    def __init__(
        self, threads: ThreadStore, pictures: PictureStore, days: int | None, *, every_s: float = EVERY_S
    ) -> None:
        self._threads, self._pictures = threads, pictures
        self._days, self._every_s = days, every_s
        self._over = threading.Event()
        self._worker = threading.Thread(target=self._work, name="retention", daemon=True)

    def __enter__(self) -> Self:
        self._worker.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._worker.join()

    def _work(self) -> None:
        while not self._over.is_set():
            try:
                if self._days is not None and (gone := self._threads.expire(self._days)):
                    log.info("deleted %d conversations that nobody used for %d days", gone, self._days)
                self._pictures.sweep()
            except StorageError as error:
                log.warning("cannot delete what is to be forgotten, trying again later: %s", error)
            self._over.wait(self._every_s)
