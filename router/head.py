"""The trained head: multinomial logistic regression over feature rows, plus weights shared by all routes.

The logit of route k for turn x is `x·W_k + sum over relations r of M_r[x, k] · (x·u_r)`: a linear classifier whose
relations to the conversation (features.RELATIONS) are learned once for all routes. Fitted with L-BFGS and exact
gradients; the same data gives the same weights. Arrays only: it never pickles anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from router.features import Array, Features

L2 = 1e-4
"""Strength of the quadratic penalty, chosen by cross-validation on the routing examples."""
ITERATIONS = 200


@dataclass(frozen=True)
class LinearHead:
    """`weights` (features + 1, routes) with the bias last; `shared` (relations, features + 1)."""

    weights: Array
    shared: Array

    def logits(self, x: Features) -> Array:
        """Unnormalised scores (turns, routes)."""
        return _logits(_with_bias(x.rows), x.relations, self.weights, self.shared)


def fit_head(
    x: Features, labels: NDArray[np.intp], routes: int, sample_weights: Array, *, l2: float = L2
) -> LinearHead:
    """Fit on turns with the route positions `labels` (turns,). Needs scipy."""
    from scipy.optimize import minimize

    rows, relations = _with_bias(x.rows), x.relations
    width, kinds = rows.shape[1], relations.shape[0]
    share = (sample_weights / sample_weights.sum())[:, None]  # (turns, 1)
    target = np.eye(routes)[labels]  # (turns, routes)

    def loss(flat: Array) -> tuple[float, Array]:
        weights, shared = _unpack(flat, width, routes, kinds)
        log_p = _log_softmax(_logits(rows, relations, weights, shared))
        error = (np.exp(log_p) - target) * share  # (turns, routes)
        to_weights = rows.T @ error + 2 * l2 * weights
        to_shared = (relations * error).sum(2) @ rows + 2 * l2 * shared
        value = -(log_p * target * share).sum() + l2 * (flat**2).sum()
        return float(value), np.concatenate([to_weights.ravel(), to_shared.ravel()])

    start = np.zeros(width * (routes + kinds))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS, "ftol": 1e-7})
    return LinearHead(*_unpack(found.x, width, routes, kinds))


def softmax(logits: Array) -> Array:
    """Probabilities along the last axis."""
    return np.exp(_log_softmax(logits))


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    result: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def _logits(rows: Array, relations: Array, weights: Array, shared: Array) -> Array:
    by_relation = rows @ shared.T  # (turns, relations)
    result: Array = rows @ weights + np.einsum("nr,rnk->nk", by_relation, relations)
    return result


def _unpack(flat: Array, width: int, routes: int, kinds: int) -> tuple[Array, Array]:
    cut = width * routes
    return flat[:cut].reshape(width, routes), flat[cut:].reshape(kinds, width)


def _with_bias(rows: Array) -> Array:
    return np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
