"""Locating exercises: a phrase, and the boxes it refers to."""

from __future__ import annotations

import random
import re

from adapters.exercise import Exercise, Studio, about, some_scene

BOX_RANGE = 100
"""Boxes are taught as integers 0..99 of the picture, two digits each, x0 y0 x1 y1."""


def exercise(rng: random.Random, studio: Studio) -> Exercise:
    """Boxes from left to right, separated by "; ", or "none" when the thing is not there.

    Each box is introduced by the thing's name, the very words that stand before its place in the visual tokens: a
    language model that has just written "blue book:" goes on with what followed those words before.
    """
    sample = some_scene(rng, studio)
    phrase, boxes = studio.phrase(sample, rng)
    height, width = sample.picture.shape[:2]
    written = [written_box(box, width, height) for box in sorted(boxes, key=lambda b: b[0] + b[2])]
    label = re.sub(r"^(the|a|an|all|all the|every|any|some)\s+", "", phrase.strip(), flags=re.IGNORECASE)
    return about(sample, phrase, "; ".join(f"{label}: {box}" for box in written) or "none")


def written_box(box: tuple[float, float, float, float], width: int, height: int) -> str:
    """A pixel box in the form the model writes."""
    sides = (width, height, width, height)
    values = [min(1.0, max(0.0, v / side)) for v, side in zip(box, sides, strict=True)]
    return " ".join(f"{round(v * (BOX_RANGE - 1)):02d}" for v in values)
