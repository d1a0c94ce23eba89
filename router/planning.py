"""Several requests in one message: where to cut it, and which later part needs an earlier one's result.

Both decisions are small logistic models over the parts on either side of a border; `plan_training` fits them. One
request is never cut: "the cat and the dog" has no second request in it. Not covered here: which route a part takes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conlora_agent.core.types import CHAT, CLARIFY, Kind
from router.encoder import Vectors
from router.features import ANAPHORA, Array, RouteTable, as_features, has_anaphora
from router.head import LinearHead, softmax
from router.openings import Openings

MAX_PARTS = 4
CUT_FROM = 0.55
"""Probability from which a message is cut: taking one request apart is worse than answering only one of two."""
MAX_BORDERS = 12
"""A message with more borders than this is prose, not a list of requests."""

KINDS: tuple[Kind, ...] = ("task", "tool", "chat")
_CONNECTIVE = r"(?:(?:and|then|also|plus|afterwards|next|finally|after\s+that)\b[\s,]*)"
_BORDER = re.compile(rf"(?:\s*[.?!;]+\s+|\s*\n\s*|\s*,\s+|\s+(?={_CONNECTIVE})){_CONNECTIVE}*", re.IGNORECASE)
_MARK = re.compile(r"\s*[.?!]+")
_WORD = re.compile(r"\w+")
_REFERRING = tuple(sorted(ANAPHORA))


@dataclass(frozen=True)
class Border:
    """A place where a message may be cut: the left part ends at `end`, the right part begins at `start`."""

    end: int
    start: int
    mark: str


@dataclass(frozen=True)
class Part:
    """A stretch of a message: its words, their embedding (dimension,), its route probabilities (routes,)."""

    text: str
    vector: Vectors
    probabilities: Array


@dataclass(frozen=True)
class PartStep:
    """A part whose route is decided."""

    text: str
    vector: Vectors
    kind: Kind


@dataclass(frozen=True)
class Planner:
    """Fitted decisions; each head has two columns, no and yes."""

    cut: LinearHead
    use: LinearHead
    openings: Openings

    def cuts(self, left: Part, right: Part, border: Border, table: RouteTable) -> bool:
        """Whether `left` and `right` are two requests."""
        return _yes(self.cut, cut_features(left, right, border, table, self.openings)) > CUT_FROM

    def uses(self, steps: Sequence[PartStep], later: PartStep) -> tuple[int, ...]:
        """Position of the earlier step whose result `later` needs, or none."""
        if not steps:
            return ()
        scores = [_yes(self.use, use_features(s, later, len(steps) - i)) for i, s in enumerate(steps)]
        best = int(np.argmax(scores))
        return (best,) if scores[best] > 0.5 else ()


def borders(text: str) -> list[Border]:
    """Ends of sentences, commas and conjunctions with words on both sides, in order; none in long prose."""
    found = [_border(text, match) for match in _BORDER.finditer(text)]
    kept = [b for b in found if _WORD.search(text[: b.end]) and _WORD.search(text[b.start :])]
    return kept if len(kept) <= MAX_BORDERS else []


def stretches(text: str, marks: Sequence[Border]) -> list[str]:
    """What lies between neighbouring borders; one more than there are borders."""
    starts, ends = [0, *(b.start for b in marks)], [*(b.end for b in marks), len(text)]
    return [text[start:end].strip() for start, end in zip(starts, ends, strict=True)]


def cut_features(left: Part, right: Part, border: Border, table: RouteTable, openings: Openings) -> Array:
    """One row: (features,)."""
    scalars = [
        *_certainty(left, table),
        *_certainty(right, table),
        float(left.probabilities @ right.probabilities),
        float(left.vector @ right.vector),
        _length(left.text),
        _length(right.text),
        float(_length(left.text) <= 0.1),
        float(_length(right.text) <= 0.1),
        float("?" in border.mark),
        float(any(c in border.mark for c in ".!;\n")),
        float("," in border.mark),
        float(bool(_WORD.search(border.mark))),
        float("then" in border.mark or "also" in border.mark),
        float(has_anaphora(right.text)),
        *openings.features(left.text, right.text),
    ]
    return np.concatenate([left.vector, right.vector, np.array(scalars)]).astype(np.float32)


def use_features(earlier: PartStep, later: PartStep, distance: int) -> Array:
    """One row: (features,). `distance`: how many steps apart the two are."""
    words, before = set(_words(later.text)), set(_words(earlier.text))
    scalars = [
        float(distance > 1),
        *(float(word in words) for word in _REFERRING),
        float(bool(words & ANAPHORA)),
        len({w for w in words & before if len(w) > 3}) / 3,
        *(float(earlier.kind == kind) for kind in KINDS),
        *(float(later.kind == kind) for kind in KINDS),
    ]
    return np.concatenate([earlier.vector * 0.5, later.vector, np.array(scalars)]).astype(np.float32)


def _yes(head: LinearHead, row: Array) -> float:
    return float(softmax(head.logits(as_features(row[None])))[0, 1])


def _certainty(part: Part, table: RouteTable) -> list[float]:
    """How sure the classifier is of a part, and how much it takes it for nothing or for talk."""
    by_name = dict(zip(table.names, part.probabilities.tolist(), strict=True))
    unclear, talk = by_name.pop(CLARIFY, 0.0), by_name.get(CHAT, 0.0)
    return [max(by_name.values(), default=0.0), unclear, talk]


def _border(text: str, match: re.Match[str]) -> Border:
    """The left part keeps its own closing mark: "who is it? and when?" -> "who is it?"."""
    mark = _MARK.match(match.group())
    return Border(match.start() + (mark.end() if mark else 0), match.end(), match.group().lower())


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _length(text: str) -> float:
    return min(len(_words(text)), 20) / 20
