"""Words for what boxes and charts show. Answers and nano's mid layer say them, exercises ask for them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from conlora_agent.core.types import Box

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
MIDDLE = (0.38, 0.62)
"""What lies between these shares of the picture's width or height is in its middle."""
WHERE = {
    "left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom",
    "middle": "in the middle", "top left": "at the top left", "top right": "at the top right",
    "bottom left": "at the bottom left", "bottom right": "at the bottom right",
}  # fmt: skip
"""Parts of the picture and how a sentence says them."""


def in_words(number: int) -> str:
    """A number as a word, as far as there is one."""
    return NUMBERS[number] if number < len(NUMBERS) else str(number)


def part_of_picture(x: float, y: float) -> str:
    """The part, a key of WHERE, that a place (0..1, 0..1) is in."""
    down = "top" if y < MIDDLE[0] else "bottom" if y > MIDDLE[1] else ""
    across = "left" if x < MIDDLE[0] else "right" if x > MIDDLE[1] else ""
    return f"{down} {across}".strip() or "middle"


SIZES = 10
"""Sizes, as told: 9 is all of the picture, each one down CLEARLY_LARGER times less of it, 0 the rest."""
CLEARLY_LARGER = 1.8
"""Ratio of areas from which nobody argues which of two things is larger; only such of size 0 have one size."""


def size_told(box: Box) -> str:
    """How much of the picture a box covers, one digit: a language model this small works out no areas."""
    share = max((box[2] - box[0]) * (box[3] - box[1]), 1e-9)
    return f"size{max(0, SIZES - 1 + round(math.log(share, CLEARLY_LARGER)))}"


def whereabouts(box: Box) -> str:
    """Where the middle of a box is, as a sentence says it."""
    return WHERE[part_of_picture((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)]


@dataclass(frozen=True)
class Chart:
    """A chart as read."""

    title: str | None
    labels: tuple[str, ...]
    values: tuple[str | None, ...]
    """Per label; None where nothing was made out."""

    @property
    def amounts(self) -> list[float]:
        """The numbers in those values that were made out."""
        return [amount(value) for value in self.values if value is not None]

    @property
    def total(self) -> str:
        """What they come to together."""
        return written_number(round(sum(self.amounts), self._decimals))

    @property
    def average(self) -> str:
        """Their mean, one decimal finer than they are."""
        return written_number(round(sum(self.amounts) / len(self.amounts), self._decimals + 1))

    @property
    def _decimals(self) -> int:
        return max(len(written_number(number).partition(".")[2]) for number in self.amounts)


def told_chart(chart: Chart) -> str:
    """What is said of a chart, a line each: title, number of values, each value, and what they come to together.

    The latter is what a language model this small cannot work out: the extremes, the order, the sum and the mean.
    """
    known = [(label, value) for label, value in zip(chart.labels, chart.values, strict=True) if value is not None]
    lines = [f"chart title is {chart.title}" if chart.title else "chart has no title"]
    lines.append(f"chart shows {in_words(len(chart.labels))} values")
    lines += [f"{label} is {value or 'unknown'}" for label, value in zip(chart.labels, chart.values, strict=True)]
    if known:
        lines += [*_ranked(known), f"sum is {chart.total}", f"average is {chart.average}"]
    return "".join(f" {line}\n" for line in lines)


def _ranked(known: list[tuple[str, str]]) -> list[str]:
    amounts = [amount(value) for _, value in known]
    ranked = sorted(range(len(known)), key=lambda k: -amounts[k])
    lines = []
    for word, extreme in (("highest", max(amounts)), ("lowest", min(amounts))):
        there = [k for k in range(len(known)) if amounts[k] == extreme]
        lines.append(f"{word} is {' and '.join(known[k][0] for k in there)} with {known[there[0]][1]}")
    lines.append(f"order is {', '.join(known[k][0] for k in ranked)}")
    return lines


def amount(value: str) -> float:
    """The number in a value that has a unit."""
    return float(re.sub(r"[^0-9.-]", "", value))


def with_unit(value: float, unit: tuple[str, str]) -> str:
    """A number with what stands before and behind it."""
    return f"{'-' * (value < 0)}{unit[0]}{written_number(abs(value))}{unit[1]}"


def written_number(value: float) -> str:
    """A number as it is told: no more digits than it has, no exponent, no sign on zero."""
    told = f"{value:.9f}".rstrip("0").rstrip(".") if abs(value) < 1e6 else f"{value:.0f}"
    return "0" if told == "-0" else told
