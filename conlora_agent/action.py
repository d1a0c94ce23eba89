"""A tool step: find the arguments, call the tool, keep the raw result; or ask for the argument that is missing.

A call that changes something is made only after the user has said yes to it. Not covered here: what the tools do
(tools).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from conlora_agent.arguments import Writer
from conlora_agent.core.errors import ConloraError
from conlora_agent.core.referents import Focus
from conlora_agent.core.types import CLARIFY, Pending, PlannedStep, Usage
from conlora_agent.planning import rest_of
from conlora_agent.steps import Outcome, StepRun, failed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.base import Tool, ToolContext
    from tools.registry import ToolRegistry


CONFIRM = "(confirm)"
"""Name of the question whether a call that changes something shall be made."""
CONFIRMED = "(arguments)"
"""The arguments that the question names, as JSON: exactly these are then used."""
_YES = re.compile(r"\W*(?:yes|yeah|yep|sure|ok(?:ay)?|do it|go ahead|please do|of course|confirm(?:ed)?)\b", re.I)
_NO = re.compile(r"\W*(?:no|nope|don'?t|do not|stop)\b", re.I)


def act(run: StepRun) -> Outcome:
    """Carry out a tool step. Raises UnknownName, or what the tool raises while it looks for its arguments."""
    from tools.base import MissingArgument, ToolContext

    tool = run.context.tools.get(run.planned.route)
    given = run.state["replies"] if run.index == 0 else {}
    if CONFIRM in given:
        return _confirmed(run, tool, given)
    context = ToolContext(focus=run.focus, used=tuple(step.text for step in run.used), answers=given)
    try:
        arguments, usage = _arguments(run, tool, context)
    except MissingArgument as missing:
        return _ask(run, missing.name, missing.question, given)
    if tool.changes:
        return _ask(run, CONFIRM, _confirmation(tool, arguments), {CONFIRMED: json.dumps(plain(arguments))})
    return _call(run, tool, arguments, usage)


def _call(run: StepRun, tool: Tool[Any], arguments: Mapping[str, Any], usage: Usage) -> Outcome:
    past = run.context.past
    if past is not None and not tool.pure:  # it was called then: what it gave is in the answer
        known = {"text": past.answer}
        return Outcome(run.step(text=past.answer, tool_args=plain(arguments), tool_result=known))
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
    return Outcome(step, usage=usage)


def _arguments(run: StepRun, tool: Tool[Any], context: ToolContext) -> tuple[dict[str, Any], Usage]:
    """The tool's own reading of the request, or the model's where only a schema is known."""
    from adapters.calls import TASK
    from tools.foreign import ForeignTool

    models, request = run.context.models, run.planned.request
    if isinstance(tool, ForeignTool) and tool.schema["properties"]:
        writer = Writer(models.backbone(), models.stack(run.context.tasks.get(TASK)))
        return writer.write(tool, request, context), writer.usage
    return tool.arguments(request, context), Usage()


def _confirmation(tool: Tool[Any], arguments: Mapping[str, Any]) -> str:
    values = {k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for k, v in plain(arguments).items()}
    given = ", ".join(f"{name}: {value}" for name, value in values.items())
    return f"Shall I do this: {tool.title}" + (f" ({given})" if given else "") + "? Please answer yes or no."


def _confirmed(run: StepRun, tool: Tool[Any], given: Mapping[str, str]) -> Outcome:
    if not _YES.match(given[CONFIRM]):
        return Outcome(run.step(status="abstained", text="All right, I did not do it."))
    return _call(run, tool, json.loads(given[CONFIRMED]), Usage())


def answers(tools: ToolRegistry, focus: Focus, pending: Pending, reply: str) -> bool:
    """Whether `reply` gives the tool of the pending step the argument it asked for."""
    from tools.base import MissingArgument, ToolContext

    assert pending.missing is not None
    if pending.missing == CONFIRM:
        return bool(_YES.match(reply) or _NO.match(reply))
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
