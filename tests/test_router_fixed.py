from __future__ import annotations

import pytest

from conlora_agent.core.errors import UnknownName
from conlora_agent.core.types import RouteQuery
from router.fixed import FixedRouter
from tests.router_routes import ANGLE, make_route


def test_every_turn_takes_the_route() -> None:
    plan = FixedRouter(ANGLE).plan(RouteQuery(text="find it and read it", has_image=True))
    assert [(s.route, s.kind, s.confidence) for s in plan.steps] == [("skew", "task", 1.0)]


def test_picture_route_without_picture_asks_back() -> None:
    plan = FixedRouter(ANGLE).plan(RouteQuery(text="how tilted?"))
    assert [s.route for s in plan.steps] == ["clarify"]
    assert plan.candidates[0].route == "skew"


def test_refit_follows_the_new_definition() -> None:
    router = FixedRouter(ANGLE)
    router.refit([make_route("skew", "task", "x")])
    assert router.plan(RouteQuery(text="how tilted?")).steps[0].route == "skew"
    with pytest.raises(UnknownName, match="did you mean 'skews'"):
        router.refit([make_route("skews", "task", "x")])
