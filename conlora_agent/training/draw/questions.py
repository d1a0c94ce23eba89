"""What can be said and asked about a scene: captions, questions with answers, referring phrases with boxes.

All of it follows from the sample's labels, and the same generator state gives the same words. A question is asked only
when its answer is beyond doubt: nothing alike beside it, a clear distance, a clear difference in size.
"""

from __future__ import annotations

import dataclasses
import random
from collections import Counter

from conlora_agent.training.draw import phrasings, referring, relations
from conlora_agent.training.draw.asking import KINDS, Asked
from conlora_agent.training.draw.language import countable, counted, listed, plural, with_article
from conlora_agent.training.draw.phrasings import Split
from conlora_agent.training.draw.sample import DrawnObject, PixelBox, Sample
from conlora_agent.wording import WHERE


def caption(sample: Sample, rng: random.Random, split: Split = "train", *, detailed: bool = False) -> str:
    """One fluent sentence naming everything, left to right; `detailed` adds where each thing is."""
    items = relations.left_to_right(sample)
    if not items:
        return f'The text "{sample.lines[0].text}".' if sample.lines else "An empty picture."
    if detailed:
        return _detailed(sample, items)
    parts = _grouped(items)
    frames = phrasings.CAPTIONS[split]
    frame = rng.choices([f for f, _ in frames], [share for _, share in frames])[0]
    place = sample.facts.get("place")
    verb = "are" if len(items) > 1 else "is"
    said = frame.format_map({"all": listed(parts), "place": f" on {place}" if place else "", "is": verb})
    return said[0].upper() + said[1:]


def ask(sample: Sample, rng: random.Random, split: Split = "train", kinds: tuple[str, ...] = ()) -> Asked:
    """A question of one of `kinds` (default: any) where the scene allows it, about presence where it does not."""
    wanted = [k for k in KINDS if k in kinds or not kinds]
    shares = [KINDS[k][1] for k in wanted]
    for _ in range(12):
        asked = KINDS[rng.choices(wanted, shares)[0]][0](sample, rng)
        if asked is not None:
            template = rng.choice(phrasings.VQA[asked.kind][split])
            return dataclasses.replace(asked, question=template.format_map(asked.words))
    return ask(sample, rng, split, ("presence",))


def grounding(sample: Sample, rng: random.Random, split: Split = "train") -> tuple[str, list[PixelBox]]:
    """A request for a place and the boxes it means; none when what is asked for is not there."""
    phrase, boxes, many = referring.refer(sample, rng)
    request = rng.choice(phrasings.REQUESTS[split])
    return (phrasings.plural_request(request) if many else request).format(p=phrase), boxes


def _grouped(items: list[DrawnObject]) -> list[str]:
    """Equal things once with their number, in order of appearance: "two red apples", "a sign that says GO". Of what is
    told in doubt the two likeliest names are said: "a blue cup or mug"."""
    counts = Counter((relations.called(i), i.name, i.also[:1], i.text) for i in items)
    parts = []
    for (words, name, also, text), number in counts.items():
        said = " or ".join([counted(number, words, name), *(_also(number, name, one) for one in also)])
        parts.append(f'{said} that {"says" if number == 1 else "say"} "{text}"' if text else said)
    return parts


def _also(number: int, name: str, other: str) -> str:
    """The second name of what is told first as `name`: its article serves both, where it has one."""
    if number > 1:
        return plural(other)
    return other if countable(name) and countable(other) else with_article(other, other)


def _detailed(sample: Sample, items: list[DrawnObject]) -> str:
    parts = []
    for item in items:
        said = counted(1, relations.called(item), item.name)
        said += f' that says "{item.text}"' if item.text else ""
        parts.append(f"{said} {WHERE[relations.region(sample, item, clear=False) or 'middle']}")
    said = listed(parts)
    place = sample.facts.get("place")
    return (
        said[0].upper()
        + said[1:]
        + (f", all on {place}." if place and len(parts) > 1 else f" on {place}." if place else ".")
    )
