"""The trained head: multinomial logistic regression over feature rows, plus weights shared by all routes.

The logit of route k for turn x is `x·W_k + sum over relations r of M_r[x, k] · (x·u_r)`: a linear classifier whose
relations to the conversation (features.RELATIONS) are learned once for all routes. Fitted with L-BFGS and exact
gradients; the same data gives the same weights. Arrays only: it never pickles anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from router.features import Array, Features

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
    x: Features,
    labels: NDArray[np.intp],
    routes: int,
    sample_weights: Array,
    *,
    l2: float | None = None,
    start: LinearHead | None = None,
) -> LinearHead:
    """Fit on turns with the route positions `labels` (turns,). `l2`: penalty on the mean loss, None for PENALTY.

    `start`: a head nearby to search from. The loss is convex: it saves time and changes nothing beyond the tolerance.
    """
    from scipy.optimize import minimize
    from scipy.sparse import csr_array

    center = x.texts.mean(axis=0)
    x = replace(x, texts=x.texts - center)  # a common direction in all texts only slows the search down
    strength = PENALTY / len(x.texts) if l2 is None else l2
    turns, width, kinds = len(labels), x.texts.shape[1] + x.others.shape[1] + 1, len(x.relations)
    by_text = csr_array((np.ones(turns, np.float32), (x.text_of, np.arange(turns))), shape=(len(x.texts), turns))
    share = (sample_weights / sample_weights.sum()).astype(np.float32)[:, None]  # (turns, 1)
    target = np.eye(routes, dtype=np.float32)[labels]  # (turns, routes)

    def loss(flat: Array) -> tuple[float, Array]:
        scores = _project(x, flat.astype(np.float32).reshape(width, routes + kinds))
        log_p = _log_softmax(_combine(scores[:, :routes], scores[:, routes:], x.relations))
        error = (np.exp(log_p) - target) * share  # (turns, routes)
        each = np.concatenate([error, (x.relations * error).sum(2).T], axis=1)  # (turns, routes + relations)
        gradient = np.concatenate([x.texts.T @ (by_text @ each), x.others.T @ each, each.sum(0, keepdims=True)])
        value = -np.sum(log_p * target * share, dtype=np.float64) + strength * np.dot(flat, flat)
        return float(value), gradient.ravel() + 2 * strength * flat

    options = {"maxiter": ITERATIONS, "gtol": TOLERANCE, "ftol": 0.0}
    begun = np.zeros((width, routes + kinds))
    if start is not None:
        begun += np.concatenate([start.weights, start.shared], axis=1)
        begun[-1] += center @ begun[: len(center)]
    found = minimize(loss, begun.ravel(), jac=True, method="L-BFGS-B", options=options)
    both = found.x.reshape(width, routes + kinds)
    both[-1] -= center @ both[: len(center)]
    weights = both.astype(np.float32)
    return LinearHead(weights[:, :routes], weights[:, routes:])


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
