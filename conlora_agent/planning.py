"""From a message to the plan of its turn: the router's plan, the user's own choice, or a question that is resumed.

Not covered here: how routes are scored (router) and steps carried out (conlora_agent.steps).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from conlora_agent.core.protocols import Router
from conlora_agent.core.types import CHAT, CLARIFY, Pending, Plan, PlannedStep, Route, RouteQuery
from conlora_agent.phrases import words
from conlora_agent.taught import same_words

ELSEWHERE = 0.75
"""Confidence from which a message that is routed elsewhere does not answer the pending question."""
SHORT_WORDS = 4
OFFERED = 3
REMEMBERED_CHOICES = 32
ABOUT_PICTURES = 0.5
"""Share of the probability on routes that need a picture from which its absence is what is asked about."""
NONSENSE = 0.5
"""Probability that nothing can serve a message from which no choices are offered: none of them would be meant."""

_WITHDRAWN = re.compile(
    r"\b(?:never\s*mind|forget\s+(?:it|that|about\s+it)|cancel|no\s+thanks?|nothing|leave\s+it)\b", re.I
)
_ORDINALS = {"first": 1, "second": 2, "third": 3, "one": 1, "two": 2, "three": 3}

Answers = Callable[[Pending, str], bool]
"""Whether a tool finds the argument that is missing in a reply."""


def fixed_plan(route: Route, text: str) -> Plan:
    """The user has chosen the route."""
    step = PlannedStep(route=route.name, kind=route.kind, confidence=1.0, request=text)
    return Plan(steps=(step,))


def resume(
    pending: Pending,
    plan: Plan | None,
    query: RouteQuery,
    *,
    new_picture: bool,
    router: Router,
    routes: Mapping[str, Route],
    answers: Answers,
) -> Plan | None:
    """The plan to go on with when the message answers the pending question, None when it does not.

    `plan` is what the router makes of the message, None when the message is empty.
    """
    if _WITHDRAWN.search(query.text):
        return None
    if pending.missing == "image":
        return _with_picture(pending, plan, query, router, routes) if new_picture else None
    if pending.missing is not None:
        return _with_argument(pending, plan, query.text, answers)
    chosen = _chosen(query.text, pending.choices, routes)
    return None if chosen is None else fixed_plan(chosen, pending.steps[0].request)


# -- what the user chose ----------------------------------------------------------------------------------------------


def was_chosen(plan: Plan, pending: Pending) -> bool:
    """Whether the plan carries out one of the choices that the question offered."""
    first = plan.steps[0]
    return first.route in pending.choices and first.request == pending.steps[0].request


def remember_choice(chosen: Mapping[str, str], plan: Plan) -> dict[str, str]:
    """`chosen` with the route that the plan takes for its words, as the newest."""
    words_of = same_words(plan.steps[0].request)
    kept = {said: route for said, route in chosen.items() if said != words_of}
    return dict([*kept.items(), (words_of, plan.steps[0].route)][-REMEMBERED_CHOICES:])


def chosen_before(chosen: Mapping[str, str], query: RouteQuery, routes: Mapping[str, Route]) -> Route | None:
    """The route that the user chose for these words earlier in the thread, where it can still be taken."""
    route = routes.get(chosen.get(same_words(query.text), ""))
    return route if route is not None and (query.has_image or not route.needs_image) else None


def _with_picture(
    pending: Pending, plan: Plan | None, query: RouteQuery, router: Router, routes: Mapping[str, Route]
) -> Plan | None:
    """The picture came: the words with it may be none, a few ("here it is"), or a request of their own."""
    if plan is not None and _goes_elsewhere(plan, query.text, stay=(CHAT, CLARIFY)):
        return None
    waiting = pending.steps[0]
    again = router.plan(query.model_copy(update={"text": waiting.request}))
    if again.steps[0].kind != "clarify":
        return again
    return Plan(steps=pending.steps) if waiting.route in routes else None


def _with_argument(pending: Pending, plan: Plan | None, text: str, answers: Answers) -> Plan | None:
    """The reply to a tool's question; what it says is handed to the tool beside the request (ToolContext.answers)."""
    waiting = pending.steps[0].route
    stay = (CLARIFY, CHAT, waiting) if len(words(text)) <= SHORT_WORDS else (CLARIFY, waiting)
    if plan is None or _goes_elsewhere(plan, text, stay=stay) or not answers(pending, text):
        return None
    return Plan(steps=pending.steps)


def _goes_elsewhere(plan: Plan, text: str, *, stay: tuple[str, ...]) -> bool:
    first = plan.steps[0]
    return first.route not in stay and (first.confidence >= ELSEWHERE or len(words(text)) > SHORT_WORDS)


def _chosen(text: str, choices: tuple[str, ...], routes: Mapping[str, Route]) -> Route | None:
    """The one choice that a message names, by its number, id or title."""
    said = words(text)
    numbers = {_ORDINALS.get(word) or (int(word) if word.isdecimal() else 0) for word in said}
    named = [
        name
        for number, name in enumerate(choices, start=1)
        if name in routes
        and (
            (number in numbers and len(said) <= SHORT_WORDS)
            or name in said
            or routes[name].title.lower() in text.lower()
        )
    ]
    return routes[named[0]] if len(named) == 1 else None


# -- asking back ------------------------------------------------------------------------------------------------------


def question_for(plan: Plan, query: RouteQuery, routes: Mapping[str, Route]) -> Pending:
    """What to ask when the plan is to clarify, and what to go on with once it is answered."""
    ranked = [c for c in plan.candidates if c.route in routes and c.route != CLARIFY]
    visual = [c for c in ranked if routes[c.route].needs_image]
    if not query.has_image and visual and sum(c.confidence for c in visual) >= ABOUT_PICTURES:
        return picture_question(routes[visual[0].route], query.text)
    waiting = plan.steps[0].model_copy(update={"route": CLARIFY, "kind": "clarify", "request": query.text})
    unserved = sum(c.confidence for c in plan.candidates if c.route == CLARIFY)
    nonsense = not plan.candidates or unserved >= NONSENSE
    offered = (
        [] if nonsense else [c.route for c in ranked if query.has_image or not routes[c.route].needs_image][:OFFERED]
    )
    if len(offered) < 2:
        question = "I did not understand that. Could you say it in other words?"
        return Pending(question=question, steps=(waiting,))
    listed = ", ".join(f"{number}) {routes[name].title}" for number, name in enumerate(offered, start=1))
    return Pending(question=f"What shall I do: {listed}?", steps=(waiting,), choices=tuple(offered))


def picture_question(route: Route, text: str) -> Pending:
    """Ask for the picture that a route needs."""
    waiting = PlannedStep(route=route.name, kind=route.kind, confidence=1.0, request=text)
    return Pending(question="Which picture? Please send one.", steps=(waiting,), missing="image")


def clarify_plan(plan: Plan, text: str) -> Plan:
    """The plan that asks: one `clarify` step, with the candidates of the plan it stands for."""
    step = PlannedStep(route=CLARIFY, kind="clarify", confidence=plan.steps[0].confidence, request=text)
    return plan.model_copy(update={"steps": (step,)})


def rest_of(plan: Plan, index: int) -> tuple[PlannedStep, ...]:
    """The steps from `index` on as a plan of their own; results of the steps before are left to the focus."""
    return tuple(
        step.model_copy(update={"uses": tuple(used - index for used in step.uses if used >= index)})
        for step in plan.steps[index:]
    )
