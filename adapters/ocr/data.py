"""Reading exercises: pictures of words, and documents."""

from __future__ import annotations

import random

from adapters.exercise import Exercise, Studio


def exercise(rng: random.Random, studio: Studio) -> Exercise:
    """All text of the picture, line by line in reading order; "(no text)" when there is none."""
    sample = studio.text(rng, studio.read_canvas(rng))
    text = "\n".join(line.text for line in sample.lines)
    return Exercise(sample.picture, "", text or "(no text)", spelled=True)
