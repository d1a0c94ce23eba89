"""Checks the words and the region that came in before anything heavy is loaded.

Not covered here: pictures, which conlora_agent.memory.decoding checks.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from pydantic import ValidationError

from conlora_agent.core.errors import BadInput, TextError
from conlora_agent.core.types import Box, Region

_LAYOUT = "\n\t"
_JOINERS = "\u200c\u200d"  # shape words and emoji in many scripts


def clean_text(text: str, *, max_chars: int) -> str:
    """The text without control characters, line ends unified, stripped; may be empty. Any script is welcome.

    Raises TextError when it is longer than `max_chars`, or when nothing but control characters was given.
    """
    if len(text) > max_chars:
        raise TextError(f"the message has {len(text)} characters, at most {max_chars} are allowed", "shorten it")
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    cleaned = "".join(char for char in unified if char in _LAYOUT or _printable(char)).strip()
    if text.strip() and not any(char not in _JOINERS for char in cleaned):
        raise TextError("the message holds only control characters", "write it in words")
    return cleaned


def clean_region(box: Sequence[float]) -> Box:
    """The box of a region that the user marked. Raises BadInput when it is none."""
    try:
        return Region.model_validate({"label": "", "box": box}).box
    except ValidationError as error:
        remedy = "give x0, y0, x1, y1 with x0 < x1 and y0 < y1, as fractions 0..1 of the picture's width and height"
        raise BadInput(f"{str(box)[:80]} is no region of a picture", remedy) from error


def _printable(char: str) -> bool:
    """Neither a control character, nor half a surrogate pair, nor a mark that turns the direction of other text."""
    category = unicodedata.category(char)
    return char in _JOINERS or category not in ("Cc", "Cs", "Cf", "Cn")
