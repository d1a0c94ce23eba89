"""What the stack of the router `llm` learns from: routing examples, asked about as that router asks.

Every other batch offers the routes as they are. The rest offers a few, as the cascade does, or a made-up installation:
some routes missing, some under another name or described in other words, some of `invented.jsonl` beside them. So the
stack has to go by the descriptions, too, which is what serves a task that is added later. Left out are the examples
that the router calibrates on. Not covered here: the loss (choosing.py), the training itself (stacks.py).
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from conlora_agent.backbone.grammar import Grammars
from conlora_agent.backbone.nano.processing import END, invocation_ids, prefix_ids
from conlora_agent.core.types import Example, Route, RouteQuery
from conlora_agent.training.answers import answer_ids
from conlora_agent.training.choosing import ChoiceBatch
from conlora_agent.training.stacks import StackRun
from conlora_agent.training.stream import Batches
from router.builtin import SharedExamples
from router.cascade import CLOSEST
from router.language import TASK, asked_about, request_of
from router.training import training_turns

INVENTED = Path(__file__).with_name("invented.jsonl")
"""Tasks and tools that nobody has: `names`, `descriptions`, `needs_image`, and `texts` that ask for one."""
REWORDED = Path(__file__).with_name("reworded.jsonl")
"""Other `names` and `descriptions` of the built-in routes."""
DROPPED, RENAMED, OTHER_WORDS, SHUFFLED = 0.25, 0.15, 0.4, 0.3
"""Shares of routes, and of made-up installations, that this happens to."""
ASKED_MORE = 3.0
"""How often an invented route is asked for, beside 1 for one of ours."""


@dataclass(frozen=True)
class Offer:
    """Routes as they are offered, the messages that each serves, and how often it is asked for beside the others."""

    routes: tuple[Route, ...]
    messages: tuple[Messages, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Messages:
    """Messages that one route serves, with their weights."""

    queries: tuple[RouteQuery, ...]
    weights: tuple[float, ...]

    def draw(self, rng: random.Random) -> RouteQuery:
        """One of them."""
        return rng.choices(self.queries, self.weights)[0]


class Routings(Batches[ChoiceBatch]):
    """Endless batches of messages; a route with many examples is asked for more often, by the square root."""

    def __init__(self, routes: Sequence[Route], shared: SharedExamples, tokenizer: Any, run: StackRun) -> None:
        self.routes, self.tokenizer, self.run = tuple(routes), tokenizer, run
        self.by_route = messages(routes, shared)
        self._grammars = Grammars(tokenizer, {tokenizer.convert_tokens_to_ids(END)})
        self.invented, self.reworded = _rows(INVENTED), {row["route"]: row for row in _rows(REWORDED)}

    @cached_property
    def usual(self) -> Offer:
        """The routes as they are."""
        served = tuple(self.by_route[route.name] for route in self.routes)
        return Offer(self.routes, served, tuple(len(some.queries) ** 0.5 for some in served))

    def batch(self, number: int) -> ChoiceBatch:
        """Batch `number`: all its messages are asked about behind the same list of routes."""
        rng = random.Random(f"{TASK}/{self.run.seed}/{number}")
        offer = self.usual if number % 2 == 0 else self.made_up(rng, few=number % 4 == 1)
        drawn = rng.choices(range(len(offer.routes)), offer.shares, k=self.run.batch)
        asked = [request_of(offer.messages[place].draw(rng), offer.routes) for place in drawn]
        function, names = asked[0].function, [route.name for route in offer.routes]
        assert function is not None
        answers = [answer_ids(self.tokenizer, _answer(names[place])) for place in drawn]
        return ChoiceBatch(
            prefix_ids(self.tokenizer, asked[0].history),
            [invocation_ids(self.tokenizer, request.instruction, False) for request in asked],
            answers,
            [self._allowed(function.said, answer) for answer in answers],
        )

    def made_up(self, rng: random.Random, *, few: bool) -> Offer:
        """Another installation, where what nobody has is asked for most."""
        own = zip(self.usual.routes, self.usual.messages, strict=True)
        kept = [(route, some, 1.0) for route, some in own if few or rng.random() >= DROPPED]
        for row in rng.sample(self.invented, rng.choice((4, 8, 16) if few else (1, 2, 4))):
            place = len(kept) if rng.random() < 0.5 else rng.randrange(len(kept))
            kept.insert(place, (_invented(row, rng), _asking(row, rng), ASKED_MORE))
        if few:
            chosen = set(rng.sample(range(len(kept)), CLOSEST))
            kept = [one for place, one in enumerate(kept) if place in chosen]
        if rng.random() < SHUFFLED:
            rng.shuffle(kept)
        routes, served, shares = zip(*kept, strict=True)
        return Offer(tuple(self._reworded(route, rng) for route in routes), served, shares)

    def _reworded(self, route: Route, rng: random.Random) -> Route:
        row = self.reworded.get(route.name)
        changes: dict[str, str] = {}
        if row is not None and rng.random() < OTHER_WORDS:
            changes["description"] = rng.choice(row["descriptions"])
            if rng.random() < RENAMED / OTHER_WORDS:
                changes["name"] = rng.choice(row["names"])
        return route.model_copy(update=changes)

    def _allowed(self, schema: Mapping[str, Any], answer: list[int]) -> list[list[int]]:
        """What the schema leaves at each token of `answer`, that token first."""
        grammar, left = self._grammars.of(schema), []
        for token in answer:
            left.append([token, *(other for other in np.flatnonzero(grammar.allowed()).tolist() if other != token)])
            grammar.take(token)
        return left


def messages(routes: Sequence[Route], shared: SharedExamples) -> dict[str, Messages]:
    """The messages to learn from, by the route they take: what the classifier learns from, less what is asked later."""
    asked = {query.text for _, query in asked_about(routes)}
    found: defaultdict[str, list[tuple[RouteQuery, float]]] = defaultdict(list)
    for turn in training_turns(routes, shared):
        if not {turn.message, turn.query.text} & asked:
            found[turn.route].append((turn.query, turn.weight))
    return {name: Messages(*zip(*some, strict=True)) for name, some in found.items()}


def _answer(name: str) -> str:
    return json.dumps({"route": name})


def _invented(row: dict[str, Any], rng: random.Random) -> Route:
    name = rng.choice(row["names"])
    return Route(
        name=name,
        kind="task" if row["needs_image"] else "tool",
        title=name,
        description=rng.choice(row["descriptions"]),
        needs_image=row["needs_image"],
        examples=tuple(Example(text=text) for text in row["texts"]),
    )


def _asking(row: dict[str, Any], rng: random.Random) -> Messages:
    seen = row["needs_image"] or rng.random() < 0.4
    queries = tuple(RouteQuery(text=text, has_image=seen) for text in row["texts"])
    return Messages(queries, (1.0,) * len(queries))


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
