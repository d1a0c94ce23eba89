"""Trains what tells a photograph from a drawing: a logistic regression on the trunk's features of the whole picture.

Photographs come from a Debian package of a children's game: tools, fish, windmills, monuments. Those of its animals and
musicians are left for evaluation. Everything this repository draws is the other class.
"""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from conlora_agent.backbone.nano.processing import pixels_of
from conlora_agent.backbone.nano.vision import NanoVision
from conlora_agent.training.checkpoints import keep
from conlora_agent.training.fetching import unpacked
from conlora_agent.training.studio import DrawingStudio
from conlora_agent.training.vision import log

PACKAGE, VERSION, FOLDER = "gcompris-qt-data", "3.1-2", "usr/share/gcompris-qt/rcc"
"""GCompris (AGPL-3; the photographs CC BY-SA and public domain)."""
TRAIN, HELDOUT = (
    ("categorization", "explore_monuments"),
    ("explore_farm_animals", "explore_world_animals", "explore_world_music"),
)
SMALLEST = 160
"""Pixels of the longer side; less is an icon."""
VIEWS, DRAWN = 12, 2400
"""Different parts of each photograph, and pictures drawn."""
DECAY = 1e-3


def photographs(files: tuple[str, ...], cache: Path) -> Iterator[Image.Image]:
    """The photographs in some of the game's resource files. Raises Failure where they cannot be fetched."""
    with unpacked(PACKAGE, VERSION, cache) as folder:
        for name in files:
            yield from _pictures_in((folder / FOLDER / f"{name}.rcc").read_bytes())


def _pictures_in(data: bytes) -> Iterator[Image.Image]:
    """Whatever of a Qt resource file reads as a picture: its files lie there one after the other as they are."""
    for match in re.finditer(rb"RIFF....WEBP|\x89PNG\r\n|\xff\xd8\xff[\xe0\xe1]", data, re.DOTALL):
        try:
            picture = Image.open(io.BytesIO(data[match.start() :])).convert("RGB")
        except (OSError, ValueError, SyntaxError):
            continue
        if max(picture.size) >= SMALLEST:
            yield picture


def train(model: NanoVision, area: int, cache: Path, out: Path, seed: int) -> None:
    """Fit the gate of `model`, which shows pictures on canvases of `area` pixels, and save it."""
    rng, studio = random.Random(seed), DrawingStudio.open()
    taken = [_part(rng, picture) for picture in photographs(TRAIN, cache) for _ in range(VIEWS)]
    drawn = [Image.fromarray(studio.mixture(rng, (256, 256)).picture) for _ in range(DRAWN)]
    seen = torch.cat([_features(model, picture, area) for picture in (*taken, *drawn)])
    fit(model, seen, torch.tensor([1.0] * len(taken) + [0.0] * len(drawn)))
    held = torch.cat([_features(model, picture, area) for picture in photographs(HELDOUT, cache)])
    others = DrawingStudio.open("heldout")
    made = [Image.fromarray(others.mixture(rng, (256, 256)).picture) for _ in range(DRAWN // 8)]
    wrong = torch.cat([_features(model, picture, area) for picture in made])
    log(
        stage="photographs",
        heldout_photographs=round(float((model.photographs.gate(held) > 0).float().mean()), 4),
        heldout_drawings=round(float((model.photographs.gate(wrong) < 0).float().mean()), 4),
    )
    keep(out / "photographs.pt", model.photographs.gate.state_dict())


def _part(rng: random.Random, picture: Image.Image) -> Image.Image:
    """Half of a photograph or more, perhaps mirrored."""
    share = rng.uniform(0.5, 1.0)
    width, height = (max(32, round(side * share)) for side in picture.size)
    left, top = rng.randint(0, max(0, picture.width - width)), rng.randint(0, max(0, picture.height - height))
    part = picture.crop((left, top, left + width, top + height))
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else part


@torch.no_grad()
def _features(model: NanoVision, picture: Image.Image, area: int) -> Tensor:
    return model.photographs.features(model.low(pixels_of(picture, area)[0]).coarse)


def fit(model: NanoVision, seen: Tensor, photograph: Tensor) -> None:
    """Fit the gate to features (n, size) and labels (n,) 0 or 1, both classes weighing the same."""
    mean, spread = seen.mean(0), seen.std(0).clamp(min=1e-3)
    standard = (seen - mean) / spread
    weight = torch.where(photograph > 0, 1 / photograph.mean(), 1 / (1 - photograph.mean()))
    line = torch.zeros(seen.shape[1] + 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([line], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = standard @ line[:-1] + line[-1]
        value = F.binary_cross_entropy_with_logits(logits, photograph, weight) + DECAY * line[:-1].square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    with torch.no_grad():
        model.photographs.gate.weight.copy_((line[:-1] / spread)[None])
        model.photographs.gate.bias.copy_(line[-1:] - (line[:-1] * mean / spread).sum())
