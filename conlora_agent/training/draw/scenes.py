"""Scenes: one to six objects on a background, some carrying text, every box and glyph known exactly.

Not covered here: receipts, posters, screens and tables (documents.py); sentences about a scene (questions.py).
"""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageDraw

from conlora_agent.training.draw.backgrounds import background
from conlora_agent.training.draw.colours import COLOURS, dominant_colour, hue_of
from conlora_agent.training.draw.material import Material, Sprite
from conlora_agent.training.draw.names import LETTERED
from conlora_agent.training.draw.patch import Patch, soft_shadow
from conlora_agent.training.draw.sample import PixelBox, Sample
from conlora_agent.training.draw.styles import inked, reshaped, restyled
from conlora_agent.training.draw.text import Words, contrasting, degrade, draw_line, load_font, text_width
from conlora_agent.training.draw.things import thing

Size = tuple[int, int]
CAMERA = 0.8
"""Strength of camera trouble, see text.degrade."""
COUNTS = (1, 2, 3, 4, 5, 6)
RESHAPED = 0.6
"""Share of what gets another style that gets another shape with it."""
COUNT_WEIGHTS = (0.18, 0.22, 0.22, 0.16, 0.12, 0.1)


def scene(rng: random.Random, size: Size, material: Material, fonts: tuple[str, ...], words: Words) -> Sample:
    """A picture of `size` (width, height) with one to six objects. Boxes are exact pixel bounds of what is visible.

    `facts["place"]` says what the objects stand on, when a sentence would name it.
    """
    width, height = size
    picture, place = background(rng, size)
    sample = Sample(np.empty(0, np.uint8), kind="scene", facts={"place": place})
    count = rng.choices(COUNTS, COUNT_WEIGHTS)[0]
    shadows = rng.random() < 0.35
    twin: str | None = None
    more_of_it = 0.75 if rng.random() < 0.25 else 0.25
    for _ in range(count):
        side = longer_side(rng, size, count)
        patch = _object(rng, side, material, fonts, words, twin)
        place_at = free_place(rng, size, patch.image.size, [o.box for o in sample.objects])
        if place_at is None:
            continue
        # Several of a kind are what counting and "the left one" are learnt from.
        twin = patch.name if rng.random() < more_of_it else None
        patch.put(sample, picture, *place_at, soft_shadow(patch.image, rng) if shadows else None)
    if rng.random() < 0.12:
        _caption(rng, sample, picture, fonts, words)
    name_sizes(sample, width * height)
    sample.picture = degrade(rng, picture, CAMERA)
    return sample


def longer_side(rng: random.Random, size: Size, count: int) -> int:
    """Longer side of an object in pixels: small or large, and less of either when there are many."""
    width, height = size
    room = min(height, (width * height / count) ** 0.5)
    share = rng.uniform(0.3, 0.6) if rng.random() < 0.4 else rng.uniform(0.6, 1.0)
    return max(20, min(int(room * share), height - 2, width - 2))


def _object(
    rng: random.Random, side: int, material: Material, fonts: tuple[str, ...], words: Words, name: str | None
) -> Patch:
    """One object; `name` asks for one more of the same kind."""
    if name in ("mug", "cup") and not (name in material.sprites and rng.random() < 0.5):
        name = "mug"
    from_sprites = name in material.sprites if name else rng.random() < 0.65
    if from_sprites:
        name = name or rng.choice(tuple(material.sprites))
        return _turn(rng, emoji(rng, material.pick(rng, name), side, material.restyled))
    return _turn(rng, thing(rng, side, words, fonts, name=name))


def _turn(rng: random.Random, patch: Patch) -> Patch:
    if rng.random() < 0.6 or patch.name in ("square", "diamond"):
        return patch
    return patch.turned(rng.gauss(0, 7 if not patch.lines else 4))


def emoji(rng: random.Random, sprite: Sprite, side: int, restyle: float = 0.0) -> Patch:
    """A sprite at about `side` pixels on its longer side, sometimes mirrored or in another colour.

    `restyle`: chance that it gets another style, too, and often another shape.
    """
    image = Image.fromarray(sprite.pixels)
    scale = side / max(image.size)
    size = (max(6, round(image.width * scale)), max(6, round(image.height * scale)))
    # Squeezing a little is cheap variety of viewpoint.
    if rng.random() < 0.3:
        size = (max(6, round(size[0] * rng.uniform(0.82, 1.0))), max(6, round(size[1] * rng.uniform(0.82, 1.0))))
    image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.5)
    if rng.random() < 0.5 and sprite.name not in LETTERED:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    colour = sprite.colour
    if sprite.ink:
        image, colour = inked(rng, image)
    elif sprite.name not in LETTERED and colour is not None and hue_of(colour) is not None and rng.random() < 0.35:
        image, colour = recoloured(rng, image, colour)
    if rng.random() < restyle:
        image, colour = restyled(rng, image)
        image = reshaped(rng, image) if rng.random() < RESHAPED else image
    return Patch(sprite.name, image, colour)


_HUES = tuple(c for c in COLOURS if hue_of(c) is not None)


def recoloured(rng: random.Random, image: Image.Image, colour: str) -> tuple[Image.Image, str | None]:
    """The picture with its hues turned from `colour` to another, and the word for what came out."""
    target = rng.choice(_HUES)
    turn = round(((hue_of(target) or 0) - (hue_of(colour) or 0)) / 360 * 255)
    hue, saturation, value = image.convert("RGB").convert("HSV").split()
    shifted = Image.merge("HSV", (hue.point([(v + turn) % 256 for v in range(256)]), saturation, value)).convert("RGB")
    shifted.putalpha(image.getchannel("A"))
    return shifted, dominant_colour(np.asarray(shifted)[::2, ::2])


def free_place(
    rng: random.Random, size: Size, patch: Size, taken: list[PixelBox], covered: float | None = None
) -> tuple[int, int] | None:
    """Top left for a patch that covers at most a little, or that share, of any other; None when no try finds one."""
    if patch[0] > size[0] or patch[1] > size[1]:
        return None
    allowed = covered if covered is not None else 0.12 if rng.random() < 0.15 else 0.0
    for _ in range(30):
        x, y = rng.randint(0, size[0] - patch[0]), rng.randint(0, size[1] - patch[1])
        box = (x, y, x + patch[0], y + patch[1])
        if all(_covered(box, other) <= allowed for other in taken):
            return x, y
    return None


def _covered(a: PixelBox, b: PixelBox) -> float:
    """Share of the smaller of two boxes that lies in the other."""
    across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return across * down / max(smaller, 1.0)


def _caption(rng: random.Random, sample: Sample, picture: Image.Image, fonts: tuple[str, ...], words: Words) -> None:
    """A line of text on the background, where there is room for it."""
    font = load_font(rng.choice(fonts), rng.choice((14, 16, 18, 22, 27)))
    text = words.phrase(rng, rng.randint(1, 4))
    extent = (int(text_width(font, text)) + 6, sum(font.getmetrics()) + 2)
    where = free_place(rng, picture.size, extent, [o.box for o in sample.objects])
    if where is None:
        return
    ground = picture.crop((where[0], where[1], where[0] + extent[0], where[1] + extent[1])).resize((1, 1))
    pixel = ground.getpixel((0, 0))
    assert isinstance(pixel, tuple)
    fill = contrasting(rng, (int(pixel[0]), int(pixel[1]), int(pixel[2])))
    sample.lines.append(draw_line(ImageDraw.Draw(picture), (where[0] + 3, where[1] + 1), text, font, fill))


def name_sizes(sample: Sample, area: float) -> None:
    """Call an object small or large where its box is clearly so, on a picture of so many pixels."""
    for item in sample.objects:
        x0, y0, x1, y1 = item.box
        share = (x1 - x0) * (y1 - y0) / area
        item.size = "small" if share < 0.04 else "large" if share > 0.2 else None
