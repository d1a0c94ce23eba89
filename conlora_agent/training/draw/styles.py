"""Other styles of a drawing: icons of a single ink coloured in, or painted as other drawings are, and drawings given
other palettes, lights, outlines and proportions.

An unseen drawing style is told by nothing but what all seen ones share, so the seen ones are made many
(domain randomisation, Tobin et al. 2017, arXiv:1703.06907).
"""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from conlora_agent.training.draw.colours import COLOURS, dominant_colour, shade, shifter

Pixels = NDArray[np.uint8]

SPARSE = 0.55
"""A drawing whose ink covers less than this of what it encloses is lines: its inside is nearly always coloured in."""
BEND, KNOTS = 0.04, 4
"""How far a part is moved, as a share of the longer side (one deviation), and how many ways in each direction."""
TIP = 20
"""Degrees by which a drawing is turned, one deviation."""
THICK = 0.025
"""Ink further than this from its edges, as a share of the longer side, is no line but a part."""
DETAIL = 0.01
"""A part of ink that covers less of what is enclosed is a detail: an eye, a button."""
DARK = ("black", "brown", "blue", "grey")


def inked(rng: random.Random, icon: Image.Image) -> tuple[Image.Image, str | None]:
    """An RGBA icon of one ink, in a random one and often filled with another; its colour word if it has just one."""
    from scipy.ndimage import binary_fill_holes

    ink = np.asarray(icon.getchannel("A"), np.float32)[..., None] / 255
    inside: NDArray[np.bool_] = binary_fill_holes(ink[..., 0] > 0.35)
    sparse = ink[..., 0].sum() < SPARSE * inside.sum()
    line = rng.choice(DARK) if rng.random() < (0.7 if sparse else 0.3) else rng.choice(COLOURS)
    pixels: NDArray[Any] = np.broadcast_to(_rgb(rng, line), (*inside.shape, 3))
    alpha = ink
    if rng.random() < (0.85 if sparse else 0.55):
        fill = rng.choice([colour for colour in COLOURS if colour != line])
        pixels, alpha = ink * pixels + (1 - ink) * _rgb(rng, fill), np.maximum(ink, inside[..., None])
    picture = np.concatenate([pixels, alpha * 255], -1).round().astype(np.uint8)
    return Image.fromarray(picture), dominant_colour(picture)


def painted(rng: random.Random, icon: Pixels, other: Pixels) -> Pixels:
    """RGBA pixels of an icon of one ink, painted like `other`, a drawing of the same in its own colours: each part that
    lines enclose, or that is ink all over, in the median colour there.
    """
    from scipy.ndimage import binary_dilation, binary_fill_holes, binary_opening, label

    ink = icon[..., 3:].astype(np.float32) / 255
    line = ink[..., 0] > 0.35
    inside: NDArray[np.bool_] = binary_fill_holes(line)
    solid = binary_opening(line, iterations=max(1, round(THICK * max(line.shape))))
    solid = binary_dilation(solid, iterations=2) & line  # with their corners
    enclosed, count = label(inside & ~line)
    thick, more = label(solid)
    parts = np.where(solid, thick + count, enclosed)
    sizes = np.bincount(parts.ravel(), minlength=1 + count + more)
    like = np.asarray(Image.fromarray(other).resize(line.shape[::-1], Image.Resampling.BILINEAR))
    seen = like[..., 3] > 128
    usual = np.median(like[seen][:, :3], 0) if seen.any() else np.zeros(3)
    shifted, dark = shifter(rng, drift=0.02), _rgb(rng, rng.choice(DARK))
    table = np.tile(dark, (len(sizes), 1))
    for part in range(1, len(sizes)):
        under = like[(parts == part) & seen][:, :3]
        if part <= count or sizes[part] > DETAIL * inside.sum():
            colour = np.median(under, 0) if len(under) > sizes[part] / 4 else usual
            table[part] = [255 * channel for channel in shifted(*(colour / 255))]
    colours = table[np.where(solid, 0, parts)] * (1 - ink) + np.where(solid[..., None], table[parts], dark) * ink
    alpha = np.maximum(ink, inside[..., None]) * 255
    return np.concatenate([colours, alpha], -1).round().clip(0, 255).astype(np.uint8)


def _rgb(rng: random.Random, name: str) -> NDArray[np.float32]:
    return np.array(shade(rng, name), np.float32)


def restyled(rng: random.Random, picture: Image.Image) -> tuple[Image.Image, str | None]:
    """An RGBA drawing in another style, and its colour word if it has just one."""
    picture = rng.choice((_palette, _shaded, _outlined, _flattened))(rng, picture)
    return picture, dominant_colour(np.asarray(picture)[::2, ::2])


def reshaped(rng: random.Random, picture: Image.Image) -> Image.Image:
    """An RGBA drawing in other proportions, or turned further than things are in scenes; its longer side as before."""
    return rng.choice((_bent, _bent, _tipped))(rng, picture)


def _palette(rng: random.Random, picture: Image.Image) -> Image.Image:
    """Few colours, each a little off."""
    few = picture.convert("RGB").quantize(rng.randint(3, 8))
    table = np.array(few.getpalette() or [], np.float32).reshape(-1, 3) / 255
    shifted = shifter(rng, drift=0.02)
    few.putpalette([round(part * 255) for colour in table for part in shifted(*colour)])
    return _with_alpha(few.convert("RGB"), picture)


def _shaded(rng: random.Random, picture: Image.Image) -> Image.Image:
    """Lit from one side."""
    light = Image.linear_gradient("L").rotate(rng.uniform(0, 360), fillcolor=128).resize(picture.size)
    strength = np.asarray(light, np.float32)[..., None] / 255 * rng.uniform(0.2, 0.6) + rng.uniform(0.6, 0.95)
    pixels = np.asarray(picture.convert("RGB"), np.float32) * strength
    return _with_alpha(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), picture)


def _outlined(rng: random.Random, picture: Image.Image) -> Image.Image:
    """With a rim, dark or white like a sticker's, in the same room."""
    size = picture.size
    width = max(1, round(max(picture.size) * rng.uniform(0.015, 0.05)))
    picture = ImageOps.expand(picture, width, (0, 0, 0, 0))
    rim = picture.getchannel("A").filter(ImageFilter.MaxFilter(2 * width + 1))
    ground = Image.new("RGBA", picture.size, (*shade(rng, rng.choice((*DARK, "white", "white"))), 255))
    ground.putalpha(rim)
    return Image.alpha_composite(ground, picture).resize(size, Image.Resampling.BILINEAR)


def _bent(rng: random.Random, picture: Image.Image) -> Image.Image:
    """Every part moved a little, neighbours alike."""
    from scipy.ndimage import map_coordinates

    side = max(picture.size)
    reach = math.ceil(2 * BEND * side)
    picture = ImageOps.expand(picture, reach, (0, 0, 0, 0))
    # With colours weighted by what is visible of them, or the edges would take on what lies beneath.
    pixels = np.asarray(picture.convert("RGBa"), np.float32)
    moves = [_smooth(rng, picture.size).clip(-2, 2) * BEND * side for _ in "yx"]
    where = np.mgrid[: picture.height, : picture.width].astype(np.float32) + moves
    bent = np.stack([map_coordinates(part, where, order=1) for part in np.moveaxis(pixels, -1, 0)], -1)
    drawn = Image.fromarray(bent.round().astype(np.uint8), "RGBa").convert("RGBA")
    return _as_long(drawn, side)


def _tipped(rng: random.Random, picture: Image.Image) -> Image.Image:
    turned = picture.rotate(rng.gauss(0, TIP), Image.Resampling.BICUBIC, expand=True)
    return _as_long(turned, max(picture.size))


def _as_long(picture: Image.Image, side: int) -> Image.Image:
    """What is visible of it, scaled to this longer side."""
    picture = picture.crop(picture.getbbox())
    scale = side / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.BILINEAR)


def _smooth(rng: random.Random, size: tuple[int, int]) -> NDArray[np.float32]:
    """A field of deviation 1 at its knots that varies smoothly, (height, width)."""
    knots = np.array([[rng.gauss(0, 1) for _ in range(KNOTS)] for _ in range(KNOTS)], np.float32)
    return np.asarray(Image.fromarray(knots).resize(size, Image.Resampling.BICUBIC))


def _flattened(rng: random.Random, picture: Image.Image) -> Image.Image:
    """Without its fine lines."""
    smooth = picture.convert("RGB").filter(ImageFilter.MedianFilter(rng.choice((3, 5, 7))))
    return _with_alpha(ImageOps.posterize(smooth, rng.choice((3, 4, 5))), picture)


def _with_alpha(pixels: Image.Image, picture: Image.Image) -> Image.Image:
    pixels.putalpha(picture.getchannel("A"))
    return pixels
