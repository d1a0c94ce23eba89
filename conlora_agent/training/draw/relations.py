"""Geometry of a scene in words: which part of the picture, left of, above, larger; only where it is beyond doubt."""

from __future__ import annotations

from conlora_agent.core.types import Box
from conlora_agent.training.draw.language import alike
from conlora_agent.training.draw.sample import DrawnObject, PixelBox, Sample, TextLine
from conlora_agent.wording import CLEARLY_LARGER, part_of_picture, size_told

RELATIONS = ("to the left of", "to the right of", "above", "below")
OPPOSITE = dict(zip(RELATIONS, ("to the right of", "to the left of", "below", "above"), strict=True))
UNCLEAR = ((0.34, 0.42), (0.58, 0.66))
"""Shares of the width or height at which people might say one part of the picture or the next."""


def centre(item: DrawnObject | TextLine) -> tuple[float, float]:
    """Middle of the box, pixels."""
    x0, y0, x1, y1 = item.box
    return (x0 + x1) / 2, (y0 + y1) / 2


def area(item: DrawnObject) -> float:
    """Pixels of the box."""
    x0, y0, x1, y1 = item.box
    return (x1 - x0) * (y1 - y0)


def clearly_larger(a: DrawnObject, b: DrawnObject) -> bool:
    """Whether nobody would argue that `a` is the larger of the two."""
    return area(a) >= CLEARLY_LARGER * area(b)


def size(sample: Sample, item: DrawnObject) -> str:
    """How large it is, as it is told."""
    return size_told(share(item.box, sample))


def share(box: PixelBox, sample: Sample) -> Box:
    """A box in pixels as shares of the picture."""
    height, width = sample.picture.shape[:2]
    x0, y0, x1, y1 = box
    return x0 / width, y0 / height, x1 / width, y1 / height


def called(item: DrawnObject) -> str:
    """The name with its colour word where it has one: "red car". An orange is not called orange orange."""
    return f"{item.colour} {item.name}" if item.colour and item.colour != item.name else item.name


def left_to_right(sample: Sample) -> list[DrawnObject]:
    """All objects by the middle of their boxes."""
    return sorted(sample.objects, key=centre)


def singles(sample: Sample) -> list[DrawnObject]:
    """Objects that their name alone points to: nothing else in the scene is alike."""
    return [a for a in sample.objects if not any(b is not a and alike(a.name, b.name) for b in sample.objects)]


def of_name(sample: Sample, name: str) -> list[DrawnObject] | None:
    """All objects of that name, None when something else is alike and the name would be ambiguous."""
    others = [o for o in sample.objects if o.name != name]
    return None if any(alike(o.name, name) for o in others) else [o for o in sample.objects if o.name == name]


def region(sample: Sample, item: DrawnObject, *, clear: bool = True) -> str | None:
    """Part of the picture the object's middle is in, a key of WHERE; with `clear` None near a border of parts."""
    height, width = sample.picture.shape[:2]
    x, y = centre(item)
    shares = x / width, y / height
    if clear and any(low < share < high for share in shares for low, high in UNCLEAR):
        return None
    return part_of_picture(*shares)


def relation(a: DrawnObject, b: DrawnObject) -> str | None:
    """Where `a` is seen from `b`, one of RELATIONS, None when no direction clearly prevails."""
    (ax, ay), (bx, by) = centre(a), centre(b)
    dx, dy = ax - bx, ay - by
    gap_x = max(a.box[0] - b.box[2], b.box[0] - a.box[2])
    gap_y = max(a.box[1] - b.box[3], b.box[1] - a.box[3])
    if abs(dx) > 1.3 * abs(dy) and gap_x > -4:
        return RELATIONS[0] if dx < 0 else RELATIONS[1]
    if abs(dy) > 1.3 * abs(dx) and gap_y > -4:
        return RELATIONS[2] if dy < 0 else RELATIONS[3]
    return None
