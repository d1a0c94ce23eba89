"""What charts show, before anything is drawn: titles, labels, values and the axis they are read off."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from conlora_agent.training.draw.text import Words

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LONG_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
               "November", "December")  # fmt: skip
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
COUNTS = (2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 8, 10, 12)
STEPS, POWERS = (1, 2, 2.5, 5), (-2, -1, 0, 0, 1, 1, 2, 3, 4, 5)
"""A tick stands at each multiple of one of STEPS times a power of ten."""
UNITS = (("", ""),) * 8 + (("", "%"),) * 3 + (("$", ""), ("", "k"), ("", "M"))
"""What stands before and behind numbers that are not large."""
TITLES = ("{} by {}", "{} per {}", "{} of {}", "{} and {}", "{} in {}", "Number of {1}", "Share of {1}", "Total {1}")
NEGATIVE = 0.12
"""Share of charts with values below zero."""


@dataclass(frozen=True)
class Figures:
    """The content of a chart."""

    title: str
    labels: list[str]
    values: list[float]
    step: float
    """From one tick to the next."""
    unit: tuple[str, str] = ("", "")
    """What stands before and behind each number."""
    ticks: list[float] = field(default_factory=list)
    commas: bool = False
    """Whether thousands are parted on the axis."""

    @property
    def decimals(self) -> int:
        """Of the values; a tenth of a step is the finest there is."""
        return max(0, 1 - _power(self.step))

    def said(self, value: float, *, commas: bool = False) -> str:
        """A value with its unit."""
        decimals = self.decimals if not commas or abs(value) < 1000 else 0
        number = f"{abs(value):{',' if commas else ''}.{decimals}f}"
        return f"{'-' if float(number.replace(',', '')) and value < 0 else ''}{self.unit[0]}{number}{self.unit[1]}"

    def ticked(self, value: float) -> str:
        """The number beside a tick."""
        power = _power(self.step)
        decimals = max(0, 1 - power - (self.step / 10**power != 2.5))
        number = f"{abs(value):{',' if self.commas else ''}.{decimals}f}"
        return f"{'-' if value < 0 else ''}{self.unit[0]}{number}{self.unit[1]}"


def _power(step: float) -> int:
    """Of ten, in a step."""
    return math.floor(math.log10(step) + 1e-9)


def figures(rng: random.Random, words: Words, *, zero: bool = True) -> Figures:
    """What a chart shows. Bars begin at zero (`zero`); lines may have an axis that does not."""
    labels = _labels(rng, words)
    step = rng.choice(STEPS) * 10.0 ** rng.choice(POWERS)
    count, first = rng.randint(3, 9), 0
    if rng.random() < NEGATIVE:
        first = -rng.randint(1, count)
    elif not zero and rng.random() < 0.4:
        first = rng.randint(1, 20)
    decimals = max(0, 1 - _power(step))
    low, high = (0.03 if first == 0 else first), first + count - rng.choice((0, 0, 0.3, 0.6))
    values = [round(rng.uniform(low, high) * step, decimals) for _ in labels]
    if step >= 100 and rng.random() < 0.5:
        values = [float(round(value / step * 20) * round(step / 20)) for value in values]
    ticks = [round((first + k) * step, 9) for k in range(count + 1)]
    unit = rng.choice(UNITS) if step <= 100 else ("", "")
    return Figures(_title(rng, words), labels, values, step, unit, ticks, commas=rng.random() < 0.6)


def _title(rng: random.Random, words: Words) -> str:
    if rng.random() < 0.4:
        made = rng.choice(TITLES).format(_plain(rng, words).capitalize(), _plain(rng, words))
        return made + (f" {rng.randint(1990, 2026)}" if rng.random() < 0.2 else "")
    return " ".join(_plain(rng, words).capitalize() for _ in range(rng.randint(1, 4)))


def _plain(rng: random.Random, words: Words) -> str:
    return rng.choice(words.vocabulary).lower()


def _labels(rng: random.Random, words: Words) -> list[str]:
    count, kind = rng.choice(COUNTS), rng.random()
    if kind < 0.6:
        since, every = rng.randint(1980, 2020), rng.choice((1, 1, 1, 2, 5, 10))
        years = tuple(str(since + every * i) for i in range(12))
        some = rng.choice((MONTHS, MONTHS, LONG_MONTHS, DAYS, years, years, _numbered(rng)))
        first = rng.randrange(max(1, len(some) - count + 1))
        return list(some[first : first + count])
    found: dict[str, None] = {}
    while len(found) < min(count, 8):
        word = _plain(rng, words)
        found.setdefault(rng.choice((word.capitalize(), word.capitalize(), word, word.upper()))[:10])
    return list(found)


def _numbered(rng: random.Random) -> Sequence[str]:
    before = rng.choice(("Q", "Week ", "Day ", "W", "Team ", "Group ", "", "Year ", "Class "))
    return tuple(f"{before}{i}" for i in range(1, 5 if before == "Q" else 13))
