"""Runs `conlora` commands in this process on an agent whose model is scripted."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.cli import run
from apps.cli.common import Progress, Terminal
from conlora_agent.agent import Agent
from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone
from tests.turns import ScriptedRouter, UnsureRouter, Weather
from tools.calculator import Calculator
from tools.registry import ToolRegistry

RULES = {
    "describe": "caption",
    "where": "grounding",
    "Where": "grounding",
    "red one": "grounding",
    "written": "ocr",
    "weather": "weather",
    "how many": "vqa",
}


def see(request: GenerateRequest) -> str:
    """What the scripted model answers."""
    text = request.instruction.lower()
    for words, answer in (("book", "3 8 26 53"), ("read", "QUIET OCEAN"), ("describe", "Four books on a table.")):
        if words in text and request.picture is not None:
            return answer
    return "You are welcome."


def scripted_agent(settings: Settings, on_progress: Progress, backbone: FakeBackbone | None = None) -> Agent:
    return Agent(
        settings,
        backbone=backbone or FakeBackbone(see),
        router=UnsureRouter(RULES),
        tools=ToolRegistry([Weather(), Calculator()]),
        on_progress=on_progress,
    )


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one line of JSON that stdout must be."""
        assert self.out.count("\n") == 1, self.out
        assert self.out.endswith("\n"), self.out
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line that stderr must be."""
        assert self.err.count("\n") == 1, self.err
        return self.err.strip()


def conlora(*argv: str | Path, open_agent: Callable[..., Agent] = scripted_agent) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    code = run([str(word) for word in argv], Terminal(out, err, open_agent))
    return Ended(code, out.getvalue(), err.getvalue())


__all__ = ["Ended", "ScriptedRouter", "conlora", "scripted_agent"]
