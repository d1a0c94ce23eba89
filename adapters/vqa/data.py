"""Question answering exercises: a scene, a question, a short answer."""

from __future__ import annotations

import random

from adapters.exercise import Exercise, Studio


def exercise(rng: random.Random, studio: Studio) -> Exercise:
    """A question about colour, count, presence, position, size or text."""
    sample = studio.scene(rng)
    question, answer = studio.question(sample, rng)
    return Exercise(sample.picture, question, answer)
