"""Charts told instead of drawn: what the mid layer would say of one that nobody drew, with what may go wrong in it."""

from __future__ import annotations

import random

from conlora_agent.training.draw.figures import Figures, figures
from conlora_agent.training.draw.sample import Sample, TextLine
from conlora_agent.training.draw.text import Words
from conlora_agent.training.draw.told import NOWHERE, told, untold
from conlora_agent.wording import Chart, with_unit

UNTITLED, UNREAD, THINGS = 0.1, 0.03, 0.3
"""Shares: of charts without a title, of values that are not made out, of charts on which things are seen as well."""
WRITTEN, AXIS_TITLED = 0.35, 0.4
"""Shares: of charts whose values stand at the data, and with a word beside an axis."""


def chart_layout(rng: random.Random, size: tuple[int, int], words: Words) -> Sample:
    """A chart that is laid out, not drawn; `facts` has it as `chart`, and what the mid layer would say as `told`."""
    shown = figures(rng, words, zero=rng.random() < 0.6)
    values = tuple(None if rng.random() < UNREAD else with_unit(value, shown.unit) for value in shown.values)
    chart = Chart(None if rng.random() < UNTITLED else shown.title, tuple(shown.labels), values)
    sample = untold(rng, size, words)
    sample.kind = "chart"
    sample.objects = sample.objects[:3] if rng.random() < THINGS else []
    sample.lines = [TextLine(text, NOWHERE) for text in _lines(rng, chart, shown, words)]
    sample.facts["chart"] = chart
    sample.facts["told"] = told(sample)
    return sample


def _lines(rng: random.Random, chart: Chart, shown: Figures, words: Words) -> list[str]:
    """The text on it: ticks, and values among them, from the top, then the labels."""
    beside = [(tick, shown.ticked(tick)) for tick in shown.ticks]
    if rng.random() < WRITTEN:
        beside += [(value, shown.said(value)) for value in shown.values]
    beside.sort(reverse=True)
    extra = [rng.choice(words.vocabulary)] if rng.random() < AXIS_TITLED else []
    return [*([chart.title] if chart.title else []), *(text for _, text in beside), *chart.labels, *extra]
