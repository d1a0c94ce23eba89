"""From routing examples to training turns: what each example also stands for in other states of the conversation.

A complete request means the same whatever came before it and whether or not a picture is there; a follow-up means
what it does only after the turns it was written for; nonsense, and what nothing can serve, is so everywhere. Not
covered here: fitting.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from conlora_agent.core.types import CHAT, CLARIFY, Example, Route, RouteQuery
from router.builtin import FollowUp, PlanExample, SharedExamples
from router.noise import nonsense

VARIANT_WEIGHT = 0.4
"""Weight of a turn derived from an example, beside 1 for the example as written."""
WITHOUT_PICTURE_WEIGHT = 0.1
"""Few ask about a picture that is not there; who does is to be understood, and asked for it."""
NONSENSE_EACH = 40
OUTSIDE_WEIGHT = 0.3
"""Requests that nothing here can serve differ from small talk and from commands about pictures by little: at full
weight they take some of those with them (cross-validation on our own examples: 0.9 against 0.4 points)."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class TrainingTurn:
    """One turn with its route. `message`: the text it belongs to, never divided between folds.

    `written`: as in the examples, not derived from one.
    """

    query: RouteQuery
    route: str
    message: str
    weight: float = 1.0
    written: bool = True


def training_turns(routes: Sequence[Route], shared: SharedExamples | None = None) -> list[TrainingTurn]:
    """All turns to fit on, in a fixed order. Rows that name a route not among `routes` are left out."""
    shared = shared or SharedExamples()
    names = tuple(route.name for route in routes)
    known = set(names)
    turns = [turn for route in routes for turn in _of_route(route, names)]
    turns += [turn for row in shared.followups if {row.route, *row.previous} <= known for turn in _of_followup(row)]
    turns += [turn for plan in shared.plans if {s.route for s in plan.steps} <= known for turn in _of_plan(plan)]
    if CLARIFY in names:
        turns += _made_up(turns, names)
        turns += [turn for example in shared.outside for turn in _of_outside(example, names)]
    return turns


def _of_route(route: Route, names: Sequence[str]) -> Iterator[TrainingTurn]:
    if route.kind in ("task", "tool"):
        for text in (route.title, route.description):
            yield TrainingTurn(RouteQuery(text=text, has_image=route.needs_image), route.name, text, written=False)
    for example in route.examples:
        query = RouteQuery(text=example.text, has_image=example.has_image, previous=example.previous)
        turn = TrainingTurn(query, route.name, example.text)
        yield turn
        if not example.previous:
            pictureless = route.needs_image and example.has_image
            weight = WITHOUT_PICTURE_WEIGHT if pictureless else VARIANT_WEIGHT
            yield replace(_derived(turn, has_image=not example.has_image), weight=weight)
            # A fragment is unclear only while nothing was said before it.
            if route.name != CLARIFY:
                yield from (_derived(turn, previous=p) for p in _before(example.text, names))


def _of_followup(row: FollowUp) -> Iterator[TrainingTurn]:
    query = RouteQuery(text=row.text, has_image=row.has_image, previous=row.previous)
    turn = TrainingTurn(query, row.route, row.text)
    yield turn
    if row.focus:
        yield _derived(turn, focus=row.focus)


def _of_plan(plan: PlanExample) -> Iterator[TrainingTurn]:
    done: tuple[str, ...] = ()
    for step in plan.steps:
        query = RouteQuery(text=step.text, has_image=plan.has_image, previous=done)
        yield TrainingTurn(query, step.route, plan.text)
        done = (*done, step.route)


def _of_outside(example: Example, names: Sequence[str]) -> Iterator[TrainingTurn]:
    query = RouteQuery(text=example.text, has_image=example.has_image)
    turn = TrainingTurn(query, CLARIFY, example.text)
    variants = [_derived(turn, has_image=not example.has_image)]
    variants += [_derived(turn, previous=previous) for previous in _before(example.text, names)]
    for one in (turn, *variants):
        yield replace(one, weight=one.weight * OUTSIDE_WEIGHT)


def _made_up(turns: Sequence[TrainingTurn], names: Sequence[str]) -> list[TrainingTurn]:
    """Nonsense with and without a picture, at the start and in the middle of a conversation.

    Its words are those of `chat`, so that a task added later changes none of it.
    """
    vocabulary = sorted({word for t in turns if t.route == CHAT for word in _WORD.findall(t.query.text.lower())})
    made: list[TrainingTurn] = []
    for number, text in enumerate(nonsense(vocabulary, NONSENSE_EACH)):
        previous = _before(text, names)[number % 2] if number % 3 else ()
        query = RouteQuery(text=text, has_image=bool(number % 2), previous=previous)
        made.append(TrainingTurn(query, CLARIFY, text, VARIANT_WEIGHT, False))
    return made


def _before(text: str, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Routes that may have come before, drawn by the text itself: the same text gets the same, whatever else is added.

    Each draw takes the name with the highest hash, so that a new name changes only the draws it wins.
    """
    coded = [name.encode() for name in names]
    begun = [zlib.crc32(f"{number} {text} ".encode()) for number in range(3)]
    ranked = [[zlib.crc32(name, start) for name in coded] for start in begun]
    drawn = [names[hashes.index(max(hashes))] for hashes in ranked]
    return [(drawn[0],), (drawn[1], drawn[2])]


def _derived(turn: TrainingTurn, **changes: object) -> TrainingTurn:
    query = turn.query.model_copy(update=changes)
    return TrainingTurn(query, turn.route, turn.message, VARIANT_WEIGHT, written=False)
