"""Events: what a turn tells while it runs, in the order it happens.

Not covered here: how they reach the caller (conlora_agent.streaming).
"""

from __future__ import annotations

from typing import Literal

from conlora_agent.core.types import Model, Plan, PlannedStep, Step, TurnResult


class Planned(Model):
    """The router has decided."""

    event: Literal["planned"] = "planned"
    plan: Plan


class StepStarted(Model):
    """Step `index` of the plan begins."""

    event: Literal["step_started"] = "step_started"
    index: int
    step: PlannedStep


class Token(Model):
    """A piece of text from step `index`."""

    event: Literal["token"] = "token"
    index: int
    text: str


class StepFinished(Model):
    """Step `index` ended, well or not."""

    event: Literal["step_finished"] = "step_finished"
    index: int
    step: Step


class Finished(Model):
    """The turn is committed."""

    event: Literal["finished"] = "finished"
    result: TurnResult


Event = Planned | StepStarted | Token | StepFinished | Finished
