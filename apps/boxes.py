"""Draws regions on a picture: one colour each, label and score beside the box, legible at any picture size.

Not covered here: where boxes come from; they are fractions 0..1 of the upright picture (core.types.Region).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from apps.render import percent
from conlora_agent.core.types import Region

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

Colour = tuple[int, int, int]
PALETTE: tuple[Colour, ...] = (
    (225, 29, 116),
    (14, 116, 144),
    (217, 119, 6),
    (79, 70, 229),
    (22, 128, 61),
    (190, 18, 60),
    (126, 34, 206),
    (51, 65, 85),
)
WHITE: Colour = (255, 255, 255)
MAX_SIDE = 1280
"""Pixels of the longer side of what is drawn; larger pictures are scaled down for show."""
MIN_SIDE = 480
"""Smaller pictures are scaled up, so that labels can be read."""
MAX_LABEL_CHARS = 40
SYSTEM_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "Arial.ttf")


def draw_boxes(picture: Image, regions: Sequence[Region]) -> Image:
    """A copy of an RGB picture with every region outlined and labelled, its longer side 480 to 1280 pixels."""
    from PIL import ImageDraw

    canvas = _fit(picture)
    draw = ImageDraw.Draw(canvas)
    unit = max(canvas.size) / 100
    font = _font(max(14.0, 2.2 * unit), "".join(region.label for region in regions))
    for region, colour in zip(regions, _colours(len(regions)), strict=True):
        corners = _pixels(region, canvas.size)
        width = max(2, round(0.35 * unit))
        draw.rectangle(_grown(corners, width), outline=WHITE, width=width)
        draw.rectangle(corners, outline=colour, width=width)
        if not region.line:  # what it says is there to be seen
            _label(draw, canvas.size, corners, caption(region), font, colour)
    return canvas


def _fit(picture: Image) -> Image:
    from PIL import Image

    longest = max(picture.size)
    scale = min(MAX_SIDE / longest, 1.0) if longest >= MIN_SIDE else MIN_SIDE / longest
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)


def _font(size: float, text: str) -> FreeTypeFont | ImageFont:
    """Pillow's own font; for letters outside ASCII, which it lacks, a font of the system that has more."""
    from PIL import ImageFont

    for name in () if text.isascii() else SYSTEM_FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def _colours(count: int) -> list[Colour]:
    return [PALETTE[index % len(PALETTE)] for index in range(count)]


def _pixels(region: Region, size: tuple[int, int]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = region.box
    left, top = round(x0 * size[0]), round(y0 * size[1])
    return left, top, max(left + 1, round(x1 * size[0]) - 1), max(top + 1, round(y1 * size[1]) - 1)


def _grown(corners: tuple[int, int, int, int], by: int) -> tuple[int, int, int, int]:
    return corners[0] - by, corners[1] - by, corners[2] + by, corners[3] + by


def caption(region: Region) -> str:
    """What is written at a box: its label, cut to 40 characters, and its score."""
    words = " ".join(region.label.split())
    if len(words) > MAX_LABEL_CHARS:
        words = words[: MAX_LABEL_CHARS - 1] + "…"
    return " ".join(part for part in (words, percent(region.score)) if part)


def _label(
    draw: ImageDraw,
    size: tuple[int, int],
    corners: tuple[int, int, int, int],
    text: str,
    font: FreeTypeFont | ImageFont,
    colour: Colour,
) -> None:
    """Write on a filled tab above the box, or inside its top edge where there is no room above."""
    if not text:
        return
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    padding = max(3, round((bottom - top) * 0.3))
    width, height = round(right - left) + 2 * padding, round(bottom - top) + 2 * padding
    x = max(0, min(corners[0], size[0] - width))
    y = corners[1] - height if corners[1] >= height else corners[1]
    draw.rounded_rectangle((x, y, x + width, y + height), radius=padding, fill=colour)
    draw.text((x + padding - left, y + padding - top), text, font=font, fill=WHITE)
