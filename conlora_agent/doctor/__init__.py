"""`conlora doctor`: looks whether everything that a turn needs is there and works.

A check is a name, a title and a generator of findings. To add one, write it in a module beside this one and list it in
CHECKS. Not covered here: mending; a finding says what to do.
Only what killed processes left behind is removed (memory.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from conlora_agent.core.errors import ConloraError, UnknownName
from conlora_agent.doctor.finding import Check, Finding, Report
from conlora_agent.doctor.memory import MEMORY_CHECKS
from conlora_agent.doctor.model import MODEL_CHECKS
from conlora_agent.doctor.tasks import TASK_CHECKS

if TYPE_CHECKING:
    from conlora_agent.agent import Agent

CHECKS: tuple[Check, ...] = (*TASK_CHECKS, *MEMORY_CHECKS, *MODEL_CHECKS)
"""In the order in which they run: what is quick to look at comes first."""


def chosen(names: Sequence[str]) -> tuple[Check, ...]:
    """The checks of these names, all of them when none is named. Raises UnknownName."""
    known = {check.name: check for check in CHECKS}
    for name in names:
        if name not in known:
            raise UnknownName.among("check", name, known)
    return tuple(check for check in CHECKS if not names or check.name in names)


def examine(agent: Agent, checks: Sequence[Check] = CHECKS) -> Iterator[Report]:
    """Run the checks one by one; a check that fails does not keep the others from running."""
    for check in checks:
        began = time.perf_counter()
        findings = tuple(_findings(check, agent))
        yield Report(check, findings, (time.perf_counter() - began) * 1000)


def _findings(check: Check, agent: Agent) -> Iterator[Finding]:
    try:
        yield from check.run(agent)
    except ConloraError as error:
        yield Finding(check.name, str(error), ok=False)
