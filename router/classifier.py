"""The classifier of single requests: encoder, features, trained head and calibration behind two calls.

`fit_classifier` learns from routing examples; `Classifier.probabilities` judges turns. The same object serves and is
evaluated. Not covered here: several requests in one message (router.planning) and caching (router.store).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conlora_agent.core.types import CLARIFY, Route, RouteQuery
from router.builtin import FollowUp
from router.calibration import FOLDS, Calibration, fit_temperature, fit_thresholds, folds
from router.encoder import Encoder, Vectors
from router.features import Array, RouteTable, features
from router.head import LinearHead, fit_head
from router.training import TrainingTurn, training_turns

Encode = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True)
class Classifier:
    """A fitted head over the routes of `table`, with its calibration."""

    table: RouteTable
    head: LinearHead
    calibration: Calibration

    def probabilities(self, queries: Sequence[RouteQuery], encoder: Encoder) -> Array:
        """Calibrated probabilities (queries, routes)."""
        x = features(queries, encoder.encode([q.text for q in queries]), self.table)
        return self.calibration.probabilities(self.head.logits(x))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What has to be stored as arrays."""
        return {"weights": self.head.weights, "shared": self.head.shared}

    def settings(self) -> dict[str, Any]:
        """What has to be stored as JSON."""
        c = self.calibration
        return {
            "names": self.table.names,
            "needs_image": self.table.needs_image,
            "temperature": c.temperature,
            "confidence": c.confidence,
            "margin": c.margin,
        }

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[Any]], settings: dict[str, Any]) -> Classifier:
        """The classifier that `arrays` and `settings` came from. Raises KeyError when something is missing."""
        return cls(
            RouteTable(tuple(settings["names"]), tuple(settings["needs_image"])),
            LinearHead(arrays["weights"], arrays["shared"]),
            Calibration(settings["temperature"], settings["confidence"], settings["margin"]),
        )


def fit_classifier(routes: Sequence[Route], followups: Sequence[FollowUp], encode: Encode) -> Classifier:
    """Fit head, temperature and thresholds. Takes well under a second once the examples are encoded."""
    table = RouteTable(tuple(r.name for r in routes), tuple(r.needs_image for r in routes))
    turns = training_turns(routes, followups)
    x = features([t.query for t in turns], encode([t.query.text for t in turns]), table)
    labels = np.array([table.index(t.route) for t in turns], dtype=np.intp)
    weights = turn_weights(turns)
    logits = np.zeros((len(turns), len(table.names)))
    fold = folds([t.query.text for t in turns])
    for held_out in range(FOLDS):
        train, test = np.flatnonzero(fold != held_out), np.flatnonzero(fold == held_out)
        if len(train) and len(test):
            head = fit_head(x[train], labels[train], len(table.names), weights[train])
            logits[test] = head.logits(x[test])
    written = np.array([t.written for t in turns])
    temperature = fit_temperature(logits[written], labels[written])
    probabilities = Calibration(temperature).probabilities(logits[written])
    clarify = table.index(CLARIFY) if CLARIFY in table else None
    confidence, margin = fit_thresholds(probabilities, labels[written], clarify)
    head = fit_head(x, labels, len(table.names), weights)
    return Classifier(table, head, Calibration(temperature, confidence, margin))


def turn_weights(turns: Sequence[TrainingTurn]) -> Array:
    """Weights of turns; a route with many examples counts more than one with few, but only by the square root."""
    counts = Counter(t.route for t in turns)
    return np.array([t.weight / counts[t.route] ** 0.5 for t in turns])
