"""Made-up messages that mean nothing: what `clarify` has to recognise beyond the nonsense somebody thought to write.

Key mashing on several keyboards, invented words, words of real requests in a random order. Deterministic.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

KEYBOARDS = (
    ("qwertyuiop", "asdfghjkl", "zxcvbnm"),
    ("azertyuiop", "qsdfghjklm", "wxcvbn"),
    ("йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю"),
    ("ςερτυθιοπ", "ασδφγηξκλ", "ζχψωβνμ"),
    ("ضصثقفغعهخحج", "شسيبلاتنمكط", "ئءؤرىةوزظ"),
    ("ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔ", "ㅁㄴㅇㄹㅎㅗㅓㅏㅣ", "ㅋㅌㅊㅍㅠㅜㅡ"),
)
ONSETS = [
    "b",
    "bl",
    "br",
    "d",
    "dr",
    "f",
    "fl",
    "fr",
    "g",
    "gl",
    "gr",
    "h",
    "j",
    "k",
    "kl",
    "kr",
    "m",
    "n",
    "p",
    "pl",
    "pr",
    "qu",
    "s",
    "sk",
    "sn",
    "sp",
    "st",
    "t",
    "tr",
    "v",
    "w",
    "z",
    "zh",
]
NUCLEI = ["a", "e", "i", "o", "u", "oo", "ee", "ai", "ou"]
CODAS = ["b", "ck", "d", "ff", "g", "l", "m", "mp", "n", "nk", "p", "rb", "rt", "sk", "st", "t", "x", "zz"] + [""] * 8
MOTIFS = 2
"""How often a mash repeats its first keys on average."""


def nonsense(vocabulary: Sequence[str], each: int, seed: int = 0) -> list[str]:
    """`each` messages of every kind; word salads are drawn from `vocabulary`."""
    rng = random.Random(seed)
    made = [_mash(rng) for _ in range(each)] + [_invented(rng) for _ in range(each)]
    if vocabulary:
        made += [_salad(rng, vocabulary) for _ in range(each)]
    return list(dict.fromkeys(made))


def _mash(rng: random.Random) -> str:
    """Neighbouring keys of one keyboard; most people's is Latin."""
    rows = KEYBOARDS[0] if rng.random() < 0.6 else rng.choice(KEYBOARDS)
    return " ".join(_keys(rng, rows) for _ in range(rng.choice((1, 1, 2, 3))))


def _keys(rng: random.Random, rows: Sequence[str]) -> str:
    row = rng.choice(rows)
    place, keys = rng.randrange(len(row)), ""
    for _ in range(rng.randint(2, 4)):
        keys += row[place]
        place = min(max(place + rng.choice((-2, -1, -1, 1, 1, 2)), 0), len(row) - 1)
    tail = "".join(rng.choice(rng.choice(rows)) for _ in range(rng.randint(0, 5)))
    return keys * rng.randint(1, MOTIFS) + tail


def _invented(rng: random.Random) -> str:
    """Words that could be English and are not."""
    return " ".join(_word(rng) for _ in range(rng.randint(1, 4)))


def _word(rng: random.Random) -> str:
    syllables = rng.choice((1, 2, 2, 3))
    return "".join(rng.choice(ONSETS) + rng.choice(NUCLEI) + rng.choice(CODAS) for _ in range(syllables))


def _salad(rng: random.Random, vocabulary: Sequence[str]) -> str:
    return " ".join(rng.sample(list(vocabulary), k=min(rng.randint(3, 7), len(vocabulary))))
