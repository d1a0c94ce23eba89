"""Bar and line charts in many styles: title, axes with ticks, labelled values; every glyph, value and column known.

Not covered here: what charts show (figures.py); pie charts, lying bars and several series.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from conlora_agent.training.draw.colours import COLOURS, Colour, shade
from conlora_agent.training.draw.figures import Figures, figures
from conlora_agent.training.draw.sample import Sample
from conlora_agent.training.draw.scenes import CAMERA
from conlora_agent.training.draw.text import Words, contrasting, degrade, draw_line, load_font, luminance, text_width

Size = tuple[int, int]
SMOOTH = 2
"""Shapes are drawn so many times larger, and shrunk: what most programs draw has smooth edges."""


@dataclass(frozen=True)
class Axes:
    """Where the plot lies on the picture, in pixels, and the values at its bottom and top."""

    left: float
    top: float
    right: float
    bottom: float
    least: float
    most: float
    margin: float = 0.5
    """From either side to the first column's middle, in columns."""

    def height_of(self, value: float) -> float:
        """The y of a value."""
        return self.bottom - (self.bottom - self.top) * (value - self.least) / (self.most - self.least)

    def pitch(self, places: int) -> float:
        """From one of `places` columns to the next."""
        return (self.right - self.left) / (places - 1 + 2 * self.margin)

    def middle_of(self, place: int, places: int) -> float:
        """The x of the middle of one of `places` columns."""
        return self.left + self.pitch(places) * (place + self.margin)


@dataclass(frozen=True)
class Style:
    """How a chart looks."""

    paper: Colour
    plot: Colour
    ink: Colour
    grid: Colour
    fills: list[Colour]
    """One per value."""
    width: float
    """Of bars, in columns; of lines, in pixels."""
    rules: tuple[bool, bool]
    """Whether there are lines across and up."""
    frame: str = field(default="corner")
    marker: str = ""
    smooth: bool = True

    @classmethod
    def random(cls, rng: random.Random, kind: str, count: int) -> Style:
        """One of many."""
        tone = rng.random()
        if tone < 0.72:
            paper: Colour = rng.choice(((255, 255, 255), (255, 255, 255), (rng.randint(225, 255),) * 3))
        else:
            dark = rng.randint(0, 50)
            paper = (
                (dark, dark, min(255, dark + rng.choice((0, 0, 15))))
                if tone < 0.88
                else contrasting(rng, (0, 0, 0), 150)
            )
        plot = (
            paper
            if rng.random() < 0.65
            else _mixed(paper, rng.choice(((0, 0, 0), (255, 255, 255), (128, 128, 200))), 0.12)
        )
        ink = _mixed((0, 0, 0) if luminance(paper) > 127 else (255, 255, 255), paper, rng.uniform(0, 0.35))
        names = [name for name in COLOURS if abs(luminance(shade(random.Random(0), name)) - luminance(plot)) > 25]
        fill = shade(rng, rng.choice(names))
        fills = [shade(rng, rng.choice(names)) for _ in range(count)] if rng.random() < 0.35 else [fill] * count
        return cls(
            paper, plot, ink,
            grid=_mixed(plot, ink if rng.random() < 0.7 else (255, 255, 255), rng.uniform(0.08, 0.5)),
            fills=fills,
            width=rng.uniform(0.25, 1.0) if kind == "bar" else rng.uniform(0.8, 4.5),
            rules=(rng.random() < 0.6, rng.random() < 0.25),
            frame=rng.choice(("corner", "corner", "box", "box", "bottom", "none")),
            marker=rng.choice(("", "", "dot", "dot", "square", "ring")) if kind == "line" else "",
            smooth=rng.random() < 0.8,
        )  # fmt: skip


def chart(rng: random.Random, size: Size, fonts: Sequence[str], words: Words, *, kind: str | None = None) -> Sample:
    """A picture of `size` (width, height) of one chart; `kind` is "bar" or "line", either by default.

    `facts` holds `title`, `kind`, `labels`, `values` as they are said, in the order of the labels, `span` (the range of
    the axis), `written` (whether the values stand at the data), and what columns are made from: `axes`, `tops` (the
    places of the data) and `beneath` (where the labels begin).
    """
    kind = kind or rng.choice(("bar", "bar", "line"))
    shown = figures(rng, words, zero=kind == "bar")
    style, font = Style.random(rng, kind, len(shown.values)), rng.choice(list(fonts))
    written = rng.random() < 0.35
    axes = _axes(rng, shown, size, font, kind)
    count = len(shown.labels)
    tops = [(axes.middle_of(i, count), axes.height_of(value)) for i, value in enumerate(shown.values)]
    picture = _shapes(rng, size, style, axes, shown, tops, kind)
    draw, sample = ImageDraw.Draw(picture), Sample(np.empty(0, np.uint8), kind=f"{kind} chart")
    _write_title(rng, draw, sample, axes, font, shown.title, style.ink, size)
    _write_ticks(draw, sample, axes, font, shown, style.ink, size)
    beneath = axes.bottom + max(3, size[1] // 60)
    _write_labels(draw, sample, axes, font, shown.labels, style.ink, beneath)
    if written:
        _write_values(rng, draw, sample, axes, font, tops, shown, style)
    sample.picture = degrade(rng, picture, CAMERA)
    sample.facts = {
        "title": shown.title, "kind": kind, "labels": shown.labels, "values": [shown.said(v) for v in shown.values],
        "span": axes.most - axes.least, "written": written, "axes": axes, "tops": tops, "beneath": beneath,
    }  # fmt: skip
    return sample


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    return tuple(round(a + (b - a) * share) for a, b in zip(one, other, strict=True))  # type: ignore[return-value]


def _small(path: str, size: Size) -> ImageFont.FreeTypeFont:
    return load_font(path, max(9, size[1] // 26))


def _axes(rng: random.Random, shown: Figures, size: Size, path: str, kind: str) -> Axes:
    """Room for the numbers on the left, title above, labels beneath. The axis may end beyond its last tick or at it."""
    width, height = size
    small = _small(path, size)
    left = max(text_width(small, shown.ticked(tick)) for tick in shown.ticks) + 10 + rng.randint(0, width // 20)
    above = rng.uniform(0, 0.9) * shown.step if rng.random() < 0.5 else 0.0
    below = rng.uniform(0, 0.9) * shown.step if kind == "line" and rng.random() < 0.4 else 0.0
    # Some programs leave a twentieth of the width beside the first and last datum.
    margin = rng.choice((0.5, 0.5, 0.7)) if kind == "bar" else rng.choice((0.5, 0.1, 0.05 * len(shown.labels)))
    if kind == "line" and len(shown.labels) < 3:
        margin = 0.5
    ends = height * rng.uniform(0.12, 0.22), width - rng.uniform(0.03, 0.1) * width, height * rng.uniform(0.82, 0.9)
    return Axes(left, *ends, shown.ticks[0] - below, shown.ticks[-1] + above, margin)


def _shapes(
    rng: random.Random, size: Size, style: Style, axes: Axes, shown: Figures, tops: list[tuple[float, float]], kind: str
) -> Image.Image:
    """The picture without its text."""
    times = SMOOTH if style.smooth else 1
    picture = Image.new("RGB", (size[0] * times, size[1] * times), style.paper)
    pen = _Pen(ImageDraw.Draw(picture), times)
    pen.box(axes.left, axes.top, axes.right, axes.bottom, style.plot)
    for tick in shown.ticks if style.rules[0] else ():
        pen.line([(axes.left, axes.height_of(tick)), (axes.right, axes.height_of(tick))], style.grid, 1)
    for x, _ in tops if style.rules[1] else ():
        pen.line([(x, axes.top), (x, axes.bottom)], style.grid, 1)
    if kind == "bar":
        _bars(rng, pen, style, axes, tops)
    else:
        _line(rng, pen, style, axes, tops)
    if rng.random() < 0.06:
        y = rng.uniform(axes.top, axes.bottom)
        pen.line([(axes.left, y), (axes.right, y)], shade(rng, "red"), 1)
    _frame(rng, pen, style, axes, shown, tops)
    return picture.resize(size, Image.Resampling.BOX) if times > 1 else picture


class _Pen:
    """Draws in pixels of the picture on one that is some times larger."""

    def __init__(self, draw: ImageDraw.ImageDraw, times: int) -> None:
        self.draw, self.times = draw, times

    def box(
        self, x0: float, y0: float, x1: float, y1: float, fill: Colour | None, outline: Colour | None = None
    ) -> None:
        """A rectangle; its lower right edge is not part of it."""
        edges = [round(v * self.times) for v in (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))]
        if edges[2] > edges[0] and edges[3] > edges[1]:
            self.draw.rectangle((*edges[:2], edges[2] - 1, edges[3] - 1), fill, outline, self.times)

    def line(self, points: Sequence[tuple[float, float]], fill: Colour, width: float) -> None:
        """A line through points."""
        wide = max(1, round(width * self.times))
        self.draw.line([(x * self.times, y * self.times) for x, y in points], fill, wide, joint="curve")

    def dot(self, x: float, y: float, radius: float, fill: Colour, outline: Colour | None, *, square: bool) -> None:
        """A marker."""
        edges = tuple(v * self.times for v in (x - radius, y - radius, x + radius, y + radius))
        (self.draw.rectangle if square else self.draw.ellipse)(edges, fill, outline, self.times)


def _bars(rng: random.Random, pen: _Pen, style: Style, axes: Axes, tops: list[tuple[float, float]]) -> None:
    half, base = axes.pitch(len(tops)) * style.width / 2, axes.height_of(min(max(0.0, axes.least), axes.most))
    outline = rng.choice((None, None, None, style.ink, _mixed(style.fills[0], (0, 0, 0), 0.4)))
    shaded = rng.random() < 0.1
    for (x, y), fill in zip(tops, style.fills, strict=True):
        pen.box(x - half, y, x + half, base, fill, outline)
        if shaded:  # a gloss along one side
            pen.box(x - half, y, x - half / 3, base, _mixed(fill, (255, 255, 255), 0.25))


def _line(rng: random.Random, pen: _Pen, style: Style, axes: Axes, tops: list[tuple[float, float]]) -> None:
    colour, joined = style.fills[0], not style.marker or rng.random() < 0.85
    if joined and rng.random() < 0.12:
        under = [(tops[0][0], axes.bottom), *tops, (tops[-1][0], axes.bottom)]
        pen.draw.polygon([(x * pen.times, y * pen.times) for x, y in under], _mixed(style.plot, colour, 0.35))
    if joined:
        pen.line(tops, colour, style.width)
    radius = max(2.5, style.width * rng.uniform(0.9, 1.8))
    for x, y in tops if style.marker else ():
        ring = style.marker == "ring"
        pen.dot(x, y, radius, style.plot if ring else colour, colour if ring else None, square=style.marker == "square")


def _frame(
    rng: random.Random, pen: _Pen, style: Style, axes: Axes, shown: Figures, tops: list[tuple[float, float]]
) -> None:
    """Edges, the line of zero, and the marks of ticks."""
    sides = {
        "none": "", "bottom": "b", "corner": "bl", "box": "blrt",
    }[style.frame]  # fmt: skip
    corners = {"b": (0, 3, 2, 3), "l": (0, 1, 0, 3), "r": (2, 1, 2, 3), "t": (0, 1, 2, 1)}
    edges = (axes.left, axes.top, axes.right, axes.bottom)
    wide = rng.choice((1, 1, 2))
    for side in sides:
        x0, y0, x1, y1 = (edges[k] for k in corners[side])
        pen.line([(x0, y0), (x1, y1)], style.ink, wide)
    if axes.least < 0 < axes.most and rng.random() < 0.7:
        pen.line([(axes.left, axes.height_of(0)), (axes.right, axes.height_of(0))], style.ink, 1)
    if sides and rng.random() < 0.6:
        for tick in shown.ticks:
            pen.line([(axes.left - 3, axes.height_of(tick)), (axes.left, axes.height_of(tick))], style.ink, 1)
        for x, _ in tops:
            pen.line([(x, axes.bottom), (x, axes.bottom + 3)], style.ink, 1)


def _write_title(
    rng: random.Random,
    draw: ImageDraw.ImageDraw,
    sample: Sample,
    axes: Axes,
    path: str,
    title: str,
    ink: Colour,
    size: Size,
) -> None:
    font = _fitting(path, title, size[0] - 8, round(size[1] * rng.uniform(0.05, 0.085)))
    free = size[0] - text_width(font, title)
    x = rng.choice((free / 2, min(free, axes.left), min(free, 6.0)))
    y = max(1.0, axes.top * rng.uniform(0.15, 0.5) - font.size / 2)
    sample.lines.append(draw_line(draw, (x, y), title, font, ink))


def _write_ticks(
    draw: ImageDraw.ImageDraw, sample: Sample, axes: Axes, path: str, shown: Figures, ink: Colour, size: Size
) -> None:
    font = _small(path, size)
    for tick in shown.ticks:
        text = shown.ticked(tick)
        place = (axes.left - 6 - text_width(font, text), axes.height_of(tick) - font.size * 0.6)
        sample.lines.append(draw_line(draw, place, text, font, ink))


def _write_labels(
    draw: ImageDraw.ImageDraw, sample: Sample, axes: Axes, path: str, labels: Sequence[str], ink: Colour, y: float
) -> None:
    font = _fitting(path, max(labels, key=len), axes.pitch(len(labels)) - 4, 14)
    for place, label in enumerate(labels):
        x = axes.middle_of(place, len(labels)) - text_width(font, label) / 2
        sample.lines.append(draw_line(draw, (x, y), label, font, ink))


def _write_values(
    rng: random.Random, draw: ImageDraw.ImageDraw, sample: Sample, axes: Axes, path: str,
    tops: Sequence[tuple[float, float]], shown: Figures, style: Style,
) -> None:  # fmt: skip
    commas = shown.commas and rng.random() < 0.7
    texts = [shown.said(value, commas=commas) for value in shown.values]
    font = _fitting(path, max(texts, key=len), axes.pitch(len(texts)) - 2, rng.randint(10, 14))
    for (x, y), text, value in zip(tops, texts, shown.values, strict=True):
        above = y + 2 if value < 0 else max(1.0, y - font.size * 1.35 - (4 if style.marker else 1))
        sample.lines.append(draw_line(draw, (x - text_width(font, text) / 2, above), text, font, style.ink))


def _fitting(path: str, text: str, room: float, largest: int) -> ImageFont.FreeTypeFont:
    """The largest font, down to seven pixels, in which `text` fits into `room` pixels."""
    sizes = range(max(7, largest), 6, -1)
    return next((f for f in (load_font(path, s) for s in sizes) if text_width(f, text) <= room), load_font(path, 7))
