"""FixedRouter: the user has chosen the route; every turn takes it."""

from __future__ import annotations

from collections.abc import Sequence

from conlora_agent.core.errors import UnknownName
from conlora_agent.core.types import CLARIFY, Candidate, Plan, PlannedStep, Route, RouteQuery


class FixedRouter:
    """Plans one step with the given route, or `clarify` where that route needs a picture and there is none."""

    def __init__(self, route: Route) -> None:
        self._route = route

    @property
    def routes(self) -> tuple[Route, ...]:
        """The one route."""
        return (self._route,)

    def plan(self, query: RouteQuery) -> Plan:
        """One step with confidence 1."""
        route = self._route
        candidates = (Candidate(route=route.name, confidence=1.0),)
        if route.needs_image and not query.has_image:
            step = PlannedStep(route=CLARIFY, kind="clarify", confidence=1.0, request=query.text)
        else:
            step = PlannedStep(route=route.name, kind=route.kind, confidence=1.0, request=query.text)
        return Plan(steps=(step,), candidates=candidates)

    def refit(self, routes: Sequence[Route]) -> None:
        """Follow the chosen route's new definition. Raises UnknownName when it is gone."""
        by_name = {route.name: route for route in routes}
        if self._route.name not in by_name:
            raise UnknownName.among("route", self._route.name, by_name)
        self._route = by_name[self._route.name]
