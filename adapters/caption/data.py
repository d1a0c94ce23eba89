"""Describing exercises: a scene and a sentence about it."""

from __future__ import annotations

import random

from adapters.exercise import Exercise, Studio, about

TOLD = 0.75
"""Share of the exercises without a picture: saying what it is told, and no more, is most of what is to be learned."""


def exercise(rng: random.Random, studio: Studio) -> Exercise:
    """One fluent sentence naming what is there."""
    sample = studio.layout(rng) if rng.random() < TOLD else studio.scene(rng)
    return about(sample, "", studio.caption(sample, rng))
