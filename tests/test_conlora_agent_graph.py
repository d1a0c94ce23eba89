"""The wiring: every node is reached by the edges, and edges are pure."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from conlora_agent.core.types import Kind, Pending, Plan
from conlora_agent.edges import next_step
from conlora_agent.graph import STEP_NODES, build_graph
from conlora_agent.memory.saver import TurnSaver
from conlora_agent.memory.sqlite import SqliteDatabase
from conlora_agent.state import TurnState
from tests.turns import step


def state(*routes: str, done: int = 0, budget: int = 6, asked: Pending | None = None) -> TurnState:
    planned = tuple(step(route, "x") for route in routes)
    steps = tuple(range(done))
    return {"plan": Plan(steps=planned), "steps": steps, "budget": budget, "asked": asked}  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("route", "node"), [("ocr", "perceive"), ("weather", "act"), ("chat", "chat"), ("clarify", "clarify")]
)
def test_each_kind_of_step_has_its_node(route: str, node: str) -> None:
    assert next_step(state(route)) == node
    assert len(get_args(Kind)) == len(STEP_NODES)


def test_the_plan_ends_when_it_is_done_or_the_budget_spent() -> None:
    assert next_step(state("chat", done=1)) == "respond"
    assert next_step(state("chat", "chat", "chat", done=2, budget=2)) == "respond"
    asked = Pending(question="?", steps=(step("weather", "x"),))
    assert next_step(state("weather", "clarify", done=1, budget=1, asked=asked)) == "clarify"


def test_the_graph_is_the_one_of_the_design(tmp_path: Path) -> None:
    drawn = build_graph(TurnSaver(SqliteDatabase(tmp_path / "threads.db"))).get_graph()
    edges = {(edge.source, edge.target) for edge in drawn.edges}
    assert {("__start__", "ingest"), ("ingest", "route"), ("respond", "commit"), ("commit", "__end__")} <= edges
    for node in ("route", *STEP_NODES):
        assert {target for source, target in edges if source == node} == {*STEP_NODES, "respond"}
