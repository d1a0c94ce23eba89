"""Checks threads and pictures; what killed processes left behind is removed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from conlora_agent.doctor.finding import Check, Finding

if TYPE_CHECKING:
    from conlora_agent.agent import Agent


def check_memory(agent: Agent) -> Iterator[Finding]:
    """Damage, and what was removed."""
    days = agent.settings.keep_days
    if days is not None:
        yield Finding("threads", f"{agent.threads.expire(days)} unused for {days} days were deleted")
    found = agent.repair()
    left = len(found.removed) + found.swept
    yield Finding("pictures", f"{left} that belonged to nothing were removed" if left else "all belong to a thread")
    yield Finding("leases", f"{found.leases} of ended processes were removed" if found.leases else "none is left over")
    for problem in found.problems:
        yield Finding("damage", problem, ok=False)


MEMORY_CHECKS = (Check("memory", "threads and pictures", check_memory),)
