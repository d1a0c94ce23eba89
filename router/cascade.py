"""CascadeRouter: the embedding router decides, and where it is not sure, the language model is asked among the closest.

Asking costs time. `cost` says how many wrong routes in a hundred (0.05: five) a person would rather have than wait for
the model each time. The threshold follows from it: the model is asked where the first router's calibrated confidence is
below what the model was measured to get right, less the cost. A model that is no better is never asked. It is measured
on messages that the first router is in doubt about (examples/doubtful.jsonl): it gets fewer of those right, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from conlora_agent.core.types import Explanation, Plan, Route, RouteQuery
from router.builtin import doubtful_turns
from router.embedding import EmbeddingRouter
from router.language import Ask, LanguageRouter, asked_about

CLOSEST = 4
"""Routes that the model chooses among."""
DOUBT = 0.9
"""Above this confidence no model is loaded: it could win a tenth at most."""
FEWEST = 16
"""Doubtful messages from which on they say enough; of fewer, examples of the routes are asked about, too."""


class CascadeRouter:
    """Implements core.protocols.Router and Explains. Safe to call from several threads."""

    def __init__(self, first: EmbeddingRouter, ask: Ask, *, model: str, cache_dir: Path, cost: float) -> None:
        """`ask` and `model`: the language model, see LanguageRouter."""
        self._first, self._cost = first, cost
        self._second = LanguageRouter(
            first.routes,
            ask,
            model=model,
            cache_dir=cache_dir,
            shortlist=self._closest,
            exam=self._exam,
            clarify_threshold=0.0,
        )

    @property
    def routes(self) -> tuple[Route, ...]:
        """The routes decided among."""
        return self._first.routes

    @property
    def threshold(self) -> float:
        """The confidence of the first router below which the language model is asked."""
        return max(0.0, self._second.trust().accuracy - self._cost)

    def plan(self, query: RouteQuery) -> Plan:
        """The first router's plan, or the language model's where that is surer. Raises BackboneError."""
        plan = self._first.plan(query)
        likeliest = plan.candidates[0]
        if len(plan.steps) > 1 or likeliest.confidence >= DOUBT or likeliest.confidence >= self.threshold:
            return plan
        asked = self._second.plan(query)
        if asked.candidates[0].confidence <= likeliest.confidence:
            return plan
        return asked.model_copy(update={"ms": plan.ms + asked.ms})

    def explain(self, query: RouteQuery) -> Explanation:
        """Why the first router takes the message where it does."""
        return self._first.explain(query)

    def refit(self, routes: Sequence[Route]) -> None:
        """Take this set of routes from now on."""
        self._first.refit(routes)
        self._second.refit(routes)

    def _closest(self, query: RouteQuery) -> tuple[str, ...]:
        return tuple(candidate.route for candidate in self._first.plan(query).candidates[:CLOSEST])

    def _exam(self) -> list[tuple[str, RouteQuery]]:
        """Messages that no fit has seen and that the first router is in doubt about, with their routes."""
        known = {route.name for route in self.routes}
        rows = [row for row in doubtful_turns() if {row.route, *row.previous} <= known]
        doubtful = [(r.route, r.query) for r in rows if self._first.plan(r.query).candidates[0].confidence < DOUBT]
        return doubtful if len(doubtful) >= FEWEST else [*doubtful, *asked_about(self.routes)]
