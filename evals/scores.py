"""Figures of a classifier as pure functions: per-class precision and recall, ranking, calibration, latency.

Not covered here: task metrics (metrics.py), reading data and asking the router (router.py, intents.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

ECE_BINS = 10
Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]


class Latency(BaseModel):
    """Milliseconds, by percentile."""

    p50: float
    p95: float

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> Latency:
        """The percentiles of some measurements."""
        return cls(p50=float(np.percentile(milliseconds, 50)), p95=float(np.percentile(milliseconds, 95)))


class ClassScore(BaseModel):
    """One class: how often it was right to choose it, how often it was chosen when right; `n` times expected."""

    name: str
    n: int
    precision: float
    recall: float
    f1: float


class Bin(BaseModel):
    """One bin of a reliability diagram: mean confidence and accuracy of its `n` rows."""

    n: int
    confidence: float
    accuracy: float


def class_scores(expected: Sequence[Sequence[str]], got: Sequence[Sequence[str]]) -> list[ClassScore]:
    """Scores of every class that is expected anywhere, by name; each row is a bag of classes."""
    hits: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    made: Counter[str] = Counter()
    for right, guess in zip(expected, got, strict=True):
        wanted.update(right)
        made.update(guess)
        hits.update(Counter(right) & Counter(guess))
    return [
        ClassScore(
            name=name,
            n=wanted[name],
            precision=hits[name] / made[name] if made[name] else 0.0,
            recall=hits[name] / wanted[name],
            f1=2 * hits[name] / (wanted[name] + made[name]),
        )
        for name in sorted(wanted)
    ]


def macro_f1(scores: Sequence[ClassScore]) -> float:
    """Mean F1, every class counting the same."""
    return float(np.mean([score.f1 for score in scores]))


def auroc(scores: Floats, positive: Flags) -> float | None:
    """Probability that a positive scores above a negative, ties counting half; None without both."""
    if not positive.any() or positive.all():
        return None
    negatives = np.sort(scores[~positive])
    below = np.searchsorted(negatives, scores[positive], side="left")
    not_above = np.searchsorted(negatives, scores[positive], side="right")
    return float((below + not_above).mean() / 2 / len(negatives))


def fpr95(scores: Floats, positive: Flags) -> float | None:
    """Share of negatives that score at least as high as what 95% of the positives reach; None without both."""
    if not positive.any() or positive.all():
        return None
    threshold = np.quantile(scores[positive], 0.05, method="lower")
    return float((scores[~positive] >= threshold).mean())


def reliability(confidence: Floats, right: Flags) -> list[Bin]:
    """Equally wide bins of confidence that hold rows, from low to high."""
    place = np.clip((confidence * ECE_BINS).astype(int), 0, ECE_BINS - 1)
    return [
        Bin(
            n=int((place == number).sum()),
            confidence=float(confidence[place == number].mean()),
            accuracy=float(right[place == number].mean()),
        )
        for number in np.unique(place)
    ]


def calibration_error(confidence: Floats, right: Flags) -> float:
    """Expected calibration error: mean distance of confidence and accuracy over `reliability`, weighted by rows."""
    return sum(b.n * abs(b.confidence - b.accuracy) for b in reliability(confidence, right)) / len(right)
