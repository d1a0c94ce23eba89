"""The usual ways to tell intents apart, on the same sentence embedding, sentences and seeds as the router's classifier.

Only the published embedding (the first part of the router's vectors) is given to them, and no threshold. Not covered
here: the router's classifier (intents.py), semantic-router (semantic_router.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from evals.intent_data import OOS, Sentence
from evals.scores import Flags, Latency, auroc, fpr95
from router.classifier import Encode
from router.encoder import MEANING
from router.features import Array, Features
from router.head import fit_head, softmax

STRENGTH = 10.0
"""Inverse regularisation of the logistic regression, in scikit-learn's terms (`C`)."""
Labels = NDArray[np.intp]


class Baseline(BaseModel):
    """Fractions 0..1, means over the seeds; null where the data has no sentence outside all intents."""

    name: str
    in_scope_accuracy: float
    oos_auroc: float | None
    fpr95: float | None
    decision_ms: Latency | None = None
    """One sentence whose embedding is there; null where it is not measured."""


Figures = tuple[float, float | None, float | None]
"""Accuracy in scope, AUROC and FPR95 of one run."""


def compare(trains: Sequence[Sequence[Sentence]], test: Sequence[Sentence], encode: Encode) -> tuple[Baseline, ...]:
    """Every method, learned from each of `trains` and tried on `test`."""
    x = embed(test, encode)
    return tuple(mean_of(name, [_try(method, train, test, x, encode) for train in trains]) for name, method in METHODS)


def nearest_neighbour(known: Array, labels: Labels, intents: int, x: Array) -> Array:
    """(sentences, intents): similarity to the nearest sentence of each intent."""
    similar = x @ known.T
    return np.stack([similar[:, labels == k].max(axis=1) for k in range(intents)], axis=1)


def centroid(known: Array, labels: Labels, intents: int, x: Array) -> Array:
    """(sentences, intents): similarity to the mean of each intent's sentences."""
    means = np.stack([known[labels == k].mean(axis=0) for k in range(intents)])
    result: Array = x @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T
    return result


def logistic_regression(known: Array, labels: Labels, intents: int, x: Array) -> Array:
    """(sentences, intents): probabilities."""
    n = len(known)
    head = fit_head(_rows(known, intents), labels, intents, np.ones(n), l2=1 / (2 * STRENGTH * n))
    return softmax(head.logits(_rows(x, intents)))


Method = Callable[[Array, Labels, int, Array], Array]
METHODS: tuple[tuple[str, Method], ...] = (
    ("nearest neighbour", nearest_neighbour),
    ("centroid", centroid),
    ("logistic regression", logistic_regression),
)


def score(right: Flags, best: Array, known: Flags) -> Figures:
    """Figures of one run: whether each sentence took its intent, the score it took it with, whether it has one."""
    return float(right[known].mean()), auroc(best, known), fpr95(best, known)


def _try(method: Method, train: Sequence[Sentence], test: Sequence[Sentence], x: Array, encode: Encode) -> Figures:
    inside = [sentence for sentence in train if sentence.label != OOS]
    names = sorted({sentence.label for sentence in inside})
    labels = np.array([names.index(sentence.label) for sentence in inside], dtype=np.intp)
    scores = method(embed(inside, encode), labels, len(names), x)
    wanted = np.array([names.index(s.label) if s.label in names else -1 for s in test])
    return score(scores.argmax(axis=1) == wanted, scores.max(axis=1), wanted >= 0)


def mean_of(name: str, runs: Sequence[Figures], decision_ms: Latency | None = None) -> Baseline:
    """The means over several runs."""
    columns = [[value for value in column if value is not None] for column in zip(*runs, strict=True)]
    accuracy, ranked, admitted = (float(np.mean(column)) if column else None for column in columns)
    assert accuracy is not None
    return Baseline(name=name, in_scope_accuracy=accuracy, oos_auroc=ranked, fpr95=admitted, decision_ms=decision_ms)


def embed(sentences: Sequence[Sentence], encode: Encode) -> Array:
    """The published embedding, of length one: (sentences, dimension)."""
    vectors = encode([sentence.text for sentence in sentences])[:, :MEANING]
    result: Array = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return result


def _rows(x: Array, intents: int) -> Features:
    nothing = np.zeros((len(x), 0), np.float32)
    return Features(x.astype(np.float32), np.arange(len(x)), nothing, np.zeros((0, len(x), intents), np.float32))
