"""The trained head: multinomial logistic regression over feature rows, plus weights shared by all routes.

The logit of route k for turn x is `x·W_k + sum over relations r of M_r[x, k] · (x·u_r)`: a linear classifier whose
relations to the conversation (features.RELATIONS) are learned once for all routes. Fitted with L-BFGS and exact
gradients; the same data gives the same weights. Arrays only: it never pickles anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from router.features import Array, Features

if TYPE_CHECKING:
    from scipy.sparse import csr_array

PENALTY = 0.1
"""Strength of the quadratic penalty beside the evidence of one text: the more texts, the less the penalty weighs.
Chosen on the validation split of CLINC150 (ten examples per route, and all) and by cross-validation of our own."""
ITERATIONS = 200
TOLERANCE = 2e-4


@dataclass(frozen=True)
class LinearHead:
    """`weights` (features + 1, routes) and `shared` (features + 1, relations), the bias last."""

    weights: Array
    shared: Array

    def logits(self, x: Features) -> Array:
        """Unnormalised scores (turns, routes)."""
        routes = self.weights.shape[1]
        scores = _project(x, self._both)
        return _combine(scores[:, :routes], scores[:, routes:], x.relations)

    @cached_property
    def _both(self) -> Array:
        return np.concatenate([self.weights, self.shared], axis=1)


def fit_head(
    x: Features, labels: NDArray[np.intp], routes: int, sample_weights: Array, *, l2: float | None = None
) -> LinearHead:
    """Fit on turns with the route positions `labels` (turns,). `l2`: penalty on the mean loss, None for PENALTY."""
    evidence = _Evidence.of(x, labels, routes, sample_weights, l2)
    masks = x.relations

    def loss(weights: Array) -> tuple[float, Array]:
        scores = _project(evidence.x, weights)
        value, error = evidence.judge(_combine(scores[:, :routes], scores[:, routes:], masks))
        return value, np.concatenate([error, (masks * error).sum(2).T], axis=1)  # (turns, routes + relations)

    both = evidence.solve(loss, routes + len(masks))
    return LinearHead(both[:, :routes], both[:, routes:])


def fit_columns(
    x: Features, labels: NDArray[np.intp], known: LinearHead, columns: NDArray[np.intp], sample_weights: Array
) -> LinearHead:
    """`known` with the weights of the routes at `columns` fitted anew, beside all the others as they are."""
    weights = known.weights.copy()
    weights[:, columns] = 0
    given = replace(known, weights=weights).logits(x)
    evidence = _Evidence.of(x, labels, weights.shape[1], sample_weights, None)

    def loss(solved: Array) -> tuple[float, Array]:
        logits = given.copy()
        logits[:, columns] += _project(evidence.x, solved)
        value, error = evidence.judge(logits)
        return value, error[:, columns]

    weights[:, columns] = evidence.solve(loss, len(columns))
    return replace(known, weights=weights)


@dataclass(frozen=True)
class _Evidence:
    """Turns to fit on, their texts less the `center` of all: a common direction only slows the search down.

    `by_text` (texts, turns) sums over the turns that share a text; `share` and `target` (turns, 1) and (turns, routes).
    """

    x: Features
    center: Array
    by_text: csr_array
    share: Array
    target: Array
    strength: float

    @classmethod
    def of(
        cls, x: Features, labels: NDArray[np.intp], routes: int, sample_weights: Array, l2: float | None
    ) -> _Evidence:
        from scipy.sparse import csr_array

        turns, center = len(labels), x.texts.mean(axis=0)
        strength = PENALTY / len(x.texts) if l2 is None else l2
        by_text = csr_array((np.ones(turns, np.float32), (x.text_of, np.arange(turns))), shape=(len(x.texts), turns))
        share = (sample_weights / sample_weights.sum()).astype(np.float32)[:, None]
        target = np.eye(routes, dtype=np.float32)[labels]
        return cls(replace(x, texts=x.texts - center), center, by_text, share, target, strength)

    def judge(self, logits: Array) -> tuple[float, Array]:
        """The loss of `logits`, and its gradient by them: (turns, routes)."""
        log_p = _log_softmax(logits)
        value = -np.sum(log_p * self.target * self.share, dtype=np.float64)
        return float(value), (np.exp(log_p) - self.target) * self.share

    def solve(self, loss: Callable[[Array], tuple[float, Array]], columns: int) -> Array:
        """The weights (features + 1, columns) with the least penalised loss. `loss`: its value and its gradient by what
        each turn's features make of these weights, (turns, columns).
        """
        from scipy.optimize import minimize

        width = self.x.texts.shape[1] + self.x.others.shape[1] + 1

        def penalised(flat: Array) -> tuple[float, Array]:
            value, each = loss(flat.astype(np.float32).reshape(width, columns))
            texts, others = self.x.texts.T @ (self.by_text @ each), self.x.others.T @ each
            gradient = np.concatenate([texts, others, each.sum(0, keepdims=True)])
            return value + self.strength * float(np.dot(flat, flat)), gradient.ravel() + 2 * self.strength * flat

        options = {"maxiter": ITERATIONS, "gtol": TOLERANCE, "ftol": 0.0}
        found = minimize(penalised, np.zeros(width * columns), jac=True, method="L-BFGS-B", options=options)
        weights: Array = found.x.reshape(width, columns)
        weights[-1] -= self.center @ weights[: len(self.center)]
        return weights.astype(np.float32)


def softmax(logits: Array) -> Array:
    """Probabilities along the last axis."""
    return np.exp(_log_softmax(logits))


def logsumexp(logits: Array) -> Array:
    """The logarithm of the summed exponentials along the last axis: a soft maximum."""
    highest = logits.max(axis=-1)
    result: Array = highest + np.log(np.exp(logits - highest[..., None]).sum(axis=-1))
    return result


def _log_softmax(logits: Array) -> Array:
    return logits - logsumexp(logits)[..., None]


def _project(x: Features, weights: Array) -> Array:
    """Rows with their bias times weights: (turns, columns)."""
    cut = x.texts.shape[1]
    result: Array = (x.texts @ weights[:cut])[x.text_of] + x.others @ weights[cut:-1] + weights[-1]
    return result


def _combine(scores: Array, by_relation: Array, relations: Array) -> Array:
    """`scores` (turns, routes), which become logits by what each relation adds (turns, relations)."""
    for column, mask in zip(by_relation.T, relations, strict=True):
        scores += column[:, None] * mask
    return scores
