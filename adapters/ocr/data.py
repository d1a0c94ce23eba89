"""Reading exercises: pictures of words, and documents."""

from __future__ import annotations

import random

from adapters.exercise import TOLD, Exercise, Studio

LONGEST = 60
"""Characters of the longest text on a picture: copying longer ones is the same skill at a higher price."""


def exercise(rng: random.Random, studio: Studio) -> Exercise:
    """All text of a picture, seen or told of, line by line in reading order; "(no text)" when there is none."""
    if rng.random() < TOLD:
        told, lines = studio.report(rng)
        return Exercise(None, "", "\n".join(lines), told=told)
    while True:
        sample = studio.text(rng, studio.read_canvas(rng))
        text = "\n".join(line.text for line in sample.lines)
        if len(text) <= LONGEST:
            return Exercise(sample.picture, "", text or "(no text)", read=True)
