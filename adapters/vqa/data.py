"""Question answering exercises: a scene, a question, a short answer."""

from __future__ import annotations

import random

from adapters.exercise import Exercise, Studio, about

TOLD = 0.75
"""Share of the exercises without a picture: what follows from what it is told is most of what is to be learned."""


def exercise(rng: random.Random, studio: Studio) -> Exercise:
    """A question about colour, count, presence, position, size or text."""
    sample = studio.layout(rng) if rng.random() < TOLD else studio.scene(rng)
    question, answer = studio.question(sample, rng)
    return about(sample, question, answer)
