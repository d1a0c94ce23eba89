"""From routing examples to training turns: what each example also stands for in other states of the conversation.

A complete request means the same whatever came before it and whether or not a picture is there; a follow-up means
what it does only after the turns it was written for. Not covered here: fitting (router.classifier).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from conlora_agent.core.types import CLARIFY, Route, RouteQuery
from router.builtin import FollowUp

VARIANT_WEIGHT = 0.4
"""Weight of a turn derived from an example, beside 1 for the example as written."""
PREVIOUS_VARIANTS = 2


@dataclass(frozen=True)
class TrainingTurn:
    """One turn with its route. `written`: exactly as in the examples, not derived from one."""

    query: RouteQuery
    route: str
    weight: float = 1.0
    written: bool = True


def training_turns(routes: Sequence[Route], followups: Sequence[FollowUp] = ()) -> list[TrainingTurn]:
    """All turns to fit on, in a fixed order. Follow-ups that name a route not among `routes` are left out."""
    names = tuple(route.name for route in routes)
    turns: list[TrainingTurn] = []
    for route in routes:
        for example in route.examples:
            query = RouteQuery(text=example.text, has_image=example.has_image, previous=example.previous)
            turns.append(TrainingTurn(query, route.name))
            if not example.previous:
                turns.extend(_variants(query, route, names))
    for row in followups:
        if {row.route, *row.previous} <= set(names):
            query = RouteQuery(text=row.text, has_image=row.has_image, previous=row.previous)
            turns.append(TrainingTurn(query, row.route))
            if row.focus:
                turns.append(TrainingTurn(query.model_copy(update={"focus": row.focus}), row.route, 1.0, False))
    return turns


def _variants(query: RouteQuery, route: Route, names: Sequence[str]) -> list[TrainingTurn]:
    """The same request with the picture toggled, and after other turns. A fragment is unclear only without them."""
    toggled = query.model_copy(update={"has_image": not query.has_image})
    variants = [TrainingTurn(toggled, route.name, VARIANT_WEIGHT, False)]
    if route.name == CLARIFY:
        return variants
    for number in range(PREVIOUS_VARIANTS):
        seed = zlib.crc32(f"{number} {query.text}".encode())
        before = [names[seed % len(names)]]
        if number % 2:
            before.insert(0, names[seed // 97 % len(names)])
        after = query.model_copy(update={"previous": tuple(before)})
        variants.append(TrainingTurn(after, route.name, VARIANT_WEIGHT, False))
    return variants
