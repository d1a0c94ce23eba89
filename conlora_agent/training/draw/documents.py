"""Documents: receipts, tickets, posters, labels, screens, tables, pages, covers, signs, with every glyph labelled.

A row of several columns is one line of text, read from left to right. Not covered here: objects without text
(scenes.py), text straight on the background (text.py).
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from conlora_agent.training.draw.backgrounds import background
from conlora_agent.training.draw.colours import COLOURS, Colour, dominant_colour, shade
from conlora_agent.training.draw.page import Page, Size
from conlora_agent.training.draw.patch import Patch, soft_shadow
from conlora_agent.training.draw.sample import Sample, TextLine
from conlora_agent.training.draw.scenes import CAMERA
from conlora_agent.training.draw.text import (
    SIZES,
    Words,
    contrasting,
    degrade,
    draw_line,
    load_font,
    text_width,
)
from conlora_agent.training.draw.things import book, sign


def document(
    rng: random.Random, size: Size, fonts: tuple[str, ...], words: Words, *, kind: str | None = None
) -> Sample:
    """A picture of `size` (width, height) of one document of `kind` (a key of KINDS, default: any), perhaps tilted."""
    kind = kind or rng.choice(tuple(KINDS))
    picture, place = background(rng, size)
    sample = Sample(np.empty(0, np.uint8), kind=kind, facts={"place": place})
    share = rng.uniform(0.72, 1.0)
    width, height = round(size[0] * share), round(size[1] * rng.uniform(max(0.72, share - 0.1), 1.0))
    patch = KINDS[kind](rng, (width, height), fonts, words)
    room = min(size[0] - patch.image.width, size[1] - patch.image.height)
    if room > 8 and rng.random() < 0.35:
        patch = patch.tilted(rng, 0.06)
    if room > 12 and rng.random() < 0.5:
        patch = patch.turned(rng.gauss(0, 3.5))
    # A turned page may stick out of the picture a little; what is written stays inside its margins.
    x, y = (round((a - b) * rng.random()) for a, b in zip(size, patch.image.size, strict=True))
    patch.put(sample, picture, x, y, soft_shadow(patch.image, rng) if rng.random() < 0.4 else None)
    _clip(sample, size)
    sample.picture = degrade(rng, picture, CAMERA)
    return sample


def _clip(sample: Sample, size: Size) -> None:
    """Boxes end at the border; glyphs beyond it are not labelled."""
    width, height = size
    for item in sample.objects:
        x0, y0, x1, y1 = item.box
        item.box = (max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1))
        item.size = "large"
    sample.lines = [line for line in sample.lines if _inside(line, size)]


def _inside(line: TextLine, size: Size) -> bool:
    return all(0 <= g.x < size[0] and 0 <= g.y < size[1] for g in line.glyphs)


def _price(rng: random.Random) -> str:
    return f"{rng.choice(('', '', '', '$', 'RM'))}{rng.randint(0, 199)}.{rng.randint(0, 99):02d}"


def _base(rng: random.Random, lines: int, height: int) -> int:
    """A font size at which about `lines` rows fill the height."""
    return max(SIZES[0], min(SIZES[-1], round(height / max(1, lines) / 1.45)))


def _receipt(rng: random.Random, size: Size, fonts: tuple[str, ...], words: Words) -> Patch:
    if size[1] > 150:
        size = (round(min(size[0], size[1] * rng.uniform(0.6, 0.9))), size[1])
    page = Page(rng, "receipt", size, shade(rng, "white"), rng.choice(fonts))
    items = rng.randint(2, 8)
    base = _base(rng, items + 6, size[1])
    page.row([words.phrase(rng, rng.randint(1, 3)).upper()], round(base * 1.4), align="centre")
    for _ in range(rng.randint(0, 2)):
        page.row([words.phrase(rng, rng.randint(1, 4))], base, align="centre")
    page.row([words.number(rng), words.number(rng)] if rng.random() < 0.5 else [words.number(rng)], base)
    page.rule()
    for _ in range(items):
        name = " ".join(words.word(rng) for _ in range(rng.randint(1, 2)))
        cells = [str(rng.randint(1, 12)), name, _price(rng)] if rng.random() < 0.4 else [name, _price(rng)]
        if not page.row(cells, base, columns=[0.0, 0.14, 0.8] if len(cells) == 3 else None):
            break
    page.rule()
    page.row([rng.choice(("TOTAL", "Total", "Total:", "AMOUNT DUE", "Sum")), _price(rng)], round(base * 1.2))
    if rng.random() < 0.6:
        page.row([rng.choice(("CASH", "Change", "VISA", "Tax", "GST 6%", "Card")), _price(rng)], base)
    if rng.random() < 0.5:
        page.row(
            [rng.choice(("THANK YOU", "Thank you!", "Please come again", words.phrase(rng, 3)))], base, align="centre"
        )
    return page.patch


def _ticket(rng: random.Random, size: Size, fonts: tuple[str, ...], words: Words) -> Patch:
    if size[1] > 150:
        size = (size[0], round(size[1] * rng.uniform(0.4, 0.6)))
    page = Page(rng, "ticket", size, shade(rng, rng.choice(COLOURS)), rng.choice(fonts), margin=8)
    page.patch.colour = dominant_colour(np.asarray(page.patch.image)[::8, ::8])
    base = _base(rng, 5, size[1])
    page.row([words.phrase(rng, rng.randint(1, 3))], round(base * 1.5), align=rng.choice(("left", "centre")))
    for _ in range(rng.randint(1, 4)):
        pair = [words.word(rng), words.number(rng)]
        page.row(pair if rng.random() < 0.6 else [words.number(rng), words.number(rng)], base)
    return page.patch


def _poster(rng: random.Random, size: Size, fonts: tuple[str, ...], words: Words) -> Patch:
    page = Page(rng, "poster", size, shade(rng, rng.choice(COLOURS)), rng.choice(fonts), margin=10)
    page.patch.colour = dominant_colour(np.asarray(page.patch.image)[::8, ::8])
    loud = contrasting(rng, page.paper, 110)
    page.gap(size[1] * rng.uniform(0, 0.15))
    for _ in range(rng.randint(1, 3)):
        page.row([words.phrase(rng, rng.randint(1, 2))], rng.choice((34, 42, 48, 56)), align="centre", ink=loud)
    other = rng.choice(fonts)
    page.gap(rng.uniform(2, 20))
    for _ in range(rng.randint(0, 4)):
        page.row([words.phrase(rng, rng.randint(1, 4))], rng.choice((14, 16, 18, 22)), align="centre", font=other)
    return page.patch


def _label(rng: random.Random, size: Size, fonts: tuple[str, ...], words: Words) -> Patch:
    page = Page(rng, "label", size, shade(rng, rng.choice(COLOURS)), rng.choice(fonts), margin=12)
    page.patch.colour = dominant_colour(np.asarray(page.patch.image)[::8, ::8])
    if rng.random() < 0.7:
        page.draw.rectangle((4, 4, size[0] - 5, size[1] - 5), outline=page.ink, width=rng.randint(1, 3))
    page.row([words.word(rng)], rng.choice((30, 38, 48)), align="centre", font=rng.choice(fonts))
    page.row([words.phrase(rng, rng.randint(1, 3))], rng.choice((16, 20, 24)), align="centre")
    page.row(
        [rng.choice(("250 g", "1 L", "500 ml", "Net Wt. 12 oz", "330 ml", "100% Natural", "1.5 kg"))],
        16,
        align="centre",
    )
    base = rng.choice((11, 12, 13, 14))
    page.gap(rng.uniform(0, 12))
    for _ in range(rng.randint(0, 5)):
        cells = [words.word(rng), f"{rng.randint(0, 99)}.{rng.randint(0, 9)} {rng.choice(('g', 'mg', '%', 'kcal'))}"]
        page.row(cells if rng.random() < 0.6 else [words.phrase(rng, 4)], base)
    return page.patch


def _screen(rng: random.Random, size: Size, fonts: tuple[str, ...], words: Words) -> Patch:
    dark = rng.random() < 0.35
    paper = (rng.randint(18, 48),) * 3 if dark else (rng.randint(236, 255),) * 3
    page = Page(rng, "screen", size, paper, rng.choice(fonts), margin=8)
    base = rng.choice((12, 13, 14, 16, 18))
    if size[1] > 90:
        bar = shade(rng, rng.choice(COLOURS))
        page.draw.rectangle((0, 0, size[0], base * 1.9), fill=bar)
        page.row([words.phrase(rng, rng.randint(1, 3))], base, ink=contrasting(rng, bar, 110))
        page.y = base * 2.2
    while page.y < size[1] - base * 2:
        kind = rng.random()
        if kind < 0.15:
            page.row([words.phrase(rng, rng.randint(1, 3))], round(base * 1.5), font=rng.choice(fonts))
        elif kind < 0.3:
            _button(page, words, base)
        elif kind < 0.45:
            page.row([words.word(rng), words.number(rng)], base)
        elif not page.row([words.phrase(rng, rng.randint(2, 6))], base):
            break
        page.gap(rng.choice((0, 0, 3, 8)))
    return page.patch


def _button(page: Page, words: Words, base: int) -> None:
    text, face = words.word(page.rng), load_font(page.font, max(s for s in SIZES if s <= base))
    wide, tall = text_width(face, text) + 16, sum(face.getmetrics()) + 6
    if wide > page.width - 2 * page.margin or page.y + tall > page.height - page.margin:
        return
    fill = shade(page.rng, page.rng.choice(COLOURS))
    page.draw.rounded_rectangle((page.margin, page.y, page.margin + wide, page.y + tall), radius=4, fill=fill)
    ink = contrasting(page.rng, fill, 110)
    page.patch.lines.append(draw_line(page.draw, (page.margin + 8, round(page.y + 3)), text, face, ink))
    page.y += tall + 2


def _table(rng: random.Random, size: Size, fonts: tuple[str, ...], words: Words) -> Patch:
    page = Page(rng, "table", size, shade(rng, "white"), rng.choice(fonts))
    rows, columns = rng.randint(2, 8), rng.randint(2, 4 if size[0] > 200 else 3)
    base = min(_base(rng, rows + 1, size[1]), 24)
    head = shade(rng, rng.choice(COLOURS)) if rng.random() < 0.5 else page.paper
    lined = rng.random() < 0.7
    edges = [k / columns for k in range(columns)]
    page.draw.rectangle((0, 0, size[0], page.margin + base * 1.4), fill=head)
    titles = [words.word(rng).title() for _ in range(columns)]
    page.row(titles, base, columns=edges, ink=contrasting(rng, head, 110))
    page.y = max(page.y, page.margin + base * 1.4 + 1)
    for _ in range(rows):
        if lined:
            page.rule((150, 150, 150))
        cells = [words.word(rng), *(rng.choice((words.number, words.word, _cell))(rng) for _ in range(columns - 1))]
        if not page.row(cells, base, columns=edges):
            break
    return page.patch


def _cell(rng: random.Random) -> str:
    return str(rng.randint(0, 10 ** rng.randint(1, 4)))


def _page(rng: random.Random, size: Size, fonts: tuple[str, ...], words: Words) -> Patch:
    page = Page(rng, "page", size, _PAPERS[rng.randrange(len(_PAPERS))], rng.choice(fonts), margin=10)
    base = rng.choice((11, 12, 13, 14, 16, 18))
    if rng.random() < 0.5:
        page.row([words.phrase(rng, rng.randint(1, 4))], round(base * 1.6), align=rng.choice(("left", "centre")))
        page.gap(base * 0.4)
    face = load_font(page.font, base)
    while True:
        text = words.word(rng)
        while text_width(face, longer := f"{text} {words.word(rng)}") < size[0] - 2 * page.margin:
            text = longer
        if rng.random() < 0.1:
            text = text.partition(" ")[0]
        if not page.row([text], base):
            return page.patch


_PAPERS: tuple[Colour, ...] = ((255, 255, 255), (250, 246, 235), (240, 230, 205), (245, 245, 245), (225, 235, 245))


def _cover(rng: random.Random, size: Size, fonts: tuple[str, ...], words: Words) -> Patch:
    return book(rng, rng.choice(COLOURS), size[1], words, fonts)


def _board(rng: random.Random, size: Size, fonts: tuple[str, ...], words: Words) -> Patch:
    return sign(rng, rng.choice(COLOURS), min(size[0], round(size[1] * 1.3)), words, fonts)


KINDS: dict[str, Callable[[random.Random, Size, tuple[str, ...], Words], Patch]] = {
    "receipt": _receipt,
    "ticket": _ticket,
    "poster": _poster,
    "label": _label,
    "screen": _screen,
    "table": _table,
    "page": _page,
    "book": _cover,
    "sign": _board,
}
"""Kinds of document."""
