"""Backgrounds of scenes: plain, graded, blotchy, wood, grass under sky, tiles, stripes; each with the words for it."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
from PIL import Image

from conlora_agent.training.draw.colours import COLOURS, shade

Size = tuple[int, int]
"""(width, height) in pixels."""


def background(rng: random.Random, size: Size) -> tuple[Image.Image, str | None]:
    """An RGB background of `size` and how a sentence would name it ("a wooden table"), None for nothing special."""
    return rng.choices(tuple(_KINDS), tuple(_KINDS.values()))[0](rng, size)


def _pale(rng: random.Random) -> tuple[int, int, int]:
    base = shade(rng, rng.choice(COLOURS))
    mix = rng.uniform(0.35, 0.9)
    return tuple(round(c + (255 - c) * mix) for c in base)  # type: ignore[return-value]


def _noise(rng: random.Random, shape: tuple[int, ...], spread: int) -> np.ndarray:
    return np.random.default_rng(rng.getrandbits(32)).integers(-spread, spread + 1, shape)


def _plain(rng: random.Random, size: Size) -> tuple[Image.Image, str | None]:
    if rng.random() < 0.4:
        colour = rng.choice(COLOURS)
        return Image.new("RGB", size, shade(rng, colour)), f"a {colour} background"
    return Image.new("RGB", size, _pale(rng)), None


def _blotchy(rng: random.Random, size: Size) -> tuple[Image.Image, str | None]:
    base = np.array(_pale(rng) if rng.random() < 0.6 else shade(rng, rng.choice(COLOURS)))
    rows, columns = rng.choice(((1, 2), (2, 1), (2, 2), (3, 4), (6, 8), (12, 16)))
    small = np.clip(base + _noise(rng, (rows, columns, 3), rng.randint(10, 60)), 0, 255).astype(np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC), None


def _wood(rng: random.Random, size: Size) -> tuple[Image.Image, str | None]:
    width, height = size
    base = np.array((rng.randint(120, 200), rng.randint(80, 130), rng.randint(40, 80)))
    boards = rng.randint(3, 8)
    tone = np.repeat(_noise(rng, (boards, 1, 1), 18), -(-height // boards), axis=0)[:height]
    grain = _noise(rng, (height, max(2, width // 32), 1), 10)
    coarse = np.clip(base + tone + grain, 0, 255).astype(np.uint8)
    picture = Image.fromarray(coarse).resize(size, Image.Resampling.BILINEAR)
    return picture, rng.choice(("a wooden table", "a table"))


def _meadow(rng: random.Random, size: Size) -> tuple[Image.Image, str | None]:
    width, height = size
    sky = np.array((rng.randint(110, 190), rng.randint(180, 220), rng.randint(225, 255)))
    grass = np.array((rng.randint(60, 130), rng.randint(140, 190), rng.randint(50, 90)))
    horizon = int(height * rng.uniform(0.3, 0.7))
    rows = np.where((np.arange(height) < horizon)[:, None], sky, grass)[:, None]
    fade = (np.arange(height) - height / 2)[:, None, None] / height * rng.uniform(0, 60)
    fine = _noise(rng, (height, max(2, width // 3), 1), rng.randint(2, 12))
    coarse = np.clip(rows + fade + fine, 0, 255).astype(np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BILINEAR), rng.choice(("the grass", "a meadow"))


def _wall_and_floor(rng: random.Random, size: Size) -> tuple[Image.Image, str | None]:
    width, height = size
    wall, floor = np.array(_pale(rng)), np.array(shade(rng, rng.choice(("brown", "grey", "white", "blue", "green"))))
    edge = int(height * rng.uniform(0.5, 0.85))
    rows = np.where((np.arange(height) < edge)[:, None], wall, floor)[:, None].astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(np.broadcast_to(rows, (height, width, 3)))), "the floor"


def _tiles(rng: random.Random, size: Size) -> tuple[Image.Image, str | None]:
    width, height = size
    a, b = np.array(_pale(rng)), np.array(_pale(rng))
    cell = rng.randint(10, 40)
    across, down = np.arange(width) // cell, np.arange(height) // cell
    kind = rng.randrange(3)
    mask = (across[None] + down[:, None]) % 2 if kind == 0 else across[None] % 2 + 0 * down[:, None]
    if kind == 2:
        mask = down[:, None] % 2 + 0 * across[None]
    picture = np.where(mask[..., None] == 0, a, b).astype(np.uint8)
    words = "a checked cloth" if kind == 0 else "a striped cloth"
    return Image.fromarray(picture), words


def _texture(rng: random.Random, size: Size) -> tuple[Image.Image, str | None]:
    width, height = size
    base = np.array(_pale(rng) if rng.random() < 0.5 else shade(rng, rng.choice(COLOURS)))
    scale = rng.choice((1, 2, 4, 8))
    shape = (max(1, height // scale), max(1, width // scale), 1 if rng.random() < 0.6 else 3)
    small = np.clip(base + _noise(rng, shape, rng.randint(6, 40)), 0, 255).astype(np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BILINEAR), None


_KINDS: dict[Callable[[random.Random, Size], tuple[Image.Image, str | None]], float] = {
    _plain: 0.28,
    _blotchy: 0.22,
    _wood: 0.14,
    _meadow: 0.1,
    _wall_and_floor: 0.08,
    _tiles: 0.08,
    _texture: 0.1,
}
