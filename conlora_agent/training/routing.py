"""What the stack of the router `llm` learns from: routing examples, asked about as that router asks.

Left out are the examples that the router calibrates on. Every other batch offers a few routes only, as the cascade
does. Not covered here: the training itself (stacks.py).
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from conlora_agent.backbone.nano.processing import invocation_ids, prefix_ids
from conlora_agent.core.types import CLARIFY, Route, RouteQuery
from conlora_agent.training.answers import TeacherBatch, answer_ids
from conlora_agent.training.stacks import StackRun
from conlora_agent.training.stream import Batches
from router.builtin import SharedExamples
from router.cascade import CLOSEST
from router.language import TASK, asked_about, request_of


class Routings(Batches[TeacherBatch]):
    """Endless batches of messages, every route as often as any other."""

    def __init__(self, routes: Sequence[Route], shared: SharedExamples, tokenizer: Any, run: StackRun) -> None:
        self.routes, self.tokenizer, self.run = tuple(routes), tokenizer, run
        self.by_route = queries(routes, shared)

    def batch(self, number: int) -> TeacherBatch:
        """Batch `number`: all its messages are asked about behind the same list of routes."""
        rng = random.Random(f"{TASK}/{self.run.seed}/{number}")
        few = {route.name for route in rng.sample(self.routes, min(CLOSEST, len(self.routes)))}
        offered = [route for route in self.routes if number % 2 or route.name in few]
        names = [rng.choice(offered).name for _ in range(self.run.batch)]
        asked = [request_of(rng.choice(self.by_route[name]), offered) for name in names]
        return TeacherBatch(
            None,
            prefix_ids(self.tokenizer, asked[0].history),
            [invocation_ids(self.tokenizer, request.instruction, False) for request in asked],
            [answer_ids(self.tokenizer, json.dumps({"route": name})) for name in names],
        )


def queries(routes: Sequence[Route], shared: SharedExamples) -> dict[str, list[RouteQuery]]:
    """The messages to learn from, by the route they take."""
    found: defaultdict[str, list[RouteQuery]] = defaultdict(list)
    kept = {query.text for route in routes for query in asked_about(route)}
    for route in routes:
        found[route.name] += [RouteQuery(**example.model_dump()) for example in route.examples]
    for row in shared.followups:
        found[row.route].append(RouteQuery(text=row.text, has_image=row.has_image, previous=row.previous))
    found[CLARIFY] += [RouteQuery(**example.model_dump()) for example in shared.outside]
    return {route.name: [q for q in found[route.name] if q.text not in kept] for route in routes}
