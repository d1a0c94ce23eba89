"""Whether any route can serve a message at all: a gate over the classifier's scores, fitted on validation data.

A softmax is sure of nonsense too, as long as one route is less wrong than the others. So the gate also looks at the
energy of the logits (Liu et al. 2020), at how near the text is to the middle of a route's examples and, where there is
a class of messages that nothing can serve, at how that one compares. Not covered here: which route it is.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from router.features import Array, as_features
from router.head import LinearHead, fit_head, logsumexp, softmax

UNKNOWN_SHARE = 0.2
"""The share of messages that no route can serve, for which the threshold is chosen: validation sets hold few of them
because they are hard to collect, not because users write few. Whoever knows better says so."""
L2 = 1e-3
FOLDS = 5
SHARPNESS = 20.0
"""How strongly the energy of similarities prefers the nearest middle."""
SCORES = (
    "how strongly routes claim it",
    "one route claiming it alone",
    "likeness to the nearest route's examples",
    "being nearer to those than to any other's",
    "likeness to all examples",
    "what it has in common with requests that nothing serves",
    "likeness to the examples of those",
)
"""What the columns of `familiarity` are, in words."""


@dataclass(frozen=True)
class Gate:
    """`head` decides on the standardised scores; accept from probability `threshold` on.

    `refused`, `admitted`: the shares to expect of known messages refused and of unknown ones admitted.
    """

    head: LinearHead
    mean: Array
    spread: Array
    threshold: float
    refused: float
    admitted: float

    def known(self, scores: Array) -> Array:
        """Probability that some route can serve each message, at the share of unknown ones of the fit: (messages,)."""
        odds = ((scores - self.mean) / self.spread) @ self._slope[:-1] + self._slope[-1]
        result: Array = 1 / (1 + np.exp(-odds))
        return result

    def summands(self, scores: Array) -> Array:
        """What each score adds to the log odds that some route can serve a message, the bias last:
        (messages, scores + 1).
        """
        added = (scores - self.mean) / self.spread * self._slope[:-1]
        return np.concatenate([added, np.full((len(scores), 1), self._slope[-1])], axis=1)

    @cached_property
    def _slope(self) -> Array:
        """Weights of the log odds, the bias last: (scores + 1,)."""
        result: Array = self.head.weights[:, 1] - self.head.weights[:, 0]
        return result

    def arrays(self) -> dict[str, Array]:
        """What has to be stored as arrays."""
        return {"gate": self.head.weights, "gate_mean": self.mean, "gate_spread": self.spread}

    def settings(self) -> dict[str, float]:
        """What has to be stored as JSON."""
        return {name: asdict(self)[name] for name in ("threshold", "refused", "admitted")}

    @classmethod
    def restore(cls, arrays: dict[str, Array], settings: dict[str, Any]) -> Gate:
        """The gate that `arrays` and `settings` came from. Raises KeyError or TypeError when something is missing."""
        weights = arrays["gate"]
        return cls(LinearHead(weights, weights[:, :0]), arrays["gate_mean"], arrays["gate_spread"], **settings)


def familiarity(logits: Array, similarities: Array, unclear: int | None = None) -> Array:
    """Scores out of logits and similarities to the routes' middles, both (messages, routes): (messages, 5), or 7 where
    the column `unclear` is that of the messages that nothing can serve.
    """
    if unclear is not None:
        apart = logits[:, unclear], similarities[:, unclear]
        logits, similarities = np.delete(logits, unclear, axis=1), np.delete(similarities, unclear, axis=1)
    ranked = np.partition(similarities, -min(2, similarities.shape[1]), axis=1)
    energy = logsumexp(logits)
    scores = [
        energy,
        logits.max(axis=1) - energy,
        ranked[:, -1],
        ranked[:, -1] - (ranked[:, -2] if ranked.shape[1] > 1 else 0.0),
        logsumexp(similarities * SHARPNESS),
    ]
    if unclear is not None:
        scores += [apart[0] - energy, apart[1]]
    return np.stack(scores, axis=1)


def fit_gate(known: Array, unknown: Array, right: NDArray[np.bool_], share: float = UNKNOWN_SHARE) -> Gate:
    """Fit on scores of known and unknown messages; `right`: whether the classifier's route was, for the known ones.

    The threshold makes the most messages come out right if `share` of them are unknown. It and the errors to expect
    are read off folds that the judging head has not seen.
    """
    rows = np.concatenate([known, unknown])
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    x = as_features((rows - mean) / spread)
    labels = np.repeat(np.array([1, 0], dtype=np.intp), [len(known), len(unknown)])
    weights = np.where(labels == 1, (1 - share) / len(known), share / len(unknown))
    fold = np.concatenate([np.arange(len(known)), np.arange(len(unknown))]) % FOLDS
    crossed = np.zeros(len(rows))
    for number in range(FOLDS):
        seen, unseen = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        head = fit_head(x[seen], labels[seen], 2, weights[seen], l2=L2)
        crossed[unseen] = softmax(head.logits(x[unseen]))[:, 1]
    inside, outside = crossed[labels == 1], crossed[labels == 0]
    threshold = _best_threshold(inside, outside, right, share)
    refused, admitted = float((inside < threshold).mean()), float((outside >= threshold).mean())
    return Gate(fit_head(x, labels, 2, weights, l2=L2), mean, spread, threshold, refused, admitted)


def _best_threshold(inside: Array, outside: Array, right: NDArray[np.bool_], share: float) -> float:
    """The threshold with the most right outcomes: known messages routed rightly, unknown ones turned away."""
    options = np.unique(np.concatenate([inside, outside]))
    order = np.argsort(inside)
    right_from = np.append(np.cumsum(right[order][::-1])[::-1], 0)  # right routes among inside[order][k:]
    served = right_from[np.searchsorted(inside[order], options)] / len(inside)
    turned_away = np.searchsorted(np.sort(outside), options) / len(outside)
    gain = (1 - share) * served + share * turned_away
    return float(options[int(np.argmax(gain))])
