"""What the second look takes drawn objects for: what a caption to learn from says of them.

Told scenes (draw/told.py) are described as they are told, doubts included. Drawn ones must be, too, or a stack would
learn to tell the two apart, and to guess wherever there are pixels.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import torch

from conlora_agent.backbone.nano.configuration import NanoConfig
from conlora_agent.backbone.nano.tokens import names_told
from conlora_agent.backbone.nano.vision import NanoVision
from conlora_agent.training.draw.sample import DrawnObject, Sample
from conlora_agent.training.studio import DrawingStudio


class SeeingStudio:
    """A studio whose captions of drawn scenes call things what `vision` takes them for."""

    def __init__(self, studio: DrawingStudio, config: NanoConfig, vision: NanoVision) -> None:
        self.studio, self.config, self.vision = studio, config, vision

    def __getattr__(self, name: str) -> Any:
        return getattr(self.studio, name)

    def caption(self, sample: Sample, rng: random.Random) -> str:
        """As the studio's, of what is seen."""
        if sample.objects and "seen" not in sample.facts:
            sample.facts["seen"] = self.seen(sample)
        return self.studio.caption(sample, rng)

    @torch.no_grad()
    def seen(self, sample: Sample) -> list[DrawnObject]:
        """The objects of a drawn scene under the names and colours that are told of them."""
        height, width = sample.picture.shape[:2]
        pixels = torch.from_numpy(sample.picture.copy()).permute(2, 0, 1)[None].float() / 255
        boxes = [
            (x0 / width, y0 / height, x1 / width, y1 / height) for x0, y0, x1, y1 in (o.box for o in sample.objects)
        ]
        (found,) = self.vision.look(self.vision.low.trunk, pixels, [boxes])
        colours = found.colour.argmax(-1).tolist()
        return [
            replace(
                item,
                name=self.config.names[name],
                also=tuple(self.config.names[k] for k in also),
                colour=self.config.colours[colour] if colour else None,
            )
            for item, (name, *also), colour in zip(sample.objects, names_told(found.name), colours, strict=True)
        ]
