"""The classifier of single requests: features, trained head and calibration behind two calls.

`fit_classifier` learns from routing examples; `Classifier.probabilities` judges turns. The same object serves and is
evaluated. Not covered here: several requests in one message (router.planning) and caching (router.store).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from conlora_agent.core.types import CLARIFY, Route, RouteQuery
from router.calibration import FOLDS, Calibration, fit_temperature, fit_thresholds, fold_of
from router.encoder import Vectors
from router.features import Array, RouteTable, features
from router.head import LinearHead, fit_head
from router.training import TrainingTurn

Encode = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True)
class Classifier:
    """A fitted head over the routes of `table`, with its calibration."""

    table: RouteTable
    head: LinearHead
    calibration: Calibration

    def probabilities(self, queries: Sequence[RouteQuery], vectors: Vectors) -> Array:
        """Calibrated probabilities (queries, routes); `vectors` are the embeddings of the queries' texts."""
        return self.calibration.probabilities(self.head.logits(features(queries, vectors, self.table)))


@dataclass(frozen=True)
class CrossFitted:
    """The final classifier and, per fold, one that has not seen the messages of that fold."""

    final: Classifier
    without: tuple[Classifier, ...]
    encode: Encode

    def judge(self, queries: Sequence[RouteQuery], messages: Sequence[str]) -> Array:
        """Probabilities (queries, routes) of turns out of `messages`, from classifiers that have not seen those."""
        vectors = self.encode([q.text for q in queries])
        fold = np.array([fold_of(message) for message in messages])
        result = np.zeros((len(queries), len(self.final.table.names)))
        for number, classifier in enumerate(self.without):
            here = np.flatnonzero(fold == number)
            result[here] = classifier.probabilities([queries[int(i)] for i in here], vectors[here])
        return result


def fit_classifier(routes: Sequence[Route], turns: Sequence[TrainingTurn], encode: Encode) -> CrossFitted:
    """Fit head, temperature and thresholds. Takes well under a second once the examples are encoded."""
    table = RouteTable(tuple(r.name for r in routes), tuple(r.needs_image for r in routes))
    x = features([t.query for t in turns], encode([t.query.text for t in turns]), table)
    labels = np.array([table.index(t.route) for t in turns], dtype=np.intp)
    weights = turn_weights(turns)
    fold = np.array([fold_of(t.message) for t in turns])
    final = fit_head(x, labels, len(table.names), weights)
    heads: list[LinearHead] = []
    logits = np.zeros((len(turns), len(table.names)))
    for number in range(FOLDS):
        seen, unseen = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        heads.append(fit_head(x[seen], labels[seen], len(table.names), weights[seen]))
        logits[unseen] = heads[-1].logits(x[unseen])
    written = np.array([t.written for t in turns])
    calibration = _calibrate(logits[written], labels[written], table)
    without = tuple(Classifier(table, head, calibration) for head in heads)
    return CrossFitted(Classifier(table, final, calibration), without, encode)


def _calibrate(logits: Array, labels: np.typing.NDArray[np.intp], table: RouteTable) -> Calibration:
    temperature = fit_temperature(logits, labels)
    clarify = table.index(CLARIFY) if CLARIFY in table else None
    confidence, margin = fit_thresholds(Calibration(temperature).probabilities(logits), labels, clarify)
    return Calibration(temperature, confidence, margin)


def turn_weights(turns: Sequence[TrainingTurn]) -> Array:
    """Weights of turns; a route with many examples counts more than one with few, but only by the square root."""
    counts = Counter(t.route for t in turns)
    return np.array([t.weight / counts[t.route] ** 0.5 for t in turns])
