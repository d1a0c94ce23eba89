"""Pictures told instead of drawn: what the mid layer would say of a scene that is only laid out.

What a language model does with that is learned from these many times faster than from pixels. Now and then a name or
a colour is taken for another, as happens on pictures: who asks for a cat where only a dog is told may mean that one.
"""

from __future__ import annotations

import random
import string
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from conlora_agent.backbone.nano.points import Line, Points
from conlora_agent.backbone.nano.tokens import RUNNERS_UP, in_all, quantise
from conlora_agent.core.types import Box
from conlora_agent.training.draw.colours import COLOURS
from conlora_agent.training.draw.names import ALSO, GROUPS, NAMES, PHOTOGRAPHED, THINGS
from conlora_agent.training.draw.relations import centre, left_to_right, share
from conlora_agent.training.draw.sample import DrawnObject, Sample, TextLine
from conlora_agent.training.draw.scenes import free_place, longer_side, name_sizes
from conlora_agent.training.draw.text import Words
from conlora_agent.wording import in_words, size_told, told_chart, whereabouts

NOWHERE = (0.0, 0.0, 0.0, 0.0)
"""Box of a line of which the mid layer does not say where it is."""
COUNTS = (0, 1, 2, 3, 4, 5, 6)
COUNT_WEIGHTS = (0.08, 0.14, 0.19, 0.21, 0.17, 0.12, 0.09)
PHOTOGRAPHS, PEOPLE, OTHERWISE = 0.3, 0.25, 0.3
"""Shares: of scenes with what is found on photographs, of people among it, of things asked for by another name."""
PHOTOGRAPH = "photograph"
"""Kind of a layout of what is found on photographs."""
COVERED = 0.5
"""On photographs a thing may cover so much of another."""
COLOURED, LETTERED, TITLED = 0.8, 0.6, 0.12
"""Shares: of objects with a colour, of things with something written on them, of scenes with a line beside them."""
BROKEN, UNSURE, SPECKLED = 0.5, 0.1, 0.04
"""Shares: of words after a first that begin a new line, of things of which it is not said what stands on them, of
things without anything on them in which a character or two are read."""
MISCOLOURED = 0.1
"""Share of objects told in another colour."""
DOUBTFUL, MISNAMED = 0.23, 0.013
"""Shares of names that are told with others beside them, and of the rest that are told as another."""
RANKS = (0.62, 0.2, 0.06, 0.03)
"""Chances that a doubtful name is the first of those told, the second and so on, or (the rest) none of them. These
and the two shares were counted on 4,000 objects in the held-out style, none of them in the evaluation sets, with an
earlier look and rule of doubt."""


def layout(rng: random.Random, size: tuple[int, int], words: Words) -> Sample:
    """A scene on a canvas of `size` (width, height) that is laid out, not drawn: labels as exact, pixels all black.

    `facts["told"]` is what the mid layer would say of it, `facts["seen"]` the objects that it would take it to show.
    """
    sample = untold(rng, size, words)
    found = _as_found(sample.objects) if sample.kind == PHOTOGRAPH else sample.objects
    seen, lines = _mistaken(rng, found), _misread(rng, sample)
    said = {line.box for line in lines}
    # What stands on a thing, but is not said of it, nobody can tell.
    seen = [item if item.box in said else replace(item, text=None) for item in seen]
    sample.facts |= {"told": told(replace(sample, objects=seen, lines=lines)), "seen": seen}
    return sample


def untold(rng: random.Random, size: tuple[int, int], words: Words) -> Sample:
    """A scene as for `layout`, of which nothing is said yet."""
    width, height = size
    photograph = rng.random() < PHOTOGRAPHS
    sample = Sample(np.zeros((height, width, 3), np.uint8), kind=PHOTOGRAPH if photograph else "layout")
    count = rng.choices(COUNTS, COUNT_WEIGHTS)[0]
    more_of_it, name = (0.75 if rng.random() < 0.25 else 0.25), ""
    for _ in range(count):
        long = longer_side(rng, size, count)
        wide, high = rng.sample((long, max(8, int(long * rng.uniform(0.4, 1.0)))), 2)
        taken = [o.box for o in sample.objects]
        corner = free_place(rng, size, (wide, high), taken, COVERED if photograph else None)
        if corner is None:
            continue
        name = name if name and rng.random() < more_of_it else _some_name(rng, photograph)
        colour = rng.choice(COLOURS) if rng.random() < COLOURED else None
        sample.objects.append(DrawnObject(name, (*corner, corner[0] + wide, corner[1] + high), colour))
        if name in THINGS and rng.random() < LETTERED:
            sample.objects[-1].text = words.phrase(rng, rng.choice((1, 1, 2, 3, 4)))
    written = [(item, _rows(rng, item)) for item in sample.objects]
    sample.lines = [row for _, rows in sorted(written, key=lambda pair: _height(*pair)) for row in rows]
    if rng.random() < TITLED:
        title = TextLine(words.phrase(rng, rng.randint(1, 4)), NOWHERE)
        sample.lines.insert(rng.choice((0, len(sample.lines))), title)
    name_sizes(sample, width * height)
    return sample


def _some_name(rng: random.Random, photograph: bool) -> str:
    """What a thing is called by who asks for it."""
    if not photograph:
        return rng.choice(NAMES if rng.random() < 0.7 else THINGS)
    name = "person" if rng.random() < PEOPLE else rng.choice(PHOTOGRAPHED)
    return ALSO[name] if name in ALSO and rng.random() < OTHERWISE else name


def _as_found(items: list[DrawnObject]) -> list[DrawnObject]:
    """Things under the names that the detector for photographs has for them."""
    known = {also: name for name, also in ALSO.items()}
    return [replace(item, name=known.get(item.name, item.name)) for item in items]


def _mistaken(rng: random.Random, items: list[DrawnObject]) -> list[DrawnObject]:
    """Objects as they may be taken for: mostly what they are, and things of a kind for the same."""
    names = dict.fromkeys(item.name for item in items)
    taken_for = {name: _taken_for(rng, name) for name in names}
    return [
        replace(
            item,
            name=taken_for[item.name][0],
            also=taken_for[item.name][1:],
            colour=rng.choice((*COLOURS, None)) if rng.random() < MISCOLOURED else item.colour,
        )
        for item in items
    ]


def _taken_for(rng: random.Random, name: str) -> tuple[str, ...]:
    """What a thing is told as, the likeliest name first."""
    if rng.random() >= DOUBTFUL:
        return (_another(rng, name) if rng.random() < MISNAMED else name,)
    names = [_another(rng, name) for _ in range(rng.randint(2, 1 + RUNNERS_UP))]
    rank = rng.choices((*range(len(RANKS)), len(names)), (*RANKS, 1 - sum(RANKS)))[0]
    names[rank : rank + 1] = [name] * (rank < len(names))
    return tuple(dict.fromkeys(names))


def _another(rng: random.Random, name: str) -> str:
    alike = next(group for group in GROUPS.values() if name in group)
    return rng.choice(alike if rng.random() < 0.6 else NAMES)


def _rows(rng: random.Random, item: DrawnObject) -> list[TextLine]:
    """What stands on a thing, line by line. Of a line it is told on what it stands, not where: its box is all of it."""
    first, *rest = (item.text or "").split(" ")
    text = first + "".join(("\n" if rng.random() < BROKEN else " ") + word for word in rest)
    return [TextLine(row, item.box) for row in text.splitlines()]


def _height(item: DrawnObject, rows: list[TextLine]) -> float:
    """Where the first line on a thing is likely to stand, by which what stands on things is put in order."""
    _, top, _, bottom = item.box
    return top + (bottom - top) / (2 * max(1, len(rows)))


def _misread(rng: random.Random, sample: Sample) -> list[TextLine]:
    """Lines as they may be read: those of a thing not surely enough to be said of it, or a character of the thing."""
    lines = list(sample.lines)
    for item in sample.objects:
        if not item.text and rng.random() < SPECKLED:
            letters = "".join(rng.choices(string.ascii_letters + string.digits, k=rng.randint(1, 2)))
            lines.insert(rng.choice((0, len(lines))), TextLine(letters, item.box))
        elif item.text and rng.random() < UNSURE:
            lines = [replace(line, box=NOWHERE) if line.box == item.box else line for line in lines]
    return lines


def told(sample: Sample) -> str:
    """What tokens.PointTokens would say of `sample`, in its order: objects, statements on them, counts, the chart that
    is in `facts`, lines of text.

    Ends in a new line unless there are lines, behind which the mid layer puts the end of a message. One thing differs:
    what is written on an object stands behind a space here.
    """
    items = left_to_right(sample)
    boxes = [share(item.box, sample) for item in items]
    several = len(items) > 1
    groups = (
        f" {item.colour or 'a'} {_called(item)}:{''.join(f'{quantise(v):02d}' for v in box)}\n"
        for item, box in zip(items, boxes, strict=True)
    )
    height, width = sample.picture.shape[:2]
    places = [Line(centre(line), 0.0, 0.0, 0.0) for line in sample.lines]
    on = Points(places, boxes=boxes).lines_on(width, height)
    said = (
        statement
        for item, box, numbers in zip(items, boxes, on, strict=True)
        for statement in _stated(item, box, [sample.lines[k] for k in numbers], several)
    )
    counts = Counter(item.name for item in items)
    first = {item.name: item for item in reversed(items)}
    numbers = (f" {in_words(n)} {_called(first[name])}\n" for name, n in counts.items())
    total = [f"{in_all(len(items))}\n"] * bool(items)
    chart = [told_chart(sample.facts["chart"])] if "chart" in sample.facts else []
    return "".join([*groups, *said, *numbers, *total, *chart, "\n".join(line.text for line in sample.lines)]) or "\n"


def _stated(item: DrawnObject, box: Box, lines: list[TextLine], several: bool) -> Iterator[str]:
    # Even of what has no colour of its own the likeliest is stated: any, but the same one each time.
    called = _called(item)
    yield f" {called} is {item.colour or COLOURS[int(sum(item.box)) % len(COLOURS)]}\n"
    yield f" {called} {whereabouts(box)}\n"
    if several:
        yield f" {called} {size_told(box)}\n"
    yield from (f" {called} says {line.text}\n" for line in lines)


def _called(item: DrawnObject) -> str:
    return " or ".join((item.name, *item.also))
