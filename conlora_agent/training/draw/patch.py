"""A patch: one object on a transparent ground, with its text lines, that can be scaled, turned and put on a picture."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from conlora_agent.training.draw.sample import DrawnObject, Glyph, PixelBox, Sample, TextLine
from conlora_agent.training.draw.text import (
    SIZES,
    Colour,
    contrasting,
    draw_line,
    load_font,
    luminance,
    text_width,
)  # fmt: skip

VISIBLE = 90
"""Alpha from which a pixel counts as part of the object."""


@dataclass
class Patch:
    """An RGBA picture of one object. `lines` are in pixels of `image`."""

    name: str
    image: Image.Image
    colour: str | None = None
    lines: list[TextLine] = field(default_factory=list)

    @property
    def text(self) -> str | None:
        """What is written on it, in reading order."""
        return " ".join(line.text for line in self.lines) or None

    def turned(self, degrees: float) -> Patch:
        """The patch turned counter-clockwise, its text with it."""
        image = self.image.rotate(degrees, Image.Resampling.BILINEAR, expand=True)
        turn = _Turn(degrees, self.image.size, image.size)
        return Patch(self.name, image, self.colour, [turn.line(line) for line in self.lines])

    def put(self, sample: Sample, picture: Image.Image, x: int, y: int, shadow: Image.Image | None = None) -> None:
        """Paste with the top left at (x, y), and label the sample with what is visible of it."""
        if shadow is not None:
            reach = (shadow.width - self.image.width) // 2
            picture.paste((0, 0, 0), (x - reach // 2, y - reach // 2), shadow)
        picture.paste(self.image, (x, y), self.image)
        box = solid_box(self.image)
        placed = [move(line, x, y) for line in self.lines]
        sample.lines.extend(placed)
        where = (box[0] + x, box[1] + y, box[2] + x, box[3] + y)
        sample.objects.append(DrawnObject(self.name, where, self.colour, None, self.text))


def solid_box(image: Image.Image) -> PixelBox:
    """Bounds of the visible pixels of an RGBA picture."""
    box = image.getchannel("A").point(_SOLID).getbbox()
    return (0.0, 0.0, float(image.width), float(image.height)) if box is None else tuple(map(float, box))  # type: ignore[return-value]


_SOLID = [0] * VISIBLE + [255] * (256 - VISIBLE)


def soft_shadow(image: Image.Image, rng: random.Random) -> Image.Image:
    """Mask of a blurred shadow of `image`, larger by its reach on every side."""
    reach = max(2, image.width // 14)
    strength = rng.uniform(0.25, 0.6)
    mask = Image.new("L", (image.width + 2 * reach, image.height + 2 * reach))
    mask.paste(image.getchannel("A").point([int(v * strength) for v in range(256)]), (reach, reach))
    return mask.filter(ImageFilter.BoxBlur(reach / 2))


def move(line: TextLine, dx: float, dy: float) -> TextLine:
    """The line shifted by (dx, dy) pixels."""
    x0, y0, x1, y1 = line.box
    glyphs = [Glyph(g.char, g.x + dx, g.y + dy, g.width, g.height) for g in line.glyphs]
    return TextLine(line.text, (x0 + dx, y0 + dy, x1 + dx, y1 + dy), glyphs)


class _Turn:
    """Where points of a picture go when PIL turns it with expand."""

    def __init__(self, degrees: float, before: tuple[int, int], after: tuple[int, int]) -> None:
        angle = math.radians(degrees)
        self.cos, self.sin = math.cos(angle), math.sin(angle)
        self.before, self.after = (before[0] / 2, before[1] / 2), (after[0] / 2, after[1] / 2)

    def point(self, x: float, y: float) -> tuple[float, float]:
        dx, dy = x - self.before[0], y - self.before[1]
        return self.after[0] + dx * self.cos + dy * self.sin, self.after[1] - dx * self.sin + dy * self.cos

    def line(self, line: TextLine) -> TextLine:
        x0, y0, x1, y1 = line.box
        corners = np.array([self.point(x, y) for x in (x0, x1) for y in (y0, y1)])
        left, top = map(float, corners.min(0))
        right, bottom = map(float, corners.max(0))
        glyphs = [Glyph(g.char, *self.point(g.x, g.y), g.width, g.height) for g in line.glyphs]
        return TextLine(line.text, (left, top, right, bottom), glyphs)


def fit_size(path: str, text: str, width: float, height: float) -> int | None:
    """The largest of text.SIZES at which `text` in font `path` fits into width x height pixels, None when none does."""
    for size in reversed(SIZES):
        if size * 1.2 <= height + 3 and text_width(load_font(path, size), text) <= width:
            return size
    return None


def write_block(
    patch: Patch, rng: random.Random, texts: list[str], path: str, area: PixelBox, ground: Colour, align: str = "centre"
) -> None:
    """Write `texts` below one another inside `area` (pixels of the patch); lines that do not fit are left out."""
    x0, y0, x1, y1 = area
    room = (y1 - y0) / max(1, len(texts))
    sizes = [fit_size(path, t, x1 - x0, room) for t in texts]
    fitting = [s for s in sizes if s]
    if not fitting:
        return
    size = min(fitting) if rng.random() < 0.7 else max(fitting[0], min(fitting))
    fill, draw = contrasting(rng, ground, 90), ImageDraw.Draw(patch.image)
    if abs(luminance(fill) - luminance(ground)) < 60:
        fill = (0, 0, 0) if luminance(ground) > 127 else (255, 255, 255)
    for k, (text, own) in enumerate(zip(texts, sizes, strict=True)):
        if own is None:
            continue
        font = load_font(path, min(size, own))
        ascent, descent = font.getmetrics()
        free = x1 - x0 - text_width(font, text)
        x = x0 + free * {"left": 0.0, "centre": 0.5, "right": 1.0}[align]
        patch.lines.append(
            draw_line(draw, (round(x), round(y0 + room * (k + 0.5) - (ascent + descent) / 2)), text, font, fill)
        )
