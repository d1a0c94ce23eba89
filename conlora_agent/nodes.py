"""The graph's nodes, one verb each. A node takes the state and returns its update.

Not covered here: the wiring (graph), which node comes next (edges), and the work inside a step (perception, action).
"""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from conlora_agent import planning
from conlora_agent.action import act as act_step
from conlora_agent.action import answers
from conlora_agent.answers import compose, confidence
from conlora_agent.core.errors import TextError
from conlora_agent.core.events import Planned
from conlora_agent.core.protocols import GenerateRequest, Opening
from conlora_agent.core.types import Pending, Plan, RouteQuery, TurnRecord, Usage
from conlora_agent.focus import add_picture, mark
from conlora_agent.ingest import clean_text
from conlora_agent.looking import look_first
from conlora_agent.memory.transcript import now
from conlora_agent.perception import perceive as perceive_step
from conlora_agent.prompts import instructed, move_window, opened, previous_routes, with_results
from conlora_agent.recall import recalling
from conlora_agent.state import TurnContext, TurnState, dump_focus, focus_of, pending_of
from conlora_agent.steps import Outcome, StepRun, run_step
from conlora_agent.summary import summarised

CHAT_TOKENS = 256

Update = dict[str, Any]
Context = Runtime[TurnContext]


def ingest(state: TurnState, runtime: Context) -> Update:
    """Check text and picture, store the picture, make it the current one. Raises BadInput, StorageError."""
    context = runtime.context
    text = clean_text(state["text"], max_chars=context.settings.max_text_chars)
    data, pending = state["picture"], pending_of(state)
    if not text and not (data is not None and pending is not None and pending.missing == "image"):
        raise TextError("the message is empty", "say what to do" + (" with the picture" if data is not None else ""))
    image = None if data is None else context.pictures.put(data, holder=context.holder)
    focus = add_picture(focus_of(state), image) if image else focus_of(state)
    return {
        "text": text,
        "image": image,
        "focus": dump_focus(mark(focus, state["region"])),
        "budget": context.settings.max_steps,
        "steps": (),
        "asked": None,
        "replies": {},
        "usage": Usage(),
        "record": None,
    }


def route(state: TurnState, runtime: Context) -> Update:
    """Plan the turn: the user's own choice, a question resumed, or what the router says; or ask back."""
    plan, asked, replies = _plan(state, runtime.context)
    runtime.context.channel.emit(Planned(plan=plan))
    update: Update = {"plan": plan, "asked": asked, "replies": replies}
    pending = pending_of(state)
    if pending is not None and planning.was_chosen(plan, pending):
        update["chosen"] = planning.remember_choice(state.get("chosen", {}), plan)
    return update


def perceive(state: TurnState, runtime: Context) -> Update:
    """Look at the picture with the step's stack."""
    return run_step(state, runtime, recalling(perceive_step))


def act(state: TurnState, runtime: Context) -> Update:
    """Call the step's tool."""
    return run_step(state, runtime, recalling(act_step))


def chat(state: TurnState, runtime: Context) -> Update:
    """Talk, with the adapters off."""
    return run_step(state, runtime, recalling(_chat))


def clarify(state: TurnState, runtime: Context) -> Update:
    """Ask the question the turn ends with."""
    return run_step(state, runtime, _clarify)


def respond(state: TurnState) -> Update:
    """Word the answer."""
    steps = state["steps"]
    return {"answer": compose(state["plan"], steps), "answer_confidence": confidence(steps)}


def commit(state: TurnState, runtime: Context) -> Update:
    """Make the turn part of the thread; the saver writes it once the graph has ended. Raises TurnCancelled."""
    context = runtime.context
    routes = [step.route for step in state["steps"] if step.kind != "clarify"]
    turn = {"user": state["text"], "assistant": state["answer"], "routes": routes}
    window, left = move_window(state.get("window", []), turn, context.settings.history_tokens)
    summary, cost = summarised(state.get("summary", ""), left, context, context.channel.check)
    usage, asked = state["usage"] + cost, state["asked"]
    context.channel.wait_until_taken()
    record = TurnRecord(
        text=state["text"],
        image=state["image"],
        region=state["region"],
        answer=state["answer"],
        answer_confidence=state["answer_confidence"],
        steps=state["steps"],
        usage=usage,
        at=now(),
    )
    return {
        "window": window,
        "summary": summary,
        "usage": usage,
        "pending": asked.model_dump(mode="json") if asked else None,
        "record": record.model_dump(mode="json"),
    }


# -- routing ----------------------------------------------------------------------------------------------------------


def _plan(state: TurnState, context: TurnContext) -> tuple[Plan, Pending | None, dict[str, str]]:
    """The plan, the question it asks, and the replies that a resumed step may use."""
    text, query, pending = state["text"], query_of(state, state["text"]), pending_of(state)
    if state["task"] is not None:
        chosen = context.routes[state["task"]]
        plan = planning.fixed_plan(chosen, text)
        if chosen.needs_image and not query.has_image:
            asked = planning.picture_question(chosen, text)
            return planning.clarify_plan(plan, text), asked, {}
        return plan, None, {}
    routed = context.router.plan(query) if text else None
    if pending is not None and (resumed := _resume(state, context, pending, routed, query)) is not None:
        replies = {} if pending.missing in (None, "image") else {**pending.answers, str(pending.missing): text}
        return resumed, None, replies
    if routed is None:
        raise TextError("the message is empty", "say what to do with the picture")
    if routed.steps[0].kind == "clarify":
        if (chosen_before := planning.chosen_before(state.get("chosen", {}), query, context.routes)) is not None:
            return planning.fixed_plan(chosen_before, text), None, {}
        return planning.clarify_plan(routed, text), planning.question_for(routed, query, context.routes), {}
    fresh = state["image"] is not None
    return look_first(routed, query, focus_of(state), context.tools, context.routes, fresh=fresh), None, {}


def _resume(
    state: TurnState, context: TurnContext, pending: Pending, routed: Plan | None, query: RouteQuery
) -> Plan | None:
    return planning.resume(
        pending,
        routed,
        query,
        new_picture=state["image"] is not None,
        router=context.router,
        routes=context.routes,
        answers=lambda waiting, reply: answers(context.tools, focus_of(state), waiting, reply),
    )


def query_of(state: TurnState, text: str) -> RouteQuery:
    """What the router may see of a message in this state."""
    focus = focus_of(state)
    return RouteQuery(
        text=text,
        has_image=focus.picture is not None,
        previous=previous_routes(state.get("window", [])),
        focus=focus.kinds,
    )


# -- steps without a room of their own --------------------------------------------------------------------------------


def _chat(run: StepRun) -> Outcome:
    backbone, system = run.context.models.backbone(), run.context.system
    opening = backbone.opening if isinstance(backbone, Opening) and not system else ()
    request = GenerateRequest(
        instruction=with_results(run.planned.request, run.used),
        history=opened(instructed(run.history, system), opening),
        max_new_tokens=run.most_tokens(CHAT_TOKENS),
        on_token=run.on_token,
    )
    generation = backbone.generate(request)
    step = run.step(text=generation.text.strip(), answer_confidence=generation.confidence)
    return Outcome(step, usage=generation.usage)


def _clarify(run: StepRun) -> Outcome:
    asked = run.state["asked"]
    assert asked is not None, "a plan that asks comes with its question"
    return Outcome(run.step(status="needs_input", text=asked.question))
