"""Where a chart's axis, labels and columns are, from the lines of text on a picture alone.

Numbers in a column whose values are linear in their height are an axis; a row of evenly spaced lines beneath it are the
labels. A chart of lying bars is the same, turned. Geometry only: how high the datum above a label is, is asked of
columns.py; what is said of it, of wording.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from conlora_agent.core.types import Box

Floats = NDArray[np.float64]
FEWEST_TICKS, FEWEST_LABELS, MOST_NUMBERS = 3, 2, 60
"""What makes an axis, and a row of labels; a page with more numbers is a table."""
ALIGNED, LINEAR = 0.9, 0.35
"""Tolerances, in heights of text: of edges in a column, of a tick's place. A tick's mark may be read as a hyphen."""
EVEN = 0.22
"""Labels may be off their places by so much of the distance between two."""
COLUMN = 0.45
"""What stands above a label is so many times the distance of two from its middle, at most."""
AT_DATUM = 2.5
"""A number no farther from the height it stands for, in heights of text, is the datum's own."""
_NUMBER = re.compile(r"(\$?)(-?)(\$?)(\d[\d.,:]{0,18})\s?(%|[kKMB]|)")

_WORD = re.compile(r"(?:19|20)\d\d(?=(?:19|20)\d\d)|\S+")
"""Years that run into one another count as words."""


@dataclass(frozen=True)
class Mark:
    """A piece of text on a picture; lengths in pixels."""

    text: str
    box: Box
    size: float
    """Height of its letters, however it is turned."""

    @property
    def x(self) -> float:
        """Its middle."""
        return (self.box[0] + self.box[2]) / 2

    @property
    def y(self) -> float:
        """Its middle."""
        return (self.box[1] + self.box[3]) / 2

    def turned(self, width: float) -> Mark:
        """The same on a picture of this width that is turned a quarter to the left: right is up then."""
        x0, y0, x1, y1 = self.box
        return Mark(self.text, (y0, width - x1, y1, width - x0), self.size)


@dataclass(frozen=True)
class Scale:
    """What heights stand for: value = origin + slope * y."""

    origin: float
    slope: float
    ticks: tuple[Mark, ...]
    values: tuple[float, ...]
    unit: tuple[str, str]
    """What stands before and behind most numbers: a currency, a percent sign."""

    def value(self, y: float) -> float:
        """What a height stands for."""
        return self.origin + self.slope * y

    def height(self, value: float) -> float:
        """Where a value is."""
        return (value - self.origin) / self.slope

    @property
    def step(self) -> float:
        """From one tick to the next."""
        return float(np.diff(np.unique(np.round(self.values, 9))).min())


@dataclass(frozen=True)
class Plot:
    """The parts of a chart, upright: values grow towards the top."""

    scale: Scale
    labels: tuple[str, ...]
    middles: tuple[float, ...]
    """Of the columns above the labels."""
    turned: bool
    top: float
    bottom: float
    """Of the columns, in pixels."""
    pitch: float
    """From one column to the next."""
    written: tuple[float | None, ...]
    """Per label the number at its datum, where one stands there."""
    exact: bool
    """Whether the scale comes from the data's own numbers, so that there is nothing else to read."""


def numbers(text: str) -> tuple[tuple[float, ...], tuple[str, str]]:
    """What a text may mean as a number ("40.000" two things), and its unit; a sign may have been lost."""
    plain = text.strip().rstrip("-_ ").lstrip("_ ")
    match = _NUMBER.fullmatch("0" if plain in ("o", "O") else plain)
    if not match:
        return (), ("", "")
    before, minus, after, digits, unit = match.groups()
    first, *rest = re.split("[.,:]", digits.rstrip(".,:"))
    said = []
    if rest and first != "0" and all(len(part) == 3 for part in rest):
        said.append(float(first + "".join(rest)))
    if not said or "," not in digits:  # a comma may be read as a point, hardly ever the other way round
        said.append(float(f"{first}{''.join(rest[:-1])}.{rest[-1]}" if rest else first))
    return tuple(-value if minus else value for value in said), (before or after, unit)


def find_plots(marks: Sequence[Mark], width: float) -> Iterator[Plot]:
    """What may be charts among the lines of a picture of this width, the likeliest first."""
    counted = [mark for mark in marks if numbers(mark.text)[0]]
    if len(counted) < FEWEST_TICKS:
        return
    turned = [mark.turned(width) for mark in marks]
    for some, lying in ((marks, False), (turned, True)):
        found = _plot(pieces(some, lying), lying, aligned=True)
        if found:
            yield found
    found = _plot(pieces(marks, False), False, aligned=False)
    if found:
        yield found


def pieces(marks: Sequence[Mark], turned: bool) -> list[Mark]:
    """Lines of several numbers taken apart: a tick may run into the number beside it."""
    apart: list[Mark] = []
    for mark in marks:
        words = list(_words(mark, turned))
        split = len(words) > 1 and all(numbers(word.text)[0] for word in words)
        apart += words if split else [mark]
    return apart


def _words(mark: Mark, turned: bool) -> Iterator[Mark]:
    """The words of a line, each where it stands if all letters are alike."""
    start, end = (mark.box[1], mark.box[3]) if turned else (mark.box[0], mark.box[2])
    share = (end - start) / max(1, len(mark.text))
    for match in _WORD.finditer(mark.text):
        one, other = start + share * match.start(), start + share * match.end()
        if turned:  # a turned line runs from its bottom up
            one, other = end - share * match.end(), end - share * match.start()
        box = (mark.box[0], one, mark.box[2], other) if turned else (one, mark.box[1], other, mark.box[3])
        yield Mark(match.group(), box, mark.size)


def _plot(marks: list[Mark], turned: bool, *, aligned: bool) -> Plot | None:
    scale = find_scale(marks, aligned=aligned)
    row = scale and find_labels(marks, scale, beside=aligned)
    if not scale or not row:
        return None
    labels, middles, pitch = row
    bottom = min(label.box[1] for label in labels)
    top = max(0.0, min(tick.y for tick in scale.ticks) - abs(scale.step / scale.slope) - labels[0].size)
    axis = set(scale.ticks) if aligned else set()
    inside = [m for m in marks if m not in axis and m.y < bottom]
    columns = [[m for m in inside if abs(m.x - x) < COLUMN * pitch] for x in middles]
    written = tuple(_written(column, scale, tight=not aligned) for column in columns)
    if not aligned and sum(value is not None for value in written) < max(FEWEST_TICKS, len(labels) - 1):
        return None
    names = tuple(label.text.strip("-_ ") or label.text for label in labels)
    return Plot(scale, names, middles, turned, top, bottom, pitch, written, exact=not aligned)


def find_scale(marks: Sequence[Mark], *, aligned: bool) -> Scale | None:
    """The scale that most numbers lie on; `aligned`: numbers in a column, else one at each datum of a row of them."""
    said = [(mark, *numbers(mark.text)) for mark in marks]
    said = [one for one in said if one[1]]
    if not FEWEST_TICKS <= len(said) <= MOST_NUMBERS:
        return None
    places = np.array([mark.y for mark, _, _ in said])
    sizes = np.array([mark.size for mark, _, _ in said])
    guesses = [sorted({sign * v for v in values for sign in (1, -1)}) for _, values, _ in said]
    table = np.full((len(said), max(map(len, guesses))), np.nan)
    for row, some in zip(table, guesses, strict=True):
        row[: len(some)] = some
    together = _aligned([mark for mark, _, _ in said]) if aligned else _apart([mark for mark, _, _ in said])
    best: tuple[int, float, Floats, Floats] | None = None
    for i, j in combinations(range(len(said)), 2):
        if not together[i, j] or abs(places[i] - places[j]) < (1.0 if aligned else 0.2) * sizes[i]:
            continue
        fits = together[i] & together[j]
        for one in said[i][1]:
            for other in said[j][1]:
                tried = _inliers(one, other, i, j, places, sizes, table, fits)
                if tried and (best is None or tried[:2] > best[:2]):
                    best = tried
    if best is None or best[0] < FEWEST_TICKS:
        return None
    inside, values = best[2].astype(bool), best[3]
    if len(np.unique(np.round(values[inside], 9))) < FEWEST_TICKS:
        return None
    slope, origin = np.polyfit(places[inside], values[inside], 1)
    chosen = [one for one, kept in zip(said, inside, strict=True) if kept]
    units = [unit for _, _, unit in chosen]
    return Scale(
        float(origin),
        float(slope),
        tuple(mark for mark, _, _ in chosen),
        tuple(values[inside].tolist()),
        max(units, key=units.count),
    )


def _inliers(
    one: float, other: float, i: int, j: int, places: Floats, sizes: Floats, table: Floats, fits: NDArray[np.bool_]
) -> tuple[int, float, Floats, Floats] | None:
    """How many numbers lie on the line through two, how well, which, and what each then means."""
    slope = (other - one) / (places[j] - places[i])
    if not slope < 0:
        return None
    due = one + slope * (places - places[i])
    off = np.abs(table - due[:, None])
    nearest = np.nanargmin(off, 1)
    rows = np.arange(len(places))
    miss = off[rows, nearest] / -slope / sizes
    inside = (miss < LINEAR) & (fits | (rows == i) | (rows == j))
    return int(inside.sum()), -float(miss[inside].mean()), inside.astype(float), table[rows, nearest]


def _aligned(marks: Sequence[Mark]) -> NDArray[np.bool_]:
    """Which of some marks have a left edge, right edge or middle in common."""
    size = np.array([mark.size for mark in marks])
    together = np.zeros((len(marks), len(marks)), bool)
    for edges in ([m.box[0] for m in marks], [m.box[2] for m in marks], [m.x for m in marks]):
        line = np.array(edges)
        together |= np.abs(line[:, None] - line) < ALIGNED * np.minimum(size[:, None], size)
    return together


def _apart(marks: Sequence[Mark]) -> NDArray[np.bool_]:
    """Which of some marks stand in columns of their own."""
    size, middle = np.array([mark.size for mark in marks]), np.array([mark.x for mark in marks])
    apart: NDArray[np.bool_] = np.abs(middle[:, None] - middle) > np.maximum(size[:, None], size)
    return apart


Row = tuple[list[Mark], tuple[float, ...], float]
"""Labels, the middles of their columns, and the distance from one to the next."""


def find_labels(marks: Sequence[Mark], scale: Scale, *, beside: bool) -> Row | None:
    """The row of labels nearest below an axis; `beside`: on one side of it."""
    size = float(np.median([tick.size for tick in scale.ticks]))
    lowest, gap = max(tick.y for tick in scale.ticks), abs(scale.step / scale.slope)
    ticks = set(scale.ticks)
    axis = float(np.median([tick.x for tick in scale.ticks]))
    below = [
        m for m in marks if m not in ticks and lowest + 0.3 * size < m.y + 0.2 * size < lowest + 3 * gap + 6 * size
    ]
    sides = [[m for m in below if m.x > axis], [m for m in below if m.x < axis]] if beside else [below]
    for side in sorted(sides, key=len, reverse=True):
        for row in _rows(side):
            for some in (row, [word for mark in row for word in _words(mark, False)]):
                even = _even(some)
                if even:
                    return (some, *even)
    return None


def _rows(marks: Sequence[Mark]) -> list[list[Mark]]:
    """Marks that stand side by side, from the top; each row from the left."""
    rows: list[list[Mark]] = []
    for mark in sorted(marks, key=lambda m: m.box[1]):
        if rows and abs(mark.box[1] - rows[-1][0].box[1]) < 0.5 * mark.size:
            rows[-1].append(mark)
        else:
            rows.append([mark])
    return [sorted(row, key=lambda m: m.x) for row in rows]


def _even(row: Sequence[Mark]) -> tuple[tuple[float, ...], float] | None:
    """Where marks stand that are even, though some may be missing, and how far apart; None if they are not."""
    if len(row) < FEWEST_LABELS:
        return None
    middles = np.array([mark.x for mark in row])
    apart = np.diff(middles)
    if apart.min() < row[0].size:
        return None
    steps = np.concatenate([[0], np.round(apart / apart.min()).cumsum()])
    line = np.polyfit(steps, middles, 1)
    due = np.polyval(line, steps)
    return (tuple(due.tolist()), float(line[0])) if np.abs(middles - due).max() < EVEN * line[0] else None


def _written(column: Sequence[Mark], scale: Scale, *, tight: bool) -> float | None:
    """The number in a column that stands at its own height."""
    best: tuple[float, float] | None = None
    for mark in column:
        for value in numbers(mark.text)[0]:
            for signed in (value, -value):
                off = abs(scale.height(signed) - mark.y) / mark.size
                if off < (LINEAR if tight else AT_DATUM) and (best is None or off < best[0]):
                    best = off, signed
    return None if best is None else best[1]


def title_of(marks: Sequence[Mark], top: float) -> str | None:
    """The largest line above `top`, with a second one of its size if it goes on there; None where there is none."""
    above = [m for m in marks if m.y < top - 0.5 * m.size and not numbers(m.text)[0]]
    if not above:
        return None
    largest = max(m.size for m in above)
    lines = sorted((m for m in above if m.size > 0.85 * largest), key=lambda m: m.y)
    first = lines[0]
    goes_on = [m for m in lines[1:2] if m.y - first.y < 2 * largest and abs(m.x - first.x) < largest]
    return " ".join(m.text for m in (first, *goes_on))
