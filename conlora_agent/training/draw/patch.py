"""A patch: one object on a transparent ground, with its text lines, that can be scaled, turned and put on a picture."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
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
        angle = math.radians(degrees)
        cos, sin = math.cos(angle), math.sin(angle)
        (w, h), (wide, high) = self.image.size, image.size
        matrix = np.array(
            [
                [cos, sin, wide / 2 - cos * w / 2 - sin * h / 2],
                [-sin, cos, high / 2 + sin * w / 2 - cos * h / 2],
                [0, 0, 1],
            ]
        )
        return Patch(self.name, image, self.colour, [mapped(line, matrix) for line in self.lines])

    def tilted(self, rng: random.Random, amount: float) -> Patch:
        """The patch in perspective: each corner moved inwards by up to `amount` of the sides."""
        w, h = self.image.size
        corners = np.array([(0, 0), (w, 0), (w, h), (0, h)], np.float64)
        inward = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
        moved = corners + inward * [[rng.uniform(0, amount) * w, rng.uniform(0, amount) * h] for _ in range(4)]
        back = homography(moved, corners).ravel()[:8]
        image = self.image.transform((w, h), Image.Transform.PERSPECTIVE, back.tolist(), Image.Resampling.BILINEAR)
        matrix = homography(corners, moved)
        return Patch(self.name, image, self.colour, [mapped(line, matrix) for line in self.lines])

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


def homography(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """The (3, 3) projective map that takes four points (4, 2) to four others."""
    rows, right = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    return np.append(np.linalg.solve(np.array(rows), np.array(right)), 1.0).reshape(3, 3)


def mapped(line: TextLine, matrix: NDArray[np.float64]) -> TextLine:
    """The line under a projective map (3, 3); glyphs keep their shape but not their size, the box becomes a hull."""
    x0, y0, x1, y1 = line.box
    points = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    for g in line.glyphs:
        points += [(g.x, g.y), (g.x + g.width / 2, g.y), (g.x, g.y + g.height / 2)]
    ones = np.column_stack([np.array(points, np.float64), np.ones(len(points))])
    there = ones @ matrix.T
    there = there[:, :2] / there[:, 2:]
    glyphs = []
    for g, (middle, side, foot) in zip(line.glyphs, there[4:].reshape(-1, 3, 2), strict=True):
        width, height = 2 * np.hypot(*(side - middle)), 2 * np.hypot(*(foot - middle))
        glyphs.append(Glyph(g.char, float(middle[0]), float(middle[1]), float(width), float(height)))
    left, top = map(float, there[:4].min(0))
    right, bottom = map(float, there[:4].max(0))
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
