"""A tool step: find the arguments, call the tool, keep the raw result; or ask for the argument that is missing.

Not covered here: what the tools do (tools).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from conlora_agent.core.errors import ConloraError
from conlora_agent.core.types import CLARIFY, Focus, Pending, PlannedStep
from conlora_agent.planning import rest_of
from conlora_agent.steps import Outcome, StepRun, failed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.registry import ToolRegistry


def act(run: StepRun) -> Outcome:
    """Carry out a tool step. Raises UnknownName, or what the tool raises while it looks for its arguments."""
    from tools.base import MissingArgument, ToolContext

    tool = run.context.tools.get(run.planned.route)
    given = run.state["replies"] if run.index == 0 else {}
    context = ToolContext(focus=run.focus, used=tuple(step.text for step in run.used), answers=given)
    try:
        arguments = tool.arguments(run.planned.request, context)
    except MissingArgument as missing:
        return _ask(run, missing.name, missing.question, given)
    try:
        result = tool.call(arguments)
    except ConloraError as error:
        return failed(run, error, tool_args=plain(arguments))
    step = run.step(
        text=result.text,
        boxes=result.regions,
        image=run.focus.picture if tool.needs_image else None,
        tool_args=plain(arguments),
        tool_result=plain(result.value),
        source=result.source,
        answer_confidence=1.0,
    )
    return Outcome(step)


def answers(tools: ToolRegistry, focus: Focus, pending: Pending, reply: str) -> bool:
    """Whether `reply` gives the tool of the pending step the argument it asked for."""
    from tools.base import MissingArgument, ToolContext

    assert pending.missing is not None
    waiting = pending.steps[0]
    try:
        context = ToolContext(focus=focus, answers={**pending.answers, pending.missing: reply})
        tools.get(waiting.route).arguments(waiting.request, context)
    except MissingArgument as missing:
        return missing.name != pending.missing
    except ConloraError:
        return False
    return True


def plain(value: Any) -> Any:
    """`value` as plain JSON types; numbers that JSON has no name for become null."""
    return json.loads(json.dumps(value, default=str), parse_constant=lambda name: None)


def _ask(run: StepRun, name: str, question: str, given: Mapping[str, str]) -> Outcome:
    """End the plan with the question; the steps from this one on wait for its answer."""
    asks = PlannedStep(route=CLARIFY, kind="clarify", confidence=1.0, request=run.planned.request, uses=(run.index,))
    shortened = run.plan.model_copy(update={"steps": (*run.plan.steps[: run.index + 1], asks)})
    pending = Pending(question=question, steps=rest_of(run.plan, run.index), missing=name, answers=dict(given))
    return Outcome(run.step(status="needs_input", text=question), asked=pending, plan=shortened)
