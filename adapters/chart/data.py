"""Chart exercises: the whole of a chart, or the answer to one question about it."""

from __future__ import annotations

import random

from adapters.exercise import Exercise, Studio

EVERYTHING = ("", "read the chart", "list all values", "turn it into a table", "what are the values?")


def exercise(rng: random.Random, studio: Studio) -> Exercise:
    """A third of the time all of it, title first, one label and value a line; else a title, a value or an extreme."""
    sample = studio.chart(rng)
    labels, values = sample.facts["labels"], sample.facts["values"]
    if rng.random() < 0.35:
        lines = (f"{label}: {value}" for label, value in zip(labels, values, strict=True))
        return Exercise(sample.picture, rng.choice(EVERYTHING), "\n".join([sample.facts["title"], *lines]))
    return Exercise(sample.picture, *_question(rng, sample.facts["title"], labels, values))


def _question(rng: random.Random, title: str, labels: list[str], values: list[int]) -> tuple[str, str]:
    """A question and its answer. An extreme is asked for only where one value is that extreme."""
    kind = rng.random()
    if kind < 0.25:
        return rng.choice(("what is the title?", "what is this chart about?", "give me the title of the chart")), title
    if kind < 0.65 or len(set(values)) < len(values):
        label, value = rng.choice(list(zip(labels, values, strict=True)))
        asked = rng.choice(("what is the value for {}?", "how much is it for {}?", "read off {}", "value of {}"))
        return asked.format(label), str(value)
    word, pick = rng.choice((("highest", max), ("lowest", min), ("largest", max), ("smallest", min)))
    if rng.random() < 0.5:
        return f"what is the {word} value?", str(pick(values))
    return f"which one is the {word}?", labels[values.index(pick(values))]
