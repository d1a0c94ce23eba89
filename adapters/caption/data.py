"""Describing exercises: a scene and a sentence about it."""

from __future__ import annotations

import random

from adapters.exercise import Exercise, Studio, about, some_scene


def exercise(rng: random.Random, studio: Studio) -> Exercise:
    """One fluent sentence naming what is there."""
    sample = some_scene(rng, studio)
    return about(sample, "", studio.caption(sample, rng))
