"""LanguageRouter: the backbone itself picks the route, from the routes' descriptions.

It can only answer with a route: the answer is held to a schema that lists them. How sure it is says little by itself,
so it is calibrated on a few messages that the model has not seen; that happens once for a model and a set of routes and
is kept. Not covered here: several requests in one message (router.embedding); how an answer is held to a
schema (conlora_agent.backbone).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from conlora_agent.core.errors import BackboneError
from conlora_agent.core.protocols import Function, GenerateRequest, Generation
from conlora_agent.core.types import CLARIFY, Candidate, Message, Plan, PlannedStep, Route, RouteQuery
from router.calibration import LEAST_CONFIDENCE
from router.features import Array, as_features
from router.head import LinearHead, fit_head, softmax
from router.store import FittedStore, digest

Ask = Callable[[GenerateRequest], Generation]
"""Has the language model write an answer."""
Shortlist = Callable[[RouteQuery], Sequence[str]]
"""Names of the routes that a message may take; the model is asked about these alone."""
Exam = Callable[[], Sequence[tuple[str, RouteQuery]]]
"""Messages with their routes, which calibration asks about."""

TASK = "routing"
"""The task whose stack chooses routes."""
ASKED_EACH = 2
"""Examples of every route that calibration asks about."""
TOKENS = 32
L2 = 1e-2


@dataclass(frozen=True)
class Choice:
    """What the model chose. `evidence` (features,): how likely its words were, and among how many routes."""

    route: str
    evidence: Array


@dataclass(frozen=True)
class Trust:
    """`head` turns evidence into the probability that the choice is right; `accuracy`: how often it is."""

    head: LinearHead
    accuracy: float

    def confidence(self, choice: Choice) -> float:
        """Calibrated probability that the choice is right."""
        return float(softmax(self.head.logits(as_features(choice.evidence[None])))[0, 1])


class LanguageRouter:
    """Implements core.protocols.Router. Safe to call from several threads; asks nothing before the first plan."""

    def __init__(
        self,
        routes: Sequence[Route],
        ask: Ask,
        *,
        model: str,
        cache_dir: Path,
        shortlist: Shortlist | None = None,
        exam: Exam | None = None,
        clarify_threshold: float | None = None,
    ) -> None:
        """`model` identifies the language model. `shortlist`: None asks about all routes. `exam`: None calibrates on
        some of the routes' examples.
        """
        self._ask, self._model, self._shortlist, self._exam = ask, model, shortlist, exam
        self._store = FittedStore(Path(cache_dir) / "router")
        self._threshold = LEAST_CONFIDENCE if clarify_threshold is None else clarify_threshold
        self._lock = threading.Lock()
        self._trust: Trust | None = None
        self._routes = tuple(routes)

    @property
    def routes(self) -> tuple[Route, ...]:
        """The routes decided among."""
        return self._routes

    def refit(self, routes: Sequence[Route]) -> None:
        """Take this set of routes from now on; calibration happens on the next plan."""
        with self._lock:
            self._routes, self._trust = tuple(routes), None

    def plan(self, query: RouteQuery) -> Plan:
        """One step. Raises BackboneError when the model cannot be asked."""
        trust = self.trust()
        began = time.perf_counter()
        choice = self._choose(query)
        confidence = trust.confidence(choice)
        others = [route.name for route in self._routes if route.name != choice.route]
        left = (1 - confidence) / max(1, len(others))
        rest = (Candidate(route=name, confidence=left) for name in others)
        candidates = (Candidate(route=choice.route, confidence=confidence), *rest)
        ms = (time.perf_counter() - began) * 1000
        return Plan(steps=(self._step(query, choice.route, confidence),), candidates=candidates, ms=ms)

    def trust(self) -> Trust:
        """How far to trust the model, measured when that is not known yet."""
        with self._lock:
            if self._trust is None:
                self._trust = self._measured()
            return self._trust

    def _step(self, query: RouteQuery, name: str, confidence: float) -> PlannedStep:
        route = next(route for route in self._routes if route.name == name)
        unsure = confidence < self._threshold or (route.needs_image and not query.has_image)
        if unsure and route.kind != "clarify":
            return PlannedStep(route=CLARIFY, kind="clarify", confidence=confidence, request=query.text)
        return PlannedStep(route=route.name, kind=route.kind, confidence=confidence, request=query.text)

    def _choose(self, query: RouteQuery) -> Choice:
        wanted = self._wanted(query)
        offered = [route for route in self._routes if route.name in wanted]
        generation = self._ask(request_of(query, offered))
        try:
            name = json.loads(generation.text)["route"]
        except (ValueError, KeyError, TypeError):
            name = None
        if name not in wanted:
            raise BackboneError(f"the model {self._model!r} named no route", "set CONLORA_ROUTER=embedding")
        likelihood = sum(np.log(max(piece.probability, 1e-9)) for piece in generation.pieces)
        return Choice(str(name), np.array([likelihood, np.log(len(offered))], np.float32))

    def _wanted(self, query: RouteQuery) -> set[str]:
        """Names of the routes that the model may choose."""
        return set(self._shortlist(query)) if self._shortlist else {route.name for route in self._routes}

    def _measured(self) -> Trust:
        asked = self._exam() if self._exam else asked_about(self._routes)
        questions = (f"{name} {query.model_dump_json()} {sorted(self._wanted(query))}" for name, query in asked)
        key = digest("language", self._model, *(route.model_dump_json() for route in self._routes), *questions)
        if (stored := self._store.read(key)) is not None:
            weights = stored[0]["trust"]
            return Trust(LinearHead(weights, weights[:, :0]), stored[1]["accuracy"])
        choices = [self._choose(query) for _, query in asked]
        right = np.array([c.route == name for c, (name, _) in zip(choices, asked, strict=True)], dtype=np.intp)
        evidence = as_features(np.stack([choice.evidence for choice in choices]))
        head = fit_head(evidence, right, 2, np.ones(len(right)), l2=L2)
        trust = Trust(head, float(right.mean()))
        self._store.write(key, {"trust": head.weights}, {"accuracy": trust.accuracy})
        return trust


def asked_about(routes: Sequence[Route]) -> list[tuple[str, RouteQuery]]:
    """The examples that calibration asks about, with their routes: a few of each, spread over the file, that need no
    conversation.

    A model that learns to choose routes has to do without these.
    """
    found = []
    for route in routes:
        alone = [example for example in route.examples if not example.previous]
        chosen = alone[:: max(1, len(alone) // ASKED_EACH)][:ASKED_EACH]
        found += [(route.name, RouteQuery(text=example.text, has_image=example.has_image)) for example in chosen]
    return found


def request_of(query: RouteQuery, offered: Sequence[Route]) -> GenerateRequest:
    """How the model is asked. The routes come first, so that all questions about the same ones share what it keeps of
    its prompt.
    """
    listed = "\n".join(f"- {route.name}: {route.description}" for route in offered)
    state = ["A picture is there." if query.has_image else "There is no picture."]
    if query.previous:
        state.append(f"Before came: {', '.join(query.previous[-3:])}.")
    schema = {
        "type": "object",
        "properties": {"route": {"enum": [route.name for route in offered]}},
        "required": ["route"],
        "additionalProperties": False,
    }
    return GenerateRequest(
        instruction=f"{' '.join(state)}\nMessage: {query.text}",
        history=(Message(role="system", content=f"You choose who serves a message:\n{listed}"),),
        max_new_tokens=TOKENS,
        function=Function("choose", "Choose who serves the message.", schema, schema),
    )
