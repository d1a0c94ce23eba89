"""Describing exercises: a scene and a sentence about it."""

from __future__ import annotations

import random

from adapters.exercise import Exercise, Studio


def exercise(rng: random.Random, studio: Studio) -> Exercise:
    """One fluent sentence naming what is there."""
    sample = studio.scene(rng)
    return Exercise(sample.picture, "", studio.caption(sample, rng))
