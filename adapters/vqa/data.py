"""Question answering exercises: a scene, a question, a short answer."""

from __future__ import annotations

import random

from adapters.exercise import Exercise, Studio, about, some_scene


def exercise(rng: random.Random, studio: Studio) -> Exercise:
    """A question about colour, count, presence, position, size or text."""
    sample = some_scene(rng, studio)
    asked = studio.question(sample, rng)
    return about(sample, asked.question, asked.answers[0], asked.working)
