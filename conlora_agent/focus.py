"""What the thread is about now: how steps change the focus, and what a request refers back to.

Pure functions over core.referents.Focus. Not covered here: the grammar (conlora_agent.phrases), tools' own follow-ups.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from conlora_agent.core.errors import BadInput
from conlora_agent.core.referents import (
    FOCUS_LIMIT,
    Focus,
    PictureReferent,
    Referent,
    RegionReferent,
    RequestReferent,
    TextReferent,
    ValueReferent,
)
from conlora_agent.core.types import Box, Step
from conlora_agent.phrases import PICTURE_NOUNS, bare, complete, head, noun_phrase, substitute_one, word_set, words

MAX_REGIONS = 8
"""Regions remembered of one step, the surest ones."""
MAX_REMEMBERED = 4000
"""Characters of a text or a tool's result that are remembered."""

MARKED = "marked region"
"""What a region is called that the user marked."""

PRONOUNS = word_set("it its he him his she her hers they them their theirs")
PLURALS = word_set("they them their theirs these those")
DEMONSTRATIVES = word_set("this that these those")
PLACES = word_set("there here")
REGION_NOUNS = word_set("one ones thing things object area part region spot place box")
WHOLE = word_set("everything all whole entire")

# After a demonstrative these show that it stands alone: "what does that say", "what is this in English".
_NO_NOUN = word_set(
    "is are was were say says said mean means read reads look looks do does in on at and or for from to into then "
    "please now"
)
_EXISTENTIAL = word_set("is are was were isn't aren't")


def add_picture(focus: Focus, image: str) -> Focus:
    """The focus once a picture came in, or was looked at as a whole."""
    return focus.add(PictureReferent(image=image))


def mark(focus: Focus, box: Box | None) -> Focus:
    """The focus once the user marked a region of the current picture. Raises BadInput when there is no picture."""
    if box is None:
        return focus
    if focus.picture is None:
        raise BadInput("a region was marked, but there is no picture", "send the picture, too")
    return focus.add(RegionReferent(image=focus.picture, box=box, label=MARKED))


def after_step(focus: Focus, step: Step, *, output: str = "text") -> Focus:
    """The focus once `step` was carried out. `output`: what the task writes ("text", "boxes", "labels", "json").

    A step that failed or asked back changes nothing.
    """
    if step.status not in ("ok", "abstained") or step.kind not in ("task", "tool"):
        return focus
    new: list[Referent] = [RequestReferent(route=step.route, request=step.request)]
    if step.kind == "tool" and step.status == "ok":
        value = _bounded(step.tool_result)
        new.append(ValueReferent(route=step.route, arguments=step.tool_args or {}, value=value))
    if step.kind == "task":
        new += [*_looked_at(step), *_read(step, output)]
    return _add(focus, new)


def _add(focus: Focus, new: Sequence[Referent]) -> Focus:
    """Add referents; of each route only the last request is kept, and the current picture is never the one dropped."""
    routes = {r.route for r in new if isinstance(r, RequestReferent)}
    kept = [r for r in focus.referents if not (isinstance(r, RequestReferent) and r.route in routes)]
    added = focus.model_copy(update={"referents": tuple(kept)}).add(*new)
    if added.picture is None and focus.picture is not None:
        picture = PictureReferent(image=focus.picture)
        return added.model_copy(update={"referents": (picture, *added.referents[1 - FOCUS_LIMIT :])})
    return added


def _bounded(value: Any) -> Any:
    """A tool's result if it is small; a large one as the beginning of its text."""
    text = json.dumps(value, ensure_ascii=False)
    return value if len(text) <= MAX_REMEMBERED else text[:MAX_REMEMBERED]


def _looked_at(step: Step) -> list[Referent]:
    """The regions found or looked into, the surest last; the whole picture when there was none."""
    if step.image is None:
        return []
    image = step.image
    regions = sorted(step.places, key=lambda region: region.score or 0.0)[-MAX_REGIONS:]
    found = [RegionReferent(image=image, box=region.box, label=region.label) for region in regions]
    return [*found] if found else [PictureReferent(image=image)]


def _read(step: Step, output: str) -> list[Referent]:
    if output == "boxes" or step.status != "ok" or not step.text:
        return []
    return [
        TextReferent(text=step.text[:MAX_REMEMBERED], image=step.image, box=step.places[0].box if step.places else None)
    ]


def complete_request(request: str, route: str, focus: Focus) -> str:
    """The request in full, where it leans on what was said before.

    A fragment ("and the red one?") takes the place of the noun phrase in the last request to the same route; "one"
    elsewhere ("read the red one") stands for the noun of the newest region or request.
    """
    asked = [r for r in reversed(focus.referents) if isinstance(r, RequestReferent)]
    same = next((r for r in asked if r.route == route), None)
    full = request if same is None else complete(request, same.request)
    label = focus.region.label if focus.region else ""
    named = label or next((phrase for r in asked if (phrase := noun_phrase(r.request))), None)
    return substitute_one(full, named) if named else full


def resolve_region(request: str, focus: Focus, used: Sequence[Step] = ()) -> RegionReferent | None:
    """The region of the current picture that `request` is about, None for the whole picture.

    In this order: the result of a step that this one uses; the picture, when the request names it; a region whose
    label the request names; the newest region, when nothing newer was looked at and the request refers back by a
    pronoun, a demonstrative or a place word. A plural refers to all regions found together: the box around them.
    """
    image = focus.picture
    if image is None:
        return None
    tokens = words(request)
    for step in reversed(used):
        if step.places and step.image == image:
            return _pick(_regions(step), tokens)
    regions = _newest_regions(focus, image)
    if _names_picture(tokens):
        return None
    if (named := _named(tokens, focus, image)) is not None:
        return named
    return _pick(regions, tokens) if regions and refers_back(request, regions[-1].label) else None


def refers_back(request: str, label: str = "") -> bool:
    """Whether a request has a word that stands for something said before. `label`: what that thing was called."""
    tokens = words(request)
    nouns = REGION_NOUNS | ({head(label).lower()} if label else set())
    for position, token in enumerate(tokens):
        before = tokens[position - 1] if position else ""
        after = tokens[position + 1] if position + 1 < len(tokens) else ""
        if token in PRONOUNS:
            return True
        if token in DEMONSTRATIVES and (not after or after in _NO_NOUN or after in nouns):
            return True
        if token in PLACES and before not in _EXISTENTIAL and not (position == 0 and after in _EXISTENTIAL):
            return True
    return False


def _names_picture(tokens: Sequence[str]) -> bool:
    return any(token in PICTURE_NOUNS or token in WHOLE for token in tokens)


def _named(tokens: Sequence[str], focus: Focus, image: str) -> RegionReferent | None:
    text = f" {' '.join(tokens)} "
    for referent in reversed(focus.referents):
        if isinstance(referent, RegionReferent) and referent.image == image:
            label = bare(referent.label)
            if label and f" {label} " in text:
                return referent
    return None


def _regions(step: Step) -> list[RegionReferent]:
    assert step.image is not None
    ranked = sorted(step.places, key=lambda region: region.score or 0.0)
    return [RegionReferent(image=step.image, box=region.box, label=region.label) for region in ranked]


def _newest_regions(focus: Focus, image: str) -> list[RegionReferent]:
    """The regions of `image` that were found last and together, best last; none when a picture was looked at since."""
    group: list[RegionReferent] = []
    for referent in reversed(focus.referents):
        if isinstance(referent, PictureReferent):
            break
        if isinstance(referent, RegionReferent):
            if referent.image != image or (group and referent.label != group[0].label):
                break
            group.insert(0, referent)
    return group


def _pick(regions: Sequence[RegionReferent], tokens: Sequence[str]) -> RegionReferent:
    best = regions[-1]
    if len(regions) > 1 and any(token in PLURALS for token in tokens):
        return best.model_copy(update={"box": enclosing([region.box for region in regions])})
    return best


def enclosing(boxes: Sequence[Box]) -> Box:
    """The smallest box around all of `boxes`."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return (min(x0), min(y0), max(x1), max(y1))
