"""A sheet of a drawn document, and rows of text on it, every glyph labelled.

Not covered here: what documents say (documents.py).
"""

from __future__ import annotations

import random

from PIL import Image, ImageDraw

from conlora_agent.training.draw.colours import Colour
from conlora_agent.training.draw.patch import Patch
from conlora_agent.training.draw.sample import TextLine
from conlora_agent.training.draw.text import (
    SIZES,
    contrasting,
    draw_line,
    load_font,
    luminance,
    text_width,
)

Size = tuple[int, int]


class Page:
    """A sheet that rows of text are written on, from the top down, as long as they fit."""

    def __init__(self, rng: random.Random, name: str, size: Size, paper: Colour, font: str, margin: int = 6) -> None:
        self.rng, self.paper, self.font, self.margin = rng, paper, font, margin
        self.patch = Patch(name, Image.new("RGBA", size, (*paper, 255)))
        self.draw = ImageDraw.Draw(self.patch.image)
        self.width, self.height = size
        self.y = float(margin)
        dark = (rng.randint(0, 60),) * 3
        self.ink: Colour = dark if luminance(paper) > 150 else contrasting(rng, paper, 110)

    def row(
        self, cells: list[str], size: int, *, align: str = "left", columns: list[float] | None = None,
        font: str | None = None, ink: Colour | None = None, leading: float = 1.1,
    ) -> bool:  # fmt: skip
        """Write one row, one cell per column (left edges 0..1 of the width, the last cell flush right).

        The size shrinks until it fits; False, with nothing written, when there is no room left.
        """
        path = font or self.font
        room = self.width - 2 * self.margin
        for pixels in (s for s in reversed(SIZES) if s <= size):
            face = load_font(path, pixels)
            if sum(text_width(face, c) for c in cells) + 8 * (len(cells) - 1) <= room:
                break
        else:
            return False
        tall = sum(face.getmetrics())
        if self.y + tall > self.height - self.margin + 2:
            return False
        line: TextLine | None = None
        for cell, x in zip(cells, self._places(cells, face, align, columns), strict=True):
            drawn = draw_line(self.draw, (round(x), round(self.y)), cell, face, ink or self.ink)
            line = drawn if line is None else _joined(line, drawn)
        if line is not None:
            self.patch.lines.append(line)
        self.y += tall * leading
        return True

    def _places(self, cells: list[str], face: object, align: str, columns: list[float] | None) -> list[float]:
        widths = [text_width(face, c) for c in cells]  # type: ignore[arg-type]
        left, right = self.margin, self.width - self.margin
        if len(cells) == 1:
            free = right - left - widths[0]
            return [left + free * {"left": 0.0, "centre": 0.5, "right": 1.0}[align]]
        starts = [left + (right - left) * c for c in columns or [i / len(cells) for i in range(len(cells))]]
        places = [max(start, left) for start in starts[:-1]] + [right - widths[-1]]
        # Cells that would run into the next column push it to the right, as long as there is room.
        for k in range(1, len(cells) - 1):
            places[k] = max(places[k], places[k - 1] + widths[k - 1] + 6)
        for k in range(len(cells) - 2, -1, -1):
            places[k] = min(places[k], places[k + 1] - widths[k] - 6)
        return places

    def rule(self, ink: Colour | None = None) -> None:
        """A thin line across."""
        y = round(self.y)
        self.draw.line((self.margin, y, self.width - self.margin, y), fill=ink or self.ink, width=1)
        self.y += 3

    def gap(self, pixels: float) -> None:
        """Leave some room."""
        self.y += pixels


def _joined(a: TextLine, b: TextLine) -> TextLine:
    boxes = list(zip(a.box, b.box, strict=True))
    hull = (min(boxes[0]), min(boxes[1]), max(boxes[2]), max(boxes[3]))
    return TextLine(f"{a.text} {b.text}", hull, a.glyphs + b.glyphs)
