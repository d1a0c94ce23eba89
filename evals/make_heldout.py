"""Draws the frozen held-out sets of evals/data. Run once; figures stay comparable only as long as nobody runs it again.

    python -m evals.make_heldout --out FOLDER

Fonts, drawing style and phrasings are those never trained on. The same seed, fonts and packages give the same sets.
Not covered here: the router's held-out phrasings, written by hand.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from adapters.chart.data import NO_CHART
from conlora_agent.training.draw import questions, referring
from conlora_agent.training.draw.phrasings import REQUESTS, plural_request
from conlora_agent.training.draw.sample import PixelBox, Sample
from conlora_agent.training.draw.scenes import scene
from conlora_agent.training.draw.text import background, contrasting, degrade, draw_line, load_font, text_width
from conlora_agent.training.studio import DrawingStudio
from conlora_agent.wording import NUMBERS
from evals.chart_questions import ANY, chart_rows

SEED = 20240611
ITEMS = 100
SIDE = 256
JPEG_QUALITY = 72
MOST_OBJECTS = 5
OCR_SIZES = (18, 20, 22, 24, 27, 30, 34, 38)
VQA_PLAN = (
    *["colour"] * 22, *["count"] * 20, *["presence"] * 22, *["where"] * 10, *["direction"] * 10, *["is_colour"] * 4,
    *["larger"] * 4, *["which_colour"] * 4, *["text"] * 4,
)  # fmt: skip
"""Kinds of the questions asked, in order."""

CHARTS, CHART_SIDES, OTHER_PICTURES = 20, (380, 520), 5
"""Charts, pixels of their width, and how often one is another picture."""
CHART_FACES = ("Carlito", "NimbusSans", "RobotoCondensed", "LiberationMono", "FiraCode", "Hack", "GenB", "LinLibertine",
               "VeranaSans", "Jura", "AveriaSans", "NotoSerifDisplay", "Courier Prime", "EBGaramond12-It")  # fmt: skip
"""Half of the held-out fonts are display faces, in which nobody labels a chart."""

Item = tuple[Sample, list[dict[str, Any]]]
"""A picture and its rows, the picture's name left out."""


@dataclass(frozen=True)
class Drawer:
    """Draws items with everything held out."""

    studio: DrawingStudio

    def small_scene(self, rng: random.Random) -> Sample:
        """A scene with one to five objects."""
        while True:
            sample = scene(rng, (SIDE, SIDE), self.studio.material, self.studio.fonts, self.studio.words)
            if 1 <= len(sample.objects) <= MOST_OBJECTS:
                return sample

    def ocr(self, rng: random.Random, number: int) -> Item:
        """One to six words, wrapped, in one font and colour."""
        words = [self._word(rng) for _ in range(1 + number % 6)]
        picture, base = background(rng, SIDE, SIDE)
        font, fill = load_font(rng.choice(self.studio.fonts), rng.choice(OCR_SIZES)), contrasting(rng, base)
        rows = [words[0]]
        for word in words[1:]:
            fits = text_width(font, f"{rows[-1]} {word}") < SIDE - 16
            rows[-1:] = [f"{rows[-1]} {word}"] if fits else [rows[-1], word]
        step = sum(font.getmetrics()) * 1.1
        if step * len(rows) > SIDE - 8 or max(text_width(font, row) for row in rows) > SIDE - 8:
            return self.ocr(rng, number)
        x = rng.uniform(4, SIDE - 4 - max(text_width(font, row) for row in rows))
        y = rng.uniform(2, SIDE - 4 - step * len(rows))
        draw = ImageDraw.Draw(picture)
        lines = [draw_line(draw, (x, y + k * step), row, font, fill) for k, row in enumerate(rows)]
        return Sample(degrade(rng, picture, 0.5), lines), [{"text": "\n".join(rows)}]

    def _word(self, rng: random.Random) -> str:
        if rng.random() < 0.2:
            return self.studio.words.number(rng)
        word = rng.choice(self.studio.words.vocabulary).lower()
        return rng.choice((word, word, word.capitalize(), word.capitalize(), word.upper()))

    def grounding(self, rng: random.Random, number: int) -> Item:
        """Of ten: seven single things by name or colour, two others (position, size, text, several), one absent."""
        wanted = "absent" if number % 10 == 9 else "referring" if number % 10 > 6 else "single"
        while True:
            sample = self.small_scene(rng)
            phrase, boxes, many = referring.refer(sample, rng)
            kind = "single" if any(phrase.endswith(o.name) for o in sample.objects) and not many else "referring"
            kind = kind if boxes else "absent"
            plain = not any(word in phrase.split() for word in _COMPARING)
            if kind == wanted and (wanted != "single" or plain):
                break
        if rng.random() < 0.4:
            request = rng.choice(REQUESTS["heldout"])
            phrase = (plural_request(request) if many else request).format(p=phrase)
        placed = [_relative(box) for box in sorted(boxes)]
        where = {"box": placed[0]} if len(placed) == 1 else {"boxes": placed}
        return sample, [{"phrase": phrase, **where, "kind": kind}]

    def caption(self, rng: random.Random, number: int) -> Item:
        """A scene with three ways to describe it and the names to mention."""
        sample = self.small_scene(rng)
        told = [questions.caption(sample, rng, "heldout")]
        while len(told) < 3:
            told.append(questions.caption(sample, rng, "train"))
        return sample, [{"captions": sorted(set(told)), "objects": sorted({o.name for o in sample.objects})}]

    def vqa(self, rng: random.Random, number: int) -> Item:
        """A question of the planned kind; numbers, yes and no take turns."""
        kind = VQA_PLAN[number]
        turn = VQA_PLAN[:number].count(kind)
        while True:
            sample = self.small_scene(rng)
            asked = questions.ask(sample, rng, "heldout", (kind,))
            planned = {
                "count": NUMBERS[1 + turn % MOST_OBJECTS],
                "presence": ("yes", "no")[turn % 2],
                "is_colour": ("yes", "no")[turn % 2],
            }.get(kind, asked.answers[0])
            same_kind = asked.kind == kind or kind in ("direction", "larger")
            if same_kind and (asked.kind != "presence" or kind == "presence") and asked.answers[0] == planned:
                answers = list(dict.fromkeys(asked.answers))
                return sample, [{"question": asked.question, "answers": answers, "kind": kind}]

    def chart(self, rng: random.Random, number: int) -> Item:
        """A chart and what is asked about it; now and then a scene or a document instead."""
        if number % OTHER_PICTURES == OTHER_PICTURES - 1:
            other = self.small_scene(rng) if number % 2 else self.studio.text(rng, (SIDE, SIDE))
            return other, [{"question": rng.choice(ANY), "answers": [NO_CHART], "kind": "no_chart"}]
        width = rng.randint(*CHART_SIDES)
        faces = tuple(font for font in self.studio.fonts if Path(font).name.startswith(CHART_FACES))
        sample = replace(self.studio, fonts=faces).chart(rng, (width, round(width * rng.uniform(0.6, 0.85))))
        facts = sample.facts
        about = facts["title"], facts["labels"], facts["values"], facts["span"]
        rows = chart_rows(rng, *about, written=facts["written"])
        return sample, rows


_COMPARING = ("left", "right", "upper", "lower", "top", "bottom", "leftmost", "rightmost", "topmost", "bottommost",
              "big", "bigger", "biggest", "large", "larger", "largest", "small", "smaller", "smallest", "little",
              "above", "below")  # fmt: skip


def _relative(box: PixelBox) -> list[float]:
    return [round(min(1.0, max(0.0, edge / SIDE)), 4) for edge in box]


def items(draw: Callable[[random.Random, int], Item], task: str, count: int, seed: int = SEED) -> Iterator[Item]:
    """`count` items of one task, each from a generator of its own."""
    for number in range(count):
        yield draw(random.Random(f"{seed}/{task}/{number}"), number)


def write_set(folder: Path, made: Iterator[Item]) -> int:
    """Write pictures and labels.jsonl into `folder`; the bytes written."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, size = [], 0
    for number, (sample, about) in enumerate(made):
        name = f"{number:03d}.jpg"
        Image.fromarray(sample.picture).save(folder / name, "JPEG", quality=JPEG_QUALITY, optimize=True)
        size += (folder / name).stat().st_size
        rows += [json.dumps({"image": name, **row}, ensure_ascii=False) for row in about]
    (folder / "labels.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return size


def main() -> None:
    """Write all sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, required=True, help="folder to write ocr/, grounding/, ... into")
    parser.add_argument("--seed", type=int, default=SEED, help="another one draws other sets, to choose by")
    given = parser.parse_args()
    drawer = Drawer(DrawingStudio.open("heldout"))
    for task in ("ocr", "grounding", "caption", "vqa", "chart"):
        count = CHARTS if task == "chart" else ITEMS
        size = write_set(given.out / task, items(getattr(drawer, task), task, count, given.seed))
        print(f"{task}: {count} pictures, {size / 1e3:.0f} kB")  # noqa: T201


if __name__ == "__main__":
    main()
