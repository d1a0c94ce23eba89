"""Chart exercises: the whole of a chart, or the answer to one question about it; now and then there is no chart.

Charts are told, not drawn: what stands where on one is read by the mid layer, which learns on its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from adapters.exercise import Exercise, Studio

NO_CHART = "I see no chart that I can read."
"""The answer about any other picture."""
NO_TITLE = "The chart has no title."
OTHERS, ABSENT = 0.12, 0.06
"""Shares of exercises about other pictures, and about labels that are not there."""

EVERYTHING = (
    "", "read the chart", "list all values", "turn it into a table", "what are the values?", "read this bar chart",
    "extract the data", "give me the numbers behind this graph", "convert the graph to numbers", "chart to CSV",
    "what does this chart show?", "transcribe the plot", "make a list of labels and values", "the data of this diagram",
    "list everything that is on it", "show me all numbers", "the whole table", "every label with its value",
    "read out what the plot says", "all data points as lines",
)  # fmt: skip
TITLE = (
    "what is the title?", "what is this chart about?", "give me the title of the chart", "what's the graph called?",
    "which heading does it have?", "tell me the title of the bar graph", "what is the heading of the plot?",
)  # fmt: skip
VALUE = (
    "what is the value for {}?", "how much is it for {}?", "read off {}", "value of {}", "how high is the bar for {}?",
    "what does the chart say for {}?", "how many in {}?", "what was it in {}?", "and for {}?", "{}?", "what about {}?",
    "what number does the chart give for {}?", "give me {}", "{} value?", "the number for {}", "and {}?",
    "{}", "how far up does {} go?", "what stands at {}?", "I need the amount for {}", "how much is {}?",
    "what is {} according to the graph?",
)  # fmt: skip
HIGHEST = ("highest", "largest", "biggest", "greatest", "maximum", "top")
LOWEST = ("lowest", "smallest", "least", "minimum", "bottom")
TALLEST, SHORTEST = ("tallest", "highest", "longest", "biggest"), ("shortest", "lowest", "smallest")
WHICH = (
    "which one is the {}?", "which bar is the {}?", "which label has the {} value?", "what has the {} value?",
    "where is the value {}?", "which category is {}?", "when is it {}?", "name the {} one",
    "where is the {} point?", "who has the {} number?", "tell me which is {}",
)  # fmt: skip
HOW_MUCH = ("what is the {} value?", "{} value?", "how much is the {} value?", "what's the {} number in the chart?")
COUNT = (
    "how many bars are there?", "how many values does it show?", "how many bars?", "how many data points are there?",
    "how many categories does the chart have?", "count the bars",
)  # fmt: skip
LABELS = (
    "name the categories", "what are the labels?", "what is on the x axis?", "which categories are there?",
    "list the labels of the horizontal axis",
)  # fmt: skip
RANKING = ("rank them from highest to lowest", "sort the bars by size", "order them by value", "what is the ranking?")
SUM = ("what is the sum?", "what do they add up to?", "what is the total?", "sum of all bars?", "add up the values")
AVERAGE = ("what is the average?", "what is the mean value?", "average of the values?", "what's the mean?")
COMPARE = ("is {} higher than {}?", "is {} more than {}?", "is the bar for {} taller than the one for {}?")
HIGHER = ("which is higher, {} or {}?", "what is larger, {} or {}?", "{} or {}, which has more?", "compare {} and {}")
SECOND = ("which one is in second place?", "what is the second highest?", "which is second?")

Asked = tuple[str, str]
"""A request and its answer."""


def exercise(rng: random.Random, studio: Studio) -> Exercise:
    """A question about a chart that is told, or about a picture that is none."""
    if rng.random() < OTHERS:
        told = studio.layout(rng).facts["told"] if rng.random() < 0.6 else studio.report(rng)[0]
        return Exercise(None, _some_request(rng, studio), NO_CHART, told=told)
    sample = studio.chart_layout(rng)
    request, answer = asked(rng, sample.facts["chart"])
    return Exercise(None, _cased(rng, request), answer, told=sample.facts["told"])


def _some_request(rng: random.Random, studio: Studio) -> str:
    return _cased(rng, asked(rng, studio.chart_layout(rng).facts["chart"])[0])


def _cased(rng: random.Random, request: str) -> str:
    """As people type."""
    request = request[:1].upper() + request[1:] if rng.random() < 0.3 else request
    return request.rstrip("?") if rng.random() < 0.15 else request


def asked(rng: random.Random, chart: Any) -> Asked:
    """A question about a chart (its title, labels and values as they are told) and the answer."""
    known = {label: value for label, value in zip(chart.labels, chart.values, strict=True) if value is not None}
    kinds: list[tuple[float, Callable[[], Asked]]] = [
        (0.14, lambda: (rng.choice(EVERYTHING), table(chart))),
        (0.1, lambda: (rng.choice(TITLE), chart.title or NO_TITLE)),
        (0.3, lambda: _value(rng, chart)),
        (0.05, lambda: (rng.choice(COUNT), str(len(chart.labels)))),
        (0.04, lambda: (rng.choice(LABELS), ", ".join(chart.labels))),
    ]
    if known:
        kinds += [(0.15, lambda: _extreme(rng, known)), (0.05, lambda: _together(rng, chart))]
    if len({amount(value) for value in known.values()}) > 1:
        kinds.append((0.11, lambda: _compared(rng, known)))
    return rng.choices([make for _, make in kinds], [weight for weight, _ in kinds])[0]()


def table(chart: Any) -> str:
    """All of a chart: its title, then a label and its value a line."""
    rows = (f"{label}: {value or 'unknown'}" for label, value in zip(chart.labels, chart.values, strict=True))
    return "\n".join([*([chart.title] if chart.title else []), *rows])


def amount(value: str) -> float:
    """The number in a value."""
    return float("".join(char for char in value if char in "-.0123456789"))


def _value(rng: random.Random, chart: Any) -> Asked:
    labels = dict(zip(chart.labels, chart.values, strict=True))
    if rng.random() < ABSENT / 0.3:
        # One of another series, so that nothing but the labels tells.
        label = rng.choice(("Jan", "Sep", "Dec", "Mon", "Sat", "1987", "2031", "Berlin", "total", "Q5", "women"))
        if not any(known.lower().startswith(label.lower()) for known in labels):
            return rng.choice(VALUE).format(label), f"I find no {label} on the chart."
    label, value = rng.choice(list(labels.items()))
    typed = label if rng.random() < 0.75 else label.lower()
    return rng.choice(VALUE).format(typed), value or f"I cannot make out the value for {label}."


def _extreme(rng: random.Random, known: dict[str, str]) -> Asked:
    """Where several are alike, all of them are named."""
    pick, words, tall = rng.choice(((max, HIGHEST, TALLEST), (min, LOWEST, SHORTEST)))
    value = pick(known.values(), key=amount)
    if rng.random() < 0.4:
        return rng.choice(HOW_MUCH).format(rng.choice(words)), value
    there = [label for label in known if amount(known[label]) == amount(value)]
    return rng.choice(WHICH).format(rng.choice((*words, *tall))), f"{' and '.join(there)} with {value}"


def _together(rng: random.Random, chart: Any) -> Asked:
    return (rng.choice(SUM), chart.total) if rng.random() < 0.5 else (rng.choice(AVERAGE), chart.average)


def _compared(rng: random.Random, known: dict[str, str]) -> Asked:
    ranked = sorted(known, key=lambda label: -amount(known[label]))
    kind = rng.random()
    if kind < 0.2:
        return rng.choice(RANKING), ", ".join(ranked)
    if kind < 0.35 and amount(known[ranked[0]]) > amount(known[ranked[1]]):
        return rng.choice(SECOND), f"{ranked[1]} with {known[ranked[1]]}"
    one, other = _two(rng, ranked, known)
    more, less = sorted((one, other), key=lambda label: -amount(known[label]))
    if kind < 0.65:
        word = "Yes" if more == one else "No"
        return rng.choice(COMPARE).format(one, other), f"{word}, {one} is {known[one]} and {other} is {known[other]}."
    return rng.choice(HIGHER).format(one, other), f"{more} with {known[more]}, {less} has {known[less]}"


def _two(rng: random.Random, labels: Sequence[str], known: dict[str, str]) -> list[str]:
    while True:
        two = rng.sample(labels, 2)
        if amount(known[two[0]]) != amount(known[two[1]]):
            return two
