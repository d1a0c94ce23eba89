"""What the classifier looks at: the embedding of the text, its surface, and the state of the conversation.

A turn gives one feature row, plus *relations* between the turn and each route: is this the route of the turn before,
was it taken earlier, does it need a picture that is there. The weights of a relation are shared by all routes, so a
task added yesterday inherits what "and the other one?" means. Not covered here: the weights (router.head).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conlora_agent.core.types import CLARIFY, RouteQuery

Array = NDArray[np.floating[Any]]

FOCUS_KINDS = ("picture", "region", "text", "value", "request")
RELATIONS = ("last", "earlier", "needs_image")
EARLIER_TURNS = 4
OTHER_SCALE = 0.5
"""Scale of everything but the embedding: under one penalty, it says how much the fit may lean on a feature."""
SURFACE_SCALE = 0.5
"""Of the surface, beside that of the state: few examples have a length or a question mark in common by chance. Chosen
on sentences of CLINC150 that are neither in the draw nor in its test part."""
SURFACE_SIZE = 10
SURFACE_CHARACTERS = 2_000
HAS_IMAGE = SURFACE_SIZE
"""Where among the features beside the text it says whether a picture is there."""
STATE_SIZE = 3 + len(FOCUS_KINDS)

# Closed classes of English grammar: words that stand for something said before.
_REFERRING = "it its this that these those they them their there he him his she her one ones other another same else"
ANAPHORA = frozenset(_REFERRING.split(" "))
CONNECTIVES = frozenset(("and", "or", "but", "also", "then", "so", "what", "how"))

_WORD = re.compile(r"\w+", re.UNICODE)
_CONSONANTS = re.compile(r"[bcdfghjklmnpqrstvwxz]{4,}")


@dataclass(frozen=True)
class RouteTable:
    """The routes a head decides among, in the order of its columns."""

    names: tuple[str, ...]
    needs_image: tuple[bool, ...]

    def index(self, name: str) -> int:
        """Column of a route."""
        return self.columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    @cached_property
    def columns(self) -> dict[str, int]:
        """Column of every route."""
        return {name: place for place, name in enumerate(self.names)}

    @cached_property
    def of_pictures(self) -> NDArray[np.float32]:
        """1 for every route that needs a picture, 0 for the others: (routes,)."""
        return np.array(self.needs_image, dtype=np.float32)

    @property
    def unclear(self) -> int | None:
        """Column of `clarify`, which stands for what no route can serve; None where it is no route."""
        return self.columns.get(CLARIFY)


@dataclass(frozen=True)
class Features:
    """Turns as arrays, all float32. A text is kept once however many turns share it: that is what makes a fit quick.

    `texts` (texts, dimension); `text_of` (turns,) positions in it; `others` (turns, features);
    `relations` (relation, turns, routes).
    """

    texts: Array
    text_of: NDArray[np.intp]
    others: Array
    relations: Array

    def __getitem__(self, turns: NDArray[np.intp]) -> Features:
        used, text_of = np.unique(self.text_of[turns], return_inverse=True)
        return Features(self.texts[used], text_of, self.others[turns], self.relations[:, turns])


def features(queries: Sequence[RouteQuery], vectors: NDArray[np.float32], table: RouteTable) -> Features:
    """Features of turns whose texts have the embeddings `vectors` (turns, dimension)."""
    first: dict[str, int] = {}  # by text: the first turn that has it
    for turn, query in enumerate(queries):
        first.setdefault(query.text, turn)
    place = {text: number for number, text in enumerate(first)}
    text_of = np.array([place[query.text] for query in queries], dtype=np.intp)
    others = np.array([[*surface_features(q.text), *_state(q)] for q in queries], dtype=np.float32)
    others = others.reshape(len(queries), SURFACE_SIZE + STATE_SIZE)
    others[:, :SURFACE_SIZE] *= SURFACE_SCALE
    relations = _relations(queries, table)
    others = np.concatenate([others, relations[0]], axis=1)
    return Features(vectors[list(first.values())], text_of, others * np.float32(OTHER_SCALE), relations)


def as_features(rows: Array) -> Features:
    """Rows for a head that decides between no and yes, without relations."""
    none = np.zeros((len(rows), 0), np.float32)
    return Features(rows, np.arange(len(rows)), none, np.zeros((0, len(rows), 2), np.float32))


@lru_cache(maxsize=16_384)
def surface_features(text: str) -> tuple[float, ...]:
    """What the embedding blurs: length, words that point back, and whether the letters look like language."""
    text = text[:SURFACE_CHARACTERS]
    lower = text.lower()
    words = _WORD.findall(lower)
    latin = lower if lower.isascii() else "".join(filter(str.isascii, lower))
    alphanumeric, white = sum(map(str.isalnum, text)), sum(map(str.isspace, text))
    size = max(len(text.strip()), 1)
    return (
        min(len(words), 20) / 20,
        float(len(words) <= 3),
        float(not ANAPHORA.isdisjoint(words)),
        float(bool(words) and words[0] in CONNECTIVES),
        float("?" in text),
        sum(map(str.isdigit, text)) / size,
        (len(text) - alphanumeric - white) / size,
        _odd_letters(latin),
        min(len(_CONSONANTS.findall(lower)), 3) / 3,
        _foreign_letters(lower),
    )


def has_anaphora(text: str) -> bool:
    """Whether a word stands for something said or shown before."""
    return not ANAPHORA.isdisjoint(_WORD.findall(text.lower()))


def _odd_letters(latin: str) -> float:
    """How far the share of vowels among the letters of `latin` is from that of running text."""
    letters = sum(map(str.isalpha, latin))
    return abs(sum(map(latin.count, "aeiouy")) / letters - 0.4) if letters else 0.0


def _foreign_letters(lower: str) -> float:
    """The share of letters that are of no Latin script."""
    if lower.isascii():
        return 0.0
    letters = [c for c in lower if c.isalpha()]
    foreign = sum(not c.isascii() and not unicodedata.name(c, "").startswith("LATIN") for c in letters)
    return foreign / max(len(letters), 1)


def _state(query: RouteQuery) -> list[float]:
    focus = [float(kind in query.focus) for kind in FOCUS_KINDS]
    return [float(query.has_image), float(not query.previous), float(len(query.previous) > 1), *focus]


def _relations(queries: Sequence[RouteQuery], table: RouteTable) -> Array:
    """(relation, turns, routes), in the order of RELATIONS."""
    column = table.columns
    found = np.zeros((len(RELATIONS), len(queries), len(table.names)), np.float32)
    for turn, query in enumerate(queries):
        for name in query.previous[-1 - EARLIER_TURNS : -1]:
            if name in column:
                found[1, turn, column[name]] = 1
        for name in query.previous[-1:]:
            if name in column:
                found[0, turn, column[name]] = 1
                found[1, turn, column[name]] = 0
    with_image = np.array([query.has_image for query in queries], dtype=np.float32)
    found[2] = with_image[:, None] * table.of_pictures
    return found
