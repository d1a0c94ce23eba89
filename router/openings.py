"""How a stretch of a message begins and ends: what tells "and where is it?" from "and the red one".

Function words are a closed class and listed; which other words open a request is counted in the routing examples, so
that a verb which only a new task is asked with counts as well. Not covered here: what is decided with it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

QUESTION = "what who where when why how which whose whom what's who's where's when's how's"
AUXILIARY = (
    "is are was were do does did can could will would should has have am may might shall "
    "isn't aren't don't doesn't can't won't"
)
DETERMINER = "the a an my your his her its our their this that these those some any no all both each every"
PREPOSITION = (
    "of in on at by for with from to into about under over near next beside between behind above below as than like "
    "without during after before since until"
)
CONJUNCTION = "and or nor but because if when while that which who whose so"
SUBJECT = "i you he she it we they i'm you're he's she's it's we're they're i've i'd i'll there there's that's this"
POLITE = "please thanks thank hi hello hey ok okay well yes no sorry"
CLASSES = tuple(
    frozenset(words.split(" "))
    for words in (QUESTION, AUXILIARY, DETERMINER, PREPOSITION, CONJUNCTION, SUBJECT, POLITE)
)
SCALE = 3.0
_WORD = re.compile(r"\w+(?:'\w+)?")


@dataclass(frozen=True)
class Openings:
    """`scores`: by how many logits a word rather opens a request than stands inside one, over SCALE."""

    scores: Mapping[str, float]

    @classmethod
    def of(cls, requests: Iterable[str]) -> Openings:
        """Counted in complete requests."""
        first: Counter[str] = Counter()
        inside: Counter[str] = Counter()
        for request in requests:
            words = _words(request)
            first.update(words[:1])
            inside.update(words[1:])
        return cls({w: float(np.log((first[w] + 0.5) / (inside[w] + 0.5)) / SCALE) for w in first | inside})

    def features(self, left: str, right: str) -> list[float]:
        """Of a border between two stretches: how both begin, each and together, and how the left one ends."""
        words, following = _words(left), _words(right)
        begun, next_begun = _classes(words, 0), _classes(following, 0)
        a, b = self._score(words), self._score(following)
        return [
            *_beginning(words), *_beginning(following), *_together(begun, next_begun), *_classes(words, -1), a, b, a * b
        ]  # fmt: skip

    def _score(self, words: Sequence[str]) -> float:
        return self.scores.get(words[0], 0.0) if words else 0.0


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _classes(words: Sequence[str], place: int) -> list[float]:
    """Which classes the word at `place` is of; none where there is no such word."""
    word = words[place] if -len(words) <= place < len(words) else ""
    return [float(word in members) for members in CLASSES]


def _beginning(words: Sequence[str]) -> list[float]:
    first, second = _classes(words, 0), _classes(words, 1)
    return [*first, *second, *_together(first, second)]


def _together(one: Sequence[float], other: Sequence[float]) -> list[float]:
    return [x * y for x, y in product(one, other)]
