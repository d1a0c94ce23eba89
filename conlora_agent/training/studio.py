"""The studio that pretraining and the tasks' data generators draw in: fonts, words, clip-art, scenes, questions."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from adapters.exercise import Studio
from conlora_agent.settings import Settings
from conlora_agent.training.draw import questions
from conlora_agent.training.draw.asking import Asked
from conlora_agent.training.draw.charts import chart
from conlora_agent.training.draw.colours import COLOURS
from conlora_agent.training.draw.documents import document
from conlora_agent.training.draw.material import HELDOUT_STYLES, TRAIN_STYLES, Material
from conlora_agent.training.draw.names import EMOJI, SHAPES, THINGS
from conlora_agent.training.draw.phrasings import Split
from conlora_agent.training.draw.referring import refer
from conlora_agent.training.draw.sample import PixelBox, Sample, TextLine
from conlora_agent.training.draw.scenes import scene
from conlora_agent.training.draw.text import FontBook, Words, line_picture, text_picture
from conlora_agent.training.draw.told import NOWHERE, layout, told, untold
from conlora_agent.training.draw.told_charts import chart_layout

Size = tuple[int, int]
SQUARE = (256, 256)
RESTYLED = 0.5
"""Share of drawings trained on that are given another style. Held-out ones are judged in their own."""


@dataclass(frozen=True)
class DrawingStudio:
    """Everything that drawing needs, for one split: "train", or "heldout" (unseen fonts, drawing style, phrasings)."""

    fonts: tuple[str, ...]
    words: Words
    material: Material
    split: Split = "train"
    wide: bool = True
    """Whether reading exercises may have wide canvases, too."""

    @classmethod
    def open(cls, split: Split = "train", *, wide: bool = True) -> DrawingStudio:
        """The studio of this machine. Raises what FontBook and Material raise when something is missing."""
        fonts = FontBook.installed()
        styles = TRAIN_STYLES if split == "train" else HELDOUT_STYLES
        material = Material.load(Settings.load().cache / "material", styles, again=split == "train")
        if split == "train":
            material = replace(material, restyled=RESTYLED)
        return cls(fonts.train if split == "train" else fonts.heldout, Words(vocabulary()), material, split, wide)

    # -- pretraining --------------------------------------------------------------------------------------------------

    def mixture(self, rng: random.Random, size: Size) -> Sample:
        """A picture for dense pretraining: scenes, pages and lines; wide canvases are for lines of text."""
        kind = rng.random()
        if size != SQUARE:
            line = kind < 0.65
            return line_picture(rng, self.words, self.fonts, size) if line else self._page(rng, size)
        if kind < 0.78:
            return scene(rng, size, self.material, self.fonts, self.words)
        if kind < 0.87:
            return document(rng, size, self.fonts, self.words)
        return line_picture(rng, self.words, self.fonts, size) if kind < 0.9 else self._page(rng, size)

    def _page(self, rng: random.Random, size: Size) -> Sample:
        return text_picture(rng, self.words, self.fonts, size, dense=rng.random() < 0.85)

    # -- tasks (adapters.exercise.Studio) -----------------------------------------------------------------------------

    def read_canvas(self, rng: random.Random) -> Size:
        """A canvas for a reading exercise."""
        return rng.choice((SQUARE, SQUARE, (512, 128))) if self.wide else SQUARE

    def text(self, rng: random.Random, size: Size) -> Sample:
        """A line or a few, or, on the square canvas, sometimes a document or a scene."""
        kind = rng.random()
        if size != SQUARE:
            return line_picture(rng, self.words, self.fonts, size)
        if kind < 0.2:
            return document(rng, size, self.fonts, self.words)
        if kind < 0.3:
            return self.scene(rng)
        return text_picture(rng, self.words, self.fonts, size, dense=rng.random() < 0.15)

    def report(self, rng: random.Random) -> tuple[str, list[str]]:
        """Up to four objects as the mid layer states them, then one to six lines of words, numbers and misreadings."""
        phrases = [self.words.phrase(rng, rng.choice((1, 1, 2, 3))) for _ in range(rng.choice((1, 2, 2, 3, 4, 6)))]
        lines = [misread(phrase, rng) for phrase in phrases]
        sample = untold(rng, SQUARE, self.words)
        sample.objects = sample.objects[: rng.choice((0, 0, 0, 1, 2, 4))]
        on = rng.choice(sample.objects) if sample.objects and rng.random() < 0.8 else None
        sample.lines = [TextLine(line, NOWHERE if on is None else on.box) for line in lines]
        return told(sample), lines

    def chart(self, rng: random.Random, size: Size = SQUARE) -> Sample:
        """A bar or line chart; its title, labels and values are in `facts`."""
        return chart(rng, size, self.fonts, self.words)

    def chart_layout(self, rng: random.Random) -> Sample:
        """A chart that is laid out, not drawn."""
        return chart_layout(rng, SQUARE, self.words)

    def scene(self, rng: random.Random) -> Sample:
        """A scene with one to six objects."""
        return scene(rng, SQUARE, self.material, self.fonts, self.words)

    def layout(self, rng: random.Random) -> Sample:
        """A scene that is laid out, not drawn, of at most six objects."""
        return layout(rng, SQUARE, self.words)

    def caption(self, sample: Sample, rng: random.Random) -> str:
        """A fluent sentence about a scene; about what is seen of it, where that is known.

        Nobody asks for a name here, so nothing says that a thing told as a dog is a cat: it is described as told.
        """
        return questions.caption(replace(sample, objects=sample.facts.get("seen", sample.objects)), rng)

    def question(self, sample: Sample, rng: random.Random) -> Asked:
        """A question about a scene with its answers."""
        return questions.ask(sample, rng, self.split)

    def phrase(self, sample: Sample, rng: random.Random) -> tuple[str, list[PixelBox]]:
        """A referring phrase and the boxes it means, in pixels; none when the object is absent."""
        phrase, boxes, _ = refer(sample, rng)
        return phrase, boxes


class SceneSeries:
    """A studio whose scenes come `times` in a row: one look at a picture then serves several exercises about it."""

    def __init__(self, studio: Studio, times: int) -> None:
        self.studio, self.times = studio, times
        self._latest: dict[str, tuple[Sample, int]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.studio, name)

    def scene(self, rng: random.Random) -> Sample:
        """The scene of the call before, or a new one when it has been asked about `times` times."""
        return self._again("scene", self.studio.scene, rng)

    def layout(self, rng: random.Random) -> Sample:
        """The same of scenes that are not drawn."""
        return self._again("layout", self.studio.layout, rng)

    def chart_layout(self, rng: random.Random) -> Sample:
        """The same of charts."""
        return self._again("chart", self.studio.chart_layout, rng)

    def _again(self, kind: str, make: Callable[[random.Random], Sample], rng: random.Random) -> Sample:
        sample, left = self._latest.get(kind, (None, 0))
        if sample is None or not left:
            sample = make(rng)
            left = self.times if kind == "chart" else min(self.times, 1 + 2 * len(sample.objects))
        self._latest[kind] = (sample, left - 1)
        return sample


def misread(text: str, rng: random.Random) -> str:
    """A line as it may be read: now and then one character is another, or a space is missing."""
    if rng.random() < 0.3:
        spot = rng.randrange(len(text))
        text = text[:spot] + rng.choice(string.ascii_letters + string.digits) + text[spot + 1 :]
    return text.replace(" ", "", 1) if rng.random() < 0.2 else text


def known_names() -> dict[str, list[str]]:
    """What the mid layer can name, in label order: objects and colours."""
    return {"names": sorted({*EMOJI, *SHAPES, *THINGS}), "colours": ["none", *COLOURS]}


def vocabulary() -> list[str]:
    """English words to write on things: those that are single tokens of the language model."""
    from conlora_agent.backbone.nano.assemble import load_tokenizer

    tokenizer: Any = load_tokenizer()
    words = {piece[1:] for piece in tokenizer.get_vocab() if piece.startswith("Ġ") and len(piece) > 3}
    return sorted(word for word in words if word.isascii() and word.isalpha())
