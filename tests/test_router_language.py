"""The language model as a router, and the cascade of both, with a scripted model that is held to what it may answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from conlora_agent.core.errors import BackboneError
from conlora_agent.core.protocols import GenerateRequest, Generation, Piece
from conlora_agent.core.types import Route, RouteQuery
from router import builtin_routes
from router.builtin import doubtful_turns
from router.cascade import CascadeRouter
from router.embedding import EmbeddingRouter
from router.language import LanguageRouter
from tests.router_routes import all_routes, make_route

ROUTES = [
    make_route("ocr", "task", "read the sign", "what does it say?", "read the text aloud", needs_image=True),
    make_route("clock", "tool", "what time is it?", "what's the date?", "time in Tokyo"),
    *(route.model_copy(update={"examples": route.examples[:12]}) for route in builtin_routes()),
]
DOUBTFUL = {row.text: row.route for row in doubtful_turns()}
TRUTH = (
    {example.text: route.name for route in ROUTES for example in route.examples}
    | {"look at your watch": "clock"}
    | DOUBTFUL
)


class Model:
    """Knows the route of every example but of those in `wrong`; is as sure as it should be."""

    def __init__(self, wrong: Callable[[str], bool] = lambda text: False) -> None:
        self.wrong, self.offered = wrong, []  # type: ignore[var-annotated]

    def __call__(self, request: GenerateRequest) -> Generation:
        assert request.function is not None
        names = request.function.said["properties"]["route"]["enum"]
        text = next(line for line in request.instruction.splitlines() if line.startswith("Message: "))[9:]
        self.offered.append((text, names))
        right = TRUTH.get(text, "chat")
        name = next(n for n in names if n != right) if self.wrong(text) or right not in names else right
        return Generation(json.dumps({"route": name}), [Piece(name, 0.5 if self.wrong(text) else 0.95)])


def test_it_answers_with_a_calibrated_route_and_asks_for_a_missing_picture(tmp_path: Path) -> None:
    router = LanguageRouter(ROUTES, Model(), model="m", cache_dir=tmp_path)
    plan = router.plan(RouteQuery(text="look at your watch"))
    assert plan.steps[0].route == "clock"
    assert plan.steps[0].confidence > 0.6
    assert sum(candidate.confidence for candidate in plan.candidates) == pytest.approx(1.0)
    assert {candidate.route for candidate in plan.candidates} == {route.name for route in ROUTES}
    assert router.plan(RouteQuery(text="read the sign")).steps[0].route == "clarify"
    assert router.plan(RouteQuery(text="read the sign", has_image=True)).steps[0].route == "ocr"


def test_its_confidence_is_measured_once_and_kept(tmp_path: Path) -> None:
    first, second = Model(lambda text: "t" in text), Model()
    measured = LanguageRouter(ROUTES, first, model="m", cache_dir=tmp_path).trust()
    assert 0 < measured.accuracy < 1
    assert LanguageRouter(ROUTES, second, model="m", cache_dir=tmp_path).trust().accuracy == measured.accuracy
    assert not second.offered
    other = LanguageRouter(ROUTES, second, model="other", cache_dir=tmp_path)
    assert other.trust().accuracy == 1.0


def test_a_server_that_names_no_route_is_one_line(tmp_path: Path) -> None:
    def ask(request: GenerateRequest) -> Generation:
        return Generation("the clock, I think")

    with pytest.raises(BackboneError, match="named no route; set CONLORA_ROUTER"):
        LanguageRouter(ROUTES, ask, model="m", cache_dir=tmp_path).plan(RouteQuery(text="look at your watch"))


def cascade(model: Model, folder: Path, cost: float, routes: list[Route] = ROUTES) -> CascadeRouter:
    return CascadeRouter(EmbeddingRouter(routes, cache_dir=folder), model, model="m", cache_dir=folder, cost=cost)


def test_the_cascade_asks_only_in_doubt_and_only_among_the_closest(tmp_path: Path) -> None:
    model = Model()
    router = cascade(model, tmp_path, 0.05)
    assert router.threshold == pytest.approx(0.95)
    asked_to_calibrate = len(model.offered)
    assert router.plan(RouteQuery(text="what time is it?")).steps[0].route == "clock"
    assert len(model.offered) == asked_to_calibrate
    assert router.plan(RouteQuery(text="look at your watch")).steps[0].route == "clock"
    (text, names) = model.offered[-1]
    assert text == "look at your watch"
    assert len(names) <= 4


def test_the_cascade_trusts_a_model_by_messages_that_are_hard_to_route(tmp_path: Path) -> None:
    taught = Model(lambda text: text in DOUBTFUL)
    router = cascade(taught, tmp_path, 0.05)
    assert router.threshold < 0.5
    asked = {text for text, _ in taught.offered}
    assert asked & set(DOUBTFUL)


def test_with_enough_of_them_no_example_is_asked_about(tmp_path: Path) -> None:
    routes = all_routes(tmp_path)
    model = Model()
    assert 0.5 < cascade(model, tmp_path, 0.05, routes).threshold <= 0.95
    asked = {text for text, _ in model.offered}
    assert asked < set(DOUBTFUL)  # some are easy since the last routing examples: those say nothing
    known = {route.name for route in routes}
    assert {name for row in doubtful_turns() for name in (row.route, *row.previous)} <= known


def test_a_model_that_is_not_worth_its_cost_is_never_asked(tmp_path: Path) -> None:
    model = Model(lambda text: True)
    router = cascade(model, tmp_path, 0.05)
    assert router.threshold == 0.0
    asked = len(model.offered)
    alone = EmbeddingRouter(ROUTES, cache_dir=tmp_path)
    for text in ("look at your watch", "read it", "hello"):
        assert router.plan(RouteQuery(text=text)).steps == alone.plan(RouteQuery(text=text)).steps
    assert len(model.offered) == asked
