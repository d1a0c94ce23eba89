"""What adding a task does to the router: do its unseen phrasings reach it, and what do the other routes lose.

Data: JSONL, one invented task a row, `{"task", "title", "description", "examples": [8 texts], "heldout": [texts]}`.
Each is added alone, the router refitted as it is when a user adds a task, then both sides are asked. Not covered here:
what the task then answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from conlora_agent.core.types import Example, Route, RouteQuery
from evals.jsonl import read_rows
from evals.router import RouterRow, RouterUnderTest

SHAPE = 'write {"task", "title", "description", "examples", "heldout"}'
MakeRouter = Callable[[Sequence[Route]], RouterUnderTest]


class NewTask(BaseModel):
    """A task that a user might add, with phrasings kept from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str = Field(min_length=1)
    title: str
    description: str
    examples: tuple[str, ...] = Field(min_length=8)
    heldout: tuple[str, ...] = Field(min_length=1)

    def route(self) -> Route:
        """The task as the router gets it from its folder."""
        examples = tuple(Example(text=text) for text in self.examples)
        return Route(
            name=self.task,
            kind="task",
            title=self.title,
            description=self.description,
            needs_image=True,
            examples=examples,
        )


class Added(BaseModel):
    """One task added. Figures are fractions 0..1."""

    task: str
    n: int
    before: dict[str, int]
    """Where its held-out phrasings went before it was there."""
    reached: float
    """Share of them that goes to it now."""
    lost: float
    """By how much fewer of the other rows take the right steps than before; negative when there are more."""
    misses: tuple[str, ...]
    """Held-out phrasings that still go elsewhere, with where."""
    taken: tuple[str, ...]
    """Other rows that were right before and now are not."""


class NewTasksReport(BaseModel):
    """All tasks, each added alone."""

    n: int
    """Held-out phrasings of all tasks."""
    reached: float
    reached_worst: float
    lost: float
    lost_worst: float
    tasks: tuple[Added, ...]


def load_new_tasks(path: Path) -> list[NewTask]:
    """Tasks of a JSONL file. Raises DataError naming the line."""
    return read_rows(path, NewTask, SHAPE)


def evaluate_new_tasks(
    tasks: Sequence[NewTask], rows: Sequence[RouterRow], routes: Sequence[Route], make: MakeRouter
) -> NewTasksReport:
    """Add each task to `routes` in turn. `make(routes)` gives the router that has just been told about these routes."""
    plain = make(routes)
    right = [_steps(plain, _query(row)) == row.steps for row in rows]
    before = [Counter(_steps(plain, RouteQuery(text=t, has_image=True))[0] for t in task.heldout) for task in tasks]
    added = [
        _add(task, went, rows, right, make((*routes, task.route()))) for task, went in zip(tasks, before, strict=True)
    ]
    total = sum(one.n for one in added)
    return NewTasksReport(
        n=total,
        reached=sum(one.reached * one.n for one in added) / total,
        reached_worst=min(one.reached for one in added),
        lost=sum(one.lost for one in added) / len(added),
        lost_worst=max(one.lost for one in added),
        tasks=tuple(added),
    )


def _add(
    task: NewTask, before: Counter[str], rows: Sequence[RouterRow], right: Sequence[bool], router: RouterUnderTest
) -> Added:
    got = {text: _steps(router, RouteQuery(text=text, has_image=True)) for text in task.heldout}
    now = [_steps(router, _query(row)) for row in rows]
    still = [steps == row.steps for row, steps in zip(rows, now, strict=True)]
    return Added(
        task=task.task,
        n=len(got),
        before=dict(before.most_common()),
        reached=sum(steps == (task.task,) for steps in got.values()) / len(got),
        lost=(sum(right) - sum(still)) / max(1, len(rows)),
        misses=tuple(f"{text} -> {', '.join(steps)}" for text, steps in got.items() if steps != (task.task,)),
        taken=tuple(
            f"{row.text} -> {', '.join(steps)}"
            for row, steps, was, is_now in zip(rows, now, right, still, strict=True)
            if was and not is_now
        ),
    )


def _steps(router: RouterUnderTest, query: RouteQuery) -> tuple[str, ...]:
    return tuple(step.route for step in router.plan(query).steps)


def _query(row: RouterRow) -> RouteQuery:
    return RouteQuery(text=row.text, has_image=row.has_image, previous=row.previous)
