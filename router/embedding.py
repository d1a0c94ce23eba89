"""EmbeddingRouter: sentence encoder, trained head, calibrated abstention, plans of several steps.

Fitted on first use from the routes' examples, in seconds, and cached by content. The plan is a single `clarify` step
when the message makes no sense, when two routes are close, or when a picture route has no picture.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from conlora_agent.core.types import CLARIFY, Candidate, Plan, PlannedStep, Route, RouteQuery
from router.builtin import followups, plan_examples
from router.classifier import Classifier, fit_classifier
from router.encoder import Encoder, shared_encoder
from router.features import Array
from router.planning import MAX_PARTS, borders, points_back
from router.store import FittedStore, KnownVectors, digest


class EmbeddingRouter:
    """Implements core.protocols.Router. Safe to call from several threads; loads nothing before the first plan."""

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        cache_dir: Path,
        encoder: Encoder | None = None,
        clarify_threshold: float | None = None,
    ) -> None:
        """`clarify_threshold`: ask back below this confidence; None takes the fitted threshold."""
        self._encoder = encoder
        self._store = FittedStore(Path(cache_dir) / "router")
        self._vectors: KnownVectors | None = None
        self._clarify_threshold = clarify_threshold
        self._lock = threading.Lock()
        self._classifier: Classifier | None = None
        self._routes = {route.name: route for route in routes}

    def refit(self, routes: Sequence[Route]) -> None:
        """Take this set of routes from now on; the fit itself happens on the next plan."""
        with self._lock:
            self._routes = {route.name: route for route in routes}
            self._classifier = None

    def plan(self, query: RouteQuery) -> Plan:
        """Decide the steps of one turn."""
        began = time.perf_counter()
        classifier, routes = self._fitted()
        whole = self._judge(classifier, query)
        steps = self._split(classifier, routes, query, whole) or (self._step(classifier, routes, query, whole, ()),)
        candidates = self._candidates(classifier, whole)
        return Plan(steps=steps, candidates=candidates, ms=(time.perf_counter() - began) * 1000)

    def _judge(self, classifier: Classifier, query: RouteQuery) -> Array:
        assert self._encoder is not None
        result: Array = classifier.probabilities([query], self._encoder)[0]
        return result

    def _candidates(self, classifier: Classifier, probabilities: Array) -> tuple[Candidate, ...]:
        order = np.argsort(-probabilities, kind="stable")
        return tuple(Candidate(route=classifier.table.names[k], confidence=float(probabilities[k])) for k in order)

    def _step(
        self,
        classifier: Classifier,
        routes: dict[str, Route],
        query: RouteQuery,
        probabilities: Array,
        uses: tuple[int, ...],
    ) -> PlannedStep:
        top = int(probabilities.argmax())
        route = routes[classifier.table.names[top]]
        second, first = np.sort(probabilities)[-2:] if len(probabilities) > 1 else (0.0, probabilities[0])
        threshold = self._clarify_threshold
        threshold = classifier.calibration.confidence if threshold is None else threshold
        unsure = first < threshold or first - second < classifier.calibration.margin
        if unsure or (route.needs_image and not query.has_image):
            return PlannedStep(route=CLARIFY, kind="clarify", confidence=float(first), request=query.text)
        return PlannedStep(route=route.name, kind=route.kind, confidence=float(first), request=query.text, uses=uses)

    def _split(
        self, classifier: Classifier, routes: dict[str, Route], query: RouteQuery, whole: Array
    ) -> tuple[PlannedStep, ...]:
        """The steps of a message with several requests, none when it is one request."""
        steps: list[PlannedStep] = []
        start, previous = 0, query.previous
        cuts = [(b.end, b.start) for b in borders(query.text)] + [(len(query.text), len(query.text))]
        for end, following in cuts:
            part = query.model_copy(update={"text": query.text[start:end].strip(), "previous": previous})
            step = self._step(classifier, routes, part, self._judge(classifier, part), ())
            if step.kind == "clarify" or (steps and step.route == steps[-1].route) or len(steps) == MAX_PARTS:
                continue
            if steps and points_back(step.request):
                step = step.model_copy(update={"uses": (len(steps) - 1,)})
            steps.append(step)
            start, previous = following, (*previous, step.route)
        return tuple(steps) if len(steps) > 1 and start == len(query.text) else ()

    def _fitted(self) -> tuple[Classifier, dict[str, Route]]:
        with self._lock:
            if self._encoder is None:
                self._encoder = shared_encoder()
            if self._classifier is None:
                self._classifier = self._load_or_fit(self._encoder)
            return self._classifier, self._routes

    def _load_or_fit(self, encoder: Encoder) -> Classifier:
        routes = list(self._routes.values())
        key = digest(encoder.name, _source(), *(r.model_dump_json() for r in routes), _shared_examples())
        if (stored := self._store.read(key)) is not None:
            return Classifier.restore(*stored)
        if self._vectors is None:
            self._vectors = KnownVectors(encoder, self._store.folder)
        classifier = fit_classifier(routes, followups(), self._vectors.encode)
        self._store.write(key, classifier.arrays(), classifier.settings())
        return classifier


def _source() -> str:
    """Digest of this package's code: a new version never reads what an old one fitted."""
    return digest(*(path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))))


def _shared_examples() -> str:
    rows = [*followups(), *plan_examples()]
    return digest(*(row.model_dump_json() for row in rows))
