from __future__ import annotations

import json
from pathlib import Path

import pytest

from conlora_agent.core.errors import DataError
from conlora_agent.core.types import Plan, PlannedStep, Route, RouteQuery
from evals.dialogues import Dialogue, Turn, evaluate_dialogues, evaluate_plans, load_dialogues
from evals.make_dialogues import main as make_dialogues
from evals.router import RouterRow, load_rows
from tests.router_routes import make_route

DATA = Path(__file__).parents[1] / "evals" / "data"


class Echo:
    """Takes the words of a text as routes; "same" is the route before. Remembers what it was asked."""

    def __init__(self) -> None:
        self.routes: list[Route] = [make_route("a", "tool", "x")]
        self.asked: list[RouteQuery] = []

    def plan(self, query: RouteQuery) -> Plan:
        self.asked.append(query)
        names = [query.previous[-1] if word == "same" else word for word in query.text.split()]
        return Plan(steps=tuple(PlannedStep(route=n, kind="tool", confidence=1.0, request=n) for n in names))


def talk(*turns: tuple[str, str, bool]) -> Dialogue:
    return Dialogue(turns=tuple(Turn(text=text, steps=(step,), follow_up=follow) for text, step, follow in turns))


def test_turns_see_the_routes_really_taken() -> None:
    router = Echo()
    report = evaluate_dialogues([talk(("b", "a", False), ("same", "a", True), ("clarify", "clarify", False))], router)
    assert [query.previous for query in router.asked] == [(), ("b",), ("b", "b")]
    assert (report.n, report.turns, report.dialogues_right) == (1, 3, 0.0)
    assert report.accuracy == pytest.approx(1 / 3)
    assert report.follow_up_accuracy == 0.0


def test_leaving_a_route_that_goes_on_is_a_needless_switch() -> None:
    stays = talk(("a", "a", False), ("same", "a", True))
    leaves = talk(("a", "a", False), ("b", "a", True))
    assert evaluate_dialogues([stays, leaves], Echo()).needless_switches == 0.5


def test_plans_are_lists_of_steps_and_single_requests_stay_whole() -> None:
    rows = [RouterRow(text="a b", steps=("a", "b")), RouterRow(text="a c", steps=("a",))]
    report = evaluate_plans(rows, Echo())
    assert (report.exact, report.several_exact, report.split) == (0.5, 1.0, 1.0)
    assert (report.precision, report.recall) == (0.75, 1.0)


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "has no rows"), ("{", "line 1 is not JSON"), ('{"turns": []}', "line 1: turns"), ("[1]", "line 1: row")],
)
def test_broken_dialogues_are_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        load_dialogues(path)


def test_the_frozen_sets_are_what_the_generator_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["make_dialogues", "--out", str(tmp_path)])
    make_dialogues()
    for name in ("dialogues.jsonl", "plans.jsonl"):
        assert (tmp_path / name).read_text() == (DATA / name).read_text()
    assert len(load_dialogues(DATA / "dialogues.jsonl")) >= 300
    assert len(load_rows(DATA / "plans.jsonl")) >= 100
    assert all(json.loads(line)["turns"] for line in (DATA / "dialogues.jsonl").read_text().splitlines())
