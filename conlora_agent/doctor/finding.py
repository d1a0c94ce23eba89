"""What a check of `conlora doctor` is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conlora_agent.agent import Agent


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `detail` says how it is, or what is wrong and what to do about it."""

    about: str
    detail: str
    ok: bool = True


@dataclass(frozen=True)
class Check:
    """One subject to look at. `run` gives a finding for every single thing; a ConloraError counts as a bad one."""

    name: str
    title: str
    run: Callable[[Agent], Iterator[Finding]]


@dataclass(frozen=True)
class Report:
    """What one check found, and how long it took."""

    check: Check
    findings: tuple[Finding, ...]
    ms: float

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(finding.ok for finding in self.findings)
