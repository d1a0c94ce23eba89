"""The evaluation of adding tasks, on a router that decides by words; and the invented tasks themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from conlora_agent.core.errors import DataError
from conlora_agent.core.types import Example, Plan, PlannedStep, Route, RouteQuery
from evals.new_tasks import NewTask, evaluate_new_tasks, load_new_tasks
from evals.router import RouterRow, load_rows

DATA = Path(__file__).parents[1] / "evals" / "data"


class WordRouter:
    """Takes the newest route one of whose examples begins with the word that the message begins with."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)

    def plan(self, query: RouteQuery) -> Plan:
        word = query.text.split()[0]
        names = [r.name for r in self.routes if any(e.text.split()[0] == word for e in r.examples)]
        step = PlannedStep(route=(names or ["chat"])[-1], kind="task", confidence=1.0, request=query.text)
        return Plan(steps=(step,))


def route(name: str, *texts: str) -> Route:
    examples = tuple(Example(text=text) for text in texts)
    return Route(name=name, kind="task", title=name, description=name, examples=examples)


def test_what_reaches_the_task_and_what_it_takes_from_others() -> None:
    task = NewTask(
        task="plants", title="", description="", examples=(*["leaf 1"] * 7, "read 1"), heldout=("leaf 2", "stem 2")
    )
    rows = [RouterRow(text="read it", steps=("ocr",)), RouterRow(text="find it", steps=("grounding",))]
    routes = [route("ocr", "read that"), route("grounding", "find that"), route("chat", "stem 0")]
    report = evaluate_new_tasks([task], rows, routes, WordRouter)
    (added,) = report.tasks
    assert added.before == {"chat": 2}
    assert (added.reached, added.lost) == (0.5, 0.5)
    assert added.misses == ("stem 2 -> chat",)
    assert added.taken == ("read it -> plants",)
    assert (report.n, report.reached, report.reached_worst, report.lost_worst) == (2, 0.5, 0.5, 0.5)


@pytest.mark.parametrize("name", ["new_tasks.jsonl", "new_tasks_dev.jsonl"])
def test_the_invented_tasks_keep_their_held_out_phrasings_apart(name: str) -> None:
    known = {row.text.lower() for row in load_rows(DATA / "router_heldout.jsonl")}
    for task in load_new_tasks(DATA / name):
        examples, heldout = ({text.lower() for text in texts} for texts in (task.examples, task.heldout))
        assert (len(examples), len(heldout)) == (8, len(task.heldout)), task.task
        assert not heldout & examples
        assert not (heldout | examples) & known
        assert all(Example(text=text) for text in heldout)


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "has no rows"), ("{", "line 1 is not JSON"), (json.dumps({"task": "a"}), "line 1: title: field required")],
)
def test_a_bad_file_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "tasks.jsonl").write_text(text)
    with pytest.raises(DataError, match=says):
        load_new_tasks(tmp_path / "tasks.jsonl")


def test_what_the_head_start_was_chosen_on_is_not_what_it_is_measured_on() -> None:
    dev, held_out = (
        {text for task in load_new_tasks(DATA / name) for text in (*task.examples, *task.heldout)}
        for name in ("new_tasks_dev.jsonl", "new_tasks.jsonl")
    )
    assert not dev & held_out
