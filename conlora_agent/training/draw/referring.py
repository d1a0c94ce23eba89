"""Referring phrases: words that point to exactly one object, to all of a kind, or to nothing that is there."""

from __future__ import annotations

import random
from collections.abc import Callable

from conlora_agent.training.draw.asking import absent_name, other_colour
from conlora_agent.training.draw.language import countable, plural
from conlora_agent.training.draw.relations import area, centre, clearly_larger, of_name, relation, singles
from conlora_agent.training.draw.sample import DrawnObject, PixelBox, Sample

Reference = tuple[str, list[PixelBox], bool]
"""Phrase, boxes it means, whether it is in the plural."""

ABSENT_SHARE = 0.14


def refer(sample: Sample, rng: random.Random) -> Reference:
    """A phrase about `sample` and its boxes in pixels, none when what it names is not there."""
    if not sample.objects or rng.random() < ABSENT_SHARE:
        return _absent(sample, rng)
    for _ in range(12):
        way = rng.choices(tuple(_WAYS), tuple(_WAYS.values()))[0]
        found = way(sample, rng)
        if found is not None:
            return found
    return _absent(sample, rng)


def _absent(sample: Sample, rng: random.Random) -> Reference:
    coloured = [o for o in singles(sample) if o.colour]
    if coloured and rng.random() < 0.35:
        item = rng.choice(coloured)
        return f"the {other_colour(item.colour or '', rng)} {item.name}", [], False
    name = absent_name(sample, rng)
    return _the(rng, name), [], False


def _the(rng: random.Random, words: str) -> str:
    return words if rng.random() < 0.15 else f"the {words}"


def _by_name(sample: Sample, rng: random.Random) -> Reference | None:
    items = singles(sample)
    if not items:
        return None
    item = rng.choice(items)
    return _the(rng, item.name), [item.box], False


def _by_colour(sample: Sample, rng: random.Random) -> Reference | None:
    item = rng.choice(sample.objects)
    same = of_name(sample, item.name)
    if item.colour is None or same is None or any(o is not item and o.colour in (None, item.colour) for o in same):
        return None
    return _the(rng, f"{item.colour} {item.name}"), [item.box], False


def _by_colour_alone(sample: Sample, rng: random.Random) -> Reference | None:
    item = rng.choice(sample.objects)
    if item.colour is None or any(o is not item and o.colour in (None, item.colour) for o in sample.objects):
        return None
    return f"the {item.colour} {rng.choice(('one', 'object', 'thing'))}", [item.box], False


def _twins(sample: Sample, rng: random.Random) -> list[DrawnObject] | None:
    """All objects of a name that occurs more than once."""
    names = sorted({o.name for o in sample.objects if countable(o.name)})
    several = [n for n in names if sum(o.name == n for o in sample.objects) > 1]
    return of_name(sample, rng.choice(several)) if several else None


def _by_position(sample: Sample, rng: random.Random) -> Reference | None:
    same = _twins(sample, rng)
    if same is None:
        return None
    axis, first = rng.randrange(2), rng.random() < 0.5
    ordered = sorted(same, key=lambda o: centre(o)[axis], reverse=not first)
    item, second = ordered[0], ordered[1]
    if abs(centre(item)[axis] - centre(second)[axis]) < 0.25 * (item.box[2 + axis] - item.box[axis]) + 8:
        return None
    side = (("left", "right"), ("top", "bottom"))[axis][not first]
    name = item.name
    phrases = [f"the {side} {name}", f"the {name} on the {side}" if axis == 0 else f"the {name} at the {side}"]
    phrases.append(f"the {side}most {name}" if axis == 0 else f"the {'upper' if first else 'lower'} {name}")
    return rng.choice(phrases), [item.box], False


def _by_size(sample: Sample, rng: random.Random) -> Reference | None:
    same = _twins(sample, rng)
    if same is None:
        return None
    large = rng.random() < 0.5
    ordered = sorted(same, key=area, reverse=large)
    if not clearly_larger(*(ordered[:2] if large else ordered[1::-1])):
        return None
    words = ("larger", "bigger", "big", "large") if large else ("smaller", "small", "little")
    best = ("largest", "biggest") if large else ("smallest",)
    word = rng.choice(words if len(same) == 2 else best)
    return f"the {word} {ordered[0].name}", [ordered[0].box], False


def _by_relation(sample: Sample, rng: random.Random) -> Reference | None:
    anchors = singles(sample)
    if not anchors:
        return None
    anchor = rng.choice(anchors)
    item = rng.choice(sample.objects)
    same = of_name(sample, item.name)
    seen = relation(item, anchor) if item is not anchor else None
    if seen is None or same is None or any(o is not item and relation(o, anchor) in (None, seen) for o in same):
        return None
    short = seen.replace("to the ", "") if rng.random() < 0.5 else seen
    return f"the {item.name} {short} the {anchor.name}", [item.box], False


def _by_text(sample: Sample, rng: random.Random) -> Reference | None:
    written = [o for o in sample.objects if o.text]
    if not written:
        return None
    item = rng.choice(written)
    if of_name(sample, item.name) is None or sum(o.text == item.text for o in written) > 1:
        return None
    form = rng.choice(
        ("the {n} that says {t}", 'the {n} with the text "{t}"', "the {n} with {t} on it", "the {n} saying {t}")
    )
    return form.format(n=item.name, t=item.text), [item.box], False


def _text_itself(sample: Sample, rng: random.Random) -> Reference | None:
    placed = [line for line in sample.lines if line.box[3] > line.box[1]]
    lines = [line for line in placed if sum(line.text == other.text for other in sample.lines) == 1]
    if not lines:
        return None
    line = rng.choice(lines)
    if len(sample.lines) == 1 and rng.random() < 0.5:
        return "the text", [line.box], False
    return rng.choice(('the text "{t}"', "the words {t}", 'the line "{t}"')).format(t=line.text), [line.box], False


def _all_of_a_kind(sample: Sample, rng: random.Random) -> Reference | None:
    same = _twins(sample, rng)
    if same is None:
        return None
    name = plural(same[0].name)
    colours = {o.colour for o in same}
    if len(colours) == 1 and None not in colours and rng.random() < 0.3:
        name = f"{same[0].colour} {name}"
    phrase = rng.choice(("the {n}", "all {n}", "all the {n}", "{n}", "every one of the {n}")).format(n=name)
    return phrase, [o.box for o in same], True


_WAYS: dict[Callable[[Sample, random.Random], Reference | None], float] = {
    _by_name: 0.36,
    _by_colour: 0.14,
    _by_colour_alone: 0.06,
    _by_position: 0.1,
    _by_size: 0.07,
    _by_relation: 0.07,
    _by_text: 0.05,
    _text_itself: 0.04,
    _all_of_a_kind: 0.11,
}
"""Ways of referring with their share."""
