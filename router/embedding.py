"""EmbeddingRouter: sentence encoders, trained head, calibrated abstention, plans of several steps.

Fitted on first use from the routes' examples, in seconds, and cached by content. The plan is a single `clarify` step
when the message makes no sense, when two routes are close, or when a picture route has no picture.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from conlora_agent.core.types import CLARIFY, Candidate, Explanation, Plan, PlannedStep, Route, RouteQuery
from router.builtin import FollowUp, shared_examples
from router.classifier import Encode
from router.encoder import Encoder, shared_encoder
from router.explain import explain
from router.features import Array
from router.fitting import Fitted, fit, refit
from router.planning import MAX_PARTS, Part, PartStep, Planner, borders, stretches
from router.store import FittedStore, KnownVectors, digest

REMEMBERED_PLANS = 1024
NEARLY_THE_SAME = 0.25
"""The share of routes that may differ from the base while calibration and planner stay as they are."""


class EmbeddingRouter:
    """Implements core.protocols.Router. Safe to call from several threads; loads nothing before the first plan."""

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        cache_dir: Path,
        base: Sequence[Route] | None = None,
        encoder: Encoder | None = None,
        clarify_threshold: float | None = None,
    ) -> None:
        """`base`: the routes to fit in full, from where sets that are nearly the same are fitted in a fraction of a
        second; None for `routes`. `clarify_threshold`: ask back below this confidence; None takes the fitted threshold.
        """
        self._encoder = encoder
        self._store = FittedStore(Path(cache_dir) / "router")
        self._vectors: KnownVectors | None = None
        self._clarify_threshold = clarify_threshold
        self._lock = threading.Lock()
        self._decider: Decider | None = None
        self._routes = tuple(routes)
        self._base = self._routes if base is None else tuple(base)

    @property
    def routes(self) -> tuple[Route, ...]:
        """The routes decided among."""
        return self._routes

    def plan(self, query: RouteQuery) -> Plan:
        """Decide the steps of one turn."""
        decider = self._fitted()
        began = time.perf_counter()
        plan = decider.plan(query)
        return plan.model_copy(update={"ms": (time.perf_counter() - began) * 1000})

    def explain(self, query: RouteQuery) -> Explanation:
        """Why the message as a whole takes its route."""
        decider = self._fitted()
        assert self._encoder is not None
        with self._lock:
            if self._vectors is None:
                self._vectors = KnownVectors(self._encoder, self._store.folder)
        return decider.explain(query, shared_examples().followups, self._vectors.encode)

    def refit(self, routes: Sequence[Route]) -> None:
        """Take this set of routes from now on; the fit itself happens on the next plan."""
        with self._lock:
            self._routes = tuple(routes)
            self._decider = None

    def _fitted(self) -> Decider:
        with self._lock:
            if self._encoder is None:
                self._encoder = shared_encoder()
            if self._decider is None:
                fitted = self._load_or_fit(self._encoder, self._routes)
                self._decider = Decider(self._encoder, fitted, self._routes, self._clarify_threshold)
            return self._decider

    def _load_or_fit(self, encoder: Encoder, routes: tuple[Route, ...]) -> Fitted:
        """The fit for `routes`: in full, or from that of the base. It depends on these two alone, never on what was
        fitted before.
        """
        full = routes == self._base or not _nearly_the_same(self._base, routes)
        shared = shared_examples()
        material = (shared.followups, shared.plans, shared.outside, () if full else self._base, routes)
        key = digest(encoder.name, _source(), *(digest(*(row.model_dump_json() for row in rows)) for rows in material))
        if (stored := self._store.read(key)) is not None:
            return Fitted.restore(*stored)
        if self._vectors is None:
            self._vectors = KnownVectors(encoder, self._store.folder)
        if full:
            fitted = fit(routes, shared, self._vectors.encode)
        else:
            fitted = refit(self._load_or_fit(encoder, self._base), self._base, routes, shared, self._vectors.encode)
        self._vectors.keep()
        self._store.write(key, fitted.arrays(), fitted.settings())
        return fitted


class Decider:
    """What one fit decides. Immutable: a turn that began before a refit ends with the routes it began with."""

    def __init__(
        self, encoder: Encoder, fitted: Fitted, routes: Sequence[Route], clarify_threshold: float | None
    ) -> None:
        self._encoder = encoder
        self._classifier, self._planner = fitted.classifier, fitted.planner
        self._table = fitted.classifier.table
        self._routes = {route.name: route for route in routes}
        fitted_threshold = fitted.classifier.calibration.confidence
        self._threshold = fitted_threshold if clarify_threshold is None else clarify_threshold
        self._margin = fitted.classifier.calibration.margin
        self.plan = lru_cache(maxsize=REMEMBERED_PLANS)(self._plan)

    def _plan(self, query: RouteQuery) -> Plan:
        """The steps of one turn. Kept in `plan`: the same question in the same conversation is decided once."""
        whole = self.judge(query)
        steps = self.several(query) or (self.step(query, whole),)
        return Plan(steps=steps, candidates=self.candidates(whole))

    def judge(self, query: RouteQuery) -> Part:
        """Embedding and calibrated route probabilities of one text."""
        vector = self._encoder.encode([query.text])
        return Part(query.text, vector[0], self._classifier.probabilities([query], vector)[0])

    def candidates(self, part: Part) -> tuple[Candidate, ...]:
        """All routes, the likeliest first."""
        p = part.probabilities
        order = np.argsort(-p, kind="stable")
        return tuple(Candidate(route=self._table.names[k], confidence=float(p[k])) for k in order)

    def step(self, query: RouteQuery, part: Part) -> PlannedStep:
        """One step for one request: the likeliest route, or `clarify`. Its confidence: that this is what was wanted."""
        p = part.probabilities
        route = self._routes[self._table.names[int(p.argmax())]]
        if self._unsure(p) and route.name != CLARIFY:
            return PlannedStep(route=CLARIFY, kind="clarify", confidence=float(1 - p.max()), request=query.text)
        if route.needs_image and not query.has_image:
            confidence = float(p @ np.array(self._table.needs_image))
            return PlannedStep(route=CLARIFY, kind="clarify", confidence=confidence, request=query.text)
        return PlannedStep(route=route.name, kind=route.kind, confidence=float(p.max()), request=query.text)

    def explain(self, query: RouteQuery, rows: Sequence[FollowUp], encode: Encode) -> Explanation:
        """Take the decision on the whole message apart; `rows` and the routes' examples are what is near it."""
        vector, routes = self._encoder.encode([query.text])[0], list(self._routes.values())
        return explain(query, vector, self._classifier, routes, rows, encode, self._threshold)

    def several(self, query: RouteQuery) -> tuple[PlannedStep, ...]:
        """The steps of a message with several requests; none when it is one request, or a part of it is unclear."""
        parts = self._requests(query, self._planner) if self._planner else []
        if self._planner is None or not 1 < len(parts) <= MAX_PARTS:
            return ()
        steps: list[PlannedStep] = []
        done: list[PartStep] = []
        for part_query, part in parts:
            step = self.step(part_query, part)
            here = PartStep(part.text, part.vector, step.kind)
            steps.append(step.model_copy(update={"uses": self._planner.uses(done, here)}))
            done.append(here)
        return () if any(step.kind == "clarify" for step in steps) else tuple(steps)

    def _requests(self, query: RouteQuery, planner: Planner) -> list[tuple[RouteQuery, Part]]:
        """The message read from the left and cut wherever the planner cuts."""
        marks = borders(query.text)
        if not marks:
            return []
        pieces = stretches(query.text, marks)
        self._encoder.encode(pieces)  # one batch now, remembered by the encoder
        found: list[tuple[RouteQuery, Part]] = []
        start, previous = 0, query.previous
        for border, following in zip(marks, pieces[1:], strict=True):
            left_query = query.model_copy(update={"text": query.text[start : border.end].strip(), "previous": previous})
            left = self.judge(left_query)
            here = (*previous, self._table.names[int(left.probabilities.argmax())])
            right = self.judge(query.model_copy(update={"text": following, "previous": here}))
            if planner.cuts(left, right, border, self._table):
                found.append((left_query, left))
                start, previous = border.start, here
        last = query.model_copy(update={"text": query.text[start:].strip(), "previous": previous})
        return [*found, (last, self.judge(last))]

    def _unsure(self, probabilities: Array) -> bool:
        ranked = np.sort(probabilities)[::-1]
        close = len(ranked) > 1 and ranked[0] - ranked[1] < self._margin
        return bool(ranked[0] < self._threshold or close)


def _nearly_the_same(base: Sequence[Route], routes: Sequence[Route]) -> bool:
    names = {route.name for route in routes}
    return len(names.symmetric_difference(route.name for route in base)) <= len(names) * NEARLY_THE_SAME


def _source() -> str:
    """Digest of this package's code: a new version never reads what an old one fitted."""
    return digest(*(path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))))
