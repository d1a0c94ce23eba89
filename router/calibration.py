"""Calibration: a temperature that makes probabilities honest, and the thresholds below which the router asks back.

Both are fitted on out-of-fold scores, that is on examples the scoring head has not seen.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from router.features import Array
from router.head import softmax

FOLDS = 4
WRONG_COST = 0.25
"""What a confidently wrong route costs beyond a right answer lost; asking needlessly costs only the latter."""

LEAST_CONFIDENCE = 0.3
LEAST_MARGIN = 0.05
"""Closer than this, the choice is a coin's, and asking is better whatever the examples say."""


@dataclass(frozen=True)
class Calibration:
    """`temperature` divides logits. Ask back below `confidence`, or when the first two routes are within `margin`.

    Expected errors: `wrong`, the share of what a route serves and that is taken on, but by a wrong one; `asked`, the
    share of what a route serves that is asked back about; `admitted`, the share of what none serves that is taken on.
    """

    temperature: float = 1.0
    confidence: float = LEAST_CONFIDENCE
    margin: float = LEAST_MARGIN
    wrong: float = 0.0
    asked: float = 0.0
    admitted: float = 0.0

    def probabilities(self, logits: Array) -> Array:
        """Calibrated probabilities (turns, routes)."""
        return softmax(logits / self.temperature)


def fit_temperature(logits: Array, labels: NDArray[np.intp]) -> float:
    """The temperature in 0.2..5 with the lowest negative log-likelihood."""
    options = np.geomspace(0.2, 5.0, 81)
    losses = [-np.log(_of_label(softmax(logits / t), labels) + 1e-12).mean() for t in options]
    return float(options[int(np.argmin(losses))])


def fit_thresholds(probabilities: Array, labels: NDArray[np.intp], clarify: int | None) -> tuple[float, float]:
    """Confidence and margin with the best gain: +1 for a right plan, -WRONG_COST for a confidently wrong one."""
    order = np.sort(probabilities, axis=1)
    top, gap = order[:, -1], order[:, -1] - order[:, -2]
    predicted = probabilities.argmax(1)
    right, unclear = predicted == labels, labels == clarify
    best, chosen = -np.inf, (LEAST_CONFIDENCE, LEAST_MARGIN)
    for confidence in np.arange(LEAST_CONFIDENCE, 0.71, 0.05):
        for margin in np.arange(LEAST_MARGIN, 0.31, 0.05):
            asks = (top < confidence) | (gap < margin) | (predicted == clarify)
            gain = np.where(asks, unclear, np.where(right, 1.0, -WRONG_COST)).mean()
            if gain > best + 1e-12:
                best, chosen = gain, (float(confidence), float(margin))
    return chosen


def expected_errors(
    probabilities: Array, labels: NDArray[np.intp], clarify: int | None, confidence: float, margin: float
) -> tuple[float, float, float]:
    """`wrong`, `asked` and `admitted` of Calibration, on probabilities (turns, routes) of turns that the judge has not
    seen.
    """
    order = np.sort(probabilities, axis=1)
    predicted, clear = probabilities.argmax(1), labels != clarify
    asks = (order[:, -1] < confidence) | (order[:, -1] - order[:, -2] < margin) | (predicted == clarify)
    return (
        _share((predicted != labels)[clear & ~asks]),
        _share(asks[clear]),
        _share(~asks[~clear]),
    )


def fold_of(message: str) -> int:
    """The fold a message belongs to, the same in every fit."""
    return zlib.crc32(message.encode()) % FOLDS


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else 0.0


def _of_label(probabilities: Array, labels: NDArray[np.intp]) -> Array:
    result: Array = probabilities[np.arange(len(labels)), labels]
    return result
