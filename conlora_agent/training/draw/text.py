"""Draws text: fonts, words, single lines and pictures full of lines, every glyph labelled.

Not covered here: documents and scenes with objects (scenes.py).
"""

from __future__ import annotations

import functools
import hashlib
import io
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from conlora_agent.backbone.nano.processing import fit
from conlora_agent.core.errors import BadInput
from conlora_agent.training.draw.sample import Glyph, Sample, TextLine

CHARSET = "".join(chr(c) for c in range(33, 127))
"""The 94 visible ASCII characters, in label order (label 0 means "none")."""

FONT_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path("/Library/Fonts"))
HELDOUT_EVERY = 8
"""One font family in this many is never trained on."""
FACES_PER_FAMILY = 3
SIZES = (11, 12, 13, 14, 15, 16, 18, 20, 22, 24, 27, 30, 34, 38, 42, 48, 56, 68, 84)
"""Font sizes in pixels; few, because opening a font costs more than drawing with it."""

Colour = tuple[int, int, int]


def _usable(path: Path) -> bool:
    """Whether the font draws every visible ASCII character, each in its own shape."""
    try:
        font = ImageFont.truetype(str(path), 24, layout_engine=ImageFont.Layout.BASIC)
        missing = bytes(font.getmask("\uffff"))
        shapes = {bytes(font.getmask(c)) for c in "AbCdEgkmQRXyz0123456789&?!$%"}
        return len(shapes) >= 27 and missing not in shapes and all(font.getbbox(c)[2] > 0 for c in CHARSET)
    except OSError:
        return False


@dataclass(frozen=True)
class FontBook:
    """Paths of usable Latin fonts, split by family into those trained on and those held out."""

    train: tuple[str, ...]
    heldout: tuple[str, ...]

    @classmethod
    @functools.cache
    def installed(cls) -> FontBook:
        """Every usable font of this machine. Raises BadInput when there are too few to learn from."""
        found = (p for d in FONT_FOLDERS if d.exists() for p in d.rglob("*"))
        files = sorted(p for p in found if p.suffix.lower() in (".ttf", ".otf"))
        files = [p for p in files if "Noto" not in p.name or p.name.split("-")[0] in _NOTO_LATIN]
        files = [p for p in files if not any(word in p.name.lower() for word in ("symbol", "dingbat", "d050000l"))]
        usable = [p for p in files if _usable(p)]
        families: dict[str, list[str]] = {}
        for path in usable:
            families.setdefault(path.stem.split("-")[0].lower(), []).append(str(path))
        train: list[str] = []
        heldout: list[str] = []
        for family, faces in families.items():
            digest = int(hashlib.sha256(family.encode()).hexdigest(), 16)
            # A few faces spread over each family, so that a family of fifty weights does not drown the others.
            spread = faces[:: max(1, len(faces) // FACES_PER_FAMILY)][:FACES_PER_FAMILY]
            (heldout if digest % HELDOUT_EVERY == 0 else train).extend(spread)
        if len(train) < 10 or not heldout:
            raise BadInput(
                f"only {len(usable)} usable fonts are installed", "install some, e.g. the packages in docs/training.md"
            )
        return cls(tuple(train), tuple(heldout))


_NOTO_LATIN = {"NotoSans", "NotoSerif", "NotoSansMono", "NotoMono", "NotoSansDisplay", "NotoSerifDisplay"}


@functools.lru_cache(maxsize=6000)
def load_font(path: str, size: int) -> ImageFont.FreeTypeFont:
    """The font at `size` pixels."""
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


@functools.lru_cache(maxsize=400_000)
def _advance(path: str, size: int, char: str) -> float:
    return load_font(path, size).getlength(char)


def text_width(font: ImageFont.FreeTypeFont, text: str) -> float:
    """Pixels `text` takes in a font of `load_font`, kerning left out (asking the font itself is 100 times slower)."""
    return sum(_advance(str(font.path), int(font.size), char) for char in text)


class Words:
    """Makes up things that are written on the world: words, names, numbers, prices, dates, codes."""

    def __init__(self, vocabulary: list[str]) -> None:
        self.vocabulary = vocabulary

    def word(self, rng: random.Random) -> str:
        """One word in one of the usual cases, sometimes with punctuation, sometimes made up."""
        kind = rng.random()
        if kind < 0.12:
            word = "".join(rng.choice(self.vocabulary)[:4].lower() for _ in range(rng.randint(2, 3)))
        elif kind < 0.18:
            return "".join(rng.choice(CHARSET) for _ in range(rng.randint(2, 8)))
        else:
            word = rng.choice(self.vocabulary)
        case = rng.random()
        word = word.lower() if case < 0.45 else word.capitalize() if case < 0.75 else word.upper()
        if rng.random() < 0.12:
            word += rng.choice(",.:;!?")
        if rng.random() < 0.04:
            word = rng.choice(["(%s)", '"%s"', "'%s'", "[%s]", "#%s", "@%s", "%s's", "&%s", "*%s*"]) % word
        return word

    def number(self, rng: random.Random) -> str:
        """A number, price, date, time, percentage, telephone number or code."""
        r = rng.randint
        return rng.choice(
            (
                lambda: str(r(0, 10 ** r(1, 6))),
                lambda: f"{rng.choice(['$', 'RM', 'EUR', '', '', 'USD'])}{r(0, 999)}.{r(0, 99):02d}",
                lambda: f"{r(1, 31):02d}{(s := rng.choice('/-.'))}{r(1, 12):02d}{s}{rng.choice(['', '20'])}{r(10, 30)}",
                lambda: f"{r(0, 23)}:{r(0, 59):02d}{rng.choice(['', f':{r(0, 59):02d}', 'am', 'PM'])}",
                lambda: f"{r(0, 100)}%",
                lambda: "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789") for _ in range(r(4, 9))),
                lambda: f"{r(10, 999)}-{r(100, 9999)}{rng.choice(['', f'-{r(10, 9999)}'])}",
                lambda: f"{r(1, 9)} x {r(0, 99)}.{r(0, 99):02d}",
                lambda: f"{rng.choice(['No.', 'No:', '#', 'Tel:', 'ID:', 'Qty', 'Fax', 'TAX', 'Total'])} {r(1, 99999)}",
                lambda: f"{r(1000, 9999)} {r(1000, 9999)} {r(1000, 9999)}",
            )
        )()

    def phrase(self, rng: random.Random, words: int) -> str:
        """`words` words and numbers joined by spaces."""
        parts = [self.number(rng) if rng.random() < 0.25 else self.word(rng) for _ in range(words)]
        text = " ".join(parts)
        return text.upper() if rng.random() < 0.2 else text


def draw_line(
    draw: ImageDraw.ImageDraw, xy: tuple[float, float], text: str, font: ImageFont.FreeTypeFont, fill: Colour
) -> TextLine:
    """Write `text` with its top left at `xy` (pixels) and return where every glyph went."""
    x, y = xy
    draw.text((x, y), text, font=font, fill=fill)
    ascent, descent = font.getmetrics()
    left, top, right, bottom = draw.textbbox((x, y), text, font=font)
    # The middle of a line is the middle of its x-height, the same for "ace" and "pig".
    middle, height = y + ascent * 0.68, float(ascent + descent)
    glyphs, start = [], x
    kerned = (right - left) / max(1.0, text_width(font, text))
    for char in text:
        end = start + _advance(str(font.path), int(font.size), char) * min(1.0, kerned)
        if char != " ":
            glyphs.append(Glyph(char, (start + end) / 2, middle, end - start, height))
        start = end
    return TextLine(text, (left, top, right, bottom), glyphs)


def luminance(colour: Colour) -> float:
    """Perceived brightness, 0..255 (ITU-R BT.601)."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def any_colour(rng: random.Random) -> Colour:
    """A random colour, often near black, white or grey."""
    if rng.random() < 0.35:
        grey = rng.choice((rng.randint(0, 50), rng.randint(205, 255), rng.randint(0, 255)))
        return (grey, grey, grey)
    return (rng.randint(0, 255), rng.randint(0, 255), rng.randint(0, 255))


def contrasting(rng: random.Random, other: Colour, least: float = 70.0) -> Colour:
    """A random colour whose luminance differs from `other` by at least `least`."""
    for _ in range(40):
        colour = any_colour(rng)
        if abs(luminance(colour) - luminance(other)) >= least:
            return colour
    return (0, 0, 0) if luminance(other) > 127 else (255, 255, 255)


def background(rng: random.Random, width: int, height: int) -> tuple[Image.Image, Colour]:
    """A plain, graded or blotchy background and its mean colour."""
    base = any_colour(rng)
    kind = rng.random()
    if kind < 0.45:
        return Image.new("RGB", (width, height), base), base
    spread = rng.randint(10, 50)
    side = 2 if kind < 0.7 else rng.randint(3, 8)
    noise = np.random.default_rng(rng.getrandbits(32)).integers(-spread, spread + 1, (side, side, 3))
    small = Image.fromarray(np.clip(np.array(base) + noise, 0, 255).astype(np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC), base


def degrade(rng: random.Random, picture: Image.Image, strength: float = 1.0) -> NDArray[np.uint8]:
    """Camera trouble: blur, lost resolution, noise, brightness."""
    width, height = picture.size
    if rng.random() < 0.25 * strength:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.0)))
    if rng.random() < 0.15 * strength:
        scale = rng.uniform(0.55, 0.9)
        small = picture.resize((max(8, int(width * scale)), max(8, int(height * scale))), Image.Resampling.BILINEAR)
        picture = small.resize((width, height), Image.Resampling.BILINEAR)
    array = np.asarray(picture)
    if rng.random() < 0.35 * strength:
        generator = np.random.default_rng(rng.getrandbits(32))
        noise = generator.integers(-128, 128, (height, width, 1 if rng.random() < 0.5 else 3), dtype=np.int8)
        array = np.clip(array + noise * (rng.uniform(3, 22) / 128), 0, 255).astype(np.uint8)
    if rng.random() < 0.15 * strength:
        stream = io.BytesIO()
        Image.fromarray(array).save(stream, "JPEG", quality=rng.randint(20, 75))
        array = np.asarray(Image.open(stream).convert("RGB"))
    if rng.random() < 0.3 * strength:
        table = np.clip((np.arange(256) - 128) * rng.uniform(0.6, 1.2) + 128 + rng.uniform(-30, 30), 0, 255)
        array = table.astype(np.uint8)[array]
    return array


def text_picture(
    rng: random.Random, words: Words, fonts: tuple[str, ...], size: tuple[int, int], *, dense: bool
) -> Sample:
    """A picture of `size` (width, height) with one to many lines of text.

    `dense` fills it: more labels per picture, which is what a dense classifier learns fastest from.
    """
    width, height = size
    picture, base = background(rng, width, height)
    draw = ImageDraw.Draw(picture)
    lines: list[TextLine] = []
    y = float(rng.randint(0, max(1, height // (8 if dense else 3))))
    fill, path = contrasting(rng, base), rng.choice(fonts)
    while y < height - 12:
        if dense and rng.random() < 0.5:
            fill, path = contrasting(rng, base), rng.choice(fonts)
        tallest = min(SIZES[-1], int(height - y))
        pixels = int(min(tallest, 11 + rng.expovariate(1 / 14)))
        if not dense:
            pixels = rng.randint(14, max(15, tallest))
        font = load_font(path, max(size for size in SIZES if size <= max(pixels, SIZES[0])))
        text = words.phrase(rng, rng.randint(1, 6 if dense else 3))
        room = width - 4
        while text and text_width(font, text) > room:
            text = text.rpartition(" ")[0] if " " in text else text[:-1]
        if text and sum(font.getmetrics()) <= height - y + 4:
            x = rng.uniform(2, max(2.0, width - 2 - text_width(font, text)))
            lines.append(draw_line(draw, (x, y), text, font, fill))
        y += sum(font.getmetrics()) * rng.uniform(0.95, 1.3) + (0 if dense else rng.randint(0, 20))
        if not dense and len(lines) >= 1 and rng.random() < 0.4:
            break
    sample = Sample(np.asarray(picture), lines, kind="words")
    if rng.random() < 0.3:
        rotate(rng, sample, picture, base)
        picture = Image.fromarray(sample.picture)
    sample.picture = degrade(rng, picture)
    return sample


def line_picture(rng: random.Random, words: Words, fonts: tuple[str, ...], size: tuple[int, int]) -> Sample:
    """A line cut out of a larger picture and fitted into the canvas `size`, as regions reach the model."""
    paper = rng.random() < 0.6
    base = (grey := rng.randint(190, 255), grey, grey) if paper else any_colour(rng)
    fill = (ink := rng.randint(0, 110), ink, ink) if paper else contrasting(rng, base)
    font = load_font(rng.choice(fonts), rng.choice([s for s in SIZES if 15 <= s <= 48]))
    tall = sum(font.getmetrics())
    wanted = tall * size[0] / size[1] * rng.uniform(0.5, 1.1)
    text = words.phrase(rng, 1)
    while text_width(font, text) < wanted * 0.8 and len(text) < 60:
        text += rng.choice(" :" if rng.random() < 0.15 else " ") + words.phrase(rng, 1)
    left, right, top, bottom = (rng.randint(-1, 10) for _ in range(4))
    width = max(8, int(text_width(font, text)) + left + right)
    picture = Image.new("RGB", (width, tall + top + bottom), base)
    line = draw_line(ImageDraw.Draw(picture), (left, top), text, font, fill)
    picture = Image.fromarray(degrade(rng, picture))
    fitted, place = fit(picture, size)
    scale, dx, dy = (place[2] - place[0]) * size[0] / picture.width, place[0] * size[0], place[1] * size[1]
    for glyph in line.glyphs:
        glyph.x, glyph.y = glyph.x * scale + dx, glyph.y * scale + dy
        glyph.width, glyph.height = glyph.width * scale, glyph.height * scale
    x0, y0, x1, y1 = line.box
    line.box = (x0 * scale + dx, y0 * scale + dy, x1 * scale + dx, y1 * scale + dy)
    return Sample(np.asarray(fitted), [line], kind="line")


def rotate(rng: random.Random, sample: Sample, picture: Image.Image, fill: Colour) -> None:
    """Turn picture and glyph labels by a few degrees around the centre, in place; line boxes become upright hulls."""
    degrees = rng.gauss(0, 4)
    sample.picture = np.asarray(picture.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=fill))
    width, height = picture.size
    angle = np.deg2rad(degrees)
    cos, sin, cx, cy = float(np.cos(angle)), float(np.sin(angle)), width / 2, height / 2

    def turn(x: float, y: float) -> tuple[float, float]:
        return cx + (x - cx) * cos + (y - cy) * sin, cy - (x - cx) * sin + (y - cy) * cos

    for line in sample.lines:
        for glyph in line.glyphs:
            glyph.x, glyph.y = turn(glyph.x, glyph.y)
        x0, y0, x1, y1 = line.box
        corners = [turn(x, y) for x in (x0, x1) for y in (y0, y1)]
        xs, ys = [c[0] for c in corners], [c[1] for c in corners]
        line.box = (min(xs), min(ys), max(xs), max(ys))
