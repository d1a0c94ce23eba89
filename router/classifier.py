"""The classifier of single requests: projection, trained head, calibration and open-set gate behind a few calls.

`fit_classifier` learns from routing examples and calibrates by cross-fitting; `fit_unchecked` only learns, for whoever
has validation data and calls `Classifier.checked`. The same object serves and is evaluated. Not covered here: several
requests in one message (router.planning) and caching (router.store).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from conlora_agent.core.types import Route, RouteQuery
from router.calibration import FOLDS, Calibration, expected_errors, fit_temperature, fit_thresholds, fold_of
from router.encoder import Vectors
from router.features import Array, Features, RouteTable, features
from router.head import LinearHead, fit_head
from router.openset import Gate, familiarity, fit_gate
from router.projection import LENGTH, Projection, fit_whitening, principal_directions
from router.scarcity import head_start, scarce_weights, turn_weights
from router.training import TrainingTurn

MANY_ROUTES = 4
UNSERVED_SHARE = 0.1
"""The share of messages that no route can serve, for which the gate of the agent's own routes is fitted."""
Encode = Callable[[Sequence[str]], Vectors]
Labels = NDArray[np.intp]


@dataclass(frozen=True)
class Judgement:
    """What the classifier makes of some turns: calibrated `probabilities` and raw `logits`, both (turns, routes), and
    `similarities` (turns, routes) of their texts to the middle of each route's examples. `unclear`: the column of
    `clarify`, None where it is no route."""

    probabilities: Array
    logits: Array
    similarities: Array
    unclear: int | None = None

    @classmethod
    def joined(cls, parts: Sequence[Judgement]) -> Judgement:
        """Judgements of several groups of turns as one."""
        return cls(
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate([part.logits for part in parts]),
            np.concatenate([part.similarities for part in parts]),
            parts[0].unclear,
        )

    @property
    def scores(self) -> Array:
        """What the gate decides on: (turns, scores)."""
        return familiarity(self.logits, self.similarities, self.unclear)


@dataclass(frozen=True)
class Classifier:
    """A fitted head over the routes of `table`. `middles` (routes, kept): unit means of the routes' texts."""

    table: RouteTable
    projection: Projection
    head: LinearHead
    middles: Array
    calibration: Calibration = field(default_factory=Calibration)
    gate: Gate | None = None

    def judge(self, queries: Sequence[RouteQuery], vectors: Vectors) -> Judgement:
        """Judge turns; `vectors` are the embeddings of the queries' texts."""
        x = features(queries, self.projection(vectors), self.table)
        logits = self.head.logits(x)
        similarities = (x.texts @ self.middles.T / LENGTH)[x.text_of]
        judged = Judgement(self.calibration.probabilities(logits), logits, similarities, self.table.unclear)
        return judged if judged.unclear is None or self.gate is None else self._gated(judged, self.gate)

    def _gated(self, judged: Judgement, gate: Gate) -> Judgement:
        """The gate says whether any route can serve a turn, the head which: `clarify` gets what the gate leaves."""
        assert judged.unclear is not None
        logits = judged.logits.copy()
        logits[:, judged.unclear] = -np.inf
        known = gate.known(judged.scores)
        probabilities = self.calibration.probabilities(logits) * known[:, None]
        probabilities[:, judged.unclear] = 1 - known
        return replace(judged, probabilities=probabilities)

    def probabilities(self, queries: Sequence[RouteQuery], vectors: Vectors) -> Array:
        """Calibrated probabilities (queries, routes)."""
        return self.judge(queries, vectors).probabilities

    def checked(self, known: Judgement, labels: Labels, unknown: Judgement | None = None) -> Classifier:
        """This classifier with temperature and gate fitted on judgements of validation data; no gate without both."""
        calibration = replace(self.calibration, temperature=fit_temperature(known.logits, labels))
        if unknown is None:
            return replace(self, calibration=calibration)
        right = known.logits.argmax(axis=1) == labels
        return replace(self, calibration=calibration, gate=fit_gate(known.scores, unknown.scores, right))


@dataclass(frozen=True)
class CrossFitted:
    """The final classifier and, per fold, one that has not seen the messages of that fold."""

    final: Classifier
    without: tuple[Classifier, ...]
    encode: Encode

    def judge(self, queries: Sequence[RouteQuery], messages: Sequence[str]) -> Array:
        """Probabilities (queries, routes) of turns out of `messages`, from classifiers that have not seen those."""
        fold = np.array([fold_of(message) for message in messages])
        return _by_fold(self.without, queries, self.encode([q.text for q in queries]), fold).probabilities


@dataclass(frozen=True)
class _Material:
    """Training turns as features whose texts are reduced to `directions`, which give no label away."""

    table: RouteTable
    directions: Array
    x: Features
    labels: Labels
    weights: Array
    head_start: Array | float = 0.0

    def fit(self, chosen: Labels) -> Classifier:
        """A classifier that has seen the turns at the positions `chosen`."""
        x, labels = self.x[chosen], self.labels[chosen]
        _, first = np.unique(x.text_of, return_index=True)
        whitening = fit_whitening(x.texts, labels[first])
        x = replace(x, texts=Projection(whitening)(x.texts))
        head = fit_head(x, labels, len(self.table.names), self.weights[chosen])
        head = replace(head, weights=head.weights + self.head_start)
        projection = Projection(self.directions @ whitening)
        return Classifier(self.table, projection, head, middles_of(x, labels, len(self.table.names)))


def fit_classifier(routes: Sequence[Route], turns: Sequence[TrainingTurn], encode: Encode) -> CrossFitted:
    """Fit, with temperature and thresholds cross-fitted. Takes about a second once the examples are encoded."""
    material = _material(routes, turns, encode, scarce_weights(routes, turns))
    material = replace(material, head_start=head_start(routes, material.x))
    fold = np.array([fold_of(t.message) for t in turns])
    without = tuple(material.fit(np.flatnonzero(fold != number)) for number in range(FOLDS))
    written = np.array([position for position, turn in enumerate(turns) if turn.written])
    queries, labels = [turns[position].query for position in written], material.labels[written]
    vectors = encode([query.text for query in queries])
    checked = _checked(without, _by_fold(without, queries, vectors, fold[written]), labels)
    judged = _by_fold(checked, queries, vectors, fold[written])
    calibration = _asking(checked[0].calibration, judged, labels)
    without = tuple(replace(one, calibration=calibration) for one in checked)
    final = replace(material.fit(np.arange(len(turns))), calibration=calibration, gate=without[0].gate)
    return CrossFitted(final, without, encode)


def fit_unchecked(routes: Sequence[Route], turns: Sequence[TrainingTurn], encode: Encode) -> Classifier:
    """Fit without calibration: for validation data to follow, see Classifier.checked."""
    return _material(routes, turns, encode, turn_weights(turns)).fit(np.arange(len(turns)))


def cross_checked(
    routes: Sequence[Route], turns: Sequence[TrainingTurn], unknown: Sequence[RouteQuery], encode: Encode
) -> Classifier:
    """Fit, with temperature and gate cross-fitted on the training turns; `unknown`: messages that no route can serve.

    Where there are none, each fold also leaves out some routes altogether: their messages stand in for the unknown.
    No gate where that would leave too few routes to tell apart.
    """
    material = _material(routes, turns, encode, turn_weights(turns))
    fold = _folds_by_route(turns, material.labels)
    absent = material.labels % FOLDS if not unknown and len(routes) > MANY_ROUTES else np.full(len(turns), -1)
    inside, outside, labels = [], [], []
    for number in range(FOLDS):
        classifier = material.fit(np.flatnonzero((fold != number) & (absent != number)))
        known = np.flatnonzero((fold == number) & (absent != number))
        strange = [turns[i].query for i in np.flatnonzero((absent == number) & (fold >= 0)).tolist()]
        inside.append(_judge(classifier, [turns[i].query for i in known.tolist()], encode))
        labels.append(material.labels[known])
        outside.append(_judge(classifier, [*strange, *unknown], encode))
    final = material.fit(np.arange(len(turns)))
    found = Judgement.joined(outside)
    return final.checked(Judgement.joined(inside), np.concatenate(labels), found if len(found.logits) else None)


def _judge(classifier: Classifier, queries: Sequence[RouteQuery], encode: Encode) -> Judgement:
    return classifier.judge(queries, encode([query.text for query in queries]))


def _folds_by_route(turns: Sequence[TrainingTurn], labels: Labels) -> Labels:
    """Folds that every route is spread over; -1, in none, for turns that nobody wrote."""
    seen: Counter[int] = Counter()
    folds = np.full(len(turns), -1, dtype=np.intp)
    for position, (turn, label) in enumerate(zip(turns, labels.tolist(), strict=True)):
        if turn.written:
            folds[position] = seen[label] % FOLDS
            seen[label] += 1
    return folds


def _material(routes: Sequence[Route], turns: Sequence[TrainingTurn], encode: Encode, weights: Array) -> _Material:
    table = RouteTable(tuple(r.name for r in routes), tuple(r.needs_image for r in routes))
    x = features([t.query for t in turns], encode([t.query.text for t in turns]), table)
    labels = np.array([table.index(t.route) for t in turns], dtype=np.intp)
    directions = principal_directions(x.texts)
    return _Material(table, directions, replace(x, texts=x.texts @ directions), labels, weights)


def _by_fold(without: Sequence[Classifier], queries: Sequence[RouteQuery], vectors: Vectors, fold: Labels) -> Judgement:
    """Judgements of turns, each from the classifier that has not seen its fold."""
    shape, table = (len(fold), len(without[0].table.names)), without[0].table
    result = Judgement(np.zeros(shape), np.zeros(shape), np.zeros(shape), table.unclear)
    for number, classifier in enumerate(without):
        here = np.flatnonzero(fold == number)
        found = classifier.judge([queries[int(i)] for i in here], vectors[here])
        result.probabilities[here] = found.probabilities
        result.logits[here] = found.logits
        result.similarities[here] = found.similarities
    return result


def middles_of(x: Features, labels: Labels, routes: int) -> Array:
    """Unit means of each route's texts: (routes, kept)."""
    sums = np.zeros((routes, x.texts.shape[1]), np.float32)
    np.add.at(sums, labels, x.texts[x.text_of])
    result: Array = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), np.float32(1e-9))
    return result


def _checked(without: Sequence[Classifier], crossed: Judgement, labels: Labels) -> list[Classifier]:
    """Classifiers with temperature and gate fitted on judgements of turns that none of them has seen."""
    unclear = crossed.unclear
    known = np.full(len(labels), True) if unclear is None else labels != unclear
    if unclear is None or known.all() or not known.any():
        temperature = fit_temperature(crossed.logits, labels)
        return [replace(one, calibration=Calibration(temperature)) for one in without]
    logits = crossed.logits.copy()
    logits[:, unclear] = -np.inf
    temperature = fit_temperature(logits[known], labels[known])
    right = logits[known].argmax(axis=1) == labels[known]
    gate = fit_gate(crossed.scores[known], crossed.scores[~known], right, UNSERVED_SHARE)
    return [replace(one, calibration=Calibration(temperature), gate=gate) for one in without]


def _asking(calibration: Calibration, judged: Judgement, labels: Labels) -> Calibration:
    """`calibration` with the thresholds below which to ask back, and the errors to expect of them."""
    confidence, margin = fit_thresholds(judged.probabilities, labels, judged.unclear)
    errors = expected_errors(judged.probabilities, labels, judged.unclear, confidence, margin)
    return Calibration(calibration.temperature, confidence, margin, *errors)
