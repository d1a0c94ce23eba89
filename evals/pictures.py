"""Figures of a router evaluation as PNG pictures: confusion matrix and reliability diagram.

Drawn with Pillow, which is there anyway. Not covered here: the figures themselves (router.py, scores.py).
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont

from evals.scores import Bin

CELL, MARGIN, SIDE = 34, 130, 420
INK, PALE, LINE = (30, 30, 40), (225, 228, 235), (40, 90, 190)
Colour = tuple[int, int, int]


def confusion_png(confusion: Mapping[str, Mapping[str, int]]) -> bytes:
    """Rows: what was expected; columns: what was taken. Darker is more of the row; numbers are counts."""
    rows = sorted(confusion)
    columns = sorted({*rows, *(name for row in confusion.values() for name in row)})
    picture = Image.new("RGB", (MARGIN + CELL * len(columns) + 10, MARGIN + CELL * len(rows) + 10), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(12)
    for x, name in enumerate(columns):
        _upright(picture, name, MARGIN + x * CELL + CELL // 2, font)
    for y, expected in enumerate(rows):
        top, total = MARGIN + y * CELL, max(1, sum(confusion[expected].values()))
        draw.text((MARGIN - 8, top + CELL // 2), expected, fill=INK, font=font, anchor="rm")
        for x, taken in enumerate(columns):
            count = confusion[expected].get(taken, 0)
            box = (MARGIN + x * CELL, top, MARGIN + (x + 1) * CELL - 1, top + CELL - 1)
            draw.rectangle(box, fill=_shade(count / total, right=taken == expected), outline=PALE)
            if count:
                ink = "white" if count / total > 0.5 else INK
                draw.text((box[0] + CELL // 2, top + CELL // 2), str(count), fill=ink, font=font, anchor="mm")
    return _png(picture)


def reliability_png(bins: Sequence[Bin]) -> bytes:
    """Accuracy over confidence; on the diagonal, confidences are honest. Wider dots stand for more rows."""
    edge = 50
    picture = Image.new("RGB", (SIDE + 2 * edge, SIDE + 2 * edge), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(12)

    def at(confidence: float, accuracy: float) -> tuple[float, float]:
        return edge + confidence * SIDE, edge + (1 - accuracy) * SIDE

    for tenth in range(0, 11, 2):
        share = tenth / 10
        draw.line([at(share, 0), at(share, 1)], fill=PALE)
        draw.line([at(0, share), at(1, share)], fill=PALE)
        draw.text((at(share, 0)[0], edge + SIDE + 8), f"{share:.1f}", fill=INK, font=font, anchor="mt")
        draw.text((edge - 8, at(0, share)[1]), f"{share:.1f}", fill=INK, font=font, anchor="rm")
    draw.line([at(0, 0), at(1, 1)], fill=INK)
    most = max((one.n for one in bins), default=1)
    points = [at(one.confidence, one.accuracy) for one in bins]
    draw.line(points, fill=LINE, width=2)
    for (x, y), one in zip(points, bins, strict=True):
        radius = 3 + 7 * (one.n / most) ** 0.5
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=LINE)
    draw.text((edge + SIDE / 2, edge + SIDE + 28), "confidence", fill=INK, font=font, anchor="mt")
    draw.text((edge, edge - 20), "share that was right", fill=INK, font=font, anchor="lm")
    return _png(picture)


def _shade(share: float, *, right: bool) -> Colour:
    """White for none; blue where it was right, red where it was not."""
    red, green, blue = LINE if right else (200, 50, 50)
    return tuple(round(255 + (channel - 255) * share) for channel in (red, green, blue))  # type: ignore[return-value]


def _upright(picture: Image.Image, text: str, x: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> None:
    label = Image.new("RGB", (MARGIN - 10, 16), "white")
    ImageDraw.Draw(label).text((0, 8), text, fill=INK, font=font, anchor="lm")
    picture.paste(label.rotate(90, expand=True), (x - 8, 2))


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
