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
    x: Features,
    labels: NDArray[np.intp],
    routes: int,
    sample_weights: Array,
    *,
    l2: float = L2,
    start: LinearHead | None = None,
) -> LinearHead:
    """Fit on turns with the route positions `labels` (turns,). Needs scipy.

    The loss is convex, so `start` decides how soon the fit is done, not where it ends.
    """
    from scipy.optimize import minimize

    rows, relations = _with_bias(x.rows), x.relations
    width, kinds = rows.shape[1], relations.shape[0]
    share = (sample_weights / sample_weights.sum()).astype(np.float32)[:, None]  # (turns, 1)
    target = np.eye(routes, dtype=np.float32)[labels]  # (turns, routes)

    def loss(flat: Array) -> tuple[float, Array]:
        weights, shared = _unpack(flat.astype(np.float32), width, routes, kinds)
        log_p = _log_softmax(_logits(rows, relations, weights, shared))
        error = (np.exp(log_p) - target) * share  # (turns, routes)
        to_weights, to_shared = rows.T @ error, (relations * error).sum(2) @ rows
        value = -np.sum(log_p * target * share, dtype=np.float64) + l2 * np.dot(flat, flat)
        gradient = np.concatenate([to_weights.ravel(), to_shared.ravel()]) + 2 * l2 * flat
        return float(value), gradient

    first = np.zeros(width * (routes + kinds)) if start is None else _pack(start)
    found = minimize(loss, first, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS, "gtol": 1e-5})
    return LinearHead(*_unpack(found.x.astype(np.float32), width, routes, kinds))


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


def _pack(head: LinearHead) -> Array:
    return np.concatenate([head.weights.ravel(), head.shared.ravel()]).astype(np.float64)


def _unpack(flat: Array, width: int, routes: int, kinds: int) -> tuple[Array, Array]:
    cut = width * routes
    return flat[:cut].reshape(width, routes), flat[cut:].reshape(kinds, width)


def _with_bias(rows: Array) -> Array:
    return np.concatenate([rows, np.ones((len(rows), 1), np.float32)], axis=1)
