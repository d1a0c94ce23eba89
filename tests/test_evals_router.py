from __future__ import annotations

import json
from pathlib import Path

import pytest

from conlora_agent.core.errors import DataError
from conlora_agent.core.types import Candidate, Plan, PlannedStep, Route, RouteQuery
from evals.router import RouterRow, evaluate_router, load_rows
from router.embedding import EmbeddingRouter
from tests.router_routes import all_routes, make_route

HELD_OUT = Path(__file__).parents[1] / "evals" / "data" / "router_heldout.jsonl"


class Parrot:
    """Takes the words of the text as routes, with confidence 0.8."""

    def __init__(self, *names: str) -> None:
        self.routes: list[Route] = [make_route(name, "tool", "x") for name in names]

    def plan(self, query: RouteQuery) -> Plan:
        names = query.text.split()
        steps = tuple(PlannedStep(route=name, kind="tool", confidence=0.8, request=name) for name in names)
        return Plan(steps=steps, candidates=(Candidate(route=names[0], confidence=0.8),))


def row(text: str, *steps: str) -> RouterRow:
    return RouterRow(text=text, steps=steps)


def test_the_whole_plan_has_to_be_right() -> None:
    rows = [row("a", "a"), row("a b", "a", "b"), row("a", "a", "b"), row("b a", "a", "b")]
    report = evaluate_router(rows, Parrot("a", "b"))
    assert report.n == 4
    assert report.accuracy == 0.5
    assert [miss.got for miss in report.misses] == [("a",), ("b", "a")]


def test_unregistered_routes_count_as_wrong_and_are_listed() -> None:
    report = evaluate_router([row("a", "a"), row("weather", "weather")], Parrot("a"))
    assert report.accuracy == 0.5
    assert report.unregistered == ("weather",)


def test_nonsense_is_ranked_by_doubt() -> None:
    report = evaluate_router([row("a", "a"), row("clarify", "clarify")], Parrot("a", "clarify"))
    assert report.oos_auroc == 1.0
    assert evaluate_router([row("a", "a")], Parrot("a")).oos_auroc is None


def test_steps_may_be_objects_or_names(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [
        {"text": "x", "steps": ["a", {"route": "b", "uses": [0]}]},
        {"text": "y", "has_image": True, "steps": ["c"]},
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")
    assert [r.steps for r in load_rows(path)] == [("a", "b"), ("c",)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no rows"),
        ("{", "line 1 is not JSON"),
        ('{"text": "x", "steps": []}', "line 1: steps"),
        ('{"text": "x", "steps": "ocr"}', "line 1: steps"),
        ('{"text": "x", "steps": [{"name": "ocr"}]}', "line 1: steps"),
        ('{"steps": ["ocr"]}', "line 1: text"),
    ],
)
def test_broken_data_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        load_rows(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        load_rows(tmp_path / "nowhere.jsonl")


def test_held_out_phrasings_meet_the_floor(tmp_path: Path, shared_cache: Path) -> None:
    router = EmbeddingRouter(all_routes(tmp_path), cache_dir=shared_cache)
    rows = load_rows(HELD_OUT)
    report = evaluate_router(rows, router)
    assert len(rows) >= 200
    assert report.unregistered == ()
    assert report.accuracy >= 0.95, "\n".join(f"{m.text!r}: {m.expected} != {m.got}" for m in report.misses)
    assert report.oos_auroc is not None
    assert report.oos_auroc >= 0.95
