"""What a drawn picture is: the pixels together with exact labels of everything on it.

Coordinates here are pixels of `picture`; training turns them into cells or 0..1 boxes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

PixelBox = tuple[float, float, float, float]


@dataclass
class Glyph:
    """One visible character: `x` is its centre, `y` the middle of its line there, `height` the line's height."""

    char: str
    x: float
    y: float
    width: float
    height: float


@dataclass
class TextLine:
    """A line of text with its box and its visible characters, left to right. Spaces have no glyph."""

    text: str
    box: PixelBox
    glyphs: list[Glyph] = field(default_factory=list)


@dataclass
class DrawnObject:
    """Something with a name on the picture. `text` is what is written on it, if anything."""

    name: str
    box: PixelBox
    colour: str | None = None
    size: str | None = None
    text: str | None = None
    also: tuple[str, ...] = ()
    """What else it may be taken for, where its name is told in doubt."""


@dataclass
class Sample:
    """A picture (height, width, 3; uint8) and its labels. `kind` names the renderer ("words", "receipt", ...)."""

    picture: NDArray[np.uint8]
    lines: list[TextLine] = field(default_factory=list)
    objects: list[DrawnObject] = field(default_factory=list)
    kind: str = "words"
    facts: dict[str, Any] = field(default_factory=dict)
