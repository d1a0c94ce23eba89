"""What a task's data generator makes: one picture, one instruction, one right answer.

A built-in task's `data.py` has `exercise(rng, studio) -> Exercise`. The studio that draws is handed in, so that
a task folder knows nothing of the training code.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Exercise:
    """One training example. `picture` is (height, width, 3) uint8, None for a task about text alone and where `told`
    stands for it; `request` goes into the task's prompt template."""

    picture: NDArray[np.uint8] | None
    request: str
    answer: str
    read: bool = False
    """Whether the answer is what the picture says, word for word: it teaches nothing where nobody could read it."""
    told: str | None = None
    """What the mid layer says of a picture, in words: what to do with it is learned without drawing and seeing one."""
    working: str = ""
    """What to say to oneself before the answer, one line: what cannot be seen in one go is worked out in two."""


TOLD = 0.75
"""Share of exercises without a picture: what to do with what it is told is most of what a stack has to learn."""


def some_scene(rng: random.Random, studio: Studio) -> Any:
    """A scene, mostly one that is only laid out."""
    return studio.layout(rng) if rng.random() < TOLD else studio.scene(rng)


def about(sample: Any, request: str, answer: str, working: str = "") -> Exercise:
    """An exercise about a scene: its picture, or what the mid layer would say of one that is only laid out."""
    told = sample.facts.get("told")
    return Exercise(None if told else sample.picture, request, answer, told=told, working=working)


class Studio(Protocol):
    """Draws labelled pictures. Samples carry `picture`, `lines` and `objects` in pixels."""

    def read_canvas(self, rng: random.Random) -> tuple[int, int]:
        """Size (width, height) of a picture to read."""

    def text(self, rng: random.Random, size: tuple[int, int]) -> Any:
        """A picture of this size with lines of text: a line, a page, a document, a scene."""

    def report(self, rng: random.Random) -> tuple[str, list[str]]:
        """What the mid layer says of a picture that nobody drew, and the lines of text that stand on it."""

    def chart_layout(self, rng: random.Random) -> Any:
        """A chart that is laid out, not drawn; `facts` holds what the mid layer would say of it as `told`, and `chart`,
        whose `title` and `values` (one for each of `labels`) are strings, or None where nothing can be made out."""

    def scene(self, rng: random.Random) -> Any:
        """A scene with one to six objects."""

    def layout(self, rng: random.Random) -> Any:
        """A scene that is laid out, not drawn; `facts` holds what the mid layer would say of it as `told`."""

    def caption(self, sample: Any, rng: random.Random) -> str:
        """A fluent sentence about a scene."""

    def question(self, sample: Any, rng: random.Random) -> Any:
        """A question about a scene: `question`, `answers` (the first preferred), and the `working` before them."""

    def phrase(self, sample: Any, rng: random.Random) -> tuple[str, list[tuple[float, float, float, float]]]:
        """A referring phrase and the boxes it means, in pixels; none when the object is absent."""
