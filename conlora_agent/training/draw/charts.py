"""Bar and line charts: a title, axes with ticks, labelled values, every glyph labelled and every value known.

Not covered here: pie charts and several series; documents with text only (documents.py).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from conlora_agent.training.draw.colours import COLOURS, Colour, shade
from conlora_agent.training.draw.sample import Sample
from conlora_agent.training.draw.scenes import CAMERA
from conlora_agent.training.draw.text import Words, degrade, draw_line, load_font, text_width

Size = tuple[int, int]
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
TICKS = 4
INK = (40, 40, 45)
GRID = (205, 205, 210)


@dataclass(frozen=True)
class Axes:
    """Where the plot lies on the picture, in pixels, and the value at its top; its bottom is zero."""

    left: float
    top: float
    right: float
    bottom: float
    most: int

    def height_of(self, value: float) -> float:
        """The y of a value."""
        return self.bottom - (self.bottom - self.top) * value / self.most

    def middle_of(self, place: int, places: int) -> float:
        """The x of the middle of one of `places` columns."""
        return self.left + (self.right - self.left) * (place + 0.5) / places


def chart(rng: random.Random, size: Size, fonts: Sequence[str], words: Words, *, kind: str | None = None) -> Sample:
    """A picture of `size` (width, height) of one chart; `kind` is "bar" or "line", either by default.

    `facts` holds `title`, `kind`, `labels` and `values`, whole numbers in the order of the labels.
    """
    kind = kind or rng.choice(("bar", "line"))
    labels, step = _labels(rng, words), rng.choice((1, 2, 5, 10, 25, 50))
    most = TICKS * step
    values = [round(rng.uniform(0.08, 1.0) * most) or 1 for _ in labels]
    title = " ".join(words.word(rng).capitalize() for _ in range(rng.randint(1, 3)))
    picture = Image.new("RGB", size, (rng.randint(238, 255),) * 3)
    draw, sample = ImageDraw.Draw(picture), Sample(np.empty(0, np.uint8), kind=f"{kind} chart")
    sample.facts = {"title": title, "kind": kind, "labels": labels, "values": values}
    font = rng.choice(list(fonts))
    axes = _frame(rng, draw, sample, size, font, title, most)
    _write_labels(draw, sample, axes, font, labels)
    colour = shade(rng, rng.choice([name for name in COLOURS if name != "white"]))
    tops = [(axes.middle_of(i, len(values)), axes.height_of(value)) for i, value in enumerate(values)]
    (_bars if kind == "bar" else _line)(draw, axes, tops, colour)
    if rng.random() < 0.6:
        _write_values(draw, sample, axes, font, tops, values)
    sample.picture = degrade(rng, picture, CAMERA)
    return sample


def _labels(rng: random.Random, words: Words) -> list[str]:
    count, kind = rng.randint(3, 6), rng.random()
    if kind < 0.6:
        since = rng.randint(1990, 2018)
        series = rng.choice((MONTHS, DAYS, tuple(str(since + i) for i in range(7))))
        first = rng.randrange(len(series) - count + 1)
        return list(series[first : first + count])
    found: dict[str, None] = {}
    while len(found) < count:
        found.setdefault(words.word(rng).capitalize()[:6])
    return list(found)


def _frame(
    rng: random.Random, draw: ImageDraw.ImageDraw, sample: Sample, size: Size, path: str, title: str, most: int
) -> Axes:
    """Title, axes and the numbers beside the ticks."""
    width, height = size
    large = _fitting(path, title, width - 8, height // 12)
    sample.lines.append(draw_line(draw, ((width - text_width(large, title)) / 2, height * 0.03), title, large, INK))
    small = load_font(path, max(9, height // 20))
    axes = Axes(text_width(small, str(most)) + 10, height * 0.2, width - 8.0, height * 0.84, most)
    for tick in range(TICKS + 1):
        value, y = most * tick // TICKS, axes.height_of(most * tick // TICKS)
        if tick and rng.random() < 0.8:
            draw.line((axes.left, y, axes.right, y), fill=GRID)
        place = (axes.left - 4 - text_width(small, str(value)), y - small.size * 0.6)
        sample.lines.append(draw_line(draw, place, str(value), small, INK))
    draw.line((axes.left, axes.top, axes.left, axes.bottom, axes.right, axes.bottom), fill=INK, width=2)
    return axes


def _write_labels(draw: ImageDraw.ImageDraw, sample: Sample, axes: Axes, path: str, labels: Sequence[str]) -> None:
    room = (axes.right - axes.left) / len(labels) - 3
    font = _fitting(path, max(labels, key=len), room, 14)
    for place, label in enumerate(labels):
        x = axes.middle_of(place, len(labels)) - text_width(font, label) / 2
        sample.lines.append(draw_line(draw, (x, axes.bottom + 4), label, font, INK))


def _write_values(
    draw: ImageDraw.ImageDraw,
    sample: Sample,
    axes: Axes,
    path: str,
    tops: Sequence[tuple[float, float]],
    values: Sequence[int],
) -> None:
    font = load_font(path, 11)
    for (x, y), value in zip(tops, values, strict=True):
        place = (x - text_width(font, str(value)) / 2, max(axes.top - 14, y - 15))
        sample.lines.append(draw_line(draw, place, str(value), font, INK))


def _bars(draw: ImageDraw.ImageDraw, axes: Axes, tops: Sequence[tuple[float, float]], colour: Colour) -> None:
    half = (axes.right - axes.left) / len(tops) * 0.32
    for x, y in tops:
        draw.rectangle((x - half, y, x + half, axes.bottom - 1), fill=colour)


def _line(draw: ImageDraw.ImageDraw, axes: Axes, tops: Sequence[tuple[float, float]], colour: Colour) -> None:
    draw.line(list(tops), fill=colour, width=3)
    for x, y in tops:
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour)


def _fitting(path: str, text: str, room: float, largest: int) -> ImageFont.FreeTypeFont:
    """The largest font, down to seven pixels, in which `text` fits into `room` pixels."""
    sizes = range(max(7, largest), 6, -1)
    return next((f for f in (load_font(path, s) for s in sizes) if text_width(f, text) <= room), load_font(path, 7))
