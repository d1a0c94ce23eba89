"""What a route with few examples gets beside those with many: more weight in the fit, and a head start after it.

Few examples do not mean that a route is asked for rarely. Not covered here: fitting (router.head).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from conlora_agent.core.types import Route
from router.features import HAS_IMAGE, OTHER_SCALE, Array, Features
from router.training import TrainingTurn

PLENTY = 110
"""Examples from which on a route is not scarce: what the built-in ones have."""
HEAD_START = 0.55
"""Logits a route gets for every factor e of missing examples. Chosen on evals/data/new_tasks_dev.jsonl and the single
turns of evals/data/dialogues.jsonl."""


def turn_weights(turns: Sequence[TrainingTurn]) -> Array:
    """Weights of turns; a route with many examples counts more than one with few, but only by the square root."""
    counts = Counter(t.route for t in turns)
    return np.array([t.weight / counts[t.route] ** 0.5 for t in turns])


def scarce_weights(routes: Sequence[Route], turns: Sequence[TrainingTurn]) -> Array:
    """The same where scarce routes are to count in full: as if each of their examples were there more often."""
    share = dict(zip((route.name for route in routes), _shares(routes).tolist(), strict=True))
    weights: Array = turn_weights(turns) / np.array([share[t.route] for t in turns])
    return weights


def head_start(routes: Sequence[Route], x: Features) -> Array:
    """What is added to the head's weights (features + 1, routes) so that a scarce route stands beside the others as if
    it had PLENTY; where it needs a picture, only if there is one.

    Logit adjustment (Menon et al. 2020). It also makes up for the shorter weights that few examples leave behind.
    """
    lift = -HEAD_START * np.log(_shares(routes))
    needs_image = np.array([route.needs_image for route in routes])
    added = np.zeros((x.texts.shape[1] + x.others.shape[1] + 1, len(routes)), np.float32)
    added[-1] = np.where(needs_image, 0.0, lift)
    added[x.texts.shape[1] + HAS_IMAGE] = np.where(needs_image, lift, 0.0) / OTHER_SCALE
    return added


def _shares(routes: Sequence[Route]) -> NDArray[np.float64]:
    """Which share of PLENTY examples each route has, at most all of it: (routes,)."""
    counts = np.array([len(route.examples) for route in routes], dtype=np.float64)
    return np.clip(counts, 1, PLENTY) / PLENTY
