"""Whether whole conversations, and messages of several requests, are routed as they are meant.

Dialogues: JSONL rows `{"has_image", "turns": [{"text", "steps", "follow_up"}]}`. Each is played from the start; a
turn sees the routes that the turns before really took, right or wrong, as in a conversation. Plans: rows as in
router.py; a row of one step must not be split. Not covered here: what the steps then answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from conlora_agent.core.types import CLARIFY, RouteQuery
from evals.jsonl import read_rows
from evals.router import RouterRow, RouterUnderTest

SHAPE = 'write {"has_image", "turns": [{"text", "steps", "follow_up"}]}'


class Turn(BaseModel):
    """One message with the routes it should take. `follow_up`: only the turns before say what it means."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    text: str = Field(min_length=1)
    steps: tuple[str, ...] = Field(min_length=1)
    follow_up: bool = False


class Dialogue(BaseModel):
    """A conversation, with a picture from the start or without one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    has_image: bool = False
    turns: tuple[Turn, ...] = Field(min_length=1)


class Outcome(BaseModel):
    """What came of a turn. `previous`: the routes taken before it."""

    text: str
    previous: tuple[str, ...]
    expected: tuple[str, ...]
    got: tuple[str, ...]


class DialogueReport(BaseModel):
    """Fractions 0..1; null where no turn is of that kind."""

    n: int
    turns: int
    accuracy: float
    """Share of turns whose whole plan is right."""
    single_accuracy: float | None
    follow_up_accuracy: float | None
    dialogues_right: float
    """Share of dialogues without a wrong turn."""
    needless_switches: float
    """Share of turns that should stay on the route before and left it."""
    misses: tuple[Outcome, ...] = ()


class PlanReport(BaseModel):
    """Fractions 0..1; null where no row is of that kind."""

    n: int
    exact: float
    """Share of messages whose list of steps is right, order included."""
    several_exact: float | None
    """The same over messages of several requests."""
    precision: float
    """Share of the planned steps that are asked for."""
    recall: float
    """Share of the steps asked for that are planned."""
    split: float | None
    """Share of single requests that were taken apart."""
    misses: tuple[Outcome, ...] = ()


def load_dialogues(path: Path) -> list[Dialogue]:
    """Dialogues of a JSONL file. Raises DataError naming the line."""
    return read_rows(path, Dialogue, SHAPE)


def evaluate_dialogues(dialogues: Sequence[Dialogue], router: RouterUnderTest) -> DialogueReport:
    """Play every dialogue."""
    played = [_play(dialogue, router) for dialogue in dialogues]
    outcomes = [outcome for dialogue in played for outcome in dialogue]
    right = [turn.steps == miss.got for turn, miss in outcomes]
    single = [ok for ok, (turn, _) in zip(right, outcomes, strict=True) if not turn.follow_up]
    follow_up = [ok for ok, (turn, _) in zip(right, outcomes, strict=True) if turn.follow_up]
    stays = [miss.got == turn.steps for turn, miss in outcomes if miss.previous[-1:] == turn.steps]
    return DialogueReport(
        n=len(dialogues),
        turns=len(outcomes),
        accuracy=sum(right) / len(right),
        single_accuracy=_share(single),
        follow_up_accuracy=_share(follow_up),
        dialogues_right=sum(all(turn.steps == miss.got for turn, miss in d) for d in played) / len(played),
        needless_switches=1 - sum(stays) / len(stays) if stays else 0.0,
        misses=tuple(miss for turn, miss in outcomes if turn.steps != miss.got),
    )


def evaluate_plans(rows: Sequence[RouterRow], router: RouterUnderTest) -> PlanReport:
    """Plan every message and compare the lists of steps."""
    got = [_routes(router, RouteQuery(text=r.text, has_image=r.has_image, previous=r.previous)) for r in rows]
    pairs = list(zip(rows, got, strict=True))
    hits = sum((Counter(row.steps) & Counter(plan)).total() for row, plan in pairs)
    return PlanReport(
        n=len(rows),
        exact=sum(row.steps == plan for row, plan in pairs) / len(rows),
        several_exact=_share([row.steps == plan for row, plan in pairs if len(row.steps) > 1]),
        precision=hits / sum(map(len, got)),
        recall=hits / sum(len(row.steps) for row in rows),
        split=_share([len(plan) > 1 for row, plan in pairs if len(row.steps) == 1]),
        misses=tuple(
            Outcome(text=row.text, previous=row.previous, expected=row.steps, got=plan)
            for row, plan in pairs
            if row.steps != plan
        ),
    )


def _play(dialogue: Dialogue, router: RouterUnderTest) -> list[tuple[Turn, Outcome]]:
    """Each turn with what came of it."""
    previous: tuple[str, ...] = ()
    outcomes = []
    for turn in dialogue.turns:
        got = _routes(router, RouteQuery(text=turn.text, has_image=dialogue.has_image, previous=previous))
        outcomes.append((turn, Outcome(text=turn.text, previous=previous, expected=turn.steps, got=got)))
        previous = (*previous, *(route for route in got if route != CLARIFY))
    return outcomes


def _routes(router: RouterUnderTest, query: RouteQuery) -> tuple[str, ...]:
    return tuple(step.route for step in router.plan(query).steps)


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None
