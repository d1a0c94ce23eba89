"""Several requests in one message: where a message may be cut, and which later part needs an earlier one's result.

Not covered here: judging the parts (router.embedding asks the classifier).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from router.features import ANAPHORA

MAX_PARTS = 4

_BORDER = re.compile(
    r"\s*(?:[.?!;\n]+\s+|,\s+|\s+(?=(?:and|then|also|plus)\b))"
    r"(?:(?:and|then|also|plus|after\s+that|afterwards|next)\b[\s,]*)*",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Border:
    """A place where a message may be cut: the left part ends at `end`, the right part begins at `start`."""

    end: int
    start: int


def borders(text: str) -> list[Border]:
    """Ends of sentences, commas and conjunctions with words on both sides, in order."""
    found = (Border(_sentence_end(text, m), m.end()) for m in _BORDER.finditer(text))
    return [b for b in found if _WORD.search(text[: b.end]) and _WORD.search(text[b.start :])]


def points_back(text: str) -> bool:
    """Whether a request has a word that stands for something said before."""
    return any(word in ANAPHORA for word in _WORD.findall(text.lower()))


def _sentence_end(text: str, match: re.Match[str]) -> int:
    """The left part keeps its own closing mark: "who is it? and when?" -> "who is it?"."""
    mark = re.match(r"\s*[.?!]+", match.group())
    return match.start() + (mark.end() if mark else 0)
