"""Fitting only the head anew, for a few more or fewer routes: what happens when a task is added or removed.

Projection, calibration and gate stay those of the last full fit, and the search begins at its head, so that it takes
a fraction of a second. Not covered here: the full fit (router.classifier).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from conlora_agent.core.types import Route
from router.classifier import Classifier, Encode, head_start, middles_of, turn_weights
from router.features import RouteTable, features
from router.head import LinearHead, fit_head
from router.training import TrainingTurn


def refit(known: Classifier, routes: Sequence[Route], turns: Sequence[TrainingTurn], encode: Encode) -> Classifier:
    """`known` for other routes or examples."""
    table = RouteTable(tuple(r.name for r in routes), tuple(r.needs_image for r in routes))
    x = features([t.query for t in turns], encode([t.query.text for t in turns]), table)
    x = replace(x, texts=known.projection(x.texts))
    labels = np.array([table.index(t.route) for t in turns], dtype=np.intp)
    head = fit_head(x, labels, len(routes), turn_weights(turns), start=_carried_over(known, table))
    head = replace(head, weights=head.weights + head_start(routes, x))
    return replace(known, table=table, head=head, middles=middles_of(x, labels, len(routes)))


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
