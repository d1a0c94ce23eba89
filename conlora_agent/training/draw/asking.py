"""One function per kind of question: what to ask about a scene and the right answers, or None when it cannot be asked.

The words around it are in phrasings.py. Yes and no are equally frequent in every kind that has them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from conlora_agent.training.draw.colours import COLOURS
from conlora_agent.training.draw.language import alike, countable, plural, with_article
from conlora_agent.training.draw.names import GROUPS, NAMES
from conlora_agent.training.draw.relations import (
    OPPOSITE,
    RELATIONS,
    called,
    clearly_larger,
    of_name,
    region,
    relation,
    singles,
    size,
)
from conlora_agent.training.draw.sample import DrawnObject, Sample
from conlora_agent.wording import NUMBERS, WHERE


@dataclass(frozen=True)
class Asked:
    """A question with its accepted answers, the first preferred. `words` fill the template, `working` is what to say
    to oneself before the answer."""

    kind: str
    question: str
    answers: tuple[str, ...]
    words: dict[str, str]
    working: str = ""


def _asked(kind: str, answer: str, *also: str, **words: str) -> Asked:
    return Asked(kind, "", (answer, *also), words)


def absent_name(sample: Sample, rng: random.Random) -> str:
    """A name of nothing in the scene and alike to nothing in it, often of the same group as something there."""
    pool: tuple[str, ...] = NAMES
    if sample.objects and rng.random() < 0.6:
        there = rng.choice(sample.objects).name
        pool = next((g for g in GROUPS.values() if there in g), NAMES)
    free = [n for n in pool if not any(alike(n, o.name) for o in sample.objects)]
    return rng.choice(free or [n for n in NAMES if not any(alike(n, o.name) for o in sample.objects)])


def other_colour(colour: str, rng: random.Random) -> str:
    """A colour word that nobody would mix up with `colour`."""
    near = {colour}.union(*(group for group in _NEAR if colour in group))
    return rng.choice([c for c in COLOURS if c not in near])


_NEAR = (
    frozenset(("red", "orange", "brown", "pink")),
    frozenset(("purple", "pink")),
    frozenset(("grey", "white", "black")),
    frozenset(("yellow", "orange")),
)


def _colour(sample: Sample, rng: random.Random) -> Asked | None:
    item = _one(rng, [o for o in singles(sample) if o.colour])
    return None if item is None else _asked("colour", item.colour or "", x=item.name)


def _is_colour(sample: Sample, rng: random.Random) -> Asked | None:
    item = _one(rng, [o for o in singles(sample) if o.colour])
    if item is None or item.colour is None:
        return None
    yes = rng.random() < 0.5
    colour = item.colour if yes else other_colour(item.colour, rng)
    return _asked("is_colour", "yes" if yes else "no", x=item.name, c=colour)


def _count(sample: Sample, rng: random.Random) -> Asked | None:
    names = sorted({o.name for o in sample.objects if countable(o.name)})
    if not names or rng.random() < 0.08:
        names = [absent_name(sample, rng)]
    # Several of a kind are rarer than single ones: prefer them, or the answer would nearly always be one.
    several = [n for n in names if sum(o.name == n for o in sample.objects) > 1]
    name = rng.choice(several if several and rng.random() < 0.8 else names)
    found = of_name(sample, name)
    if found is None or not countable(name):
        return None
    number = len(found)
    return _asked("count", NUMBERS[number], str(number), *(["none", "no"] if not number else []), xs=plural(name))


def _count_all(sample: Sample, rng: random.Random) -> Asked | None:
    number = len(sample.objects)
    return _asked("count_all", NUMBERS[number], str(number)) if number else None


def _presence(sample: Sample, rng: random.Random) -> Asked | None:
    yes = bool(sample.objects) and rng.random() < 0.5
    item = rng.choice(sample.objects) if sample.objects else None
    if yes and item is not None:
        words = called(item) if rng.random() < 0.3 else item.name
        name = item.name
    elif item is not None and item.colour and rng.random() < 0.25 and of_name(sample, item.name):
        colours = {o.colour for o in sample.objects if o.name == item.name}
        if len(colours) > 1:
            return None
        name, words = item.name, f"{other_colour(item.colour, rng)} {item.name}"
    else:
        name = words = absent_name(sample, rng)
    many = words.removesuffix(name) + plural(name)
    return _asked("presence", "yes" if yes else "no", ax=with_article(words, name), xs=many)


def _where(sample: Sample, rng: random.Random) -> Asked | None:
    item = _one(rng, singles(sample))
    part = region(sample, item) if item else None
    if item is None or part is None:
        return None
    also = [
        part,
        f"on the {part}",
        f"in the {part}",
        *(["center", "centre"] if part == "middle" else [f"{part} corner"]),
    ]
    return _asked("where", WHERE[part], *also, x=item.name)


def _pair(sample: Sample, rng: random.Random) -> tuple[DrawnObject, DrawnObject] | None:
    items = singles(sample)
    if len(items) < 2:
        return None
    a, b = rng.sample(items, 2)
    return a, b


_SHORT = {RELATIONS[0]: "left", RELATIONS[1]: "right"}
"""Relations that an answer says in a word."""


def _direction(sample: Sample, rng: random.Random) -> Asked | None:
    pair = _pair(sample, rng)
    seen = relation(*pair) if pair else None
    if pair is None or seen is None:
        return None
    kind = "side" if seen in RELATIONS[:2] else "height"
    answer = _SHORT.get(seen, seen)
    return _asked(kind, answer, f"the {answer}", f"on the {answer}", seen, x=pair[0].name, y=pair[1].name)


def _is_related(sample: Sample, rng: random.Random) -> Asked | None:
    pair = _pair(sample, rng)
    seen = relation(*pair) if pair else None
    if pair is None or seen is None:
        return None
    yes = rng.random() < 0.5
    words = {"x": pair[0].name, "y": pair[1].name, "relation": seen if yes else OPPOSITE[seen]}
    return replace(_asked("is_related", "yes" if yes else "no", **words), working=_SHORT.get(seen, seen))


def _beside(sample: Sample, rng: random.Random) -> Asked | None:
    pair = _pair(sample, rng)
    seen = relation(*pair) if pair else None
    if pair is None or seen is None:
        return None
    a, b = pair
    axis = 0 if seen in RELATIONS[:2] else 1
    # Nothing else may lie on that side of it, not even partly.
    for other in sample.objects:
        if other is a or other is b:
            continue
        before = (
            other.box[axis] < b.box[axis] + 2
            if seen in (RELATIONS[0], RELATIONS[2])
            else other.box[axis + 2] > b.box[axis + 2] - 2
        )
        if before:
            return None
    return _asked(
        "beside", with_article(a.name, a.name), a.name, with_article(called(a), a.name), y=b.name, relation=seen
    )


def _larger(sample: Sample, rng: random.Random) -> Asked | None:
    pair = _pair(sample, rng)
    if pair is None:
        return None
    a, b = pair
    if not clearly_larger(a, b) and not clearly_larger(b, a):
        return None
    if size(sample, a) == size(sample, b):  # too small to tell
        return None
    larger, smaller = (a, b) if clearly_larger(a, b) else (b, a)
    kind = rng.choice(("larger", "smaller"))
    won = larger if kind == "larger" else smaller
    sizes = " ".join(f"{item.name} {size(sample, item)}" for item in pair)
    asked = _asked(kind, f"the {won.name}", won.name, x=a.name, y=b.name)
    return replace(asked, working=f"{sizes}: larger {larger.name} smaller {smaller.name}: {kind} {won.name}")


def _text(sample: Sample, rng: random.Random) -> Asked | None:
    item = _one(rng, [o for o in singles(sample) if o.text])
    return None if item is None else _asked("text", item.text or "", x=item.name)


def _what(sample: Sample, rng: random.Random) -> Asked | None:
    if len(sample.objects) != 1:
        return None
    item = sample.objects[0]
    return _asked("what", with_article(item.name, item.name), item.name, with_article(called(item), item.name))


def _which_colour(sample: Sample, rng: random.Random) -> Asked | None:
    if len(sample.objects) < 2:
        return None
    item = _one(rng, [o for o in sample.objects if o.colour])
    if item is None or any(o is not item and o.colour in (None, item.colour) for o in sample.objects):
        return None
    words = with_article(item.name, item.name)
    return _asked("which_colour", f"the {item.name}", item.name, words, c=item.colour or "")


def _background(sample: Sample, rng: random.Random) -> Asked | None:
    place = sample.facts.get("place") or ""
    return _asked("background", place.split()[1]) if place.endswith(" background") else None


def _one(rng: random.Random, items: list[DrawnObject]) -> DrawnObject | None:
    return rng.choice(items) if items else None


KINDS: dict[str, tuple[Callable[[Sample, random.Random], Asked | None], float]] = {
    "colour": (_colour, 0.11),
    "is_colour": (_is_colour, 0.07),
    "count": (_count, 0.12),
    "count_all": (_count_all, 0.04),
    "presence": (_presence, 0.11),
    "where": (_where, 0.06),
    "direction": (_direction, 0.13),
    "is_related": (_is_related, 0.2),
    "beside": (_beside, 0.06),
    "larger": (_larger, 0.25),
    "text": (_text, 0.4),
    "what": (_what, 0.02),
    "which_colour": (_which_colour, 0.04),
    "background": (_background, 0.02),
}
"""Kinds of question with their share of what is asked: more of what takes longer to learn or can seldom be asked."""
