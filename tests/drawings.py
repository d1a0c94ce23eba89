"""A small set of clip-art and a font for tests of the renderers: no npm, no font packages."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from PIL import ImageFont

from conlora_agent.training.draw.colours import dominant_colour
from conlora_agent.training.draw.material import Material, Sprite, rasterise, svg_of
from conlora_agent.training.draw.names import EMOJI
from conlora_agent.training.draw.text import Words

BODIES = {
    "red-apple": '<circle cx="16" cy="18" r="12" fill="#d02020"/>',
    "green-apple": '<circle cx="16" cy="18" r="12" fill="#209030"/>',
    "automobile": '<path d="M2 14h6l4-6h10l4 6h4v10H2z" fill="#2050d0"/>',
    "dog": '<rect x="4" y="10" width="24" height="12" fill="#704020"/>',
    "envelope": '<rect x="2" y="8" width="28" height="16" fill="#ffffff"/>',
}
NAMES = {"apple": ("red-apple", "green-apple"), "car": ("automobile",), "dog": ("dog",), "envelope": ("envelope",)}
WORDS = Words(["River", "house", "market", "summer", "paper", "garden", "stone", "music", "coffee", "light"])


def icon_set(icons: dict[str, str] = BODIES) -> dict[str, object]:
    """An icon set in Iconify's format."""
    return {"icons": {name: {"body": body} for name, body in icons.items()}, "width": 32, "height": 32}


def complete_icon_file(path: Path) -> Path:
    """An icon set with every emoji that the renderers know, all a small square."""
    body = '<rect x="8" y="8" width="16" height="16" fill="#d02020"/>'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(icon_set({emoji: body for group in EMOJI.values() for emoji in group})))
    return path


@cache
def material() -> Material:
    """Sprites of BODIES."""
    content, sprites = icon_set(), {}
    for name, emoji in NAMES.items():
        drawn = [rasterise(svg_of(content, one)) for one in emoji]
        sprites[name] = tuple(Sprite(name, "test", pixels, dominant_colour(pixels)) for pixels in drawn)
    return Material(sprites)


def fonts(folder: Path) -> tuple[str, ...]:
    """The font that Pillow brings along, as a file."""
    path = folder / "Aileron-Regular.ttf"
    default = ImageFont.load_default(20)
    assert isinstance(default, ImageFont.FreeTypeFont)
    path.write_bytes(default.font_bytes)
    return (str(path),)
