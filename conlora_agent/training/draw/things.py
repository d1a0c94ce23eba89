"""Objects drawn by code in any of the eleven colours: flat shapes, balls, boxes, books, mugs, bottles, signs."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from PIL import Image, ImageDraw

from conlora_agent.training.draw.colours import COLOURS, Colour, shade
from conlora_agent.training.draw.names import SHAPES
from conlora_agent.training.draw.patch import Patch, write_block
from conlora_agent.training.draw.text import Words

_OVER = 2
"""Drawn this many times larger, then scaled down: smooth edges."""
Point = tuple[float, float]


def darker(colour: Colour, by: float) -> Colour:
    """The colour with its brightness scaled by `by`."""
    return tuple(max(0, min(255, round(c * by))) for c in colour)  # type: ignore[return-value]


def _canvas(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGBA", (width * _OVER, height * _OVER), (128, 128, 128, 0))
    return image, ImageDraw.Draw(image)


def _done(image: Image.Image) -> Image.Image:
    return image.resize((image.width // _OVER, image.height // _OVER), Image.Resampling.BOX)


def _regular(corners: int, start: float, inner: float = 1.0) -> list[Point]:
    """Corners of a regular polygon in the unit square; `inner` < 1 makes every second corner a star's notch."""
    total = corners * (2 if inner < 1 else 1)
    points = []
    for k in range(total):
        angle, radius = start + 2 * math.pi * k / total, 0.5 * (inner if inner < 1 and k % 2 else 1)
        points.append((0.5 + radius * math.cos(angle), 0.5 + radius * math.sin(angle)))
    return points


_UP = -math.pi / 2
_HEART = [
    (
        0.5 + 0.5 * math.sin(t) ** 3,
        0.45 - (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 32,
    )
    for t in (2 * math.pi * k / 40 for k in range(40))
]  # fmt: skip
_POLYGONS: dict[str, list[Point]] = {
    "triangle": [(0.5, 0.03), (0.98, 0.95), (0.02, 0.95)],
    "star": _regular(5, _UP, 0.42),
    "diamond": [(0.5, 0), (0.9, 0.5), (0.5, 1), (0.1, 0.5)],
    "hexagon": _regular(6, 0),
    "heart": _HEART,
    "cross": [
        (0.35, 0), (0.65, 0), (0.65, 0.35), (1, 0.35), (1, 0.65), (0.65, 0.65),
        (0.65, 1), (0.35, 1), (0.35, 0.65), (0, 0.65), (0, 0.35), (0.35, 0.35),
    ],
    "arrow": [(0, 0.35), (0.55, 0.35), (0.55, 0.1), (1, 0.5), (0.55, 0.9), (0.55, 0.65), (0, 0.65)],
}  # fmt: skip


def shape(rng: random.Random, name: str, colour: str, side: int) -> Patch:
    """A flat shape of about `side` pixels, filled or (rings) outlined, sometimes with an edge."""
    wide = {"rectangle": rng.choice((1.5, 1.8, 2.2)), "oval": rng.choice((1.4, 1.7))}.get(name, 1.0)
    width, height = side, max(6, round(side / wide))
    if wide > 1 and rng.random() < 0.3:
        width, height = height, width
    image, draw = _canvas(width, height)
    fill = shade(rng, colour)
    edge = max(2, side * _OVER // 25)
    outline, line = (darker(fill, 0.5), edge) if rng.random() < 0.35 else (None, 0)
    w, h = image.width - 1, image.height - 1
    if name in _POLYGONS:
        draw.polygon([(x * w, y * h) for x, y in _POLYGONS[name]], fill=fill, outline=outline, width=line)
    elif name in ("square", "rectangle"):
        draw.rectangle((0, 0, w, h), fill=fill, outline=outline, width=line)
    elif name == "ring":
        draw.ellipse((0, 0, w, h), outline=fill, width=max(3, side * _OVER // rng.randint(5, 9)))
    else:
        draw.ellipse((0, 0, w, h), fill=fill, outline=outline, width=line)
    return Patch(name, _done(image), colour)


def ball(rng: random.Random, colour: str, side: int) -> Patch:
    """A shaded ball with a highlight."""
    image, draw = _canvas(side, side)
    base, w = shade(rng, colour), side * _OVER
    dark = 0.9 if colour == "white" else 0.72  # a white ball in deep shade would be called grey
    for k in range(6):
        inset, tone = w * k * 0.06, darker(base, dark + k * (1.02 - dark) / 5)
        draw.ellipse((inset * 0.8, inset * 0.5, w - 1 - inset * 1.2, w - 1 - inset * 1.5), fill=tone)
    glint = darker(base, 1.6) if colour != "black" else (120, 120, 125)
    draw.ellipse((w * 0.28, w * 0.18, w * 0.44, w * 0.3), fill=glint)
    return Patch("ball", _done(image), colour)


def box(rng: random.Random, colour: str, side: int, words: Words, fonts: tuple[str, ...]) -> Patch:
    """A box seen from the front and above, sometimes with a word on it."""
    depth, width, height = side // 4, side, round(side * rng.uniform(0.7, 1.0))
    image, draw = _canvas(width, height)
    base, w, h, d = shade(rng, colour), image.width - 1, image.height - 1, depth * _OVER
    draw.polygon([(0, d), (d, 0), (w, 0), (w - d, d)], fill=darker(base, 1.15))
    draw.polygon([(w - d, d), (w, 0), (w, h - d), (w - d, h)], fill=darker(base, 0.7))
    draw.rectangle((0, d, w - d, h), fill=base)
    patch = Patch("box", _done(image), colour)
    if rng.random() < 0.5:
        front = (4, depth + 2, side - depth - 4, height - 4)
        write_block(patch, rng, [words.phrase(rng, 1)], rng.choice(fonts), front, base)
    return patch


def book(rng: random.Random, colour: str, side: int, words: Words, fonts: tuple[str, ...]) -> Patch:
    """A book's front cover: spine, page edge, title in one to three lines, sometimes a rule or a figure."""
    width = round(side * rng.uniform(0.68, 0.85))
    image, draw = _canvas(width, side)
    base, w, h = shade(rng, colour), image.width - 1, image.height - 1
    draw.rectangle((0, 0, w, h), fill=(235, 232, 222))
    draw.rectangle((0, 0, w - 3 * _OVER, h - 2 * _OVER), fill=base)
    spine = max(3, width // 14) * _OVER
    draw.rectangle((0, 0, spine, h - 2 * _OVER), fill=darker(base, 0.7))
    title_end = rng.uniform(0.45, 0.9)
    if rng.random() < 0.5:
        trim = shade(rng, rng.choice(COLOURS))
        draw.rectangle((spine * 1.5, h * title_end, w - spine, h * title_end + spine / 2), fill=trim)
    patch = Patch("book", _done(image), colour)
    left = spine // _OVER + 3
    titles = [words.phrase(rng, 1) if rng.random() < 0.7 else words.word(rng) for _ in range(rng.randint(1, 3))]
    write_block(patch, rng, titles, rng.choice(fonts), (left, 4, width - 6, side * title_end), base)
    return patch


def mug(rng: random.Random, colour: str, side: int, words: Words, fonts: tuple[str, ...]) -> Patch:
    """A mug or cup with a handle, sometimes with a word on it."""
    image, draw = _canvas(side, round(side * rng.uniform(0.8, 1.0)))
    base, w, h = shade(rng, colour), image.width - 1, image.height - 1
    thick, body, lip = w // 14, round(w * 0.74), round(h * 0.16)
    draw.ellipse((body - w * 0.16, h * 0.25, w, h * 0.75), outline=darker(base, 0.85), width=max(3, thick))
    draw.rounded_rectangle((0, lip // 2, body, h), radius=w // 12, fill=base)
    draw.ellipse((0, 0, body, lip), fill=darker(base, 0.75) if colour != "black" else (60, 60, 60))
    draw.ellipse((thick, lip * 0.2, body - thick, lip), fill=rng.choice(((70, 40, 20), (120, 80, 40), (240, 240, 240))))
    patch = Patch(rng.choice(("mug", "cup")), _done(image), colour)
    if rng.random() < 0.5:
        front = (3, lip / _OVER + 2, body / _OVER - 3, h / _OVER - 4)
        write_block(patch, rng, [words.word(rng)], rng.choice(fonts), front, base)
    return patch


def bottle(rng: random.Random, colour: str, side: int, words: Words, fonts: tuple[str, ...]) -> Patch:
    """A bottle with a cap, often with a label carrying one or two lines."""
    width = round(side * rng.uniform(0.34, 0.5))
    image, draw = _canvas(width, side)
    base, w, h = shade(rng, colour), image.width - 1, image.height - 1
    neck = w * 0.3
    draw.rounded_rectangle((0, h * 0.3, w, h), radius=w // 6, fill=base)
    draw.ellipse((0, h * 0.2, w, h * 0.45), fill=base)
    draw.rectangle((w / 2 - neck / 2, h * 0.07, w / 2 + neck / 2, h * 0.35), fill=base)
    draw.rectangle((w / 2 - neck * 0.6, 0, w / 2 + neck * 0.6, h * 0.09), fill=darker(base, 0.6))
    labelled = rng.random() < 0.6
    paper = shade(rng, rng.choice(("white", "yellow", "white", "black")))
    if labelled:
        draw.rectangle((0, h * 0.5, w, h * 0.85), fill=paper)
    patch = Patch("bottle", _done(image), colour)
    if labelled:
        texts = [words.word(rng) for _ in range(rng.randint(1, 2))]
        write_block(patch, rng, texts, rng.choice(fonts), (2, side * 0.51, width - 2, side * 0.84), paper)
    return patch


def sign(rng: random.Random, colour: str, side: int, words: Words, fonts: tuple[str, ...]) -> Patch:
    """A sign board with one or two lines, on a post or not."""
    board = round(side * rng.uniform(0.4, 0.75))
    post = rng.random() < 0.5
    image, draw = _canvas(side, side if post else board)
    base, w, h = shade(rng, colour), image.width - 1, board * _OVER - 1
    if post:
        middle = w / 2
        draw.rectangle(
            (middle - w * 0.04, h, middle + w * 0.04, image.height), fill=shade(rng, rng.choice(("brown", "grey")))
        )
    border = shade(rng, "white") if colour not in ("white", "yellow") else shade(rng, "black")
    edge = max(2, w // 40) if rng.random() < 0.6 else 0
    draw.rounded_rectangle(
        (0, 0, w, h), radius=rng.choice((0, w // 20, w // 10)), fill=base, outline=border, width=edge
    )
    patch = Patch("sign", _done(image), colour)
    texts = [words.phrase(rng, rng.choice((1, 1, 2))) for _ in range(rng.choice((1, 1, 2)))]
    margin = edge // _OVER + 4
    write_block(patch, rng, texts, rng.choice(fonts), (margin, margin, side - margin, board - margin), base)
    return patch


_Carrier = Callable[[random.Random, str, int, Words, tuple[str, ...]], Patch]
CARRIERS: dict[str, _Carrier] = {"book": book, "box": box, "mug": mug, "bottle": bottle, "sign": sign}
"""Objects that can have something written on them."""


def thing(rng: random.Random, side: int, words: Words, fonts: tuple[str, ...], *, name: str | None = None) -> Patch:
    """A random drawn object (or the one named: a shape, "ball" or a key of CARRIERS) of about `side` pixels."""
    name = name or (rng.choice(tuple(CARRIERS)) if rng.random() < 0.5 else rng.choice((*SHAPES, "ball", "ball")))
    colour = rng.choice(COLOURS)
    if name in SHAPES:
        return shape(rng, name, colour, side)
    if name == "ball":
        return ball(rng, colour, side)
    return CARRIERS[name](rng, colour, side, words, fonts)
