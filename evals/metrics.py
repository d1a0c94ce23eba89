"""Task metrics as pure functions: edit distance, box overlap, BLEU-4, CIDEr-D, object recall, answer accuracy.

Not covered here: reading data and asking the agent (tasks.py), router figures (router.py).
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest

from conlora_agent.core.types import Box

# -- reading ----------------------------------------------------------------------------------------------------------


def edit_distance(a: str, b: str) -> int:
    """Insertions, deletions and substitutions that turn `a` into `b` (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, char in enumerate(a, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(b, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (char != other))
    return row[-1]


def loose_text(text: str) -> str:
    """Text without case and white space: what `cer` and `exact` compare."""
    return "".join(text.casefold().split())


def character_error_rate(truths: Sequence[str], guesses: Sequence[str]) -> float:
    """Edits per true character over all pairs together. Can exceed 1 when much is invented."""
    edits = sum(edit_distance(t, g) for t, g in zip(truths, guesses, strict=True))
    return edits / max(1, sum(map(len, truths)))


# -- finding ----------------------------------------------------------------------------------------------------------


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def match_boxes(truths: Sequence[Box], guesses: Sequence[Box]) -> list[float]:
    """IoU of each true box with the guess assigned to it, best pairs first, 0 for what is left over on either side.

    Nothing there and nothing guessed is one perfect match.
    """
    if not truths and not guesses:
        return [1.0]
    pairs = sorted(((overlap(t, g), i, j) for i, t in enumerate(truths) for j, g in enumerate(guesses)), reverse=True)
    found: list[float] = []
    used_truths: set[int] = set()
    used_guesses: set[int] = set()
    for iou, i, j in pairs:
        if iou > 0 and i not in used_truths and j not in used_guesses:
            found.append(iou)
            used_truths.add(i)
            used_guesses.add(j)
    return found + [0.0] * (max(len(truths), len(guesses)) - len(found))


# -- describing -------------------------------------------------------------------------------------------------------


def words_of(text: str) -> list[str]:
    """Lower-case words without punctuation, as caption metrics compare them."""
    return re.findall(r"[^\W_]+(?:['.,][^\W_]+)*", text.lower())


def _ngrams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def bleu4(references: Sequence[Sequence[str]], guesses: Sequence[str]) -> float:
    """Corpus BLEU-4 (Papineni et al. 2002) without smoothing; `references` holds the captions of each picture."""
    right, total = [0] * 4, [0] * 4
    guessed = closest = 0
    for captions, guess in zip(references, guesses, strict=True):
        said, truths = words_of(guess), [words_of(c) for c in captions]
        guessed += len(said)
        closest += min((abs(len(t) - len(said)), len(t)) for t in truths)[1]
        for n in range(1, 5):
            grams = _ngrams(said, n)
            limit: Counter[tuple[str, ...]] = Counter()
            for truth in truths:
                limit |= _ngrams(truth, n)
            right[n - 1] += sum((grams & limit).values())
            total[n - 1] += sum(grams.values())
    if not all(right):
        return 0.0
    precision = math.exp(sum(math.log(r / t) for r, t in zip(right, total, strict=True)) / 4)
    return precision * min(1.0, math.exp(1 - closest / guessed))


_SIGMA = 6.0


def cider_d(references: Sequence[Sequence[str]], guesses: Sequence[str]) -> float:
    """Mean CIDEr-D (Vedantam et al. 2015), 0..10; the references are the corpus that words are weighed by.

    As in the COCO caption evaluation: four n-gram lengths, clipped counts, length penalty, no stemming.
    """
    truths = [[words_of(c) for c in captions] for captions in references]
    seen: Counter[tuple[str, ...]] = Counter()
    for captions in truths:
        seen.update({g for words in captions for n in range(1, 5) for g in _ngrams(words, n)})
    scores = []
    for captions, guess in zip(truths, guesses, strict=True):
        said = words_of(guess)
        each = [_cider_pair(said, truth, seen, math.log(len(truths))) for truth in captions]
        scores.append(sum(each) / len(each))
    return 10 * sum(scores) / len(scores)


def _cider_pair(said: list[str], truth: list[str], seen: Counter[tuple[str, ...]], log_n: float) -> float:
    penalty = math.exp(-((len(said) - len(truth)) ** 2) / (2 * _SIGMA**2))
    total = 0.0
    for n in range(1, 5):
        a, b = (
            {g: count * (log_n - math.log(max(1, seen[g]))) for g, count in _ngrams(words, n).items()}
            for words in (said, truth)
        )
        norm = math.sqrt(sum(v * v for v in a.values()) * sum(v * v for v in b.values()))
        if norm:
            total += sum(min(a[g], b[g]) * b[g] for g in a.keys() & b.keys()) / norm
    return penalty * total / 4


def named(name: str, caption: str) -> bool:
    """Whether a caption names an object, in the singular or the plural."""
    from conlora_agent.training.draw.language import plural

    said = f" {' '.join(words_of(caption))} "
    return any(f" {' '.join(words_of(form))} " in said for form in (name, plural(name)))


# -- answering --------------------------------------------------------------------------------------------------------

_NUMBER_WORDS = "zero one two three four five six seven eight nine ten".split()  # noqa: SIM905
_SAME = {word: str(number) for number, word in enumerate(_NUMBER_WORDS)} | {"gray": "grey", "center": "centre"}


def reads_same(answer: str, truth: str, tolerance: float = 0.0) -> bool:
    """Whether two texts agree line by line, but for case, white space, commas in numbers, dollar and percent signs, and
    the last number of each line, which may be off by `tolerance`; "Q2" is a name, and no number."""
    pairs = list(zip_longest(_parted(answer), _parted(truth)))
    return all(
        one is not None and other is not None and one[0] == other[0] and _close(one[1], other[1], tolerance)
        for one, other in pairs
    )


def _parted(text: str) -> list[tuple[str, float | None]]:
    """Each line without its last number, and that number."""
    lines = re.sub(r"(?<=\d),(?=\d{3})|[$%]", "", text).strip().split("\n")
    parts: list[tuple[str, float | None]] = []
    for line in lines:
        match = re.fullmatch(r"(|.*[\s:])(-?\d+(?:\.\d+)?)(\D*)", line.strip())
        words = loose_text(match[1] + match[3] if match else line)
        parts.append((words.strip("."), float(match[2]) if match else None))
    return parts


def _close(one: float | None, other: float | None, tolerance: float) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= tolerance + 1e-9 * abs(other)


def plain_answer(text: str) -> str:
    """An answer without case, punctuation, articles and spelling variants; number words become digits."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = re.findall(r"[^\W_]+(?:[.,:'/-][^\W_]+)*", folded)
    return " ".join(_SAME.get(word, word) for word in words if word not in ("a", "an", "the"))
