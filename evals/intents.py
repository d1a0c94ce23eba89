"""How well the router's own classifier learns any set of intents, and how well it knows what none of them covers.

The classifier is the one that serves, given sentences without a conversation; an intent's name, in words, is one more
example of it. Not covered here: the data (intent_data.py), the agent's own routes (router.py).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from conlora_agent.core.types import Example, Route, RouteQuery
from evals.baselines import Baseline, compare
from evals.intent_data import OOS, IntentData, Sentence, sample
from evals.scores import Flags, Latency, auroc, calibration_error, class_scores, fpr95, macro_f1
from evals.semantic_router import compare_semantic_router
from router.classifier import Classifier, Encode, Judgement, cross_checked, fit_unchecked
from router.encoder import Encoder, Vectors
from router.training import TrainingTurn

TIMED = 200
"""Test sentences that are decided one by one to measure latency."""


class IntentReport(BaseModel):
    """Fractions 0..1, means over the seeds; null where the data has no rows that a figure is about."""

    n: int
    intents: int
    train: int
    shots: int | None
    seeds: int
    in_scope_accuracy: float
    """Share of test sentences of an intent whose likeliest intent is right, without a threshold."""
    macro_f1: float
    joint_accuracy: float | None
    """Share of all test sentences that end right: in scope with the right intent, out of scope turned away."""
    oos_recall: float | None
    oos_auroc: float | None
    fpr95: float | None
    """Share of out-of-scope sentences admitted where 95% of those in scope are."""
    ece: float
    """Expected calibration error of the likeliest intent's confidence, test sentences in scope, ten bins."""
    spread: dict[str, float]
    """Standard deviation of the figures over the seeds."""
    latency_ms: Latency
    """One sentence, encoding included."""
    decision_ms: Latency
    """One sentence whose embedding is there."""
    others: tuple[Baseline, ...] | None = None
    """The usual methods on the same embedding, sentences and seeds, where they were asked for."""


def evaluate_intents(
    data: IntentData,
    encoder: Encoder,
    encode: Encode,
    *,
    shots: int | None = None,
    seeds: int = 1,
    others: bool = False,
    semantic_router: Path | None = None,
) -> IntentReport:
    """Fit and test `seeds` times, each time on `shots` training sentences of every intent (None: on all of them).

    `others`: the usual methods, too, and semantic-router where `semantic_router` is the Python that has it. `encode`
    gives the embeddings that `encoder` makes, perhaps remembered; latency is measured on `encoder` itself.
    """
    trains = [sample(data.train, shots, seed) for seed in range(seeds)]
    runs = [_run(data, train, encode) for train in trains]
    found = {name: [run.figures[name] for run in runs] for name in runs[0].figures}
    given = {name: [v for v in values if v is not None] for name, values in found.items()}
    means: dict[str, Any] = {name: float(np.mean(values)) if values else None for name, values in given.items()}
    return IntentReport(
        n=len(data.test),
        intents=len(data.intents),
        train=runs[0].train,
        shots=shots,
        seeds=seeds,
        others=_others(trains, data.test, encode, semantic_router) if others else None,
        spread={name: float(np.std(values)) for name, values in given.items() if values},
        **means,
        **measure_latency(runs[-1].classifier, [s.text for s in data.test[-TIMED:]], encoder),
    )


def _others(
    trains: Sequence[Sequence[Sentence]], test: Sequence[Sentence], encode: Encode, semantic_router: Path | None
) -> tuple[Baseline, ...]:
    usual = compare(trains, test, encode)
    return (
        usual if semantic_router is None else (compare_semantic_router(semantic_router, trains, test, encode), *usual)
    )


@dataclass(frozen=True)
class _Run:
    figures: dict[str, float | None]
    classifier: Classifier
    train: int


def _run(data: IntentData, train: Sequence[Sentence], encode: Encode) -> _Run:
    classifier = fit(train, data.validation, encode)
    intents = classifier.table.names
    judged = judge(classifier, data.test, encode)
    likeliest = judged.probabilities.argmax(axis=1)
    labels = np.array([intents.index(s.label) if s.label in intents else -1 for s in data.test])
    inside = labels >= 0
    right = (likeliest == labels) & inside
    got = [(intents[k],) for k in likeliest[inside]]
    gate = classifier.gate
    known = judged.probabilities.max(axis=1) if gate is None else gate.known(judged.scores)
    figures: dict[str, float | None] = {
        "in_scope_accuracy": float(right[inside].mean()),
        "macro_f1": macro_f1(class_scores([(s.label,) for s in data.test if s.label in intents], got)),
        "oos_auroc": auroc(known, inside),
        "fpr95": fpr95(known, inside),
        "ece": calibration_error(judged.probabilities.max(axis=1)[inside], right[inside]),
        **_joint(gate is not None and known >= gate.threshold, right, inside),
    }
    return _Run(figures, classifier, len(train))


def _joint(admitted: Flags | bool, right: Flags, inside: Flags) -> dict[str, float | None]:
    """Figures of the gate; none where there is no gate or nothing for it to turn away."""
    if isinstance(admitted, bool) or inside.all():
        return {"joint_accuracy": None, "oos_recall": None}
    ends_right = np.where(inside, right & admitted, ~admitted)
    return {"joint_accuracy": float(ends_right.mean()), "oos_recall": float((~admitted[~inside]).mean())}


def fit(train: Sequence[Sentence], validation: Sequence[Sentence], encode: Encode) -> Classifier:
    """The router's classifier over the intents of `train`, calibrated on `validation`, or by cross-fitting."""
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for text, label in train:
        texts[label].append(text)
    unknown = texts.pop(OOS, [])
    routes = [_route(name, texts[name]) for name in sorted(texts)]
    turns = [turn for route in routes for turn in _turns(route)]
    if not validation:
        return cross_checked(routes, turns, [_query(text) for text in unknown], encode)
    classifier = fit_unchecked(routes, turns, encode)
    inside = [s for s in validation if s.label in texts]
    outside = [s for s in validation if s.label == OOS]
    labels = np.array([classifier.table.index(s.label) for s in inside], dtype=np.intp)
    found = judge(classifier, outside, encode) if outside else None
    return classifier.checked(judge(classifier, inside, encode), labels, found)


def judge(classifier: Classifier, sentences: Sequence[Sentence], encode: Encode) -> Judgement:
    """What the classifier makes of some sentences."""
    return classifier.judge([_query(s.text) for s in sentences], encode([s.text for s in sentences]))


def measure_latency(classifier: Classifier, texts: Sequence[str], encoder: Encoder) -> dict[str, Latency]:
    """Time of single decisions, with encoding and without; texts that the encoder remembers would cost nothing.

    Those without are timed one after the other, as semantic-router's are, whose vectors are looked up.
    """
    vectors, whole, deciding = [], [], []
    for number, text in enumerate(texts):
        fresh = f"{text} {number}"
        began = time.perf_counter()
        vectors.append(encoder.encode([fresh]))
        _decide(classifier, fresh, vectors[-1])
        whole.append((time.perf_counter() - began) * 1000)
    for number, (text, vector) in enumerate(zip(texts, vectors, strict=True)):
        fresh = f"{number} {text}"
        began = time.perf_counter()
        _decide(classifier, fresh, vector)
        deciding.append((time.perf_counter() - began) * 1000)
    return {"latency_ms": Latency.of(whole), "decision_ms": Latency.of(deciding)}


def _decide(classifier: Classifier, text: str, vector: Vectors) -> None:
    """All that a decision takes: the likeliest intent, and whether any can serve the text."""
    judged = classifier.judge([_query(text)], vector)
    judged.probabilities.argmax()
    if classifier.gate is not None:
        classifier.gate.known(judged.scores)


def _route(name: str, texts: Sequence[str]) -> Route:
    title = " ".join(name.replace("_", " ").replace("-", " ").split()) or name
    examples = tuple(Example(text=text, has_image=False) for text in texts)
    return Route(name=name, kind="tool", title=title, description=title, examples=examples)


def _turns(route: Route) -> list[TrainingTurn]:
    """The route's examples and its title, which is one more but no sentence to be tested on."""
    titled = TrainingTurn(_query(route.title), route.name, route.title, written=False)
    return [*(TrainingTurn(_query(e.text), route.name, e.text) for e in route.examples), titled]


def _query(text: str) -> RouteQuery:
    return RouteQuery(text=text)
