from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from conlora_agent.core.types import Plan, Route, RouteQuery
from router import builtin_routes
from router.embedding import EmbeddingRouter
from tests.router_routes import ANGLE, all_routes, make_route


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[Route]:
    return all_routes(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="module")
def router(routes: list[Route], shared_cache: Path) -> EmbeddingRouter:
    return EmbeddingRouter(routes, cache_dir=shared_cache)


def steps(plan: Plan) -> list[str]:
    return [step.route for step in plan.steps]


def ask(router: EmbeddingRouter, text: str, *previous: str, has_image: bool = True) -> list[str]:
    return steps(router.plan(RouteQuery(text=text, has_image=has_image, previous=previous)))


def test_the_headline_dialogue(router: EmbeddingRouter) -> None:
    previous: list[str] = []
    for text, route in [
        ("describe this image", "caption"),
        ("where is the blue book?", "grounding"),
        ("what is written on it?", "ocr"),
        ("and the red one?", "grounding"),
        ("what is 17% of 2480?", "calculator"),
        ("thanks!", "chat"),
    ]:
        assert ask(router, text, *previous) == [route]
        previous.append(route)


@pytest.mark.parametrize(
    ("text", "previous", "route"),
    [
        ("and the red one?", "grounding", "grounding"),
        ("read it", "grounding", "ocr"),
        ("and in Berlin?", "clock", "clock"),
        ("more detail", "caption", "caption"),
        ("what about 20%?", "calculator", "calculator"),
        ("who wrote it?", "ocr", "wikipedia"),
    ],
)
def test_follow_ups_need_only_the_previous_routes(
    router: EmbeddingRouter, text: str, previous: str, route: str
) -> None:
    assert ask(router, text, previous) == [route]


def test_plan_hands_over_what_a_later_step_needs(router: EmbeddingRouter) -> None:
    plan = router.plan(RouteQuery(text="find the plate and read it", has_image=True))
    assert [(s.route, s.request, s.uses) for s in plan.steps] == [
        ("grounding", "find the plate", ()),
        ("ocr", "read it", (0,)),
    ]


def test_unrelated_requests_hand_nothing_over(router: EmbeddingRouter) -> None:
    plan = router.plan(RouteQuery(text="what's on this picture? And what time is it in Tokyo?", has_image=True))
    assert [(s.route, s.uses) for s in plan.steps] == [("caption", ()), ("clock", ())]


@pytest.mark.parametrize("text", ["find the cat and the dog", "who wrote Crime and Punishment?", "add 3 and 5"])
def test_one_request_is_never_split(router: EmbeddingRouter, text: str) -> None:
    assert len(ask(router, text)) == 1


@pytest.mark.parametrize("text", ["sdlfkj wer", "яывап лдор", "do the thing", "?!", "ㅁㄴㅇㄹㅎ", "\u200b", "🦑"])
def test_nonsense_in_any_script_asks_back(router: EmbeddingRouter, text: str) -> None:
    plan = router.plan(RouteQuery(text=text))
    assert steps(plan) == ["clarify"]
    assert {c.route for c in plan.candidates} == {route.name for route in router.routes}


def test_picture_route_without_picture_asks_back_and_says_which(router: EmbeddingRouter) -> None:
    plan = router.plan(RouteQuery(text="where is the dog in the picture?"))
    assert steps(plan) == ["clarify"]
    assert plan.steps[0].request == "where is the dog in the picture?"
    assert plan.candidates[0].route == "grounding"


def test_candidates_are_ranked_probabilities(router: EmbeddingRouter) -> None:
    found = [c.confidence for c in router.plan(RouteQuery(text="read the sign", has_image=True)).candidates]
    assert found == sorted(found, reverse=True)
    assert sum(found) == pytest.approx(1.0, abs=1e-4)


def test_long_text_is_one_plan(router: EmbeddingRouter) -> None:
    assert len(ask(router, "tell me about it, " * 2000)) == 1


def test_user_threshold_is_obeyed(routes: list[Route], shared_cache: Path) -> None:
    strict = EmbeddingRouter(routes, cache_dir=shared_cache, clarify_threshold=1.01)
    assert ask(strict, "read the sign") == ["clarify"]


def test_a_task_added_later_is_found_and_takes_part_in_follow_ups_and_plans(
    routes: list[Route], shared_cache: Path
) -> None:
    router = EmbeddingRouter(routes, cache_dir=shared_cache)
    router.plan(RouteQuery(text="hello"))
    router.refit([*routes, ANGLE])
    assert ask(router, "is the photo crooked, by what angle?") == ["skew"]
    assert ask(router, "describe the picture and tell me its tilt angle") == ["caption", "skew"]
    assert ask(router, "read the sign") == ["ocr"]
    router.refit(routes)
    assert "skew" not in {c.route for c in router.plan(RouteQuery(text="tilt angle?", has_image=True)).candidates}


def test_fit_is_deterministic_and_comes_back_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = [
        make_route("ocr", "task", "read the sign", "what does it say?", "read the text aloud", needs_image=True),
        make_route("clock", "tool", "what time is it?", "what's the date?", "time in Tokyo"),
        *builtin_routes(),
    ]
    query = RouteQuery(text="read the label", has_image=True)
    plans = []
    for folder in ("one", "two"):
        plans.append(EmbeddingRouter(few, cache_dir=tmp_path / folder).plan(query).model_copy(update={"ms": 0}))
    monkeypatch.setattr("router.embedding.fit", None)
    plans.append(EmbeddingRouter(few, cache_dir=tmp_path / "one").plan(query).model_copy(update={"ms": 0}))
    assert plans[0] == plans[1] == plans[2]


def test_threads_share_one_router(router: EmbeddingRouter) -> None:
    texts = ["read the sign", "where is the cat?", "what is 3 + 4?", "hello"] * 3
    found: dict[int, list[str]] = {}

    def work(number: int) -> None:
        found[number] = ask(router, texts[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(len(texts))] == [["ocr"], ["grounding"], ["calculator"], ["chat"]] * 3


def test_a_changed_set_of_routes_refits_only_the_head(
    routes: list[Route], shared_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = EmbeddingRouter(routes, cache_dir=shared_cache)
    router.plan(RouteQuery(text="hello"))
    monkeypatch.setattr("router.embedding.fit", None)
    other = make_route(
        "dream", "tool", *(f"what does my dream about {thing} mean?" for thing in ("rain", "fish", "dad"))
    )
    router.refit([*routes, other])
    assert ask(router, "what does my dream about snakes mean?", has_image=False) == ["dream"]
    assert ask(router, "what time is it in Tokyo?", has_image=False) == ["clock"]


def test_what_was_fitted_before_changes_nothing(routes: list[Route], shared_cache: Path, tmp_path: Path) -> None:
    """One router goes through other sets of routes first, another has that task from the start and finds no fit."""
    queries = [RouteQuery(text=text, has_image=True) for text in ("read the sign", "is it crooked?", "in Rome?", "hm")]
    lamps = make_route("lamps", "tool", "turn the lamp on", "lights off", "dim the lamps", "make it dark here")
    told = EmbeddingRouter(routes, cache_dir=shared_cache, base=routes)
    for known in (routes, [*routes, lamps], routes[1:], [*routes, ANGLE]):
        told.refit(known)
        told.plan(queries[0])
    (tmp_path / "router").mkdir()
    for vectors in (shared_cache / "router").glob("vectors-*"):
        shutil.copy(vectors, tmp_path / "router")
    new = EmbeddingRouter([*routes, ANGLE], cache_dir=tmp_path, base=routes)
    for query in queries:
        assert told.plan(query).model_copy(update={"ms": 0}) == new.plan(query).model_copy(update={"ms": 0})


def test_an_added_task_leaves_the_weights_of_the_others_alone(routes: list[Route], shared_cache: Path) -> None:
    """What it does not claim is decided as before: the others' probabilities keep their proportions."""
    router = EmbeddingRouter(routes, cache_dir=shared_cache)
    query = RouteQuery(text="which tool reads what is written here?", has_image=True)

    def proportions() -> dict[str, float]:
        found = {c.route: c.confidence for c in router.plan(query).candidates if c.route not in ("skew", "clarify")}
        return {name: found[name] / found["vqa"] for name in found}

    before = proportions()
    router.refit([*routes, ANGLE])
    assert proportions() == pytest.approx(before, rel=1e-4)


def test_an_explanation_names_neighbours_influences_and_expected_errors(router: EmbeddingRouter) -> None:
    why = router.explain(RouteQuery(text="and the red one?", has_image=True, previous=("grounding",)))
    assert why.route == "grounding"
    assert len(why.nearest) == 5
    assert why.nearest[0].similarity == pytest.approx(1.0, abs=0.01)
    assert any("turn before" in influence.what for influence in why.influences)
    assert "I ask back below" in why.trust
    assert "wrong route" in why.trust
    assert "nothing here can serve" in why.trust


def test_an_explanation_of_asking_back_says_what_spoke_for_that(router: EmbeddingRouter) -> None:
    why = router.explain(RouteQuery(text="order a taxi for me"))
    assert why.route == "clarify"
    assert sum(influence.weight for influence in why.influences) > 0
    assert any("nothing serves" in influence.what for influence in why.influences)


@pytest.mark.parametrize("text", ["switch the ceiling fan off", "order a taxi for me", "gnrf plork"])
def test_what_nothing_can_serve_is_asked_back_about(router: EmbeddingRouter, text: str) -> None:
    assert ask(router, text, has_image=False) == ["clarify"]


def test_a_tool_takes_the_requests_that_nothing_could_serve_before(shared_cache: Path, routes: list[Route]) -> None:
    wanted = "switch the lamp in the attic off"
    lamps = ("turn the lamp on", "lights off", "dim the lamps", "switch off the lamp in the hall", "make it dark here")
    router = EmbeddingRouter(routes, cache_dir=shared_cache)
    assert ask(router, wanted, has_image=False) == ["clarify"]
    router.refit([*routes, make_route("lamps", "tool", *lamps)])
    assert ask(router, wanted, has_image=False) == ["lamps"]
