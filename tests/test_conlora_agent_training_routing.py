"""What the router's own stack learns from: the questions that are asked later, and none that calibration asks."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from conlora_agent.core.types import Route
from conlora_agent.training.routing import INVENTED, REWORDED, Routings, messages
from conlora_agent.training.stacks import StackRun
from evals.new_tasks import load_new_tasks
from router.builtin import shared_examples
from router.cascade import CLOSEST
from router.language import asked_about
from tests.router_routes import all_routes
from tests.tiny_nano import tiny_tokenizer

DATA = Path(__file__).parents[1] / "evals" / "data"


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def routes(tmp_path: Path) -> list[Route]:
    return all_routes(tmp_path)


@pytest.fixture
def batches(routes: list[Route]) -> Routings:
    return Routings(routes, shared_examples(), tiny_tokenizer(), StackRun("routing", Path(), 1.0, batch=8))


def test_every_route_has_messages_and_none_that_calibration_asks_about(routes: list[Route]) -> None:
    found = messages(routes, shared_examples())
    assert min(len(some.queries) for some in found.values()) > 50
    learned = {query.text for some in found.values() for query in some.queries}
    assert not learned & {query.text for _, query in asked_about(routes)}


def test_a_batch_asks_as_the_router_does_among_all_routes_a_few_or_others(
    batches: Routings, routes: list[Route]
) -> None:
    for number in (0, 1, 2, 3):
        batch = batches.batch(number)
        offered = re.findall(r"^- (\w+): ", batches.tokenizer.decode(batch.history), re.MULTILINE)
        if number % 2 == 0:
            assert offered == [route.name for route in routes]
        elif number == 1:
            assert len(offered) == CLOSEST
        for prompt, answer in zip(batch.prompts, batch.answers, strict=True):
            assert json.loads(batches.tokenizer.decode(answer, skip_special_tokens=True))["route"] in offered
            assert re.search(r"picture.*\nMessage: .", batches.tokenizer.decode(prompt))
        assert batches.batch(number) == batch


def test_the_tokens_to_choose_from_are_those_that_the_schema_leaves(batches: Routings) -> None:
    batch = batches.batch(1)
    offered = re.findall(r"^- (\w+): ", batches.tokenizer.decode(batch.history), re.MULTILINE)
    for answer, allowed in zip(batch.answers, batch.allowed, strict=True):
        assert [left[0] for left in allowed] == answer
        first = next(left for left in allowed if len(left) > 1)
        assert {batches.tokenizer.decode([token])[0] for token in first} == {name[0] for name in offered}


def test_made_up_installations_have_other_routes_names_and_words(batches: Routings, routes: list[Route]) -> None:
    offers = [batches.made_up(random.Random(seed), few=False) for seed in range(40)]
    assert all(len({route.name for route in offer.routes}) == len(offer.routes) for offer in offers)
    own = {route.name for route in routes}
    invented = {name for row in rows(INVENTED) for name in row["names"]}
    renamed = {name for row in rows(REWORDED) for name in row["names"]}
    assert {row["route"] for row in rows(REWORDED)} == own
    assert len(own | invented | renamed) == len(own) + len(invented) + len(renamed)
    found = {route.name for offer in offers for route in offer.routes}
    assert found <= own | invented | renamed
    assert all(found & some for some in (own, invented, renamed))
    described = {route.description for offer in offers for route in offer.routes if route.name in own}
    assert described > {route.description for route in routes}
    for offer in offers:
        new = [share for route, share in zip(offer.routes, offer.shares, strict=True) if route.name in invented]
        assert min(new) > min(offer.shares)


def test_no_invented_task_is_one_of_those_kept_for_measuring() -> None:
    kept = [task for name in ("new_tasks", "new_tasks_dev") for task in load_new_tasks(DATA / f"{name}.jsonl")]
    assert not {task.task for task in kept} & {name for row in rows(INVENTED) for name in row["names"]}
    asked = {text.lower() for task in kept for text in (*task.examples, *task.heldout)}
    assert not asked & {text.lower() for row in rows(INVENTED) for text in row["texts"]}
