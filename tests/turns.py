"""Builds agents whose model and router are scripted and whose graph, memory, tasks and pictures are the real ones."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import BaseModel

from conlora_agent.agent import Agent
from conlora_agent.core.errors import ToolUnavailable
from conlora_agent.core.types import Candidate, Example, Plan, PlannedStep, Route, RouteQuery
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone
from tools.base import MissingArgument, Tool, ToolContext, ToolModel, ToolResult
from tools.registry import ToolRegistry

KINDS = {"chat": "chat", "clarify": "clarify", "weather": "tool", "calculator": "tool"}


def step(route: str, request: str, *uses: int, confidence: float = 0.95) -> PlannedStep:
    kind = KINDS.get(route, "task")
    return PlannedStep.model_validate(
        {"route": route, "kind": kind, "confidence": confidence, "request": request, "uses": uses}
    )


class ScriptedRouter:
    """Plans by words in the message; picture routes without a picture become `clarify`, as real routers do it."""

    def __init__(self, rules: dict[str, str | Sequence[PlannedStep]] | None = None) -> None:
        self.rules = rules or {}
        self.queries: list[RouteQuery] = []
        self.routes: tuple[Route, ...] = ()

    def refit(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)

    def plan(self, query: RouteQuery) -> Plan:
        self.queries.append(query)
        rule = next((rule for words, rule in self.rules.items() if words in query.text), "chat")
        steps = (step(rule, query.text),) if isinstance(rule, str) else tuple(rule)
        candidates = (Candidate(route=steps[0].route, confidence=0.9), Candidate(route="chat", confidence=0.05))
        needs_image = {route.name for route in self.routes if route.needs_image}
        if not query.has_image and any(s.route in needs_image for s in steps):
            return Plan(steps=(step("clarify", query.text, confidence=0.9),), candidates=candidates)
        return Plan(steps=steps, candidates=candidates)


class UnsureRouter(ScriptedRouter):
    """Cannot decide between two routes."""

    def plan(self, query: RouteQuery) -> Plan:
        decided = super().plan(query)
        if "hm" not in query.text:
            return decided
        two = (Candidate(route="ocr", confidence=0.4), Candidate(route="caption", confidence=0.39))
        return Plan(steps=(step("clarify", query.text, confidence=0.4),), candidates=two)


class WeatherArgs(ToolModel):
    place: str


class WeatherValue(BaseModel):
    place: str
    celsius: float


class Weather(Tool[WeatherArgs]):
    """Asks for the place unless the request, the steps it uses or the user's reply names it."""

    name = "weather"
    title = "Weather"
    description = "Tells the weather."
    args_model = WeatherArgs
    result_model = WeatherValue
    examples = tuple(Example(text=f"weather {i}", has_image=False) for i in range(8))  # type: ignore[assignment]

    def __init__(self, run: Callable[[str], dict[str, Any]] | None = None) -> None:
        self._run = run or (lambda place: {"place": place, "celsius": 21})

    def arguments(self, request: str, context: ToolContext) -> dict[str, Any]:
        if "place" in context.answers:
            return {"place": context.answers["place"]}
        if context.used:
            return {"place": context.used[-1]}
        if " in " not in request:
            raise MissingArgument("place", "For which place?")
        return {"place": request.split(" in ")[1].strip("?")}

    def run(self, args: WeatherArgs) -> ToolResult:
        if args.place == "Atlantis":
            raise ToolUnavailable("the weather service cannot be reached", "try again later")
        return ToolResult(self._run(args.place), f"21 degrees in {args.place}.", source="https://weather.example")


def png(size: tuple[int, int] = (200, 100), colour: str = "white") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def make_agent(
    rules: dict[str, str | Sequence[PlannedStep]] | None = None,
    backbone: FakeBackbone | None = None,
    *,
    router: ScriptedRouter | None = None,
    home: Path | None = None,
    weather: Weather | None = None,
    **settings: Any,
) -> Agent:
    return Agent(
        Settings.load(home=home, **settings),
        backbone=backbone or FakeBackbone(),
        router=router or ScriptedRouter(rules),
        tools=ToolRegistry([weather or Weather()]),
    )
