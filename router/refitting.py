"""Fitting only the routes that are new or changed: what happens when a task is added, taught a phrase or removed.

Their columns are solved beside those of the base as these are. So the other routes keep what they answer but for what
a new one claims, and the result depends on the base and the routes alone. Projection, calibration and gate stay those
of the base. Not covered here: the full fit (router.classifier).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from conlora_agent.core.types import Route
from router.classifier import Classifier, Encode, middles_of
from router.features import RouteTable, features
from router.head import LinearHead, fit_columns
from router.scarcity import head_start, scarce_weights
from router.training import TrainingTurn


def refit(
    base: Classifier, routes: Sequence[Route], same: Collection[str], turns: Sequence[TrainingTurn], encode: Encode
) -> Classifier:
    """`base` for other routes; those named in `same` are as they were in it."""
    table = RouteTable(tuple(r.name for r in routes), tuple(r.needs_image for r in routes))
    x = features([t.query for t in turns], encode([t.query.text for t in turns]), table)
    x = replace(x, texts=base.projection(x.texts))
    labels = np.array([table.index(t.route) for t in turns], dtype=np.intp)
    head = _carried_over(base, table)
    new = np.array([name not in same for name in table.names])
    if new.any():
        head = fit_columns(x, labels, head, np.flatnonzero(new), scarce_weights(routes, turns))
        head = replace(head, weights=head.weights + head_start(routes, x) * new)
    return replace(base, table=table, head=head, middles=middles_of(x, labels, len(routes)))


def _carried_over(known: Classifier, table: RouteTable) -> LinearHead:
    """The head of `known` in the shape that `table` asks for; zero where a new route has its place."""
    old, new = known.table.names, table.names
    fixed = len(known.head.weights) - len(old) - 1  # rows of features that do not depend on the routes
    rows = _places([*range(fixed), *new, None], [*range(fixed), *old, None])
    columns = _places(new, old)
    weights = np.zeros((fixed + len(new) + 1, len(new)), np.float32)
    shared = np.zeros((len(weights), known.head.shared.shape[1]), np.float32)
    weights[np.ix_(rows[0], columns[0])] = known.head.weights[np.ix_(rows[1], columns[1])]
    shared[rows[0]] = known.head.shared[rows[1]]
    return LinearHead(weights, shared)


def _places(new: Sequence[object], old: Sequence[object]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where whatever is in both lies in `new`, and where in `old`."""
    place = {item: number for number, item in enumerate(old)}
    both = [(number, place[item]) for number, item in enumerate(new) if item in place]
    found = np.array(both, dtype=np.intp).reshape(-1, 2)
    return found[:, 0], found[:, 1]
