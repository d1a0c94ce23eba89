"""Which of a route's examples are nearer to another route: the router will find these hard to tell apart.

Nearness is the mean cosine similarity to the three nearest examples of a route, the example itself left out. Not
covered here: what the fitted router really decides (embedding.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from conlora_agent.core.types import Route
from router.encoder import MEANING, Vectors

NEIGHBOURS = 3


def nearer_elsewhere(
    route: Route, others: Sequence[Route], encode: Callable[[Sequence[str]], Vectors]
) -> dict[str, list[str]]:
    """By name of the other route: the texts of `route` that are nearer to it than to the rest of their own.

    Only examples that stand for themselves are compared: a follow-up means little without the turns before it.
    """
    own = _texts(route)
    if len(own) < 2:
        return {}
    vectors = _unit(encode(own))
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -np.inf)
    best, where = _nearest(likeness, len(own) - 1), np.full(len(own), -1)
    for number, other in enumerate(others):
        if texts := _texts(other):
            near = _nearest(vectors @ _unit(encode(texts)).T, len(texts))
            where, best = np.where(near > best, number, where), np.maximum(near, best)
    found: dict[str, list[str]] = {}
    for text, number in zip(own, where.tolist(), strict=True):
        if number >= 0:
            found.setdefault(others[number].name, []).append(text)
    return found


def resembling(
    texts: Sequence[str], others: Sequence[str], encode: Callable[[Sequence[str]], Vectors], similarity: float
) -> list[bool]:
    """Whether the sentence embedding of each text is at least this similar to that of one of `others`."""
    if not texts or not others:
        return [False] * len(texts)
    nearest = (_unit(encode(texts)[:, :MEANING]) @ _unit(encode(others)[:, :MEANING]).T).max(axis=1)
    return [bool(value >= similarity) for value in nearest]


def _texts(route: Route) -> list[str]:
    return list(dict.fromkeys(example.text for example in route.examples if not example.previous))


def _nearest(likeness: Vectors, available: int) -> Vectors:
    """(rows,): mean over the nearest columns of (rows, columns)."""
    kept = min(NEIGHBOURS, available)
    nearest: Vectors = np.sort(likeness, axis=1)[:, -kept:].mean(axis=1)
    return nearest


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
