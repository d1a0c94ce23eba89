"""How often the router takes the right steps, how honest its confidences are, how long it needs.

Data: JSONL rows `{"text", "has_image", "previous", "steps"}`; `steps` lists routes, by name or as objects with `route`.
The router is called exactly as a turn calls it. Not covered here: whether the steps are then carried out well.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from conlora_agent.core.errors import DataError
from conlora_agent.core.types import CLARIFY, Plan, Route, RouteQuery
from evals.jsonl import read_rows
from evals.scores import Bin, ClassScore, Latency, auroc, calibration_error, class_scores, macro_f1, reliability

SHAPE = 'write {"text", "has_image", "previous", "steps"}'
SEVERAL = "several"


class RouterUnderTest(Protocol):
    """A router that says which routes it knows."""

    @property
    def routes(self) -> Sequence[Route]:
        """The routes it decides among."""

    def plan(self, query: RouteQuery) -> Plan:
        """Decide the steps of one turn."""


class RouterRow(BaseModel):
    """One turn with the routes it should take, in order."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    text: str = Field(min_length=1)
    has_image: bool = False
    previous: tuple[str, ...] = ()
    steps: tuple[str, ...] = Field(min_length=1)

    @field_validator("steps", mode="before")
    @classmethod
    def _names(cls, steps: Any) -> Any:
        if not isinstance(steps, list | tuple):
            return steps
        return [step.get("route") if isinstance(step, dict) else step for step in steps]


class Miss(BaseModel):
    """A row whose plan was not the expected one."""

    text: str
    has_image: bool
    previous: tuple[str, ...]
    expected: tuple[str, ...]
    got: tuple[str, ...]
    confidence: float


class RouterReport(BaseModel):
    """All figures are fractions 0..1; null where the data has no row that the figure is about."""

    n: int
    accuracy: float
    """Share of rows whose whole plan is right."""
    macro_f1: float
    """Mean over the expected routes of the F1 of steps."""
    oos_auroc: float | None
    """How well the router tells rows that only `clarify` can serve from the others."""
    ece: float
    """Expected calibration error of the plan's confidence, ten bins."""
    latency_ms: Latency
    """Of a decision, encoding included."""
    routes: tuple[ClassScore, ...] = ()
    """Precision, recall and F1 of every expected route's steps."""
    confusion: dict[str, dict[str, int]] = {}
    """How often rows of one expected step took which; `several` for more than one."""
    reliability: tuple[Bin, ...] = ()
    """The bins that `ece` is made of."""
    unregistered: tuple[str, ...] = ()
    """Texts of rows that name a route which is not registered; they count as wrong."""
    misses: tuple[Miss, ...] = ()


def load_rows(path: Path) -> list[RouterRow]:
    """Rows of a JSONL file. Raises DataError naming the line."""
    return read_rows(path, RouterRow, SHAPE)


def evaluate_router(rows: Sequence[RouterRow], router: RouterUnderTest) -> RouterReport:
    """Plan every row and compare. The first plan, which may fit the router, is not timed."""
    if not rows:
        raise DataError("no rows to evaluate", SHAPE)
    router.plan(_query(rows[0]))
    known = {route.name: route for route in router.routes}
    plans, times = [], []
    for row in rows:
        began = time.perf_counter()
        plans.append(router.plan(_query(row)))
        times.append((time.perf_counter() - began) * 1000)
    got = [tuple(step.route for step in plan.steps) for plan in plans]
    registered = [set(row.steps) <= set(known) for row in rows]
    right = np.array([r.steps == g and ok for r, g, ok in zip(rows, got, registered, strict=True)])
    confidence = np.array([_plan_confidence(plan) for plan in plans])
    unclear = np.array([row.steps == (CLARIFY,) for row in rows])
    doubt = np.array([_doubt(plan, row, known) for plan, row in zip(plans, rows, strict=True)])
    by_route = class_scores([row.steps for row in rows], got)
    return RouterReport(
        n=len(rows),
        accuracy=float(right.mean()),
        macro_f1=macro_f1(by_route),
        oos_auroc=auroc(doubt, unclear),
        ece=calibration_error(confidence, right),
        latency_ms=Latency.of(times),
        routes=tuple(by_route),
        confusion=_confusion(rows, got),
        reliability=tuple(reliability(confidence, right)),
        unregistered=tuple(row.text for row, ok in zip(rows, registered, strict=True) if not ok),
        misses=tuple(_miss(row, g, c) for row, g, c, ok in zip(rows, got, confidence, right, strict=True) if not ok),
    )


def _query(row: RouterRow) -> RouteQuery:
    return RouteQuery(text=row.text, has_image=row.has_image, previous=row.previous)


def _confusion(rows: Sequence[RouterRow], got: Sequence[tuple[str, ...]]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for row, steps in zip(rows, got, strict=True):
        if len(row.steps) == 1:
            taken, line = steps[0] if len(steps) == 1 else SEVERAL, counts.setdefault(row.steps[0], {})
            line[taken] = line.get(taken, 0) + 1
    return counts


def _plan_confidence(plan: Plan) -> float:
    return float(np.prod([step.confidence for step in plan.steps]))


def _doubt(plan: Plan, row: RouterRow, known: dict[str, Route]) -> float:
    """One minus the probability of the likeliest route that could serve the row at all."""
    able = [
        c.confidence
        for c in plan.candidates
        if c.route != CLARIFY and (row.has_image or not (c.route in known and known[c.route].needs_image))
    ]
    return 1.0 - max(able, default=0.0)


def _miss(row: RouterRow, got: tuple[str, ...], confidence: float) -> Miss:
    return Miss(
        text=row.text,
        has_image=row.has_image,
        previous=row.previous,
        expected=row.steps,
        got=got,
        confidence=float(confidence),
    )
