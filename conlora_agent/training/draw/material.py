"""Sprites: emoji of nine open sets and of a font, the icons of icons.py and the cut-outs of clipart.py; rasterised
once, then cached.

Sets and licences: openmoji (CC BY-SA 4.0), twemoji (CC BY 4.0), noto and noto-v1 (Apache-2.0), emojione (CC BY 4.0),
emojione-v1 (CC BY-SA 4.0), fxemoji (Apache-2.0), streamline-emojis (CC BY 4.0), fluent-emoji-flat (MIT); the font Noto
Emoji (OFL); npm fetches them. All but fluent-emoji-flat train, as they are and redrawn by redrawn.py; it is held out,
so that a figure on it says how well unseen drawings are recognised.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from conlora_agent.core.errors import DataError
from conlora_agent.core.files import replace_file
from conlora_agent.training.draw import clipart, colours, icons, redrawn
from conlora_agent.training.draw.colours import dominant_colour
from conlora_agent.training.draw.names import EMOJI, LETTERED
from conlora_agent.training.draw.styles import Pixels, painted
from conlora_agent.training.fetching import npm_file

SETS = {
    "openmoji": "1.2.29",
    "twemoji": "1.2.5",
    "noto": "1.2.9",
    "noto-v1": "1.2.5",
    "emojione": "1.2.3",
    "emojione-v1": "1.2.3",
    "fxemoji": "1.2.2",
    "streamline-emojis": "1.2.4",
    "fluent-emoji-flat": "1.2.6",
}
"""npm packages `@iconify-json/<set>` and the versions drawn from."""
PARTIAL = frozenset(("noto-v1", "emojione", "emojione-v1", "fxemoji", "streamline-emojis"))
"""Sets that lack some drawings."""
FONT, FONT_VERSION = "noto-emoji", "0.4.7"
"""npm package `@expo-google-fonts/<font>`: a drawing of every emoji, in one ink. Only those in BARE are not used."""
BARE = frozenset(("full-moon", "stop-sign"))
"""What that font draws as nothing but a circle or an octagon."""
HELDOUT_STYLES = ("fluent-emoji-flat",)
TRAIN_STYLES = (*(style for style in SETS if style not in HELDOUT_STYLES), FONT, *icons.SETS, *clipart.PACKAGES)
SIDE = 192
"""Side of a rasterised emoji, pixels."""
VISIBLE = 40
"""More opaque (of 255) than this counts as visible."""
VERSIONS, SMALLER = 6, 128
"""Each emoji is redrawn at most so many times, each at most so many pixels long."""
REDRAWN = 0.5
"""Share of redrawn ones among emoji."""
KEPT = 0.75
"""A version shows at least so much of what the emoji covers: it is still the same thing."""
ICONS = 0.35
"""Share of icons among drawings of what has other drawings, too."""
PAINTED = 0.65
"""Share of drawings in one ink that are painted after another drawing, redrawn ones among them."""
FEW = 7
"""A name has few drawings if there are at most so many of it, icons and redrawn ones aside."""
FEW_RESTYLED = 0.8
"""Share of what is drawn of such names alone that is given another style."""


@dataclass(frozen=True)
class Sprite:
    """One drawing of a named object: RGBA pixels cropped to what is visible, and its colour word if it has just one."""

    name: str
    style: str
    pixels: Pixels
    colour: str | None
    redrawn: bool = False
    """Whether it is a drawing of `style` as another might have drawn, or painted, it."""

    @property
    def icon(self) -> bool:
        """Whether it is of a set of icons, or of the font."""
        return self.style == FONT or self.style in icons.SETS

    @property
    def ink(self) -> bool:
        """Whether it is drawn with one ink alone, so that it can be coloured in at will."""
        return self.icon and self.style not in icons.COLOURED and not self.redrawn


@dataclass(frozen=True)
class Material:
    """Sprites by name, of the styles asked for."""

    sprites: dict[str, tuple[Sprite, ...]]
    restyled: float = 0.0
    """Share of drawings to be given another style than their own, see styles.py."""

    @classmethod
    def load(cls, cache: Path, styles: tuple[str, ...] = TRAIN_STYLES, *, again: bool = False) -> Material:
        """Sprites of `styles`, fetched and rasterised into `cache` where missing; with emoji redrawn, too, if `again`.

        Raises Failure when npm or apt is needed and missing or fails, DataError when a package lacks a drawing.
        """
        found: dict[str, list[Sprite]] = {name: [] for name in EMOJI}
        for style in styles:
            for sprite in _read(_rasterised(style, cache), style):
                found[sprite.name].append(sprite)
            if again and style in SETS:
                for sprite in _read(_redrawn(style, cache), style):
                    found[sprite.name].append(replace(sprite, redrawn=True))
        return cls({name: tuple(sprites) for name, sprites in found.items()})

    def with_few(self) -> Material:
        """Names with few drawings alone: what is known by few drawings is missed most often in another style."""
        few = {n: some for n, some in self.sprites.items() if sum(not (s.icon or s.redrawn) for s in some) <= FEW}
        return Material(few, FEW_RESTYLED)

    def pick(self, rng: random.Random, name: str) -> Sprite:
        """A random drawing of a name. There are many icons of some, so they are drawn by their share."""
        of_icons = [sprite for sprite in self.sprites[name] if sprite.icon]
        others = [sprite for sprite in self.sprites[name] if not sprite.icon]
        if of_icons and (not others or rng.random() < ICONS):
            icon = rng.choice(of_icons)
            if not (others and icon.ink and rng.random() < PAINTED):
                return icon
            pixels = painted(rng, icon.pixels, rng.choice(others).pixels)
            return replace(icon, pixels=pixels, colour=dominant_colour(pixels[::2, ::2]), redrawn=True)
        sprite = rng.choice([one for one in others if not one.redrawn])
        again = [one for one in others if one.redrawn] if sprite.style in SETS else []
        return rng.choice(again) if again and rng.random() < REDRAWN else sprite


def _rasterised(style: str, cache: Path) -> Path:
    """The file in `cache` with the drawings of a style, made when it is not there yet."""
    if style in SETS:
        path = cache / f"{style}-{SETS[style]}-{SIDE}.npz"
        if not path.exists():
            rasterise_set(fetch_set(style, cache), path, complete=style not in PARTIAL)
        return path
    if style == FONT:
        version, pictures = f"{FONT_VERSION}-{SETS['noto']}", _characters
    elif style in icons.SETS:
        version, pictures = f"{icons.SETS[style]}-{_digest(icons.LIST)}", _icons
    else:
        version, pictures = f"{clipart.PACKAGES[style][1].replace(':', '')}-{_digest(clipart.LIST)}", _cutouts
    path = cache / f"{style}-{version}-{SIDE}.npz"
    if not path.exists():
        _write(path, {f"{name}/{k}": pixels for k, (name, pixels) in enumerate(pictures(style, cache))})
    return path


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]


def _redrawn(style: str, cache: Path) -> Path:
    """The file in `cache` with an emoji set redrawn, made when it is not there yet."""
    code = _digest(Path(colours.__file__), Path(redrawn.__file__))
    path = cache / f"{style}-{SETS[style]}-{code}-{VERSIONS}x{SMALLER}.npz"
    if not path.exists():
        content = json.loads(fetch_set(style, cache).read_text(encoding="utf-8"))
        pixels: dict[str, Pixels] = {}
        for name, k, one in _emoji_of(content, style not in PARTIAL):
            rng = random.Random(f"{style}/{name}/{k}")
            drawings = versions(rng, svg_of(content, one), coloured=name not in LETTERED)
            pixels |= {f"{name}/{k}/{j}": drawing for j, drawing in enumerate(drawings)}
        _write(path, pixels)
    return path


def versions(rng: random.Random, svg: str, *, coloured: bool = True) -> Iterator[Pixels]:
    """At most VERSIONS of an SVG document, as redrawn.redrawn gives them."""
    whole = _covered(drawn(svg, SMALLER))
    for _ in range(VERSIONS):
        picture = drawn(redrawn.redrawn(rng, svg, coloured=coloured), SMALLER)
        if _covered(picture) >= KEPT * whole:
            yield cropped(picture)


def _covered(picture: Image.Image) -> int:
    return int((np.asarray(picture.getchannel("A")) > VISIBLE).sum())


def _emoji_of(content: dict[str, Any], complete: bool) -> Iterator[tuple[str, int, str]]:
    """Name, number and emoji of all of names.EMOJI, or of what an Iconify set has of them if it is not `complete`."""
    for name, emoji in EMOJI.items():
        yield from ((name, k, one) for k, one in enumerate(emoji) if complete or spelling(content, one))


def _icons(style: str, cache: Path) -> Iterator[tuple[str, Pixels]]:
    content = json.loads(fetch_set(style, cache).read_text(encoding="utf-8"))
    yield from ((name, rasterise(svg_of(content, icon))) for name, icon in icons.listed(style))


def _cutouts(style: str, cache: Path) -> Iterator[tuple[str, Pixels]]:
    yield from ((name, cropped(picture)) for name, picture in clipart.cutouts(style, cache, SIDE))


def _characters(style: str, cache: Path) -> Iterator[tuple[str, Pixels]]:
    kind = "400Regular"
    member, target = f"{kind}/NotoEmoji_{kind}.ttf", cache / f"{style}-{FONT_VERSION}.ttf"
    file = npm_file(f"@expo-google-fonts/{style}@{FONT_VERSION}", member, target)
    font = ImageFont.truetype(file, int(0.75 * SIDE))  # its characters are up to 1.3 times as wide
    package, target = f"@iconify-json/noto@{SETS['noto']}", cache / f"noto-{SETS['noto']}-chars.json"
    codes = json.loads(npm_file(package, "chars.json", target).read_text(encoding="utf-8"))
    characters = {emoji: chr(int(code.partition("-")[0], 16)) for code, emoji in codes.items()}
    for name, _, one in _emoji_of({"icons": characters}, complete=True):
        if one not in BARE:
            character = characters.get(spelling({"icons": characters}, one) or one)
            if character is None:
                raise DataError(f"no character is known for {one!r}", "use the versions named in material.py")
            picture = Image.new("RGBA", (2 * SIDE, 2 * SIDE), (0, 0, 0, 0))
            ImageDraw.Draw(picture).text((SIDE, SIDE), character, "black", font, "mm")
            yield name, cropped(picture)


def fetch_set(style: str, cache: Path) -> Path:
    """The set's icons.json in `cache`, downloaded through npm when it is not there yet."""
    version = {**SETS, **icons.SETS}[style]
    return npm_file(f"@iconify-json/{style}@{version}", "icons.json", cache / f"{style}-{version}.json")


def rasterise_set(icons: Path, path: Path, *, complete: bool = True) -> None:
    """Rasterise every emoji of names.EMOJI found in `icons` (an Iconify JSON file) into `path` (.npz).

    Raises DataError for a missing one if the set should be `complete`.
    """
    content = json.loads(icons.read_text(encoding="utf-8"))
    _write(path, {f"{name}/{k}": rasterise(svg_of(content, one)) for name, k, one in _emoji_of(content, complete)})


def _write(path: Path, drawings: dict[str, Pixels]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **drawings)
    replace_file(path, buffer.getvalue())


def spelling(content: dict[str, Any], emoji: str) -> str | None:
    """What an Iconify set calls an emoji: its name, the first of several, or without hyphens; None if it has none."""
    names = (emoji, f"{emoji}-1", emoji.replace("-", ""))
    return next((name for name in names if name in content["icons"] or name in content.get("aliases", {})), None)


def svg_of(content: dict[str, Any], emoji: str) -> str:
    """The SVG document of one icon of an Iconify set. Raises DataError when the set has no such icon."""
    icons, aliases = content.get("icons"), content.get("aliases", {})
    if not isinstance(icons, dict) or not isinstance(aliases, dict):
        raise DataError("not an Iconify icon set", "expected a JSON file with an 'icons' table")
    name = spelling(content, emoji) or emoji
    icon = icons.get(name) or icons.get(aliases.get(name, {}).get("parent"))
    if icon is None:
        raise DataError(f"the icon set has no drawing {emoji!r}", "use the versions named in material.py")
    width, height = (icon.get(k) or content.get(k) or 16 for k in ("width", "height"))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}">{icon["body"]}</svg>'
    )


def rasterise(svg: str) -> Pixels:
    """RGBA pixels of an SVG document, at most SIDE on the longer side, cropped to what is visible."""
    return cropped(drawn(svg, SIDE))


def drawn(svg: str, side: int) -> Image.Image:
    """An SVG document as an RGBA square of this side."""
    import cairosvg

    png = cairosvg.svg2png(bytestring=svg.encode(), output_width=side, output_height=side)
    return Image.open(io.BytesIO(png)).convert("RGBA")


def cropped(picture: Image.Image) -> Pixels:
    """RGBA pixels of what is visible of a picture."""
    pixels = np.array(picture)
    visible = pixels[..., 3] > VISIBLE
    if not visible.any():
        raise DataError("a drawing is empty", "use the versions named in material.py")
    rows, columns = np.flatnonzero(visible.any(1)), np.flatnonzero(visible.any(0))
    pixels = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    # What cannot be seen still bleeds into the edge when the sprite is turned or scaled: give it the mean colour.
    pixels[pixels[..., 3] == 0, :3] = pixels[pixels[..., 3] > 128][:, :3].mean(0).astype(np.uint8)
    return pixels


def _read(path: Path, style: str) -> list[Sprite]:
    with np.load(path) as drawings:
        pixels = {key: drawings[key] for key in drawings.files}
    return [Sprite(k.partition("/")[0], style, p, dominant_colour(p[::4, ::4])) for k, p in pixels.items()]
