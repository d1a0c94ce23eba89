"""Carrying out one step: its events, its time, and what becomes of its errors.

A step never breaks the turn: an error with a remedy becomes the step's status. Anything else is a mistake of ours, is
raised, and rolls the turn back. Not covered here: what the kinds of step do (perception, action, nodes).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from langgraph.runtime import Runtime

from conlora_agent.core.errors import ConloraError, ToolUnavailable
from conlora_agent.core.events import StepFinished, StepStarted, Token
from conlora_agent.core.referents import Focus
from conlora_agent.core.types import Message, Pending, Plan, PlannedStep, Status, Step, Usage
from conlora_agent.focus import after_step, complete_request
from conlora_agent.prompts import history
from conlora_agent.state import TurnContext, TurnState, dump_focus, focus_of


@dataclass(frozen=True)
class StepRun:
    """One step about to be carried out."""

    index: int
    planned: PlannedStep
    plan: Plan
    used: tuple[Step, ...]
    """The earlier steps whose results this one uses."""
    focus: Focus
    state: TurnState
    context: TurnContext

    @property
    def history(self) -> tuple[Message, ...]:
        """The conversation so far: the same for every route, so that a backbone can keep its work on it."""
        kept = self.state.get("window", []), self.state.get("summary", "")
        return history(*kept, self.context.settings.history_tokens)

    def most_tokens(self, usual: int) -> int:
        """Tokens that a text may have here, of which there are `usual` at most unless the caller wants fewer."""
        return usual if self.context.max_tokens is None else min(usual, self.context.max_tokens)

    def on_token(self, text: str) -> None:
        """Pass a piece of generated text on. Raises TurnCancelled."""
        if text:
            self.context.channel.emit(Token(index=self.index, text=text))

    def step(self, **result: Any) -> Step:
        """The trace of this step."""
        return Step(**{**self.planned.model_dump(), **result})


@dataclass(frozen=True)
class Outcome:
    """What a step gave. `output`: kind of a task's output. `asked`: the question that the turn has to end with."""

    step: Step
    usage: Usage = field(default_factory=Usage)
    output: str = "text"
    asked: Pending | None = None
    plan: Plan | None = None


def run_step(state: TurnState, runtime: Runtime[TurnContext], work: Callable[[StepRun], Outcome]) -> dict[str, Any]:
    """Carry out the next step of the plan with `work`; the state's update."""
    run = _begin(state, runtime)
    run.context.channel.emit(StepStarted(index=run.index, step=run.planned))
    began = time.perf_counter()
    outcome = _blocked(run) or _attempt(run, work)
    step = outcome.step.model_copy(update={"ms": (time.perf_counter() - began) * 1000})
    run.context.channel.emit(StepFinished(index=run.index, step=step))
    update: dict[str, Any] = {
        "steps": (*state["steps"], step),
        "focus": dump_focus(after_step(run.focus, step, output=outcome.output)),
        "usage": state["usage"] + outcome.usage,
    }
    if outcome.asked is not None:
        update |= {"asked": outcome.asked}
    if outcome.plan is not None:
        update |= {"plan": outcome.plan}
    return update


def _begin(state: TurnState, runtime: Runtime[TurnContext]) -> StepRun:
    plan, steps, focus = state["plan"], state["steps"], focus_of(state)
    planned = plan.steps[len(steps)]
    if planned.kind == "task":
        planned = planned.model_copy(update={"request": complete_request(planned.request, planned.route, focus)})
    return StepRun(
        index=len(steps),
        planned=planned,
        plan=plan,
        used=tuple(steps[position] for position in planned.uses if position < len(steps)),
        focus=focus,
        state=state,
        context=runtime.context,
    )


def _blocked(run: StepRun) -> Outcome | None:
    """The end of a step that needs the result of one that gave none. A question is asked all the same."""
    for used in run.used if run.planned.kind != "clarify" else ():
        if used.status == "abstained":
            return Outcome(run.step(status="abstained", text="", error=f"nothing to work on: {used.text}"))
        if used.status != "ok":
            return Outcome(run.step(status="failed", error=f"it needs the step {used.route!r}, which did not succeed"))
    return None


def _attempt(run: StepRun, work: Callable[[StepRun], Outcome]) -> Outcome:
    try:
        return work(run)
    except ConloraError as error:
        return failed(run, error)


def failed(run: StepRun, error: ConloraError, **known: Any) -> Outcome:
    """The end of a step that an error stopped. `known`: what is to be traced all the same."""
    status: Status = "unavailable" if isinstance(error, ToolUnavailable) else "failed"
    return Outcome(run.step(status=status, error=str(error), **known))
