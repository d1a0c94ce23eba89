"""The eleven basic colour words (Berlin and Kay): a random shade of each, and the word for given pixels."""

from __future__ import annotations

import colorsys
import random
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
Shifted = tuple[float, float, float]

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey")
"""Label order."""

# Ranges of hue (degrees), saturation and value that people call by that word without hesitation.
_SHADES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "red": ((-8, 7), (0.75, 1.0), (0.62, 1.0)),
    "orange": ((20, 34), (0.8, 1.0), (0.88, 1.0)),
    "yellow": ((48, 59), (0.65, 1.0), (0.88, 1.0)),
    "green": ((90, 150), (0.5, 1.0), (0.35, 0.85)),
    "blue": ((195, 236), (0.55, 1.0), (0.45, 1.0)),
    "purple": ((264, 286), (0.5, 1.0), (0.4, 0.85)),
    "pink": ((315, 345), (0.3, 0.65), (0.9, 1.0)),
    "brown": ((16, 30), (0.55, 0.85), (0.3, 0.5)),
    "black": ((0, 360), (0.0, 0.3), (0.02, 0.13)),
    "white": ((0, 360), (0.0, 0.04), (0.95, 1.0)),
    "grey": ((0, 360), (0.0, 0.06), (0.42, 0.66)),
}


def shade(rng: random.Random, name: str) -> Colour:
    """A random RGB shade of a colour word."""
    hue, saturation, value = (rng.uniform(*span) for span in _SHADES[name])
    r, g, b = colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value)
    return round(r * 255), round(g * 255), round(b * 255)


def shifter(rng: random.Random, drift: float, free: float = 0.0) -> Callable[[float, float, float], Shifted]:
    """Gives one RGB colour after the other (0..1) another shade, all in one direction and each a little by itself.

    `drift`: how far a hue goes by itself, one deviation; `free`: chance of a colour to become any other hue.
    """
    turn, dull, light = rng.gauss(0, 0.03), rng.uniform(0.6, 1.4), rng.uniform(0.75, 1.25)

    def shifted(red: float, green: float, blue: float) -> Shifted:
        hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
        hue = rng.random() if free and rng.random() < free else (hue + turn + rng.gauss(0, drift)) % 1
        value = min(1.0, value * light * rng.uniform(0.85, 1.15))
        return colorsys.hsv_to_rgb(hue, min(1.0, saturation * dull), value)

    return shifted


def hue_of(name: str) -> float | None:
    """Middle hue of a colour word in degrees, None for black, white, grey and brown."""
    return None if name in ("black", "white", "grey", "brown") else sum(_SHADES[name][0]) / 2 % 360


def colour_indices(rgb: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Index into COLOURS for each pixel of `rgb` (..., 3)."""
    pixels = rgb.astype(np.float32) / 255
    value, low = pixels.max(-1), pixels.min(-1)
    spread = value - low
    saturation = spread / np.maximum(value, 1e-6)
    r, g, b = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    safe = np.maximum(spread, 1e-6)
    hue = np.where(value == r, (g - b) / safe % 6, np.where(value == g, (b - r) / safe + 2, (r - g) / safe + 4)) * 60
    edges = np.array([12, 42, 66, 168, 250, 296, 346])
    words = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "red"]
    index: NDArray[np.int64] = np.array([COLOURS.index(w) for w in words])[np.searchsorted(edges, hue, side="right")]
    index[(hue < 48) & (hue >= 8) & (value < 0.68)] = COLOURS.index("brown")
    index[((hue < 12) | (hue >= 320)) & (saturation < 0.55) & (value > 0.75)] = COLOURS.index("pink")
    index[saturation < 0.14] = COLOURS.index("grey")
    index[(saturation < 0.34) & (hue > 180) & (hue < 260) & (value < 0.8)] = COLOURS.index("grey")
    index[(saturation < 0.14) & (value > 0.86)] = COLOURS.index("white")
    index[(value < 0.2) | ((saturation < 0.25) & (value < 0.3))] = COLOURS.index("black")
    return index


def dominant_colour(rgba: NDArray[np.uint8], share: float = 0.6) -> str | None:
    """The colour word of an RGBA picture (h, w, 4) if at least `share` of what is visible has it."""
    visible = rgba[rgba[..., 3] > 128][:, :3]
    if len(visible) == 0:
        return None
    counts = np.bincount(colour_indices(visible), minlength=len(COLOURS))
    best = int(counts.argmax())
    return COLOURS[best] if counts[best] >= share * len(visible) else None
