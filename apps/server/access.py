"""Who is asking: API keys, a name space of threads for each, and how often each may ask.

Without keys everyone who reaches the server is the same local user, and an Authorization header means nothing. With
keys, the threads of a key have an id `<owner>.<name>` in the store, so no key can name another's. Not covered here:
queueing (slots.py).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from apps.server.problems import Problem
from conlora_agent.core.errors import UnknownName
from conlora_agent.memory.threads import OWNER_MARK, check_thread_id


@dataclass(frozen=True)
class Caller:
    """Who asks. `owner`: twelve hexadecimal digits that stand for the key, empty for the local user."""

    owner: str = ""

    def stored(self, thread: str) -> str:
        """The store's id of a thread that the caller names. Raises TextError."""
        return f"{self.owner}{OWNER_MARK}{check_thread_id(thread)}" if self.owner else check_thread_id(thread)

    def shown(self, thread: str) -> str:
        """The caller's name of a thread of the store. Raises UnknownName for another's thread."""
        if not self.owner:
            return thread
        owner, _, name = thread.partition(OWNER_MARK)
        if owner != self.owner:
            raise UnknownName(f"no thread named {thread!r}", "list the threads")
        return name


class Access:
    """Knows the keys, and how many requests each has left."""

    def __init__(self, keys: Sequence[str], *, requests_per_minute: int | None = None) -> None:
        self._owners = {_digest(key): _digest(key)[:12] for key in keys}
        self._rate = requests_per_minute
        self._left: dict[str, tuple[float, float]] = {}

    @property
    def open(self) -> bool:
        """Whether no key is needed."""
        return not self._owners

    def caller(self, key: str | None) -> Caller:
        """Who asks with `key`. Raises Problem (401). Keys are compared by digest, so time tells nothing about them."""
        if self.open:
            return Caller()
        owner = self._owners.get(_digest(key or ""))
        if owner is None:
            problem = "the API key is wrong" if key else "an API key is needed"
            raise Problem(401, problem, "send the header Authorization: Bearer KEY", WWW_Authenticate="Bearer")
        return Caller(owner)

    def count(self, caller: Caller) -> None:
        """Count a request of the caller. Raises Problem (429) beyond the rate."""
        if self._rate is None:
            return
        now = time.monotonic()
        left, then = self._left.get(caller.owner, (float(self._rate), now))
        left = min(float(self._rate), left + (now - then) * self._rate / 60)
        if left < 1:
            wait_s = int((1 - left) * 60 / self._rate) + 1
            problem = f"more than {self._rate} requests a minute"
            raise Problem(429, problem, f"try again in {wait_s} s", Retry_After=str(wait_s))
        self._left[caller.owner] = (left - 1, now)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
