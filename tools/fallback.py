"""One provider after the other, until one has a new answer. Not covered here: retries with the same one (`http.py`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from conlora_agent.core.errors import ConloraError, ToolError


class Dated(Protocol):
    """An answer that says when it is an old one."""

    @property
    def caution(self) -> str:
        """Empty for a new answer."""


D = TypeVar("D", bound=Dated)


def first_fresh(providers: Sequence[Callable[[], D]]) -> D:
    """The first new answer, else the first old one. Raises the first provider's ToolError when none answers."""
    old: list[D] = []
    errors: list[ToolError] = []
    for provider in providers:
        try:
            answer = provider()
        except ToolError as error:
            errors.append(error)
            continue
        if not answer.caution:
            return answer
        old.append(answer)
    if old:
        return old[0]
    raise errors[0]


def problems(probe: Callable[[], object]) -> list[str]:
    """What a probe raises, as one line; empty when it succeeds."""
    try:
        probe()
    except ConloraError as error:
        return [str(error)]
    return []
