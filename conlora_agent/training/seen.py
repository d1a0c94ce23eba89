"""What the vision layers take drawn scenes for: what a caption to learn from says of them.

Told scenes (draw/told.py) are described as they are told, doubts included. Drawn ones must be, too, or a stack would
learn to tell the two apart, and to guess wherever there are pixels.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import torch

from adapters.exercise import Studio
from conlora_agent.backbone.nano.configuration import NanoConfig
from conlora_agent.backbone.nano.photographs import vocabulary
from conlora_agent.backbone.nano.points import OVERLAP, iou
from conlora_agent.backbone.nano.tokens import SURE, names_told
from conlora_agent.backbone.nano.vision import NanoVision
from conlora_agent.training.draw.relations import share
from conlora_agent.training.draw.sample import DrawnObject, Sample


class SeeingStudio:
    """A studio whose captions of drawn scenes say what `vision` sees."""

    def __init__(self, studio: Studio, config: NanoConfig, vision: NanoVision) -> None:
        self.studio, self.vision = studio, vision
        self.names, self.colours = vocabulary(config.names), config.colours

    def __getattr__(self, name: str) -> Any:
        return getattr(self.studio, name)

    def caption(self, sample: Sample, rng: random.Random) -> str:
        """As the studio's, of what is seen."""
        if sample.objects and "seen" not in sample.facts:
            sample.facts["seen"] = self.seen(sample)
        return self.studio.caption(sample, rng)

    @torch.no_grad()
    def seen(self, sample: Sample) -> list[DrawnObject]:
        """The objects of a drawn scene that are found, under the names and colours that are told of them, with their
        text where it is."""
        height, width = sample.picture.shape[:2]
        sight = self.vision(torch.from_numpy(sample.picture.copy()).permute(2, 0, 1)[None].float() / 255)
        points, found, written = sight.points[0], sight.seen[0], sight.written[0]
        names, colours = names_told(found.name), found.colour.argmax(-1).tolist()
        read = [any(written[k].confidence >= SURE for k in lines) for lines in points.lines_on(width, height)]
        free, things = set(range(len(points.boxes))), []
        for item in sample.objects:
            box = share(item.box, sample)
            k = max(free, key=lambda k: iou(points.boxes[k], box), default=None)
            if k is None or iou(points.boxes[k], box) < OVERLAP:
                continue
            free.remove(k)
            name, *also = (self.names[label] for label in names[k])
            colour = self.colours[colours[k]] if colours[k] else None
            text = item.text if read[k] else None
            things.append(replace(item, name=name, also=tuple(also), colour=colour, text=text))
        return things
