"""What a training tells the other programs on this machine: a small file in the cache, renewed while it goes on.

Not covered here: the training itself (conlora_agent.training), and how it is shown.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from conlora_agent.core.files import replace_file
from conlora_agent.core.types import Model
from conlora_agent.memory.leases import ended, process_token

FOLDER = "training"
EVERY_S = 1.0


class Notice(Model):
    """A training under way. `token` names its process."""

    task: str
    step: int
    steps: int
    loss: float
    token: str


@contextmanager
def noticed(cache: Path, task: str) -> Iterator[Callable[[int, int, float], None]]:
    """A function that tells (step, steps, loss), at most once a second; the file goes when the training ends."""
    path = cache / FOLDER / f"{task}.notice"
    token, told = process_token(), 0.0

    def tell(step: int, steps: int, loss: float) -> None:
        nonlocal told
        if time.monotonic() - told < EVERY_S:
            return
        told = time.monotonic()
        notice = Notice(task=task, step=step, steps=steps, loss=loss, token=token)
        with contextlib.suppress(OSError):  # a training does not end because nobody can be told of it
            replace_file(path, notice.model_dump_json().encode())

    try:
        yield tell
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def notices(cache: Path) -> list[Notice]:
    """The trainings under way, by task; those of processes that were killed are left out."""
    found = []
    for path in sorted((cache / FOLDER).glob("*.notice")):
        with contextlib.suppress(OSError, ValidationError):
            notice = Notice.model_validate_json(path.read_bytes())
            if not ended(notice.token):
                found.append(notice)
    return found
